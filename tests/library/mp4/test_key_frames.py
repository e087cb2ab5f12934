"""Samples of more units than a clip has: they are given up, and cost little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.library.mp4 import key_frames
from server.library.mp4.boxes import MalformedError, Tree
from server.library.mp4.codecs import read_codings
from server.library.mp4.inspection import inspect
from server.library.mp4.movie import read_movie
from tests.clips import Kind, box, make

if TYPE_CHECKING:
    from pathlib import Path

SEQUENCE = bytes.fromhex("6742000af884c0")  # of H.264, 64 by 64 pixels


@pytest.mark.parametrize(("most", "is_looked_at"), [(1000, True), (3, False)])
def test_file_of_too_many_units_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, is_looked_at: bool
) -> None:
    data = make(tmp_path / "a.mp4", Kind(frames=5, audio=None)).read_bytes()
    monkeypatch.setattr(key_frames, "_MOST_UNITS", most)

    def read(start: int, length: int) -> bytes:
        return data[start : start + length]

    movie = read_movie(read, len(data))
    assert movie is not None
    assert (inspect(read, movie).keys is not None) == is_looked_at


def test_only_so_many_different_parameter_sets_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_frames, "_MOST_SEQUENCES", 10)
    known: set[bytes] = set()
    units = [SEQUENCE + bytes([number]) for number in range(100)] * 2
    assert len(list(key_frames._list_sizes(units, True, known))) == 10
    assert list(key_frames._list_sizes(units[:10], True, known)) == []


def test_record_of_too_many_parameter_sets_is_malformed() -> None:
    units = b"\x21\xff\xff" + bytes(2 * 0xFFFF)
    record = box(b"hvcC", bytes(22), b"\xff", units * 3)
    entry = box(b"hvc1", bytes(78), record)
    with pytest.raises(MalformedError, match="more than 1000 parameter sets"):
        read_codings(Tree(bytes(8) + entry, "stsd"), "vide")
