"""Put the boxes of an MP4 file into another order; the media stay as they are. No I/O.

Absolute places stand in an MP4 only in its index (moov), in stco and co64.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.boxes import Box, MalformedError, Read, Tree, list_boxes
from server.library.mp4.codecs import APPLE_TAGS
from server.library.mp4.movie import read_index

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPENED = {"mdia", "minf", "stbl"}
_PIECE_BYTES = 1 << 20


class Moves(NamedTuple):
    """By how much each box has moved, in the order in which they were."""

    starts: list[int]
    shifts: list[int]

    def apply(self, place: int) -> int:
        """Return where what was at a place is now."""
        found = bisect_right(self.starts, place) - 1
        return place + (self.shifts[found] if found >= 0 else 0)


def reorder(read: Read, size: int) -> Iterator[bytes]:
    """Yield the file with its index first, in which are pictures and sound only.

    Their samples get the tags that Apple's players want. MalformedError for a file that
    is not whole.
    """
    boxes = list_boxes(read, 0, size)
    index = next((box for box in boxes if box.kind == "moov"), None)
    media = next((n for n, box in enumerate(boxes) if box.kind == "mdat"), len(boxes))
    if index is None or boxes[-1].end > size:
        raise MalformedError("is not whole")
    before = [box for box in boxes[:media] if box != index]
    after = [box for box in boxes[media:] if box != index]
    tree = read_index(read, index)
    length = len(_build_index(tree, Moves([], [])))  # places keep their width
    moves = _plan_moves(before, after, length)
    yield from _copy(read, before)
    yield _build_index(tree, moves)
    yield from _copy(read, after)


def _plan_moves(before: list[Box], after: list[Box], length: int) -> Moves:
    at, found = 0, []
    for box in before:
        found.append((box.start, at - box.start))
        at += box.end - box.start
    at += length
    for box in after:
        found.append((box.start, at - box.start))
        at += box.end - box.start
    found.sort()
    return Moves([start for start, _ in found], [shift for _, shift in found])


def _copy(read: Read, boxes: list[Box]) -> Iterator[bytes]:
    for box in boxes:
        for start in range(box.start, box.end, _PIECE_BYTES):
            yield read(start, min(_PIECE_BYTES, box.end - start))


def _build_index(tree: Tree, moves: Moves) -> bytes:
    tracks = [trak for trak in tree.children() if trak.kind == "trak"]
    kept = [trak for trak in tracks if _find_handler(trak) in ("vide", "soun")]
    numbers, lengths = {_read_number(trak) for trak in kept}, map(_read_length, kept)
    longest = max(lengths, default=0)
    parts = []
    for child in tree.children():
        if child.kind == "trak":
            if _find_handler(child) in ("vide", "soun"):
                parts.append(_build_track(child, numbers, moves))
        elif child.kind == "mvhd" and len(kept) < len(tracks):
            parts.append(_wrap("mvhd", _set_length(child, longest)))
        else:
            parts.append(_wrap(child.kind, bytes(child.data)))
    return _wrap("moov", b"".join(parts))


def _wrap(kind: str, body: bytes) -> bytes:
    return (len(body) + 8).to_bytes(4, "big") + kind.encode("latin-1") + body


def _find_handler(trak: Tree) -> str:
    handler = trak.find("mdia", "hdlr")
    return handler.text(8) if handler else ""


def _find_header(trak: Tree) -> Tree:
    header = trak.find("tkhd")
    if header is None:
        raise MalformedError("has a track without a header")
    return header


def _read_number(trak: Tree) -> int:
    """Return the number of a track, by which others refer to it (8.3.2)."""
    header = _find_header(trak)
    return header.number(20 if header.number(0, 1) == 1 else 12, 4)


def _read_length(trak: Tree) -> int:
    header = _find_header(trak)
    return header.number(28, 8) if header.number(0, 1) == 1 else header.number(20, 4)


def _set_length(header: Tree, length: int) -> bytes:
    """Return the movie's header with another length (8.2.2)."""
    at, width = (24, 8) if header.number(0, 1) == 1 else (16, 4)
    body = bytearray(header.data)
    body[at : at + width] = length.to_bytes(width, "big")
    return bytes(body)


def _build_track(trak: Tree, numbers: set[int], moves: Moves) -> bytes:
    parts = []
    for child in trak.children():
        if child.kind == "tref":
            parts += _build_references(child, numbers)
        else:
            parts.append(_build_box(child, moves))
    return _wrap("trak", b"".join(parts))


def _build_references(tref: Tree, numbers: set[int]) -> list[bytes]:
    """Return the references of a track to those that are still there (8.3.3)."""
    parts = []
    for child in tref.children():
        named = {child.number(at, 4) for at in range(0, len(child.data) - 3, 4)}
        if named <= numbers:
            parts.append(_wrap(child.kind, bytes(child.data)))
    return [_wrap("tref", b"".join(parts))] if parts else []


def _build_box(tree: Tree, moves: Moves) -> bytes:
    body = bytes(tree.data)
    if tree.kind in _OPENED:
        body = b"".join(_build_box(child, moves) for child in tree.children())
    elif tree.kind == "stsd":
        body = _set_tags(tree)
    elif tree.kind in ("stco", "co64"):
        width = 4 if tree.kind == "stco" else 8
        most = (1 << 8 * width) - 1
        places = (
            min(moves.apply(tree.number(at, width)), most).to_bytes(width, "big")
            for at in range(8, 8 + tree.number(4, 4) * width, width)
        )
        body = body[:8] + b"".join(places)
    return _wrap(tree.kind, body)


def _set_tags(stsd: Tree) -> bytes:
    body = bytearray(stsd.data[:8])
    for entry in stsd.children(8):
        size = len(entry.data) + 8
        tag = APPLE_TAGS.get(entry.kind, entry.kind)
        body += size.to_bytes(4, "big") + tag.encode("latin-1") + entry.data
    return bytes(body)
