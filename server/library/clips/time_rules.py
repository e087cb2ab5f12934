"""What headers and edit lists may say wrongly about time. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.library.clips.check import FAULT, FIX, WARNING, Flaw, repairable
from server.library.mp4.edits import MOST_EDITS
from server.library.mp4.headers import differs, lies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.library.mp4.movie import Movie
    from server.library.mp4.track import Track

_SHIFT_SECONDS = 0.1  # of the start; nobody sees it
_PRIMING_FRAMES = 3  # of sound that a decoder needs to start; 1,024 samples each
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
    if delay > _SHIFT_SECONDS:
        sentence = f"has an edit list that delays its start by {delay:.1f} s"
    elif cut:
        sentence = f"has an edit list that leaves out its first {cut:.1f} s"
    elif any(track.shown.has_more_edits for track in tracks):
        sentence = "has an edit list that cuts it into pieces or changes its speed"
    else:
        return
    yield repairable("edit-list-shift", WARNING, sentence, FIX)


def _is_cut(track: Track) -> bool:
    """Report whether more is left out at the start than a decoder needs to start."""
    most = _SHIFT_SECONDS
    if track.handler == "soun" and track.samples.total:
        most = max(most, _PRIMING_FRAMES * track.seconds / track.samples.total)
    return track.shown.cut > most
