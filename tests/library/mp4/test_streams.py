"""Tables of samples, spread over arrays."""

from __future__ import annotations

from array import array

import pytest

from server.library.mp4.boxes import MalformedError, Tree
from server.library.mp4.streams import Stream, Times, read_stream
from server.library.mp4.unfit import Unfit
from tests.clips import box


def table(kind: bytes, *rows: tuple[int, ...], before: bytes = bytes(4)) -> bytes:
    """Return a table of unsigned numbers."""
    numbers = b"".join(
        (number & 0xFFFFFFFF).to_bytes(4, "big") for row in rows for number in row
    )
    return box(kind, before, len(rows).to_bytes(4, "big"), numbers)


STTS = table(b"stts", (2, 10), (1, 0), (3, 20))
STSC = table(b"stsc", (1, 2, 1), (2, 1, 1), (4, 2, 2))
STSZ = table(b"stsz", (5,), (6,), (7,), (8,), (9,), (10,), before=bytes(8))
STCO = table(b"stco", (100,), (111,), (200,), (300,))
CTTS = table(b"ctts", (1, 0), (2, -4), (2, 6))
STSS = table(b"stss", (1,), (4,))


WHOLE = {"stts": STTS, "stsc": STSC, "stsz": STSZ, "stco": STCO, "ctts": CTTS}
WHOLE |= {"stss": STSS}


def read(changed: dict[str, bytes] | None = None, handler: str = "vide") -> Stream:
    """Return a stream of six samples, with some of its tables changed."""
    boxes = b"".join((WHOLE | (changed or {})).values())
    return read_stream(Tree(boxes, "stbl"), handler, 10, 1000)


def test_samples_have_places_and_sizes() -> None:
    stream = read()
    assert list(stream.upto) == [0, 5, 11, 18, 26, 35, 45]
    assert [stream.place(n) for n in range(6)] == [100, 105, 111, 200, 300, 309]
    assert list(stream.runs) == [0, 3, 4, 6]
    assert list(stream.offsets) == [100, 200, 300]
    assert stream.entries == ((0, 1), (4, 2))


def test_samples_have_times() -> None:
    stream = read()
    assert [stream.times.at(n) for n in range(7)] == [0, 10, 20, 20, 40, 60, 80]
    assert [stream.times.last(n) for n in range(6)] == [10, 10, 0, 20, 20, 20]
    assert stream.times.is_even(0, 2)
    assert not stream.times.is_even(1, 3)
    assert stream.times.is_even(3, 6)


def test_negative_shifts_are_raised_and_taken_back() -> None:
    stream = read()
    assert list(stream.shifts) == [4, 0, 0, 10, 10, 4]
    assert [stream.show(n) for n in range(6)] == [0, 6, 16, 26, 46, 60]
    assert stream.end == 80


def test_key_frames_are_marked_in_pictures_only() -> None:
    assert list(read().keys) == [0, 3]
    assert read(handler="soun").keys == range(6)
    assert read({"stss": b""}).keys == range(6)


@pytest.mark.parametrize(
    ("time", "sample"),
    [(-5, 0), (0, 0), (1, 1), (10, 1), (11, 2), (20, 2), (21, 4), (60, 5), (61, 6)],
)
def test_first_sample_from_a_time_on_is_found(time: int, sample: int) -> None:
    assert read().times.find(time) == sample


def test_time_after_the_end_is_not_found() -> None:
    times = Times(array("I", [0, 3]), array("Q", [0, 30]), array("I", [10, 10]))
    assert [times.find(time) for time in (30, 31, 1 << 70)] == [3, 3, 3]


@pytest.mark.parametrize(
    ("changed", "at"),
    [
        ({"stts": table(b"stts", (2, 10))}, [0, 10, 20, 30, 40, 50, 60]),
        ({"stts": table(b"stts", (0, 3), (9, 1))}, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_times_fit_the_samples(changed: dict[str, bytes], at: list[int]) -> None:
    stream = read(changed)
    assert [stream.times.at(n) for n in range(7)] == at


def test_sizes_may_be_equal() -> None:
    stsz = box(b"stsz", (7).to_bytes(8, "big"), (6).to_bytes(4, "big"))
    assert list(read({"stsz": stsz}).upto) == [0, 7, 14, 21, 28, 35, 42]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"stts": table(b"stts")}, MalformedError),
        ({"stts": table(b"stts", (6, -1))}, MalformedError),
        ({"stts": table(b"stts", (6, 1 << 30))}, MalformedError),
        ({"ctts": table(b"ctts", (3, 1 << 30), (3, -1 << 30))}, MalformedError),
        ({"stss": table(b"stss", (4,), (1,))}, MalformedError),
        ({"stss": table(b"stss", (7,))}, MalformedError),
        ({"stsz": box(b"stsz", b"\0\0\0\1" * 2, b"\xff" * 4)}, MalformedError),
        ({"stsz": box(b"stsz", bytes(4), b"\0\1\0\0", b"\0\0\0\6")}, Unfit),
        ({"stco": table(b"stco", (100,), (111,), (200,), (982,))}, Unfit),
    ],
)
def test_tables_without_sense_are_refused(
    changed: dict[str, bytes], error: type[Exception]
) -> None:
    with pytest.raises(error):
        read(changed)


def test_more_chunks_than_a_film_has_are_refused() -> None:
    count = 1_000_001
    stco = box(b"stco", bytes(4), count.to_bytes(4, "big"), b"\0\0\0\1" * count)
    with pytest.raises(MalformedError):
        read({"stco": stco})


def test_counts_beyond_measure_cost_nothing() -> None:
    most = 0xFFFFFFFF
    stream = read(
        {
            "stts": table(b"stts", *[(most, 1)] * 9),
            "ctts": table(b"ctts", *[(most, 1)] * 9),
            "stsc": table(b"stsc", (1, most, 1)),
        }
    )
    assert stream.times.at(6) == 6
    assert len(stream.shifts) == 6
    assert stream.weight < 1000
