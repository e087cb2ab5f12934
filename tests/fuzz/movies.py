"""MP4 files: read, looked into and put in another order, at a bounded cost."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.library.clips.check import Limits
from server.library.clips.rules import find_flaws
from server.library.ffmpeg.probe_result import ProbeResult
from server.library.mp4.boxes import MalformedError
from server.library.mp4.chunks import list_places
from server.library.mp4.inspection import inspect
from server.library.mp4.movie import Movie, read_movie
from server.library.mp4.reorder import reorder

if TYPE_CHECKING:
    from random import Random

    from server.library.mp4.track import Track

WORDS = [
    *(b"ftyp", b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mdat", b"free", b"sidx"),
    *(b"stts", b"ctts", b"stsz", b"stz2", b"stsc", b"stco", b"co64", b"stss", b"elst"),
    *(b"tref", b"dref", b"stsd", b"avc1", b"avcC", b"hvc1", b"hvcC", b"mp4a", b"esds"),
    *(b"vide", b"soun", b"clap", b"colr", b"encv", b"sinf", b"frma", b"wave", b"dvcC"),
    *(b"\0\0\0\0", b"\0\0\0\1", b"\0\0\0\2", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"),
]

_READ_BYTES = 20  # for each byte of a file, at most
_ODD = (0, 1, 2, 7, 8, 255, (1 << 31) - 1, 1 << 31, (1 << 32) - 2, (1 << 32) - 1)
_NAMES = re.compile(b"|".join(word for word in WORDS if word.isalnum()))
_NEGATIVE = re.compile(r"[ (]-\d+ ")  # a count below 0


class Meter:
    """A file in memory that counts what is read of it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.read_bytes = data, 0

    def read(self, start: int, length: int) -> bytes:
        """Return bytes of the file, fewer at its end."""
        assert start >= 0 <= length
        assert start < 1 << 63 > length, "no file reads so far"
        found = self.data[start : start + length]
        self.read_bytes += len(found)
        return found


def fuzz_movie(data: bytes) -> None:
    """Do with a file what check and import do before a decoder sees it."""
    meter = Meter(data)
    movie = read_movie(meter.read, len(data))
    if movie is not None:
        seen = inspect(meter.read, movie)
        for flaw in find_flaws(movie, ProbeResult(), Limits(), seen):
            flaw.sentence.encode()
            assert not _NEGATIVE.search(flaw.sentence), flaw.sentence
    assert meter.read_bytes <= _READ_BYTES * (len(data) + 1000)
    try:
        moved = b"".join(reorder(Meter(data).read, len(data)))
    except MalformedError as error:
        str(error).encode()
        return
    if movie is not None and not movie.malformed and not movie.missing:
        compare(movie, data, moved)


def compare(movie: Movie, data: bytes, moved: bytes) -> None:
    """See that a file in another order is sound, and has the same samples."""
    other = read_movie(Meter(moved).read, len(moved))
    assert other is not None
    assert not other.malformed, other.malformed
    assert not other.missing
    for mine, theirs in (
        (movie.picture, other.picture),
        (movie.sound, other.sound),
    ):
        assert (mine is None) == (theirs is None)
        if mine and theirs and not mine.is_external:
            assert list_samples(mine, data) == list_samples(theirs, moved)


def list_samples(track: Track, data: bytes) -> list[bytes]:
    """Return the samples of a track, as far as they are few."""
    if not track.samples.is_readable:
        return []
    return [data[at : at + size] for at, size in list_places(track.table)]


def mutate(data: bytes, random: Random) -> bytes:
    """Return a file in which the size of a box, or a number behind it, is another."""
    changed = bytearray(data)
    boxes = [found.start() for found in _NAMES.finditer(data) if found.start() >= 4]
    for _ in range(random.choice((1, 1, 2, 3)) if boxes else 0):
        at = random.choice(boxes)
        place = random.choice((at - 4, at + 8, at + 4 + 4 * random.randrange(24)))
        old = int.from_bytes(changed[place : place + 4], "big")
        new = random.choice((*_ODD, old + 1, old - 1, old * 2, old ^ 1 << 8))
        changed[place : place + 4] = (new % (1 << 32)).to_bytes(4, "big")
    return bytes(changed)
