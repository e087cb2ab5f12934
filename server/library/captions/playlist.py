"""A media playlist for captions: HLS takes them no other way. No I/O."""

from __future__ import annotations

import re
from math import ceil

_END = re.compile(r" --> (\d\d):(\d\d):(\d\d)\.(\d{3})", re.ASCII)


def render_captions_playlist(uri: str, seconds: float) -> str:
    """Return a playlist with one segment, the whole file (RFC 8216, 3.5).

    Its cues need no X-TIMESTAMP-MAP: without one, 0 of a cue is 0 of the presentation,
    which is where each of our clips begins.
    """
    return (
        "#EXTM3U\n"
        "#EXT-X-VERSION:3\n"
        f"#EXT-X-TARGETDURATION:{ceil(seconds)}\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-PLAYLIST-TYPE:VOD\n"
        f"#EXTINF:{seconds:.3f},\n"
        f"{uri}\n"
        "#EXT-X-ENDLIST\n"
    )


def measure_captions(vtt: str) -> float:
    """Return the seconds until the last cue has ended, at least 1."""
    ends = (
        int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(thousandths) / 1000
        for hours, minutes, seconds, thousandths in _END.findall(vtt)
    )
    return max(1.0, *ends, 1.0)
