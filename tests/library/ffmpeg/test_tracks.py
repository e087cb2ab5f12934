"""Only what is played is opened, and in time."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING

import pytest

from server.library.ffmpeg.sandbox import Sandbox
from tests.clips import Kind, box, make
from tests.library.ffmpeg.encoding import (
    encode,
    read_pictures,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def test_senseless_edit_list_is_ignored(tmp_path: Path, sandbox: Sandbox) -> None:
    whole = make(tmp_path / "whole.mp4", Kind(frames=25))
    edits = pack(">IiHH", 1, 1024, 1, 0) * 20_000
    data = whole.read_bytes()
    start = data.index(b"elst") - 4
    size = int.from_bytes(data[start : start + 4], "big")
    added = box(b"elst", pack(">II", 0, 20_000), edits)
    more = len(added) - size
    data = data[:start] + added + data[start + size :]
    for kind in (b"edts", b"trak", b"moov"):
        place = data.index(kind) - 4
        grown = int.from_bytes(data[place : place + 4], "big") + more
        data = data[:place] + pack(">I", grown) + data[place + 4 :]
    moved, at = bytearray(data), 0
    while (at := data.find(b"stco", at + 1)) > 0:
        count = int.from_bytes(data[at + 8 : at + 12], "big")
        for place in range(at + 12, at + 12 + 4 * count, 4):
            offset = int.from_bytes(data[place : place + 4], "big") + more
            moved[place : place + 4] = pack(">I", offset)
    (tmp_path / "a.mp4").write_bytes(moved)
    assert len(read_pictures(encode(tmp_path / "a.mp4", sandbox))) == 25
