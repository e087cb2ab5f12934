"""Playlists of a layout (RFC 8216): media, I-frames, master. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.hls.layout import Layout


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
    raise NotImplementedError


def render_media(
    layout: Layout, uri: str, start: float | None = None, end: float | None = None
) -> str:
    """Return the media playlist; uri is that of the virtual file.

    start and end, in seconds, choose the segments in which something of that time is
    shown. ValueError, with a sentence for the client, if these are none.
    """
    raise NotImplementedError


def render_iframes(
    layout: Layout, uri: str, start: float | None = None, end: float | None = None
) -> str:
    """Return the I-frame playlist (4.3.3.6), one picture a segment.

    ValueError as with render_media, and for a layout without pictures.
    """
    raise NotImplementedError


def render_master(
    variants: Sequence[Variant], subtitles: Sequence[Subtitles] = ()
) -> str:
    """Return the master playlist; players start with the first variant."""
    raise NotImplementedError
