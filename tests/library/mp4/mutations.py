"""Files with other boxes than FFmpeg writes, and files that are damaged at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.clips import box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    Change = Callable[[bytes, bytes], tuple[bytes, bytes]]
    """From kind and body of a box to those that it gets."""

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"}
TABLES = {b"stts", b"ctts", b"stsz", b"stsc", b"stco", b"co64", b"stss", b"elst"}
_ODD = (0, 1, 2, 7, 8, 255, (1 << 31) - 1, 1 << 31, (1 << 32) - 2, (1 << 32) - 1)


class Place(NamedTuple):
    """Where a box lies."""

    kind: bytes
    start: int
    end: int


def list_places(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Place]:
    """Yield the boxes of a whole file, and those inside the containers."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size = int.from_bytes(data[start : start + 4], "big")
        kind = data[start + 4 : start + 8]
        yield Place(kind, start, start + size)
        if kind in CONTAINERS:
            yield from list_places(data, start + 8, start + size)
        start += size


def change_boxes(data: bytes, change: Change) -> bytes:
    """Return a file with other tables; its index has to be last, so that nothing moves.

    change gets the kind and body of every box of the index that holds no others.
    """
    parts = []
    for kind, start, end in list_places(data):
        if kind == b"moov":
            assert end == len(data)
            return data[:start] + _change(kind, data[start + 8 : end], change)
        parts.append(kind)
    raise ValueError(f"there is no index, only {parts}")


def _change(kind: bytes, body: bytes, change: Change) -> bytes:
    if kind not in CONTAINERS:
        return box(*change(kind, body))
    parts, at = [], 0
    while at < len(body):
        size = int.from_bytes(body[at : at + 4], "big")
        inside = body[at + 8 : at + size]
        parts.append(_change(body[at + 4 : at + 8], inside, change))
        at += size
    return box(kind, *parts)


def widen_offsets(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Make a table of chunks one of 64 bits (ISO/IEC 14496-12, 8.7.5)."""
    if kind != b"stco":
        return kind, body
    wide = (bytes(4) + body[at : at + 4] for at in range(8, len(body), 4))
    return b"co64", body[:8] + b"".join(wide)


def compact_sizes(bits: int) -> Change:
    """Return what makes sizes that fit compact ones of so many bits (8.7.3.3)."""

    def change(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
        if kind != b"stsz":
            return kind, body
        each, count = (int.from_bytes(body[at : at + 4], "big") for at in (4, 8))
        sizes = [each] * count or []
        if not each:
            sizes = [
                int.from_bytes(body[at : at + 4], "big")
                for at in range(12, len(body), 4)
            ]
        if max(sizes) >> bits:
            return kind, body
        digits = bits // 4
        packed = "".join(f"{size:0{digits}x}" for size in sizes)
        packed += "0" * (len(packed) % 2)
        head = body[:4] + bytes((0, 0, 0, bits)) + body[8:12]
        return b"stz2", head + bytes.fromhex(packed)

    return change


def mutate(data: bytes, random: Random) -> bytes:
    """Return a file that is damaged in up to three ways."""
    places = list(list_places(data))
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        random.choice(_WAYS)(changed, places, random)
    return bytes(changed)


def _flip(data: bytearray, places: list[Place], random: Random) -> None:
    for _ in range(random.choice((1, 2, 8))):
        if data:
            data[random.randrange(len(data))] = random.randrange(256)


def _flip_in_a_box(data: bytearray, places: list[Place], random: Random) -> None:
    place = random.choice(places)
    at = random.randrange(place.start, place.end)
    if at < len(data):
        data[at] = random.randrange(256)


def _resize(data: bytearray, places: list[Place], random: Random) -> None:
    place = random.choice(places)
    size = place.end - place.start
    other = random.choice((*_ODD, size + random.randint(-16, 16), size * 2))
    _write(data, place.start, other)


def _recount(data: bytearray, places: list[Place], random: Random) -> None:
    """Change a count, or a number behind it, in a table."""
    place = random.choice([each for each in places if each.kind in TABLES])
    at = random.choice((12, random.randrange(12, place.end - place.start, 4)))
    old = int.from_bytes(data[place.start + at : place.start + at + 4], "big")
    _write(data, place.start + at, random.choice((*_ODD, old + 1, old - 1, old * 2)))


def _write(data: bytearray, at: int, number: int) -> None:
    if at + 4 <= len(data):
        data[at : at + 4] = (number % (1 << 32)).to_bytes(4, "big")


def _truncate(data: bytearray, places: list[Place], random: Random) -> None:
    del data[random.randrange(len(data) + 1) :]


def _insert(data: bytearray, places: list[Place], random: Random) -> None:
    at, start = random.randrange(len(data) + 1), random.randrange(len(data) + 1)
    data[at:at] = random.choice((bytes(8), data[start : start + 64]))


def _remove(data: bytearray, places: list[Place], random: Random) -> None:
    place = random.choice(places)
    del data[place.start : place.end]


_WAYS = (
    _flip,
    _flip_in_a_box,
    _resize,
    _recount,
    _recount,
    _truncate,
    _insert,
    _remove,
)
