"""How a file is made of boxes, and where these end. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from server.library.mp4.boxes import (
    MAX_BOXES,
    Box,
    MalformedError,
    Read,
    Tree,
    read_box,
)

# Boxes that may stand by themselves (ISO/IEC 14496-12, table 1; QuickTime's, too).
KNOWN = {"ftyp", "styp", "pdin", "moov", "moof", "mfra", "mdat", "imda", "free", "skip"}
KNOWN |= {"uuid", "meta", "udta", "sidx", "ssix", "prft", "emsg", "wide", "pnot"}
FIRST = KNOWN
_SIDX_BYTES = 32 + 12 * 0xFFFF  # that an index of fragments has, at most
_TAIL_BYTES = 1 << 16  # that are looked at


class Layout(NamedTuple):
    """The boxes of a file."""

    boxes: list[Box]
    moov: Box | None
    index_is_last: bool
    is_fragmented: bool
    brand: str  # of the file type; "qt  " without one
    promised: int  # the byte up to which an index of fragments (sidx) says they go
    tail: int  # bytes behind the last box that are none, and not zero
    malformed: str


def read_layout(read: Read, size: int) -> Layout:
    """Return how a file is made; nothing is raised."""
    boxes, at, malformed = _list(read, size)
    kinds = [box.kind for box in boxes]
    index = boxes[kinds.index("moov")] if "moov" in kinds else None
    media = kinds.index("mdat") if "mdat" in kinds else len(kinds)
    if malformed and index and media < len(kinds):
        malformed = ""  # what follows all that is needed is only in the way
    brand = "qt  "
    if "ftyp" in kinds:
        brand = read(boxes[kinds.index("ftyp")].body, 4).decode("latin-1")
    is_tail = at < size and any(read(at, min(size - at, _TAIL_BYTES)))
    return Layout(
        boxes,
        index,
        index is not None and kinds.index("moov") > media,
        "moof" in kinds,
        brand,
        _find_promised(read, boxes, size) if "moof" in kinds else 0,
        size - at if is_tail else 0,
        malformed,
    )


def _list(read: Read, size: int) -> tuple[list[Box], int, str]:
    """Return the boxes, where they end, and why they end before the file does."""
    boxes: list[Box] = []
    at = 0
    try:
        while size - at >= 8 and (box := _read_any(read, at, size)):
            if box.end > size and box.kind not in KNOWN:
                break  # four letters by chance
            if len(boxes) == MAX_BOXES:
                raise MalformedError(f"has more than {MAX_BOXES} boxes side by side")
            boxes.append(box)
            at = box.end
    except MalformedError as error:
        return boxes, at, str(error)
    return boxes, min(at, size), ""


def _read_any(read: Read, at: int, size: int) -> Box | None:
    """Return a box, even one whose name is none if it ends in the file."""
    if box := read_box(read, at, size):
        return box
    length = int.from_bytes(read(at, 4), "big")
    return Box("????", at, at + 8, at + length) if 8 <= length <= size - at else None


def _find_promised(read: Read, boxes: list[Box], size: int) -> int:
    """Return up to where the indexes of fragments go (8.16.3), 0 without any."""
    promised = 0
    for box in boxes:
        if box.kind != "sidx" or box.end > size:
            continue
        sidx = Tree(read(box.body, min(box.end - box.body, _SIDX_BYTES)), "sidx")
        try:
            at, width = (12, 8) if sidx.number(0, 1) == 1 else (12, 4)
            end = box.end + sidx.number(at + width, width)
            at += 2 * width + 2
            for entry in range(sidx.number(at, 2)):
                end += sidx.number(at + 2 + 12 * entry, 4) & 0x7FFFFFFF
        except MalformedError:
            continue  # players need it for nothing
        promised = max(promised, end)
    return promised
