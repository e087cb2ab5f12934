"""An MP4 of any structure, written without an encoder: the same bytes anywhere."""

from __future__ import annotations

import struct
from itertools import groupby
from operator import itemgetter
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.clips import box

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

AVCC = bytes.fromhex(
    "0164000affe100176764000aacd9442684000003000400000300f03c48965801000668ebe3cb22c0"
    "fdf8f800"
)
ESDS = bytes.fromhex(
    "0000000003808080250002000480808017401500000000010d88000005f705808080051188"
    "56e500068080800102"
)
UNTURNED = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
QUARTER = (0, 1 << 16, 0, 0xFFFF0000, 0, 0, 0, 0, 1 << 30)  # 90 degrees clockwise


class Sample(NamedTuple):
    """A sample; times are in units of its track."""

    size: int
    duration: int
    shift: int = 0
    is_key: bool = True
    entry: int = 1


class Track(NamedTuple):
    """A track, with all that its boxes say."""

    handler: bytes
    timescale: int
    samples: Sequence[Sample]
    entries: Sequence[bytes]
    edits: Sequence[tuple[int, int, int]] = ()  # duration, media time, rate
    matrix: Sequence[int] = UNTURNED
    language: int = 0x55C4
    flags: int = 3
    shift_version: int = 0  # of ctts
    more: bytes = b""  # boxes in stbl


def picture_entry(
    *more: bytes,
    kind: bytes = b"avc1",
    record: bytes = AVCC,
    size: tuple[int, int] = (64, 48),
) -> bytes:
    """Return a sample entry of pictures, by default of H.264."""
    fields = struct.pack(
        ">6xH16xHHIIIH32xHh", 1, *size, 72 << 16, 72 << 16, 0, 1, 24, -1
    )
    return box(kind, fields, box(b"avcC", record) if record else b"", *more)


def sound_entry(*, kind: bytes = b"mp4a", record: bytes = ESDS) -> bytes:
    """Return a sample entry of sound, by default of AAC."""
    fields = struct.pack(">6xH8xHHII", 1, 1, 16, 0, 48000 << 16)
    return box(kind, fields, box(b"esds", record))


def make_pictures(
    count: int, *, gop: int = 30, reordered: int = 0, least: int = 0, **fields: Any
) -> Track:
    """Return pictures at 30 a second, so many of them shown before the one before.

    least is added to the shifts from when they are decoded to shown.
    """
    random = Random(count)
    samples = []
    for number in range(count):
        place = number % gop
        shift = 0
        if reordered:
            group, last = (place - 1) // (reordered + 1), (gop - 2) // (reordered + 1)
            is_anchor = place == 0 or (place - 1) % (reordered + 1) == 0
            whole = group < last or (gop - 1) % (reordered + 1) == 0
            shift = 512 * (1 + (reordered if is_anchor and place and whole else 0))
            shift -= 512 if not is_anchor and whole else 0
        samples.append(
            Sample(
                random.randint(40, 90) * (9 if not place else 1),
                512,
                shift + least,
                not place,
            )
        )
    return Track(b"vide", 15360, samples, [picture_entry()], **fields)


def make_sound(count: int, **fields: Any) -> Track:
    """Return sound of 1024 units at 48000 a second in each sample."""
    random = Random(count)
    samples = [Sample(random.randint(20, 40), 1024) for _ in range(count)]
    return Track(b"soun", 48000, samples, [sound_entry()], **fields)


