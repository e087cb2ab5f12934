"""Files of boxes made by hand: what they cost, and numbers that do not fit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from server.library.clips.check import Limits
from server.library.clips.rules import find_flaws
from server.library.ffmpeg.probe_result import ProbeResult
from server.library.mp4.boxes import MalformedError
from server.library.mp4.movie import read_movie
from server.library.mp4.reorder import reorder
from server.library.mp4.top_level import read_layout
from tests.clips import Kind, box, make
from tests.library.mp4.mutations import change_boxes

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 20  # a hundred times what it takes
LAST = Kind(frames=3, movflags="", audio=None)  # the index is last


def test_many_boxes_of_media_and_many_chunks_take_no_long_time(tmp_path: Path) -> None:
    count = 60_000

    def scatter(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
        numbers = {
            b"stsz": (0, 1, count),
            b"stsc": (0, 1, 1, 1, 1),
            b"stco": (0, count, *(start + 9 * at for at in range(count))),
            b"stts": (0, 1, count, 1),
        }
        if kind not in numbers:
            return kind, body
        return kind, b"".join(each.to_bytes(4, "big") for each in numbers[kind])

    whole = make(tmp_path / "a.mp4", LAST).read_bytes()
    start = whole.index(b"mdat") + 4
    moov = whole.index(b"moov") - 4
    media = box(b"mdat", b"\0") * count
    data = change_boxes(whole[: start - 8] + media + whole[moov:], scatter)
    begun = time.monotonic()
    movie = read_movie(lambda at, length: data[at : at + length], len(data))
    assert time.monotonic() - begun < SECONDS
    assert movie is not None
    assert movie.malformed == ()


def test_index_of_fragments_is_not_read_beyond_its_entries() -> None:
    data = b"".join((box(b"ftyp", b"isom"), box(b"moof"), box(b"sidx", bytes(2 << 20))))
    most = 0

    def read(start: int, length: int) -> bytes:
        nonlocal most
        most = max(most, length)
        return data[start : start + length]

    assert read_layout(read, len(data)).is_fragmented
    assert most < 1 << 20


@pytest.mark.parametrize("is_external", [False, True])
def test_samples_of_another_file_are_not_looked_for(
    is_external: bool, tmp_path: Path
) -> None:
    whole = make(tmp_path / "a.mp4", LAST).read_bytes()
    end = len(whole) - 20  # of samples, which begin in the index then

    def change(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
        numbers = {
            b"stsz": (0, 10, 3),
            b"stco": (0, 1, end),
            b"stsc": (0, 1, 1, 3, 1),
        }
        if kind == b"dinf" and is_external:
            other = box(b"url ", bytes(4), b"other.mp4\0")
            return kind, box(b"dref", bytes(4), b"\0\0\0\1", other)
        if kind not in numbers:
            return kind, body
        return kind, b"".join(each.to_bytes(4, "big") for each in numbers[kind])

    data = change_boxes(whole, change)

    def read(at: int, length: int) -> bytes:
        return data[at : at + length]

    movie = read_movie(read, len(data))
    assert movie is not None
    if not is_external:
        assert movie.missing or movie.malformed
        return
    assert (movie.missing, movie.malformed) == (0, ())
    flaws = find_flaws(movie, ProbeResult(), Limits())
    assert flaws[0].code == "external-media"
    with pytest.raises(MalformedError, match="in another file"):
        b"".join(reorder(read, len(data)))


def test_edit_longer_than_its_number_is_left(tmp_path: Path) -> None:
    edits = b"".join(each.to_bytes(4, "big") for each in (0, 2, 1, 0, 1, 0, 0, 1))
    fields = {
        b"mvhd": (12, b"\xff" * 4),  # units of the movie in a second
        b"mdhd": (12, b"\0\0\0\1"),
        b"elst": (0, edits),
    }

    def change(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
        at, new = fields.get(kind, (0, b""))
        return kind, body[:at] + new + body[at + len(new) :]

    data = change_boxes(make(tmp_path / "a.mp4", LAST).read_bytes(), change)
    moved = b"".join(reorder(lambda at, length: data[at : at + length], len(data)))
    assert len(moved) == len(data)
