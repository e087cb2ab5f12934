"""The tables of a track: any bytes in the boxes, computed with and not iterated."""

from __future__ import annotations

from itertools import islice

from server.library.mp4.boxes import MalformedError, Tree
from server.library.mp4.chunks import list_places
from server.library.mp4.edits import apply_edits, read_edits
from server.library.mp4.sample_tables import read_samples
from tests.fuzz.movies import WORDS

__all__ = ["WORDS"]
_LOOKED_AT = 10_000  # samples, of perhaps four billion


def fuzz_tables(data: bytes) -> None:
    """Read the bytes as what is inside a box stbl, and as an edit list."""
    try:
        table = Tree(data, "stbl")
        samples = read_samples(table, 600)
    except MalformedError:
        return
    assert samples.total >= 0 <= samples.bytes
    assert samples.start <= samples.end
    assert all(start <= end for start, end in samples.spans)
    assert samples.length >= 0 <= samples.longest_gap
    for each in samples.contradictions:
        assert " -" not in each.sentence, each.sentence
    places = list(islice(list_places(table), _LOOKED_AT))
    if samples.total <= _LOOKED_AT:
        assert len(places) == samples.total
        assert sum(size for _, size in places) == samples.bytes
        inside = samples.spans
        for at, size in places:
            assert not size or any(a <= at and at + size <= b for a, b in inside)
    read_edit_list(table)


def read_edit_list(table: Tree) -> None:
    """Read an edit list, wherever it stands, and follow it."""
    try:
        edits = read_edits(table.find("elst"))
    except MalformedError:
        return
    shown = apply_edits(edits, length=6000, first=0, timescale=600, movie_timescale=1)
    assert shown.seconds >= 0 <= shown.delay
    assert shown.cut >= 0
