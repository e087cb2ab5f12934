"""Playlists of a layout (RFC 8216): media, I-frames, master. No I/O."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.hls.layout import Layout

_SUBTITLES = "subtitles"  # the group of all captions


class Variant(NamedTuple):
    """A level, as the master playlist tells of it."""

    uri: str  # of its media playlist
    iframes_uri: str  # of its I-frame playlist; "" for none
    bandwidth: int  # bits a second of the peak segment
    average_bandwidth: int
    iframes_bandwidth: int
    codecs: str  # RFC 6381
    resolution: tuple[int, int] | None  # as shown: swapped if turned by 90 or 270
    frame_rate: float  # 0: no pictures


class Subtitles(NamedTuple):
    """A rendition of captions."""

    name: str  # for people
    language: str  # BCP 47
    uri: str  # of its media playlist


def describe_variant(layout: Layout, uri: str, iframes_uri: str = "") -> Variant:
    """Return what the master playlist says of a layout; keep it, a layout is large."""
    sizes = [after - first for first, after in pairwise(layout.starts)]
    told = layout.description
    seconds = layout.duration
    pictures = layout.pictures if layout.has_pictures and iframes_uri else ()
    return Variant(
        uri,
        iframes_uri if layout.has_pictures else "",
        _find_peak(sizes, layout.times),
        round(8 * sum(sizes) / seconds),
        _find_peak(pictures, layout.times),
        told.codecs,
        told.resolution,
        told.frame_rate,
    )


def _find_peak(sizes: Sequence[int], times: Sequence[float]) -> int:
    """Return the bits a second of the segments with the most of them (4.3.4.2).

    A set of segments counts if it lasts from 0.5 to 1.5 times the target duration.
    """
    target = _find_target(times)
    whole = times[-1] - times[0]
    peak = 8 * sum(sizes) / whole
    for first in range(len(sizes)):
        held = 0
        for after in range(first + 1, len(sizes) + 1):
            held += sizes[after - 1]
            lasting = times[after] - times[first]
            if lasting > 1.5 * target:
                break
            if lasting >= 0.5 * target:
                peak = max(peak, 8 * held / lasting)
    return round(peak)


def _find_target(times: Sequence[float]) -> int:
    """Return the longest segment, rounded to seconds as each EXTINF is (4.3.3.1)."""
    pairs = pairwise(times)
    longest = max(float(f"{after - first:.5f}") for first, after in pairs)
    return max(int(longest + 0.5), 1)


def render_media(layout: Layout, uri: str) -> str:
    """Return the media playlist; uri is that of the virtual file."""
    lines = _begin(layout, uri, "#EXT-X-INDEPENDENT-SEGMENTS")
    for number, (at, after) in enumerate(pairwise(layout.starts)):
        lines += _list_segment(layout, uri, number, after - at)
    return _end(lines)


def render_iframes(layout: Layout, uri: str) -> str:
    """Return the I-frame playlist (4.3.3.6), one picture a segment.

    ValueError for a layout without pictures.
    """
    if not layout.has_pictures:
        raise ValueError("There are no pictures in this video, hence no I-frames.")
    lines = _begin(layout, uri, "#EXT-X-I-FRAMES-ONLY")
    for number, size in enumerate(layout.pictures):
        lines += _list_segment(layout, uri, number, size)
    return _end(lines)


def _begin(layout: Layout, uri: str, kind: str) -> list[str]:
    return [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{_find_target(layout.times)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        kind,
        f'#EXT-X-MAP:URI="{uri}",BYTERANGE="{layout.init_size}@0"',
    ]


def _list_segment(layout: Layout, uri: str, number: int, size: int) -> tuple[str, ...]:
    return (
        f"#EXTINF:{layout.times[number + 1] - layout.times[number]:.5f},",
        f"#EXT-X-BYTERANGE:{size}@{layout.starts[number]}",
        uri,
    )


def _end(lines: list[str]) -> str:
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def choose_segments(
    layout: Layout, start: float | None = None, end: float | None = None
) -> range:
    """Return the segments in which something is shown between two times, in seconds.

    ValueError, with a sentence for the client, if there are none.
    """
    start = 0.0 if start is None else start
    end = layout.duration if end is None else end
    if not 0 <= start < min(end, layout.duration):  # nor for what is no number
        raise ValueError(
            f"Nothing is shown from {start:g} to {end:g} s: name times from 0 to "
            f"{layout.duration:.3f}, the earlier one as start."
        )
    after = bisect_left(layout.times, min(end, layout.duration))
    return range(bisect_right(layout.times, start) - 1, after)


def render_master(
    variants: Sequence[Variant], subtitles: Sequence[Subtitles] = ()
) -> str:
    """Return the master playlist; players start with the first variant."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    lines += map(_render_subtitles, subtitles)
    for variant in variants:
        told = [
            f"BANDWIDTH={variant.bandwidth}",
            f"AVERAGE-BANDWIDTH={variant.average_bandwidth}",
            *_list_attributes(variant, variant.codecs),
        ]
        if variant.frame_rate:
            told.append(f"FRAME-RATE={variant.frame_rate:.3f}")
        if subtitles:
            told.append(f'SUBTITLES="{_SUBTITLES}"')
        # Else iOS offers captions inside the pictures, of an unknown language (QA1801).
        told.append("CLOSED-CAPTIONS=NONE")
        lines += [f"#EXT-X-STREAM-INF:{','.join(told)}", variant.uri]
    for variant in variants:
        if variant.iframes_uri:
            told = [
                f"BANDWIDTH={variant.iframes_bandwidth}",
                *_list_attributes(variant, _pick_picture_codecs(variant.codecs)),
                f'URI="{variant.iframes_uri}"',
            ]
            lines.append(f"#EXT-X-I-FRAME-STREAM-INF:{','.join(told)}")
    return "\n".join([*lines, ""])


def _list_attributes(variant: Variant, codecs: str) -> list[str]:
    found = [f'CODECS="{codecs}"']
    if variant.resolution:
        width, height = variant.resolution
        found.append(f"RESOLUTION={width}x{height}")
    return found


def _pick_picture_codecs(codecs: str) -> str:
    return ",".join(name for name in codecs.split(",") if not name.startswith("mp4a"))


def _render_subtitles(subtitles: Subtitles) -> str:
    """Return a rendition of captions (4.3.4.1); none is shown unless it is chosen."""
    name, language = _quote(subtitles.name), _quote(subtitles.language)
    return (
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="{_SUBTITLES}",NAME="{name}",'
        f'LANGUAGE="{language}",DEFAULT=NO,AUTOSELECT=YES,'
        f'URI="{subtitles.uri}"'
    )


def _quote(text: str) -> str:
    """Return a text without what a quoted string cannot hold (4.2)."""
    return "".join(" " if each in '"\r\n' else each for each in text)
