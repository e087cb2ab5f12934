"""The init section: what is taken over of a track, and what is made anew."""

from __future__ import annotations

import struct

import pytest

from server.library.mp4.boxes import Tree
from server.library.mp4.edits import read_edits
from tests.clips import box
from tests.hls.virtual import plan
from tests.hls.writer import (
    QUARTER,
    Track,
    interleave,
    make_pictures,
    make_sound,
    write,
)
from tests.hls.written import SPEED


def read_init(*tracks: Track) -> Tree:
    """Return the index of the init section."""
    return Tree(plan(write(tracks, interleave(tracks))).init).children()[1]


def find(tree: Tree, *path: str) -> Tree:
    found = tree.find(*path)
    assert found is not None
    return found


def test_index_has_tracks_without_samples() -> None:
    moov = read_init(make_pictures(60, more=box(b"sgpd")), make_sound(90))
    kinds = [child.kind for child in moov.children()]
    assert kinds == ["mvhd", "trak", "trak", "mvex"]
    for number, trak in enumerate(moov.children()[1:3], 1):
        assert [child.kind for child in trak.children()] == ["tkhd", "edts", "mdia"]
        assert find(trak, "tkhd").number(12, 4) == number
        tables = find(trak, "mdia", "minf", "stbl").children()
        assert [table.kind for table in tables] == [
            "stsd",
            "stts",
            "stsc",
            "stsz",
            "stco",
        ]
        assert not any(any(table.data) for table in tables[1:])
    assert [each.kind for each in find(moov, "mvex").children()] == [
        "mehd",
        "trex",
        "trex",
    ]
    assert find(moov, "mvex", "mehd").number(4, 8) == 2000
    assert find(moov, "mvhd").number(16, 4) == 0


def test_track_header_keeps_its_matrix_and_is_enabled() -> None:
    tkhd = find(read_init(make_pictures(60, matrix=QUARTER, flags=0)), "trak", "tkhd")
    assert tkhd.number(0, 4) == 3
    assert struct.unpack(">9I", tkhd.data[40:76]) == QUARTER
    assert tkhd.number(20, 4) == 0
    assert (tkhd.number(76, 4), tkhd.number(80, 4)) == (64 << 16, 48 << 16)


@pytest.mark.parametrize(
    ("language", "expected"), [(0x15C7, 0x15C7), (0, 0x55C4), (0x7FFF + 1, 0x55C4)]
)
def test_language_of_macintosh_is_none(language: int, expected: int) -> None:
    mdhd = find(read_init(make_sound(90, language=language)), "trak", "mdia", "mdhd")
    assert mdhd.number(20, 2) == expected


@pytest.mark.parametrize(
    ("track", "media_time"),
    [
        (make_sound(90), 0),
        (make_sound(90, edits=[(500, -1, SPEED), (1800, 1024, SPEED)]), 1024),
        (make_pictures(60, reordered=2, least=-512), 512),
    ],
)
def test_edit_list_has_one_entry_always(track: Track, media_time: int) -> None:
    edits = read_edits(find(read_init(track), "trak", "edts", "elst"))
    assert edits == [(0, media_time, SPEED)]
