"""Put the boxes of an MP4 file into another order; its samples stay. No I/O.

Absolute places stand in an MP4 only in its index (moov), in stco and co64. What the
index says wrongly is mended on the way.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.boxes import Box, MalformedError, Read, Tree
from server.library.mp4.chunks import read_table
from server.library.mp4.codecs import APPLE_TAGS
from server.library.mp4.edits import MOST_EDITS, Shown
from server.library.mp4.headers import (
    set_edits,
    set_entry,
    set_media_time,
    set_movie_time,
    set_track_time,
)
from server.library.mp4.key_frames import find_key_frames, plan_marks
from server.library.mp4.movie import read_index
from server.library.mp4.sample_tables import BOXES, fit_runs
from server.library.mp4.top_level import read_layout
from server.library.mp4.track import (
    Track,
    pick_picture,
    pick_sound,
    read_header,
    read_track,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OPENED = {"mdia", "minf", "dinf", "stbl", "edts"}
_PIECE_BYTES = 1 << 20


class Moves(NamedTuple):
    """By how much each box has moved, in the order in which they were."""

    starts: list[int]
    shifts: list[int]

    def apply(self, place: int) -> int:
        """Return where what was at a place is now."""
        found = bisect_right(self.starts, place) - 1
        return place + (self.shifts[found] if found >= 0 else 0)


class _Kept(NamedTuple):
    """A track that stays, and what is to be said of it."""

    trak: Tree
    number: int  # by which others refer to it (8.3.2)
    track: Track
    timescale: int  # of the movie
    media_timescale: int
    references: int  # how many there are in dref
    marks: Sequence[int] | None  # of key frames, if others than are there


def reorder(read: Read, size: int) -> Iterator[bytes]:
    """Yield the file with its index first, in which are pictures and one sound only.

    Headers say what the tables say, samples have the tags that Apple's players want,
    and key frames are marked as they are. What is behind the last box is left out.
    MalformedError for a file that is not whole, or has samples in another one.
    """
    layout = read_layout(read, size)
    index = layout.moov
    if index is None or index.end > size or layout.malformed:
        raise MalformedError("is not whole")
    boxes = [box._replace(end=min(box.end, size)) for box in layout.boxes]
    media = next((n for n, box in enumerate(boxes) if box.kind == "mdat"), len(boxes))
    before = [box for box in boxes[:media] if box.start != index.start]
    after = [box for box in boxes[media:] if box.start != index.start]
    inside = read_index(read, index).children()
    kept = _choose(read, inside)
    if any(each.track.is_external for each in kept):  # whose places are not of this one
        raise MalformedError("has pictures or sound in another file (dref)")
    needed = max((each.track.samples.end for each in kept), default=0)
    if needed > size or (layout.is_fragmented and layout.boxes[-1].end > size):
        raise MalformedError("is not whole")
    length = len(_build_index(inside, kept, Moves([], [])))  # places keep their width
    yield from _copy(read, before)
    yield _build_index(inside, kept, _plan_moves(before, after, length))
    yield from _copy(read, after)


def _choose(read: Read, inside: list[Tree]) -> list[_Kept]:
    """Return pictures and one sound, with all that is to be known of them."""
    header = next((tree for tree in inside if tree.kind == "mvhd"), None)
    timescale, _ = read_header(header)
    pairs = [
        (trak, read_track(trak, timescale))
        for trak in inside
        if trak.kind == "trak" and _is_played(trak)
    ]
    tracks = [track for _, track in pairs]
    sound, picture = pick_sound(tracks), pick_picture(tracks)
    kept = []
    for trak, track in pairs:
        if track.handler == "soun" and track is not sound:
            continue
        header, media = _find(trak, "tkhd"), _find(trak, "mdia", "mdhd")
        dref = trak.find("mdia", "minf", "dinf", "dref")
        marks = None
        if track is picture:
            found = find_key_frames(read, track)
            marks = plan_marks(found, track.samples) if found else None
        kept.append(
            _Kept(
                trak,
                header.number(20 if header.number(0, 1) == 1 else 12, 4),
                track,
                timescale,
                read_header(media)[0],
                dref.number(4, 4) if dref else 1,
                marks,
            )
        )
    return kept


def _is_played(trak: Tree) -> bool:
    handler = trak.find("mdia", "hdlr")
    return handler is not None and handler.text(8) in ("vide", "soun")


def _find(trak: Tree, *path: str) -> Tree:
    found = trak.find(*path)
    if found is None:
        raise MalformedError("has a track that lacks what every track has")
    return found


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
        yield _build_head(read, box)
        for start in range(box.body, box.end, _PIECE_BYTES):
            yield read(start, min(_PIECE_BYTES, box.end - start))


def _build_head(read: Read, box: Box) -> bytes:
    """Return the head of a box with the size that it has; its own where that is right.

    One that claims more than the file has, or all the rest, says what it has instead.
    """
    head = read(box.start, box.body - box.start)
    size = box.end - box.start
    if len(head) == 16:
        return head[:8] + size.to_bytes(8, "big")
    if size >= 1 << 32:
        raise MalformedError(f"has a box {box.kind!r} without room for its size")
    return size.to_bytes(4, "big") + head[4:]


def _build_index(inside: list[Tree], kept: list[_Kept], moves: Moves) -> bytes:
    by_trak = {id(each.trak): each for each in kept}
    numbers = {each.number for each in kept}
    seconds = max((each.track.shown.seconds for each in kept), default=0.0)
    parts = []
    for child in inside:
        if child.kind == "trak":
            one = by_trak.get(id(child))
            parts += [_build_track(one, numbers, moves)] if one else []
        elif child.kind == "mvhd":
            _, told = read_header(child)
            parts.append(_wrap("mvhd", set_movie_time(child, told, seconds)))
        else:
            parts.append(_wrap(child.kind, bytes(child.data)))
    return _wrap("moov", b"".join(parts))


def _wrap(kind: str, body: bytes) -> bytes:
    return (len(body) + 8).to_bytes(4, "big") + kind.encode("latin-1") + body


def _build_track(kept: _Kept, numbers: set[int], moves: Moves) -> bytes:
    parts = []
    for child in kept.trak.children():
        if child.kind == "tref":
            parts += _build_references(child, numbers)
        elif child.kind != "edts" or _keeps_edits(kept.track.shown):
            parts.append(_build_box(child, kept, moves))
    return _wrap("trak", b"".join(parts))


def _keeps_edits(shown: Shown) -> bool:
    return shown.edits <= MOST_EDITS and not shown.is_empty


def _build_references(tref: Tree, numbers: set[int]) -> list[bytes]:
    """Return the references of a track to those that are still there (8.3.3)."""
    parts = []
    for child in tref.children():
        named = {child.number(at, 4) for at in range(0, len(child.data) - 3, 4)}
        if named <= numbers:
            parts.append(_wrap(child.kind, bytes(child.data)))
    return [_wrap("tref", b"".join(parts))] if parts else []


def _build_box(tree: Tree, kept: _Kept, moves: Moves) -> bytes:
    body = bytes(tree.data)
    if tree.kind in _OPENED:
        inside = [_build_box(child, kept, moves) for child in tree.children()]
        if tree.kind == "stbl" and kept.marks and tree.find("stss") is None:
            inside.append(_wrap("stss", _list_marks(kept.marks)))
        body = b"".join(inside)
    elif tree.kind == "tkhd":
        body = set_track_time(tree, kept.track, kept.timescale)
    elif tree.kind == "mdhd":
        body = set_media_time(tree, kept.track)
    elif tree.kind in ("stts", "ctts") and _is_miscounted(kept.track):
        runs = fit_runs(read_table(tree, 2), kept.track.samples.total)
        body = bytes(tree.data[:4]) + _list_numbers(len(runs), *chain(*runs))
    elif tree.kind == "dref" and not kept.references:
        body = bytes(4) + _list_numbers(1) + _wrap("url ", b"\0\0\0\1")
    elif tree.kind == "elst":
        body = set_edits(tree, kept.track, kept.timescale, kept.media_timescale)
    elif tree.kind == "stss" and kept.marks:
        body = _list_marks(kept.marks)
    elif tree.kind == "stsd":
        body = _set_entries(tree, kept)
    elif tree.kind in ("stco", "co64"):
        body = _move_chunks(tree, moves)
    return _wrap(tree.kind, body)


def _is_miscounted(track: Track) -> bool:
    return any(each.mended_by == BOXES for each in track.samples.contradictions)


def _list_marks(marks: Sequence[int]) -> bytes:
    """Return a table of key frames (8.6.2)."""
    return bytes(4) + _list_numbers(len(marks), *marks)


def _list_numbers(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "big") for number in numbers)


def _move_chunks(tree: Tree, moves: Moves) -> bytes:
    width = 4 if tree.kind == "stco" else 8
    most = (1 << 8 * width) - 1
    places = (
        min(moves.apply(tree.number(at, width)), most).to_bytes(width, "big")
        for at in range(8, 8 + tree.number(4, 4) * width, width)
    )
    return bytes(tree.data[:8]) + b"".join(places)


def _set_entries(stsd: Tree, kept: _Kept) -> bytes:
    body = bytearray(stsd.data[:8])
    for number, entry in enumerate(stsd.children(8), 1):
        data = bytes(entry.data)
        if kept.track.samples.entries in (frozenset(), {number}):
            data = set_entry(entry, kept.track.coding, references=kept.references)
        tag = APPLE_TAGS.get(entry.kind, entry.kind)
        body += _wrap(tag, data)
    return bytes(body)
