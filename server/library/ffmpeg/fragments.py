"""When FFmpeg tells the pictures of fragments too late; only ever inside the sandbox.

Where times of display are told as distances to those of decoding, some of them
negative, it moves all pictures until none is shown before it is decoded; the sound is
not moved.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from server.library.ffmpeg.source import read_part
from server.library.mp4.boxes import MalformedError, Tree, read_box

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.library.ffmpeg.source import Source

_MOST_BOXES = 2_000  # fragments of a recording are made alike
_MOST_BYTES = 1 << 20  # of a box moof
_HAS_OFFSET, _HAS_FIRST_FLAGS = 1, 4  # flags of a box trun
_HAS_SHIFT = 0x800
_FIELDS = (0x100, 0x200, 0x400, _HAS_SHIFT)  # of each sample, in this order


def read_delay(source: Source, number: int) -> int:
    """Return by how much the times of a track's pictures are too late.

    In units of the track; number is what its header calls it. Source: ISO/IEC 14496-12,
    8.8.8 (trun).
    """
    earliest = 0
    with suppress(MalformedError):
        for fragment in _list_fragments(source):
            for part in fragment.children():
                header = part.find("tfhd") if part.kind == "traf" else None
                if header is not None and header.number(4, 4) == number:
                    earliest = min([earliest, *_list_shifts(part)])
    return -earliest


def _list_fragments(source: Source) -> Iterator[Tree]:
    def read(start: int, length: int) -> bytes:
        return read_part(source, start, length)

    at = 0
    for _ in range(_MOST_BOXES):
        box = read_box(read, at, source.size) if at + 8 <= source.size else None
        if box is None:
            return
        if box.kind == "moof" and box.end - box.body <= _MOST_BYTES:
            yield Tree(read(box.body, box.end - box.body), box.kind)
        at = box.end


def _list_shifts(traf: Tree) -> Iterator[int]:
    """Yield how long after its decoding each picture is shown, as told."""
    for run in traf.children():
        flags = run.number(1, 3) if run.kind == "trun" else 0
        if not flags & _HAS_SHIFT:
            continue
        at = 8 + 4 * bool(flags & _HAS_OFFSET) + 4 * bool(flags & _HAS_FIRST_FLAGS)
        width = 4 * sum(bool(flags & field) for field in _FIELDS)
        for place in range(at + width - 4, at + run.number(4, 4) * width, width):
            shift = run.number(place, 4)
            yield shift - (shift >> 31 << 32)
