"""What headers and edit lists may say wrongly about time. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.library.clips.check import (
    EXPORT,
    FAULT,
    FIX,
    TRANSCODE,
    WARNING,
    Flaw,
    repairable,
)
from server.library.mp4.edits import MOST_EDITS
from server.library.mp4.headers import differs, lies
from server.library.mp4.sample_tables import list_key_times

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.library.clips.check import Repair
    from server.library.mp4.movie import Movie
    from server.library.mp4.track import Track

_SHIFT_SECONDS = 0.1  # of the start; nobody sees it
_MOST_DELAY = 60  # seconds; samples may not last longer either
_PRIMING_FRAMES = 3  # of sound that a decoder needs to start; 1,024 samples each
_ROUNDING = 0.001  # seconds; the units of movies are often no finer
YEAR = 31_557_600.0  # seconds


def list_times(movie: Movie) -> Iterator[Flaw]:
    """Yield which headers tell another time than the samples (8.2.2, 8.3.2, 8.4.2)."""
    told = movie.movie_header
    longest = max((track.shown.seconds for track in movie.tracks), default=0.0)
    if differs(told, movie.seconds) and differs(told, longest):
        yield _name_time("mvhd", told, movie.seconds)
    for track in (movie.picture, movie.sound):
        if track is None:
            continue
        if lies(track):
            yield _name_time("mdhd", track.media_header, track.seconds)
        if differs(track.track_header, track.shown.seconds, track.last_sample):
            yield _name_time("tkhd", track.track_header, track.shown.seconds)


def _name_time(box: str, told: float | None, real: float) -> Flaw:
    long = f"{told:.1f} s" if told is not None and told < YEAR else "over a year"
    sentence = f"says in a header ({box}) that it lasts {long}, and lasts {real:.1f} s"
    return repairable("header-times", WARNING, sentence, FIX)


def list_shifts(movie: Movie) -> Iterator[Flaw]:
    """Yield how edit lists shift or cut what is shown (8.6.6)."""
    tracks = [track for track in (movie.picture, movie.sound) if track]
    edits = max((track.shown.edits for track in tracks), default=0)
    if edits > MOST_EDITS:
        sentence = f"has an edit list of {edits} entries, which no player follows"
        yield repairable("edit-list-length", FAULT, sentence, FIX)
    delay = max((track.shown.delay for track in tracks), default=0)
    cut = max((track.shown.cut for track in tracks if _is_cut(track)), default=0)
    if any(track.shown.is_empty for track in tracks):
        sentence = "has an edit list by which nothing of it is shown"
        yield repairable("edit-list-empty", FAULT, sentence, FIX)
        return
    if delay > _MOST_DELAY:  # encoded anew it would start as late
        sentence = f"has an edit list that delays its start by {delay:.0f} s"
        yield Flaw("edit-list-shift", FAULT, sentence, EXPORT)
        return
    if delay > _SHIFT_SECONDS:
        sentence = f"has an edit list that delays its start by {delay:.1f} s"
    elif cut:
        sentence = f"has an edit list that leaves out its first {cut:.1f} s"
    elif any(track.shown.has_more_edits for track in tracks):
        sentence = "has an edit list that cuts it into pieces or changes its speed"
    else:
        return
    repair: Repair = FIX if _is_mended_by_copy(tracks) else TRANSCODE
    yield repairable("edit-list-shift", WARNING, sentence, repair)


def _is_mended_by_copy(tracks: list[Track]) -> bool:
    """Report whether all start together, and with a key frame.

    A copy has no samples to fill a gap with, and needs the key frame of what is shown.
    """
    delays = [track.shown.delay for track in tracks]
    if max(delays) - min(delays) > _SHIFT_SECONDS:
        return False
    picture = next((track for track in tracks if track.handler == "vide"), None)
    if picture is None or picture.samples.keys is None or not _is_cut(picture):
        return True
    samples, cut = picture.samples, picture.shown.cut
    unit = picture.seconds / samples.length if samples.length else 0.0
    return any(
        -_ROUNDING <= cut - moment * unit <= _SHIFT_SECONDS
        for moment in list_key_times(picture.table, samples)
    )


def _is_cut(track: Track) -> bool:
    """Report whether more is left out at the start than a decoder needs to start."""
    most = _SHIFT_SECONDS
    if track.handler == "soun" and track.samples.total:
        most = max(most, _PRIMING_FRAMES * track.seconds / track.samples.total)
    return track.shown.cut > most
