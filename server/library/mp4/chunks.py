"""Where the samples of a track lie, and how large they are. No I/O.

Source: ISO/IEC 14496-12, 8.7. Counts of up to four billion are computed with, never
iterated over; loops are only over what stands in the file.
"""

from __future__ import annotations

import sys
from array import array
from itertools import accumulate, chain, islice, pairwise, repeat
from operator import mul
from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.boxes import MalformedError, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_table(
    box: Tree | None, columns: int, *, width: int = 4, skip: int = 4
) -> list[array[int]]:
    """Return the columns of a table that has as many rows as it claims.

    Each number has width bytes; the count of rows stands after skip bytes.
    """
    if box is None:
        return [array("I") for _ in range(columns)]
    rows = box.number(skip, 4)
    body = box.data[skip + 4 :][: rows * columns * width]
    if len(body) < rows * columns * width:
        raise MalformedError(
            f"has a table {box.kind!r} that ends before its last entry, of {rows}"
        )
    numbers = array({1: "B", 2: "H", 4: "I", 8: "Q"}[width])
    numbers.frombytes(body)
    if sys.byteorder == "little":
        numbers.byteswap()
    return [numbers[column::columns] for column in range(columns)]


class Chunks(NamedTuple):
    """In which chunks the samples lie."""

    samples: int
    each: int  # bytes of a sample, if all have as many
    sizes: array[int]  # bytes of each, if not
    offsets: array[int]  # of each chunk
    runs: list[int]  # of chunks
    lengths: array[int]  # samples of a chunk, for each run
    entries: array[int]  # for each run


def read_chunks(stbl: Tree) -> Chunks:
    near, far = stbl.find("stco"), stbl.find("co64")
    if near is None and far is None:
        raise MalformedError("has a track without a table of its samples")
    [offsets] = read_table(near, 1) if near else read_table(far, 1, width=8)
    count, each, sizes = _read_sizes(stbl)
    firsts, lengths, entries = read_table(stbl.find("stsc"), 3)
    firsts.append(len(offsets) + 1)
    if any(first >= after for first, after in pairwise(firsts)) or firsts[0] < 1:
        raise MalformedError("has a table 'stsc' that is out of order")
    runs = [after - first for first, after in pairwise(firsts)]
    if sum(map(mul, runs, lengths)) < count:
        raise MalformedError(f"says of {count} samples not where they are")
    return Chunks(count, each, sizes, offsets, runs, lengths, entries)


def _read_sizes(stbl: Tree) -> tuple[int, int, array[int]]:
    """Return how many samples there are, the size of all, and else of each (8.7.3)."""
    table, compact = stbl.find("stsz"), stbl.find("stz2")
    if table is not None:
        each, count = table.number(4, 4), table.number(8, 4)
        return count, each, array("I") if each else read_table(table, 1, skip=8)[0]
    if compact is None:
        raise MalformedError("has a track without a table of its samples")
    width, count = compact.number(7, 1), compact.number(8, 4)
    if width not in (4, 8, 16):
        raise MalformedError(f"has a table 'stz2' of sizes in {width} bits")
    if width != 4:
        return count, 0, read_table(compact, 1, width=width // 8, skip=8)[0]
    pairs = bytes(compact.data[12:][: (count + 1) // 2])
    if len(pairs) * 2 < count:
        raise MalformedError(
            f"has a table 'stz2' that ends before its last entry, of {count}"
        )
    halves = (half for pair in pairs for half in (pair >> 4, pair & 15))
    return count, 0, array("I", islice(halves, count))


def _spread_lengths(chunks: Chunks) -> Iterator[int]:
    """Yield how many samples each chunk has."""
    return chain.from_iterable(map(repeat, chunks.lengths, chunks.runs))


def locate(chunks: Chunks) -> list[tuple[int, int]]:
    """Return the ranges of bytes in which samples lie, by order of their starts."""
    found: list[tuple[int, int]] = []
    upto = array("Q", accumulate(chunks.sizes, initial=0))
    first = 0
    for offset, length in zip(chunks.offsets, _spread_lengths(chunks), strict=False):
        after = min(first + length, chunks.samples)
        if after == first:
            continue
        size = chunks.each * (after - first) or upto[after] - upto[first]
        if found and found[-1][1] == offset:
            found[-1] = found[-1][0], offset + size
        else:
            found.append((offset, offset + size))
        first = after
    return sorted(found)


def list_places(stbl: Tree) -> Iterator[tuple[int, int]]:
    """Yield offset and size of each sample, in bytes; MalformedError.

    Read the tables with read_samples before, which sees whether they make sense.
    """
    chunks = read_chunks(stbl)
    sizes = iter(chunks.sizes or repeat(chunks.each, chunks.samples))
    for offset, count in zip(chunks.offsets, _spread_lengths(chunks), strict=False):
        for size in islice(sizes, count):
            yield offset, size
            offset += size
