"""Files of every structure, made by the writer."""

from __future__ import annotations

from tests.hls.writer import (
    QUARTER,
    Track,
    interleave,
    make_pictures,
    make_sound,
    picture_entry,
    write,
)

SPEED = 1 << 16


def pair(
    pictures: Track | None = None, sound: Track | None = None, seconds: float = 0.0
) -> tuple[list[Track], list[tuple[int, int]]]:
    """Return five seconds of pictures and sound, and how they are interleaved."""
    tracks = [pictures or make_pictures(150), sound or make_sound(234)]
    return tracks, interleave(tracks, seconds)


def change_entry() -> list[Track]:
    """Return pictures whose third GOP has another sample entry, in chunks of a GOP."""
    track = make_pictures(150)
    samples = [
        sample._replace(entry=2 if 60 <= number < 90 else 1)
        for number, sample in enumerate(track.samples)
    ]
    entries = [picture_entry(), picture_entry(size=(64, 40))]
    return [track._replace(samples=samples, entries=entries)]


WRITTEN = {
    "a chunk for each sample": write(*pair()),
    "chunks of 0.5 s": write(*pair(seconds=0.5)),
    "chunks of 0.7 s": write(*pair(seconds=0.7)),
    "pictures out of order": write(
        *pair(make_pictures(150, gop=30, reordered=2, edits=[(5000, 512, SPEED)]))
    ),
    "signed shifts": write(
        *pair(make_pictures(150, reordered=2, least=-512, shift_version=1))
    ),
    "QuickTime": write(
        *pair(make_pictures(150, reordered=2, least=-512)), brand=b"qt  "
    ),
    "late sound": write(
        *pair(None, make_sound(150, edits=[(580, -1, SPEED), (3200, 0, SPEED)]))
    ),
    "late pictures": write(
        *pair(make_pictures(150, edits=[(500, -1, SPEED), (5000, 0, SPEED)]))
    ),
    "primed sound": write(*pair(None, make_sound(234, edits=[(4970, 1024, SPEED)]))),
    "pictures only": write([make_pictures(150)]),
    "sound only": write([make_sound(500)]),
    "index last": write(*pair(), moov_first=False),
    "places of 64 bits": write(*pair(), wide=True),
    "holes": write(*pair(), hole=800),
    "pictures, then sound": write(pair()[0], [(0, 150), (1, 234)]),
    "sound, then pictures": write(pair()[0], [(1, 234), (0, 150)]),
    "sound a second late in the file": write(
        pair()[0], [(0, 30), *interleave(pair()[0])[30:], (1, 234)]
    ),
    "long sound": write(*pair(None, make_sound(320))),
    "long pictures": write(*pair(make_pictures(200))),
    "long pictures out of order, short sound": write(
        *pair(make_pictures(128, gop=32, reordered=2), make_sound(190))
    ),
    "long sound, pictures out of order": write(
        *pair(make_pictures(149, reordered=2), make_sound(320))
    ),
    "long GOP": write(*pair(make_pictures(600, gop=300), make_sound(900))),
    "rotated": write(*pair(make_pictures(150, matrix=QUARTER))),
    "key frames only": write(*pair(make_pictures(150, gop=1))),
    "two sample entries": write(change_entry(), [(0, 30)] * 5),
}