def interleave(tracks: Sequence[Track], seconds: float = 0.0) -> list[tuple[int, int]]:
    """Return chunks, as track and number of samples, each of a time; 0: of a sample."""
    marks = []
    for number, track in enumerate(tracks):
        time = 0
        for sample in track.samples:
            moment = time / track.timescale
            marks.append((moment // seconds if seconds else moment, number))
            time += sample.duration
    if not seconds:
        return [(number, 1) for _, number in sorted(marks)]
    groups = groupby(sorted(marks))
    return [(number, len(list(group))) for (_, number), group in groups]


def write(
    tracks: Sequence[Track],
    chunks: Sequence[tuple[int, int]] | None = None,
    *,
    brand: bytes = b"isom",
    moov_first: bool = True,
    wide: bool = False,
    hole: int = 0,
    movie_timescale: int = 1000,
    more: bytes = b"",
) -> bytes:
    """Return a file whose chunks lie in this order, with a hole before each.

    wide: places are told in 64 bits (co64). more: boxes in moov.
    """
    chunks = interleave(tracks) if chunks is None else chunks
    media, places, cut = _write_media(tracks, chunks, hole)
    ftyp = box(b"ftyp", brand, struct.pack(">I", 512), brand)

    def build(base: int) -> bytes:
        traks = [
            _write_track(
                number, track, [base + at for at in places[number]], cut[number], wide
            )
            for number, track in enumerate(tracks)
        ]
        mvhd = struct.pack(
            ">12xIIIH10x9I24xI", movie_timescale, 0, 1 << 16, 256, *UNTURNED, 9
        )
        return box(b"moov", box(b"mvhd", mvhd), *traks, more)

    length = len(build(0)) if moov_first else 0
    base = len(ftyp) + length + 8
    parts = [ftyp, build(base), box(b"mdat", media)]
    return b"".join(parts if moov_first else [parts[0], parts[2], parts[1]])


def _write_media(
    tracks: Sequence[Track], chunks: Sequence[tuple[int, int]], hole: int
) -> tuple[bytes, list[list[int]], list[list[int]]]:
    """Return the media, and for each track where chunks are and how many samples."""
    places: list[list[int]] = [[] for _ in tracks]
    cut: list[list[int]] = [[] for _ in tracks]
    at = [0] * len(tracks)
    media = bytearray()
    random = Random(1)
    for number, count in chunks:
        media += b"?" * hole
        places[number].append(len(media))
        cut[number].append(count)
        for sample in tracks[number].samples[at[number] : at[number] + count]:
            media += random.randbytes(sample.size)
        at[number] += count
    return bytes(media), places, cut


def _write_track(
    number: int, track: Track, places: Sequence[int], cut: Sequence[int], wide: bool
) -> bytes:
    tkhd = struct.pack(
        ">B3s8xI24x9III",
        0,
        track.flags.to_bytes(3, "big"),
        number + 7,
        *track.matrix,
        64 << 16,
        48 << 16,
    )
    mdhd = struct.pack(">12xIIHH", track.timescale, 0, track.language, 0)
    edits = [struct.pack(">Iii", *edit) for edit in track.edits]
    header = (
        box(b"vmhd", bytes(12)) if track.handler == b"vide" else box(b"smhd", bytes(8))
    )
    dref = _full(b"dref", _count([box(b"url ", b"\0\0\0\1")]))
    stbl = box(b"stbl", *_list_tables(track, places, cut, wide), track.more)
    return box(
        b"trak",
        box(b"tkhd", tkhd),
        box(b"edts", _full(b"elst", _count(edits))) if edits else b"",
        box(
            b"mdia",
            box(b"mdhd", mdhd),
            _full(b"hdlr", bytes(4), track.handler, bytes(13)),
            box(b"minf", header, box(b"dinf", dref), stbl),
        ),
    )


def _list_tables(
    track: Track, places: Sequence[int], cut: Sequence[int], wide: bool
) -> list[bytes]:
    samples = track.samples
    firsts = [sum(cut[:chunk]) for chunk in range(len(cut))] if len(cut) < 99 else None
    entries = [samples[first].entry for first in firsts] if firsts else [1] * len(cut)
    rows = [
        struct.pack(">III", next(group)[0] + 1, *key)
        for key, group in groupby(
            enumerate(zip(cut, entries, strict=True)), key=itemgetter(1)
        )
    ]
    found = [
        _full(b"stsd", _count(track.entries)),
        _full(b"stts", _count(_list_runs(sample.duration for sample in samples))),
        _full(b"stsc", _count(rows)),
        _full(
            b"stsz",
            bytes(4),
            _count([struct.pack(">I", sample.size) for sample in samples]),
        ),
        _full(b"co64", _count([struct.pack(">Q", place) for place in places]))
        if wide
        else _full(b"stco", _count([struct.pack(">I", place) for place in places])),
    ]
    if any(sample.shift for sample in samples):
        shifts = _list_runs(sample.shift for sample in samples)
        found.append(_full(b"ctts", _count(shifts), version=track.shift_version))
    if not all(sample.is_key for sample in samples):
        keys = [n for n, sample in enumerate(samples, 1) if sample.is_key]
        found.append(_full(b"stss", _count([struct.pack(">I", key) for key in keys])))
    return found


def _list_runs(values: Iterable[int]) -> list[bytes]:
    return [
        struct.pack(">Ii", len(list(group)), value) for value, group in groupby(values)
    ]


def _count(rows: Sequence[bytes]) -> bytes:
    return len(rows).to_bytes(4, "big") + b"".join(rows)


def _full(kind: bytes, *parts: bytes, version: int = 0) -> bytes:
    return box(kind, bytes([version, 0, 0, 0]), *parts)
