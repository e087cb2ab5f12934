"""Rows are written from RFC 9110, 13.2.2, 14 and 15, and RFC 6266."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import model
from server.model import Video
from server.video.guess import guess_first
from server.video.plan import (
    ANY_ORIGIN,
    Plan,
    Representation,
    plan_error,
    plan_representation,
    plan_video,
    render_disposition,
)
from tests.wire import fields

SIZE = 100
VIDEO = Video(5, "run_person.mp4", "video/mp4", SIZE, 784111777)
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
SAME, OTHER = '"video-5"', '"video-6"'
BOUNDARY = "frontier"

STATUS: list[tuple[str, dict[str, str], int]] = [
    ("GET", {}, 200),
    ("HEAD", {}, 200),
    # Range
    ("GET", {"Range": "bytes=0-1"}, 206),
    ("GET", {"Range": "bytes=0-"}, 206),
    ("GET", {"Range": "bytes=0-99"}, 206),
    ("GET", {"Range": "bytes=100-"}, 416),
    ("GET", {"Range": "bytes=-0"}, 416),
    ("GET", {"Range": "bytes=5-4"}, 200),
    ("GET", {"Range": "items=0-5"}, 200),
    ("GET", {"Range": ""}, 200),
    ("HEAD", {"Range": "bytes=0-1"}, 200),
    ("HEAD", {"Range": "bytes=100-"}, 200),
    # If-Match, then If-Unmodified-Since
    ("GET", {"If-Match": SAME}, 200),
    ("GET", {"If-Match": OTHER}, 412),
    ("HEAD", {"If-Match": OTHER}, 412),
    ("GET", {"If-Match": SAME, "If-Unmodified-Since": EARLIER}, 200),
    ("GET", {"If-Match": OTHER, "If-Unmodified-Since": LATER}, 412),
    ("GET", {"If-Unmodified-Since": EARLIER}, 412),
    ("GET", {"If-Unmodified-Since": DATE}, 200),
    ("GET", {"If-Unmodified-Since": "soon"}, 200),
    ("GET", {"If-Match": OTHER, "If-None-Match": SAME}, 412),
    # If-None-Match, then If-Modified-Since
    ("GET", {"If-None-Match": SAME}, 304),
    ("HEAD", {"If-None-Match": SAME}, 304),
    ("GET", {"If-None-Match": "*"}, 304),
    ("GET", {"If-None-Match": f"W/{SAME}"}, 304),
    ("GET", {"If-None-Match": OTHER}, 200),
    ("GET", {"If-None-Match": OTHER, "If-Modified-Since": DATE}, 200),
    ("GET", {"If-None-Match": SAME, "If-Modified-Since": EARLIER}, 304),
    ("GET", {"If-Modified-Since": DATE}, 304),
    ("GET", {"If-Modified-Since": LATER}, 304),
    ("GET", {"If-Modified-Since": EARLIER}, 200),
    ("GET", {"If-Modified-Since": "soon"}, 200),
    # conditions come before ranges
    ("GET", {"If-None-Match": SAME, "Range": "bytes=0-1"}, 304),
    ("GET", {"If-None-Match": SAME, "Range": "bytes=100-"}, 304),
    ("GET", {"If-Match": OTHER, "Range": "bytes=0-1"}, 412),
    ("GET", {"If-Match": SAME, "Range": "bytes=0-1"}, 206),
    ("GET", {"If-None-Match": OTHER, "Range": "bytes=0-1"}, 206),
    # If-Range
    ("GET", {"If-Range": SAME, "Range": "bytes=0-1"}, 206),
    ("GET", {"If-Range": OTHER, "Range": "bytes=0-1"}, 200),
    ("GET", {"If-Range": f"W/{SAME}", "Range": "bytes=0-1"}, 200),
    ("GET", {"If-Range": DATE, "Range": "bytes=0-1"}, 206),
    ("GET", {"If-Range": LATER, "Range": "bytes=0-1"}, 200),
    ("GET", {"If-Range": "", "Range": "bytes=0-1"}, 200),
    ("GET", {"If-Range": OTHER, "Range": "bytes=100-"}, 200),
    ("GET", {"If-Range": SAME, "Range": "bytes=100-"}, 416),
    ("GET", {"If-Range": SAME}, 200),
]


@pytest.mark.parametrize(("method", "asked", "status"), STATUS)
def test_status_follows_the_order_of_the_rfc(
    method: str, asked: dict[str, str], status: int
) -> None:
    assert plan_video(method, asked, VIDEO, BOUNDARY).status == status


def test_whole_video_has_every_header_of_the_contract() -> None:
    plan = plan_video("GET", {}, VIDEO, BOUNDARY)
    assert fields(plan) == {
        "Content-Type": "video/mp4",
        "Content-Length": "100",
        "Cache-Control": "public, max-age=31536000, immutable",
        "Accept-Ranges": "bytes",
        "ETag": '"video-5"',
        "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT",
        "Content-Disposition": 'inline; filename="run_person.mp4"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Tag": "video-5",
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": (
            "Content-Length, Content-Range, Accept-Ranges, ETag"
        ),
    }
    assert plan.body == [range(100)]


CONDITIONS = [
    ({}, 200),
    ({"If-Modified-Since": DATE}, 200),
    ({"If-Unmodified-Since": DATE}, 200),
    ({"If-Range": DATE, "Range": "bytes=0-1"}, 200),
    ({"If-Range": "", "Range": "bytes=0-1"}, 200),
    ({"If-Range": SAME, "Range": "bytes=0-1"}, 206),
    ({"If-None-Match": SAME}, 304),
]


@pytest.mark.parametrize(("asked", "status"), CONDITIONS)
def test_video_without_a_date_tells_none(asked: dict[str, str], status: int) -> None:
    plan = plan_video("GET", asked, VIDEO._replace(modified=None), BOUNDARY)
    assert plan.status == status
    assert "Last-Modified" not in fields(plan)


def test_date_to_come_is_that_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 784111777.9
    monkeypatch.setattr(model, "_find_time", lambda: now)
    video = VIDEO._replace(modified=8_640_000_000_000)
    for asked in ({}, {"If-None-Match": SAME}, {"Range": "bytes=0-1"}):
        now = 784111777.9
        plan = plan_video("GET", asked, video, BOUNDARY)
        assert fields(plan)["Last-Modified"] == DATE
        now += 1
        plan = plan_video("GET", asked, video, BOUNDARY)
        assert fields(plan)["Last-Modified"] == LATER
    since = plan_video("GET", {"If-Modified-Since": LATER}, video, BOUNDARY)
    assert since.status == 200


def test_part_says_where_it_lies() -> None:
    plan = plan_video("GET", {"Range": "bytes=10-19"}, VIDEO, BOUNDARY)
    assert fields(plan)["Content-Range"] == "bytes 10-19/100"
    assert fields(plan)["Content-Length"] == "10"
    assert plan.body == [range(10, 20)]


def test_head_says_what_get_would_and_sends_nothing() -> None:
    head = plan_video("HEAD", {"Range": "bytes=0-1"}, VIDEO, BOUNDARY)
    assert fields(head) == fields(plan_video("GET", {}, VIDEO, BOUNDARY))
    assert head.body == ()
    missing = plan_video("HEAD", {}, None, BOUNDARY)
    assert fields(missing) == fields(plan_video("GET", {}, None, BOUNDARY))
    assert missing.body == ()


def test_not_modified_repeats_what_a_cache_must_renew() -> None:
    plan = plan_video("GET", {"If-None-Match": SAME}, VIDEO, BOUNDARY)
    assert plan.body == ()
    assert "Content-Length" not in fields(plan)
    for name in ("ETag", "Cache-Control", "Last-Modified", "Cache-Tag"):
        assert name in fields(plan)


@pytest.mark.parametrize(
    ("video", "asked", "status"),
    [
        (None, {}, 404),
        (VIDEO, {"If-Match": OTHER}, 412),
        (VIDEO, {"Range": "bytes=100-"}, 416),
    ],
)
def test_error_is_one_sentence_that_nobody_keeps(
    video: Video | None, asked: dict[str, str], status: int
) -> None:
    plan = plan_video("GET", asked, video, BOUNDARY)
    (body,) = plan.body
    assert isinstance(body, bytes)
    assert plan.status == status
    assert body.startswith(b'{"error": "')
    assert fields(plan)["Content-Length"] == str(len(body))
    assert fields(plan)["Content-Type"] == "application/json; charset=utf-8"
    assert fields(plan)["Cache-Control"] == "no-store"
    assert "ETag" not in fields(plan)


def test_unsatisfiable_range_is_told_the_size() -> None:
    plan = plan_video("GET", {"Range": "bytes=100-"}, VIDEO, BOUNDARY)
    assert fields(plan)["Content-Range"] == "bytes */100"


def test_several_ranges_are_parts_with_an_exact_length() -> None:
    plan = plan_video("GET", {"Range": "bytes=90-99,0-9"}, VIDEO, BOUNDARY)
    data = bytes(range(100))
    sent = b"".join(
        piece if isinstance(piece, bytes) else data[piece.start : piece.stop]
        for piece in plan.body
    )
    assert sent == (
        b"\r\n--frontier\r\nContent-Type: video/mp4\r\n"
        b"Content-Range: bytes 90-99/100\r\n\r\n" + data[90:] + b"\r\n--frontier\r\n"
        b"Content-Type: video/mp4\r\nContent-Range: bytes 0-9/100\r\n\r\n"
        + data[:10]
        + b"\r\n--frontier--\r\n"
    )
    assert plan.status == 206
    assert fields(plan)["Content-Type"] == "multipart/byteranges; boundary=frontier"
    assert fields(plan)["Content-Length"] == str(len(sent))
    assert "Content-Range" not in fields(plan)


def test_more_than_sixteen_parts_are_the_whole_video() -> None:
    def plan_status(count: int) -> int:
        ranges = ",".join(f"{n}-{n}" for n in range(0, 2 * count, 2))
        return len(
            plan_video("GET", {"Range": f"bytes={ranges}"}, VIDEO, BOUNDARY).body
        )

    assert plan_status(16) == 33
    assert plan_status(17) == 1


def test_one_range_left_of_several_is_a_plain_part() -> None:
    for asked in ("bytes=0-4,5-9", "bytes=0-9,200-", "bytes=3-4,0-9"):
        plan = plan_video("GET", {"Range": asked}, VIDEO, BOUNDARY)
        assert fields(plan)["Content-Range"] == "bytes 0-9/100"
        assert plan.body == [range(10)]


@pytest.mark.parametrize("asked", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-"])
def test_empty_video_has_no_ranges(asked: str) -> None:
    plan = plan_video("GET", {"Range": asked}, VIDEO._replace(size=0), BOUNDARY)
    assert (plan.status, fields(plan)["Content-Length"]) == (200, "0")


def test_unknown_type_is_not_passed_on() -> None:
    plan = plan_video("GET", {}, VIDEO._replace(mime_type="text/html"), BOUNDARY)
    assert fields(plan)["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("a b.mp4", 'inline; filename="a b.mp4"'),
        (
            'a"b.mp4',
            "inline; filename=\"a_b.mp4\"; filename*=UTF-8''a%22b.mp4",
        ),
        ("a\\b", "inline; filename=\"a_b\"; filename*=UTF-8''a%5Cb"),
        ("50%41", "inline; filename=\"50_41\"; filename*=UTF-8''50%2541"),
        ("é.mp4", "inline; filename=\"_.mp4\"; filename*=UTF-8''%C3%A9.mp4"),
        ("漂亮", "inline; filename=\"__\"; filename*=UTF-8''%E6%BC%82%E4%BA%AE"),
        ("a\r\nX: y", "inline; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
    ],
)
def test_file_name_is_written_by_rfc_6266(filename: str, header: str) -> None:
    assert render_disposition(filename) == header


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_any_file_name_is_one_safe_line(filename: str) -> None:
    header = render_disposition(filename)
    assert header.isascii()
    assert header.isprintable()
    if "filename*=" in header:
        assert unquote(header.partition("UTF-8''")[2]) == filename
    else:
        assert header == f'inline; filename="{filename}"'


names = st.sampled_from(
    ["Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since"]
)
values = st.sampled_from(
    [SAME, OTHER, f"W/{SAME}", "*", DATE, EARLIER]
) | st.from_regex(r"bytes=([0-9٣]{0,3}-[0-9]{0,3},? ?){1,20}", fullmatch=True)


@given(
    st.sampled_from(["GET", "HEAD"]),
    st.dictionaries(names, values),
    st.integers(0, 300),
)
def test_any_plan_is_sound(method: str, asked: dict[str, str], size: int) -> None:
    plan = plan_video(method, asked, VIDEO._replace(size=size), BOUNDARY)
    assert plan.status in {200, 206, 304, 412, 416}
    length = sum(map(len, plan.body))
    spans = [piece for piece in plan.body if isinstance(piece, range)]
    assert all(0 <= span.start < span.stop <= size for span in spans) or size == 0
    assert sum(map(len, spans)) <= size
    if method == "GET" and plan.status != 304:
        assert fields(plan)["Content-Length"] == str(length)
    assert ("Content-Range" in fields(plan)) == (
        plan.status == 416 or (plan.status == 206 and len(plan.body) <= 1)
    )
    if method == "HEAD":
        assert length == 0
        assert plan.status not in {206, 416}


def test_too_many_ranges_get_a_416_for_which_nothing_is_read() -> None:
    asked = {"Range": "bytes=" + ",".join(["0-1"] * 8000)}
    assert plan_video("GET", asked, VIDEO, BOUNDARY).status == 416
    assert guess_first("GET", asked) == (0, 0)


def test_file_made_of_a_video_has_its_own_headers() -> None:
    caching = {"Cache-Control": "max-age=60", "Vary": "Accept-Encoding"}
    about = {"Content-Encoding": "gzip"}
    made = Representation("The list", 10, '"list"', None, "text/x", caching, about)
    plan = plan_representation("GET", {"Range": "bytes=8-"}, made, BOUNDARY)
    assert (plan.status, plan.body) == (206, [range(8, 10)])
    assert fields(plan) == {
        "Content-Length": "2",
        "Content-Range": "bytes 8-9/10",
        "Accept-Ranges": "bytes",
        "ETag": '"list"',
        **caching,
        **ANY_ORIGIN,
        "Content-Type": "text/x",
        **about,
        "X-Content-Type-Options": "nosniff",
    }
    plan = plan_representation("GET", {"If-None-Match": '"list"'}, made, BOUNDARY)
    assert (plan.status, list(plan.body)) == (304, [])
    assert fields(plan) == {
        "Accept-Ranges": "bytes",
        "ETag": '"list"',
        **caching,
        **ANY_ORIGIN,
    }
    plan = plan_representation("HEAD", {"If-Match": '"other"'}, made, BOUNDARY)
    assert (plan.status, list(plan.body)) == (412, [])


def test_error_may_have_a_code() -> None:
    plan = plan_error(404, "It is cut short.", code="cut")
    assert plan.body == [b'{"error": "It is cut short.", "code": "cut"}']


def test_spread_ranges_go_out_as_what_they_consist_of() -> None:
    def spread(span: range) -> list[bytes | range]:
        return [b"head", range(span.start * 10, span.stop * 10)]

    plan = Plan(206, {}, [b"a", range(2, 4), range(0), b"b"], "", spread)
    assert list(plan.pieces()) == [b"a", b"head", range(20, 40), b"b"]
    assert plan.body_bytes == 4
