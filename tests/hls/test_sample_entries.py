"""Sample entries of QuickTime become those of an MP4."""

from __future__ import annotations

import struct

import pytest

from server.hls.sample_entries import render_entry
from server.library.mp4.boxes import MalformedError, Tree
from server.library.mp4.codecs import Coding
from tests.clips import box
from tests.hls.writer import AVCC, ESDS, picture_entry, sound_entry

SOUND = Coding("mp4a")
QUICKTIME = struct.pack(">6xHH6xHHHHI", 1, 1, 2, 16, 0xFFFE, 0, 44100 << 16)
VERSION_2 = struct.pack(">6xHH6xHHhHIIdI20x", 1, 2, 3, 16, -2, 0, 1 << 16, 72, 48000, 6)


def rebuild(entry: bytes, coding: Coding) -> Tree:
    """Return the entry as it is sent."""
    return Tree(render_entry(Tree(entry[8:]), coding)).children()[0]


def test_own_entries_stay_as_they_are() -> None:
    for entry, codec in ((picture_entry(), "avc1"), (sound_entry(), "mp4a")):
        assert render_entry(Tree(entry[8:]), Coding(codec)) == entry


def test_boxes_that_stop_players_are_left_out() -> None:
    entry = picture_entry(box(b"fiel", b"\1\0"), box(b"pasp", bytes(8)), kind=b"avc3")
    found = rebuild(entry, Coding("avc3"))
    assert found.kind == "avc1"
    assert [child.kind for child in found.children(78)] == ["avcC", "pasp"]
    assert bytes(found.children(78)[0].data) == AVCC


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        (b"nclc\0\1\0\1\0\1", b"nclx\0\1\0\1\0\1\0"),
        (b"nclx\0\t\0\x10\0\t\x80", b"nclx\0\t\0\x10\0\t\x80"),
    ],
)
def test_colours_get_a_range(colour: bytes, expected: bytes) -> None:
    entry = picture_entry(box(b"colr", colour))
    found = rebuild(entry, Coding("avc1")).children(78)
    assert bytes(found[1].data) == expected


@pytest.mark.parametrize(
    ("fields", "channels", "rate"),
    [(QUICKTIME + bytes(16), 2, 44100 << 16), (VERSION_2, 6, 48000 << 16)],
)
def test_sound_of_quicktime_is_taken_over(
    fields: bytes, channels: int, rate: int
) -> None:
    wave = box(b"wave", box(b"frma", b"mp4a"), box(b"esds", ESDS))
    found = rebuild(box(b"mp4a", fields, wave), SOUND)
    assert found.number(8, 8) == 0
    assert (found.number(16, 2), found.number(24, 4)) == (channels, rate)
    assert bytes(found.children(28)[0].data) == ESDS


@pytest.mark.parametrize("fields", [QUICKTIME + bytes(16), VERSION_2[:40]])
def test_sound_without_its_record_is_refused(fields: bytes) -> None:
    with pytest.raises(MalformedError):
        render_entry(Tree(fields), SOUND)
