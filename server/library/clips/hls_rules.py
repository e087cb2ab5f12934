"""Decide whether a clip can be played as HLS as it is. No I/O of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.library.clips.check import EXPORT, NOTE, Flaw, repairable
from server.library.mp4.boxes import MalformedError
from server.library.mp4.movie import read_index
from server.library.mp4.segments import plan_segments
from server.library.mp4.top_level import read_layout
from server.library.mp4.unfit import Unfit

if TYPE_CHECKING:
    from server.library.mp4.boxes import Read


def find_hls_flaw(read: Read, size: int) -> Flaw | None:
    """Return why there is no HLS of a file, by the code that the server answers with.

    Only a note: it plays as it is, and short clips are never played as HLS.
    """
    index = read_layout(read, size).moov
    try:
        if index:
            plan_segments(read_index(read, index), size)
    except MalformedError:
        return None  # which is told as damage
    except Unfit as unfit:
        sentence = f"has no HLS, for it {unfit.reason}"
        if unfit.repair:
            return repairable(unfit.code, NOTE, sentence, unfit.repair)
        return Flaw(unfit.code, NOTE, sentence, EXPORT)
    return None
