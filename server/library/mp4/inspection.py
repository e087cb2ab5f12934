"""A look into each sample of an MP4 file, as far as that needs no decoder. No I/O."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.aac import count_contradictions
from server.library.mp4.chunks import list_places
from server.library.mp4.key_frames import KeyFrames, find_key_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.library.mp4.boxes import Read
    from server.library.mp4.movie import Movie
    from server.library.mp4.track import Track

_WHOLE_BYTES = 64 << 20  # larger files are not read as a whole
_FRAME_BYTES = 600  # that are enough to know one by


class Inspection(NamedTuple):
    """What is in the samples."""

    keys: KeyFrames | None = None  # of the picture
    contradicting: int = 0  # frames of sound that are not as configured
    contradiction: str = ""  # what these have instead


def inspect(read: Read, movie: Movie) -> Inspection:
    """Return what the samples of pictures and sound are; nothing is raised."""
    if movie.missing or movie.malformed or movie.size > _WHOLE_BYTES:
        return Inspection()
    picture, sound = movie.picture, movie.sound
    keys = find_key_frames(read, picture) if picture else None
    aac = sound.coding.aac if sound and not sound.coding.encrypted else None
    if sound is None or aac is None or not sound.samples.is_readable:
        return Inspection(keys)
    found = count_contradictions(aac, _list_frames(read, sound)).most_common(1)
    return Inspection(keys, found[0][1], found[0][0]) if found else Inspection(keys)


def _list_frames(read: Read, track: Track) -> Iterator[bytes]:
    for offset, size in list_places(track.table):
        yield read(offset, min(size, _FRAME_BYTES))


def digest_samples(read: Read, movie: Movie | None) -> list[bytes]:
    """Return a digest of all samples of the picture, and one of the sound.

    Nothing if they cannot all be read.
    """
    if movie is None or movie.missing or movie.malformed:
        return []
    found = []
    for track in (movie.picture, movie.sound):
        if track is None:
            continue
        if not track.samples.is_readable:
            return []
        told = sha256()
        for offset, size in list_places(track.table):
            told.update(read(offset, size))
        found.append(told.digest())
    return found
