"""The index of a file is found wherever it stands, with a read for each box."""

from __future__ import annotations

import pytest

from server.hls.index import find_index
from server.library.mp4.unfit import Unfit
from tests.clips import box

FTYP = box(b"ftyp", b"isom", bytes(4))
MOOV = box(b"moov", bytes(100))
MDAT = box(b"mdat", bytes(5000))
LARGE_MDAT = b"\0\0\0\1mdat" + (5016).to_bytes(8, "big") + bytes(5000)


def run(data: bytes, size: int | None = None) -> tuple[range, int]:
    """Return where the index is, and how many reads that took."""
    steps, reads = find_index(len(data) if size is None else size), 0
    try:
        span = next(steps)
        while True:
            reads += 1
            assert 0 < len(span) <= 16
            span = steps.send(data[span.start : span.stop])
    except StopIteration as done:
        return done.value, reads


@pytest.mark.parametrize(
    ("data", "start", "reads"),
    [
        (FTYP + MOOV + MDAT, len(FTYP) + 8, 2),
        (FTYP + MDAT + MOOV, len(FTYP) + len(MDAT) + 8, 3),
        (FTYP + LARGE_MDAT + MOOV, len(FTYP) + len(LARGE_MDAT) + 8, 3),
        (MOOV, 8, 1),
    ],
)
def test_index_is_found(data: bytes, start: int, reads: int) -> None:
    assert run(data) == (range(start, start + 100), reads)


def test_last_box_may_leave_its_size_open() -> None:
    data = FTYP + bytes(4) + MOOV[4:]
    assert run(data)[0] == range(len(FTYP) + 8, len(data))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "hls-malformed"),
        (b"RIFF", "hls-malformed"),
        (FTYP + MDAT, "hls-malformed"),
        (FTYP + bytes(5000), "hls-malformed"),
        (FTYP + b"\0\0\0\4mdat" + bytes(40), "hls-malformed"),
        (FTYP + box(b"free") * 200 + MOOV, "hls-malformed"),
        (FTYP + box(b"moof") + MOOV, "hls-fragmented"),
        (FTYP + MDAT[:-1], "hls-cut-short"),
        (FTYP + MOOV[:-1], "hls-cut-short"),
    ],
)
def test_file_without_index_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(Unfit) as caught:
        run(data)
    assert caught.value.code == code


def test_index_that_is_too_large_is_refused() -> None:
    head = ((32 << 20) + 9).to_bytes(4, "big") + b"moov"
    with pytest.raises(Unfit, match="33554433 bytes"):
        run(FTYP + head + bytes(8), size=1 << 30)
