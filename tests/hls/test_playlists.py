"""Playlists as RFC 8216 has them, read by a parser of the test's own."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from server.hls.playlists import (
    Subtitles,
    Variant,
    choose_segments,
    describe_variant,
    render_iframes,
    render_master,
    render_media,
)
from tests.hls.virtual import plan
from tests.hls.written import WRITTEN

SEGMENT = re.compile(
    r"#EXTINF:(\d+\.\d{5}),\n#EXT-X-BYTERANGE:(\d+)@(\d+)\n([^#\n]+)\n"
)


class Segment(NamedTuple):
    """A segment of a playlist."""

    seconds: float
    size: int
    offset: int
    uri: str


def parse(text: str) -> tuple[list[str], list[Segment]]:
    """Return the lines before the segments, and these; all else is an error."""
    head, first, rest = text.partition("#EXTINF")
    found = [
        Segment(float(seconds), int(size), int(offset), uri)
        for seconds, size, offset, uri in SEGMENT.findall(first + rest)
    ]
    assert SEGMENT.sub("", first + rest) == "#EXT-X-ENDLIST\n"
    return head.splitlines(), found


LAYOUT = plan(WRITTEN["pictures out of order"])


def test_media_playlist_says_all() -> None:
    head, segments = parse(render_media(LAYOUT, "hls1.mp4"))
    assert head == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-TARGETDURATION:2",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="hls1.mp4",BYTERANGE="{LAYOUT.init_size}@0"',
    ]
    assert [segment.seconds for segment in segments] == [2, 2, 1]
    assert {segment.uri for segment in segments} == {"hls1.mp4"}


@pytest.mark.parametrize("name", WRITTEN)
def test_segments_are_the_whole_file(name: str) -> None:
    layout = plan(WRITTEN[name])
    head, segments = parse(render_media(layout, "hls1.mp4"))
    at = layout.init_size
    for segment in segments:
        assert segment.offset == at
        at += segment.size
    assert at == layout.size
    assert abs(sum(each.seconds for each in segments) - layout.duration) < 1e-4
    target = int(head[2].removeprefix("#EXT-X-TARGETDURATION:"))
    assert all(int(each.seconds + 0.5) <= target for each in segments)


@pytest.mark.parametrize(
    ("start", "end", "first", "count"),
    [
        (None, None, 0, 3),
        (0, 5, 0, 3),
        (0, 2, 0, 1),
        (0, 2.001, 0, 2),
        (1.999, None, 0, 3),
        (2, None, 1, 2),
        (2.5, 3, 1, 1),
        (4.9, 900, 2, 1),
        (None, 0.001, 0, 1),
    ],
)
def test_segments_of_a_time_are_those_that_show_it(
    start: float | None, end: float | None, first: int, count: int
) -> None:
    assert choose_segments(LAYOUT, start, end) == range(first, first + count)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        *((5, None), (6, 7), (3, 3), (3, 2), (-1, 2), (0, 0), (0, -1)),
        *((float("nan"), 1), (1, float("nan")), (float("inf"), None)),
    ],
)
def test_time_of_no_segment_is_refused(start: float | None, end: float | None) -> None:
    with pytest.raises(
        ValueError, match=r"Nothing is shown from .*name times from 0 to"
    ):
        choose_segments(LAYOUT, start, end)


def test_iframe_playlist_has_a_picture_of_each_segment() -> None:
    head, pictures = parse(render_iframes(LAYOUT, "hls1.mp4"))
    _, segments = parse(render_media(LAYOUT, "hls1.mp4"))
    assert "#EXT-X-I-FRAMES-ONLY" in head
    for picture, segment in zip(pictures, segments, strict=True):
        assert picture._replace(size=segment.size) == segment
        assert picture.size < segment.size


def test_sound_alone_has_no_iframes() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        render_iframes(plan(WRITTEN["sound only"]), "hls1.mp4")


def test_variant_is_what_the_layout_has() -> None:
    variant = describe_variant(LAYOUT, "a.m3u8", "i.m3u8")
    sizes = [segment.size for segment in parse(render_media(LAYOUT, "x"))[1]]
    assert variant.codecs == "avc1.64000A,mp4a.40.2"
    assert (variant.resolution, variant.frame_rate) == ((64, 48), 30)
    assert variant.bandwidth == round(max(sizes[0] * 4, sizes[1] * 4, sizes[2] * 8))
    assert variant.average_bandwidth == round(sum(sizes) * 8 / 5)
    assert 0 < variant.iframes_bandwidth < variant.bandwidth


def test_turned_pictures_are_as_high_as_they_were_wide() -> None:
    assert describe_variant(plan(WRITTEN["rotated"]), "a").resolution == (48, 64)


def test_sound_alone_has_neither_resolution_nor_iframes() -> None:
    variant = describe_variant(plan(WRITTEN["sound only"]), "a.m3u8", "i.m3u8")
    assert variant[1:2] + variant[4:] == ("", 0, "mp4a.40.2", None, 0)
    assert render_master([variant]).splitlines()[3:] == [
        f"#EXT-X-STREAM-INF:BANDWIDTH={variant.bandwidth},"
        f'AVERAGE-BANDWIDTH={variant.average_bandwidth},CODECS="mp4a.40.2",'
        "CLOSED-CAPTIONS=NONE",
        "a.m3u8",
    ]


def test_short_last_segment_is_no_peak() -> None:
    layout = plan(WRITTEN["sound only"])
    assert layout.times[-1] - layout.times[-2] < 0.7
    variant = describe_variant(layout, "a")
    last = (layout.size - layout.starts[-2]) * 8 / (layout.times[-1] - layout.times[-2])
    assert variant.bandwidth != round(last)


def test_master_playlist_says_all() -> None:
    small = Variant(
        "360.m3u8",
        "360-i.m3u8",
        900,
        800,
        90,
        "avc1.64001E,mp4a.40.2",
        (640, 360),
        29.97,
    )
    large = Variant(
        "720.m3u8", "", 2900, 2800, 0, "hvc1.1.6.L93.90,mp4a.40.2", (1280, 720), 59.94
    )
    subtitles = [
        Subtitles('English "CC"\n', "en", "en.m3u8"),
        Subtitles("Türkçe", "tr", "tr.m3u8"),
    ]
    assert render_master([small, large], subtitles).splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subtitles",NAME="English  CC  ",'
        'LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,URI="en.m3u8"',
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subtitles",NAME="Türkçe",'
        'LANGUAGE="tr",DEFAULT=NO,AUTOSELECT=YES,URI="tr.m3u8"',
        "#EXT-X-STREAM-INF:BANDWIDTH=900,AVERAGE-BANDWIDTH=800,"
        'CODECS="avc1.64001E,mp4a.40.2",RESOLUTION=640x360,FRAME-RATE=29.970,'
        'SUBTITLES="subtitles",CLOSED-CAPTIONS=NONE',
        "360.m3u8",
        "#EXT-X-STREAM-INF:BANDWIDTH=2900,AVERAGE-BANDWIDTH=2800,"
        'CODECS="hvc1.1.6.L93.90,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=59.940,'
        'SUBTITLES="subtitles",CLOSED-CAPTIONS=NONE',
        "720.m3u8",
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=90,CODECS="avc1.64001E",'
        'RESOLUTION=640x360,URI="360-i.m3u8"',
    ]
