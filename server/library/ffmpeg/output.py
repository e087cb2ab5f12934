"""How an MP4 is written with FFmpeg, by PyAV; only ever inside the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.container import OutputContainer

    from server.library.ffmpeg.damage import Damage

    # Why writing failed, empty if it did not, and what is damaged of the source.
    Answer = tuple[str, Sequence[Damage]]

# The same file becomes the same bytes, so that it is known when it comes again. Half a
# second of picture or sound in one piece makes the index smaller, and segments of HLS:
# FFmpeg would change between them with almost each sample.
_OPTIONS = {
    "movflags": "+faststart",
    "fflags": "+bitexact",
    "chunk_duration": "500000",  # microseconds
}


def open_output(path: str) -> OutputContainer:
    """Open a new MP4, which gets its index first when it is closed."""
    return av.open(path, "w", format="mp4", options=_OPTIONS)


def explain(error: Exception) -> str:
    """Return what an error says, for the end of a sentence."""
    if strerror := getattr(error, "strerror", None):
        return str(strerror).lower()
    return str(error) or "no reason given"
