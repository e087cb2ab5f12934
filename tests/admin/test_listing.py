"""The admin's routes: who is let in, what they list, link and delete."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from server.admin.token import (
    ADDRESSES_MAX,
    ALL_FAILURES_MAX,
    FAILURES_MAX,
    Access,
    Failures,
    parse_bearer,
    widen_address,
)
from server.api.errors import Refused
from server.cli import build_parser
from server.postgres import migrations
from server.routes import ROUTES
from tests.admin.client import TOKEN, Admin, serving_admin
from tests.api.test_openapi import serving
from tests.conftest import undo_migrations
from tests.postgres.test_schema import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
VIDEO = "/v3/admin/videos"


@pytest.fixture(scope="module")
def admin(
    cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Admin]:
    """Yield a server that all tests share."""
    spool = tmp_path_factory.mktemp("spool")
    with serving_admin(cluster, template, "admin", spool) as admin:
        yield admin


@pytest.fixture
def words(admin: Admin) -> Iterator[Admin]:
    """Yield it with three videos, a word for two of its learners, and a question."""
    run(
        admin.database_url,
        """
        INSERT INTO videos (id, filename, video_data, duration_seconds)
        VALUES (1, 'wave_a.mp4', 'a', 3),
               (2, 'wave_b.mp4', 'bb', NULL),
               (3, 'other.mp4', 'ccc', 9);
        INSERT INTO definitions (
               id, word, definition_text, learning_language, native_language, video_id)
        VALUES (10, 'wave', '波', 'en', 'zh', 1),
               (11, 'wave', 'onda', 'en', 'es', NULL),
               (12, 'Wahl', 'choice', 'de', 'en', 2);
        INSERT INTO definition_videos VALUES (10, 1, 2), (10, 2, 3);
        INSERT INTO test_questions (
               id, definition_id, question_text, choices, correct_answer, video_id)
        VALUES (20, 10, '?', '[]', 'A', 1);
        INSERT INTO thumbnails (video_id, mime_type, width, height, image)
        VALUES (1, 'image/jpeg', 1, 1, 'x');
        INSERT INTO video_views
        VALUES (1, (now() AT TIME ZONE 'UTC')::date, 5, 4, 3, 2),
               (1, '2026-01-01', 1, 1, 1, 1),
               (2, '2026-01-01', 7, 0, 0, 0);
        """,
    )
    yield admin
    run(
        admin.database_url,
        "TRUNCATE videos, definitions RESTART IDENTITY CASCADE",
    )


def list_names(admin: Admin, query: str = "") -> list[str]:
    answer = admin.ask("GET", f"{VIDEO}?{query}")
    assert answer.status == 200, answer
    return [video["filename"] for video in answer.body["videos"]]


# Who is let in


LANGUAGE = "/{language:[A-Za-z0-9-]{2,35}}"


def list_routes() -> list[tuple[str, str]]:
    return [
        (
            route.method,
            re.sub(r"\{\w+:.*?\}(?=/|$)", "1", route.path.replace(LANGUAGE, "/en")),
        )
        for route in ROUTES
        if route.path.startswith("/v3/admin/")
    ]


def test_no_admin_route_is_open(tmp_path: Path) -> None:
    with serving(NOWHERE) as address:
        unset = Admin(int(address.rpartition(":")[2]), "", tmp_path)
        for method, path in list_routes():
            answer = unset.ask(method, path, b"x")
            assert (answer.status, "BYTEREEL_ADMIN_TOKEN" in answer.error) == (
                403,
                True,
            )
        page = unset.ask("GET", "/admin", token=None)
        assert (page.status, b'data-state="unset"' in page.body) == (200, True)
    with serving(NOWHERE, admin_token=TOKEN, spool=tmp_path) as address:
        strict = Admin(int(address.rpartition(":")[2]), "", tmp_path)
        for method, path in list_routes():
            answer = strict.ask(method, path, b"x", token=None)
            assert (answer.status, "Bearer" in answer.error) == (401, True)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert "Access-Control-Allow-Origin" not in answer.headers
        page = strict.ask("GET", "/admin", token=None)
        assert (page.status, b'data-state="set"' in page.body) == (200, True)
        assert TOKEN.encode() not in page.body
        for _ in range(FAILURES_MAX):
            assert strict.ask("GET", VIDEO, token="wröng").status == 401
        locked = strict.ask("GET", VIDEO)
        assert (locked.status, "wait" in locked.error) == (429, True)
        assert 1 <= int(locked.headers["Retry-After"]) <= 60


def test_database_that_is_away_is_a_sentence(tmp_path: Path) -> None:
    with serving(NOWHERE, admin_token=TOKEN, spool=tmp_path) as address:
        away = Admin(int(address.rpartition(":")[2]), "", tmp_path)
        for method, path, body in (
            ("GET", VIDEO, None),
            ("DELETE", f"{VIDEO}/1", None),
            ("POST", "/v3/admin/uploads?filename=a.mp4", b"not a video"),
        ):
            answer = away.ask(method, path, body)
            assert (answer.status, "database" in answer.error) == (503, True)
            assert "Retry-After" in answer.headers
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", b"abc"),
        ("bearer   abc ", b"abc"),
        ("Bearer ä", "ä".encode()),
        ("Bearer \udcff", b"\xff"),
        ("Basic abc", b""),
        ("abc", b""),
        ("", b""),
    ],
)
def test_bearer_is_parsed(header: str, token: bytes) -> None:
    assert parse_bearer(header) == token


@pytest.mark.parametrize(
    "given",
    [[], [""], ["Bearer"], ["Bearer "], [f"Bearer {TOKEN}x"], [f"Bearer {TOKEN}"] * 2],
)
def test_access_refuses_all_but_the_token(given: list[str]) -> None:
    access = Access(TOKEN)
    access.check([f"Bearer {TOKEN}"], "a", 0)
    with pytest.raises(Refused) as refused:
        access.check(given, "a", 0)
    assert refused.value.status == 401


def test_address_is_heard_again_after_a_minute() -> None:
    failures = Failures()
    for second in range(FAILURES_MAX):
        assert failures.measure_wait("a", second) == 0
        failures.note("a", second)
    assert failures.measure_wait("a", 10) == 50
    assert failures.measure_wait("b", 10) == 0
    assert failures.measure_wait("a", 60) == 0
    failures.note("a", 60)
    assert failures.measure_wait("a", 60) == 1
    assert failures.measure_wait("a", 1000) == 0


def test_limit_for_all_spares_who_never_failed() -> None:
    failures = Failures()
    for number in range(ALL_FAILURES_MAX):
        failures.note(f"a{number}", number / 100)
    assert failures.measure_wait("a0", 1) == 59
    assert failures.measure_wait("new", 1) == 0
    assert failures.measure_wait("a0", 61) == 0


def test_failures_are_bounded_in_memory() -> None:
    failures = Failures()
    for number in range(3 * ADDRESSES_MAX):
        failures.note(f"a{number}", 0)
    assert len(failures._by_address) == ADDRESSES_MAX
    assert f"a{3 * ADDRESSES_MAX - 1}" in failures._by_address


@pytest.mark.parametrize(
    ("client", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002::/64"),
        ("2001:db8:1:2::9", "2001:0db8:0001:0002::/64"),
        ("", ""),
    ],
)
def test_address_of_ipv6_is_its_network(client: str, address: str) -> None:
    assert widen_address(client) == address


@pytest.mark.parametrize(
    "token",
    ["short", "fifteen-letters", "with space in the middle", "ü" * 20, "a" * 201],
)
def test_poor_token_is_refused_and_not_repeated(
    token: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYTEREEL_ADMIN_TOKEN", token)
    with pytest.raises(SystemExit):
        build_parser().parse_args(["serve"])
    said = capsys.readouterr().err
    assert "a token must have 16 to 200 characters" in said
    assert token not in said


def test_token_comes_from_flag_or_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BYTEREEL_ADMIN_TOKEN", TOKEN)
    assert build_parser().parse_args(["demo"]).admin_token == TOKEN
    given = ["serve", "--admin-token", f"{TOKEN}2"]
    assert build_parser().parse_args(given).admin_token == f"{TOKEN}2"
    with pytest.raises(SystemExit):
        build_parser().parse_args(["serve", "--help"])
    assert TOKEN not in capsys.readouterr().out
    monkeypatch.delenv("BYTEREEL_ADMIN_TOKEN")
    assert build_parser().parse_args(["demo"]).admin_token == ""


# What they list


def test_overview_counts(words: Admin) -> None:
    found = words.ask("GET", "/v3/admin/overview").body
    health = found.pop("health")
    assert found.pop("table_bytes") > 0
    assert found == {
        "videos": 3,
        "bytes": 6,
        "levels": 0,
        "level_bytes": 0,
        "linked": 3,
        "unlinked": 0,
        "without_thumbnail": 2,
        "views_today": {"started": 5, "quarter": 4, "half": 3, "completed": 2},
    }
    assert re.fullmatch(r"\d+(\.\d+)*", health["database"])
    assert health["uptime_seconds"] >= 0
    assert set(health["connections"]) == {"open", "in_use", "waiting"}
    assert health["cache"]["limit_bytes"] == 16_000_000


def test_overview_of_nothing_is_zeros(admin: Admin) -> None:
    found = admin.ask("GET", "/v3/admin/overview").body
    assert (found["videos"], found["bytes"], found["linked"]) == (0, 0, 0)
    assert found["views_today"]["started"] == 0
    answer = admin.ask("GET", VIDEO).body
    assert answer == {"total": 0, "page": 1, "pages": 0, "videos": []}


def test_video_is_told_whole(words: Admin) -> None:
    [*_, listed] = words.ask("GET", f"{VIDEO}?sort=newest").body["videos"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", listed.pop("created_at"))
    assert listed == {
        "id": 1,
        "filename": "wave_a.mp4",
        "mime_type": "video/mp4",
        "bytes": 1,
        "duration_seconds": 3,
        "thumbnail": True,
        "levels": [],
        "links": 2,
        "views": 6,
    }
    found = words.ask("GET", f"{VIDEO}/1").body
    assert found["sha256"].startswith("ca978112ca1bbdcafac2")  # of "a"
    assert found["views"] == {"started": 6, "quarter": 5, "half": 4, "completed": 3}
    shown = {"word": "wave", "learning_language": "en", "native_language": "zh"}
    assert found["links"] == [
        {"kind": "definition", "id": 10, **shown, "videos": [1, 2, 3]},
        {"kind": "question", "id": 20, **shown, "videos": [1]},
    ]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", [3, 2, 1]),
        ("sort=newest", [3, 2, 1]),
        ("sort=oldest", [1, 2, 3]),
        ("sort=name", [3, 1, 2]),
        ("sort=size", [3, 2, 1]),
        ("sort=duration", [3, 1, 2]),
        ("sort=views", [2, 1, 3]),
        ("search=WAVE", [2, 1]),
        ("search=ave_", [2, 1]),
        ("search=%25", []),
        ("search=%5C", []),
        ("search=%27", []),
        ("search=%E2%80%AE", []),
        ("search=" + "a" * 255, []),
        ("page=2", []),
        ("filter=all&search=other", [3]),
    ],
)
def test_videos_are_sorted_and_found(words: Admin, query: str, ids: list[int]) -> None:
    answer = words.ask("GET", f"{VIDEO}?{query}")
    assert [video["id"] for video in answer.body["videos"]] == ids


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("flaw=codec", [2]),
        ("flaw=warning", [1]),
        ("flaw=any&sort=oldest", [1, 2]),
        ("flaw=none", []),
        ("flaw=unchecked", [3]),
        ("flaw=any&search=_b", [2]),
        ("flaw=%27", []),
    ],
)
def test_videos_are_found_by_their_flaws(
    words: Admin, query: str, ids: list[int]
) -> None:
    run(
        words.database_url,
        "DELETE FROM checks;"
        "INSERT INTO checks (video_id, rules, size_bytes, flaws)"
        """ VALUES (1, '1', 1, '[{"code": "hdr", "severity": "warning"}]'),"""
        """ (2, '1', 1, '[{"code": "codec", "severity": "fault"}]')""",
    )
    answer = words.ask("GET", f"{VIDEO}?{query}")
    assert [video["id"] for video in answer.body["videos"]] == ids
    assert answer.body["total"] == len(ids)


def test_older_schema_has_a_list_without_flaws(words: Admin) -> None:
    undo_migrations(words.database_url, "0011_create_checks")
    try:
        plain = words.ask("GET", VIDEO)
        answer = words.ask("GET", f"{VIDEO}?flaw=any")
    finally:
        migrations.apply(words.database_url)
    assert plain.body["total"] == 3
    assert answer.status == 503
    assert "bytereel migrate" in answer.error


def test_pages_are_of_fifty_and_of_what_nothing_shows(words: Admin) -> None:
    run(
        words.database_url,
        "INSERT INTO videos (id, filename, video_data)"
        " SELECT n, n || '_50%.mp4', 'x' FROM generate_series(100, 219) AS n",
    )
    answers = [
        words.ask("GET", f"{VIDEO}?page={page}&filter=unlinked&sort=size").body
        for page in (1, 2, 3, 4)
    ]
    assert {(each["total"], each["pages"]) for each in answers} == {(120, 3)}
    ids = [video["id"] for each in answers for video in each["videos"]]
    assert ids == list(range(219, 99, -1))
    assert [len(each["videos"]) for each in answers] == [50, 50, 20, 0]
    assert words.ask("GET", f"{VIDEO}?search=_50%25&page=9").body["total"] == 120


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("prefix=wa", [12, 11, 10]),
        ("prefix=WAV", [11, 10]),
        ("prefix=wa&language=de", [12]),
        ("prefix=%25", []),
        ("prefix=wave%27", []),
        ("", [12, 11, 10]),
    ],
)
def test_words_are_completed(words: Admin, query: str, ids: list[int]) -> None:
    found = words.ask("GET", f"/v3/admin/words?{query}").body["words"]
    assert [each["definition_id"] for each in found] == ids
    if ids == [12]:
        assert found == [
            {
                "word": "Wahl",
                "language": "de",
                "native": "en",
                "definition_id": 12,
                "definition_text": "choice",
                "videos": 1,
            }
        ]


def test_flaws_of_a_video_are_told(words: Admin) -> None:
    [flaw] = words.ask("GET", f"{VIDEO}/1/flaws").body["flaws"]
    assert (flaw["code"], flaw["severity"]) == ("not-mp4", "fault")
    assert set(flaw) == {"code", "severity", "sentence", "remedy", "repair"}
    assert flaw["repair"] is None


# What they change


def show(answer: Any) -> list[tuple[Any, ...]]:
    assert answer.status == 200, answer
    return [
        (each["kind"], each["id"], each["status"], each["videos"])
        for each in answer.body["links"]
    ]


def test_links_are_added_replaced_and_taken_away(words: Admin) -> None:
    path = f"{VIDEO}/3/links"
    wave = {"word": "wave", "language": "en"}
    assert show(words.ask("POST", path, {**wave, "native": "es"})) == [
        ("definition", 11, "linked", [3])
    ]
    assert show(words.ask("POST", path, wave)) == [
        ("definition", 10, "exists", [1, 2, 3]),
        ("definition", 11, "exists", [3]),
    ]
    assert show(words.ask("POST", path, {"question": 20, "replace": True})) == [
        ("question", 20, "linked", [3])
    ]
    assert show(words.ask("DELETE", f"{path}?question=20")) == [
        ("question", 20, "unlinked", [])
    ]
    assert show(words.ask("DELETE", f"{path}?word=wave&language=en&native=zh")) == [
        ("definition", 10, "unlinked", [1, 2])
    ]
    assert show(words.ask("DELETE", f"{path}?definition=12")) == []
    answer = words.ask("POST", path, {"word": "wavy", "language": "en"})
    assert (answer.status, "no definition of “wavy”" in answer.error) == (404, True)


def test_deleted_video_is_gone_and_the_next_moves_up(words: Admin) -> None:
    served = f"/v3/videos/{1}"
    assert words.ask("GET", served).status == 200
    answer = words.ask("DELETE", f"{VIDEO}/1")
    assert answer.status == 200
    assert answer.body["deleted"] == 1
    assert [(each["kind"], each["id"]) for each in answer.body["unlinked"]] == [
        ("definition", 10),
        ("question", 20),
    ]
    again = words.ask("DELETE", f"{VIDEO}/1")
    assert (again.status, "no video 1" in again.error) == (404, True)
    assert run(
        words.database_url,
        "SELECT (SELECT video_id FROM definitions WHERE id = 10),"
        " (SELECT array_agg(video_id) FROM definition_videos),"
        " (SELECT count(*) FROM video_views WHERE video_id = 1),"
        " (SELECT count(*) FROM test_questions WHERE video_id IS NULL)",
    ) == [(2, [3], 0, 1)]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"{VIDEO}?sort=biggest", None, 400),
        ("GET", f"{VIDEO}?page=0", None, 400),
        ("GET", f"{VIDEO}?page=1.5", None, 400),
        ("GET", f"{VIDEO}?page={'9' * 5000}", None, 400),
        ("GET", f"{VIDEO}?page=1&page=2", None, 400),
        ("GET", f"{VIDEO}?search=%00", None, 400),
        ("GET", f"{VIDEO}?search={'a' * 256}", None, 400),
        ("GET", f"{VIDEO}?{'x' * 4000}=1", None, 400),
        ("GET", f"{VIDEO}?%0a=1", None, 400),
        ("GET", f"{VIDEO}/9999999999", None, 404),
        ("GET", f"{VIDEO}/9999999999/flaws", None, 404),
        ("GET", f"{VIDEO}/0", None, 404),
        ("DELETE", f"{VIDEO}/9999999999", None, 404),
        ("GET", "/v3/admin/overview?x=1", None, 400),
        ("POST", f"{VIDEO}/1/links", {}, 400),
        ("POST", f"{VIDEO}/1/links", {"word": "wave"}, 400),
        ("POST", f"{VIDEO}/1/links", {"native": "en", "definition": 1}, 400),
        ("POST", f"{VIDEO}/1/links", {"definition": 1, "question": 1}, 400),
        ("POST", f"{VIDEO}/1/links", {"definition": True}, 400),
        ("POST", f"{VIDEO}/1/links", {"definition": 10**30}, 400),
        ("POST", f"{VIDEO}/1/links", {"definition": 2**63 - 1}, 404),
        ("POST", f"{VIDEO}/1/links", {"definition": 10.0, "replace": 1}, 400),
        ("POST", f"{VIDEO}/1/links", {"word": "a\0", "language": "en"}, 400),
        ("POST", f"{VIDEO}/1/links", {"word": "\ud800", "language": "en"}, 400),
        ("POST", f"{VIDEO}/77/links", {"definition": 10}, 404),
        ("POST", f"{VIDEO}/1/links", {"word": "a" * 20_000, "language": "en"}, 413),
        ("DELETE", f"{VIDEO}/1/links", None, 400),
        ("DELETE", f"{VIDEO}/1/links?question=-1", None, 400),
        ("DELETE", f"{VIDEO}/77/links?question=1", None, 404),
    ],
)
def test_hostile_requests_are_told_what_is_wrong(
    words: Admin, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    answer = words.ask(method, path, body)
    assert (answer.status, 3 < len(answer.error) < 300) == (status, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff", 400),
        (b"NaN", 400),
        (b"[" * 10_000, 400),
        (b'{"definition":1,"definition":1}', 400),
        (b'{"definition":1e400}', 400),
        (b'{"%s":1}' % (b"x" * 10_000), 400),
        (b'{"definition":%s}' % (b"1" * 10_000), 400),
    ],
)
def test_hostile_json_is_told_what_is_wrong(
    words: Admin, body: bytes, status: int
) -> None:
    json = {"Content-Type": "application/json"}
    answer = words.ask("POST", f"{VIDEO}/1/links", body, json)
    assert (answer.status, 3 < len(answer.error) < 300) == (status, True)
    assert words.ask("POST", f"{VIDEO}/1/links", body).status == 415
    packed = words.ask(
        "POST", f"{VIDEO}/1/links", b"x", {**json, "Content-Encoding": "gzip"}
    )
    assert packed.status == 415


def test_database_without_our_tables_is_a_sentence(
    empty_url: str, tmp_path: Path
) -> None:
    with serving(empty_url, admin_token=TOKEN, spool=tmp_path) as address:
        bare = Admin(int(address.rpartition(":")[2]), "", tmp_path)
        for method, path in (
            ("GET", VIDEO),
            ("GET", "/v3/admin/overview"),
            ("DELETE", f"{VIDEO}/1"),
        ):
            answer = bare.ask(method, path)
            assert (answer.status, "bytereel migrate" in answer.error) == (503, True)
