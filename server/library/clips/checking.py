"""Check clips, wherever they are read from, and files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from server.errors import Fault
from server.library.clips.check import FAULT, Flaw
from server.library.clips.hls_rules import find_hls_flaw
from server.library.clips.repair import Media, open_media
from server.library.clips.rules import find_flaws
from server.library.ffmpeg.probe_result import ProbeResult
from server.library.ffmpeg.sandbox import (
    PROBE_SECONDS,
    OverrunError,
    SandboxFault,
    explain_bug,
)
from server.library.files import FileFault, open_file, show_path
from server.library.mp4.edits import MOST_EDITS
from server.library.mp4.inspection import Inspection, inspect
from server.library.mp4.movie import read_movie

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from server.library.clips.check import Limits
    from server.library.ffmpeg.sandbox import Sandbox
    from server.library.mp4.movie import Movie


class CheckReport(NamedTuple):
    """What is known of a clip, and what is wrong with it."""

    flaws: list[Flaw]
    movie: Movie | None = None


def check_media(
    media: Media, sandbox: Sandbox, limits: Limits, *, whole: bool = True
) -> CheckReport:
    """Return what is wrong with a clip, looking at pictures here and there.

    whole looks at every sample, and decodes it, if the clip is small enough for that.
    """
    failure: Exception | None = None

    def read(start: int, length: int) -> bytes:
        nonlocal failure
        try:
            return media.read(start, length)
        except Exception as error:
            failure = error
            raise

    try:
        return _check_media(Media(read, media.size), sandbox, limits, whole=whole)
    except (OSError, Fault):
        raise
    except Exception as error:
        if error is failure:  # of who reads it, as the database's
            raise
        return CheckReport([blame_ourselves(explain_bug(error))])


def _check_media(
    media: Media, sandbox: Sandbox, limits: Limits, *, whole: bool
) -> CheckReport:
    movie = read_movie(media.read, media.size)
    if movie and (movie.malformed or not movie.has_index):
        return CheckReport(find_flaws(movie, ProbeResult(), limits), movie)
    seen = inspect(media.read, movie) if movie and whole else Inspection()
    asked: dict[str, Any] = {"whole": whole, "sound": _number_sound(movie)}
    asked["edits"] = movie is None or heeds_edits(movie)
    try:
        probed = ProbeResult(*sandbox.run("probe", *media, PROBE_SECONDS, **asked))
    except OverrunError:
        probed = ProbeResult(
            broken="FFmpeg fails, or needs more time or memory than it gets"
        )
    except SandboxFault as fault:
        return CheckReport([blame_ourselves(fault)], movie)
    flaws = find_flaws(movie, probed, limits, seen)
    if movie and all(flaw.severity != FAULT for flaw in flaws):
        flaw = find_hls_flaw(media.read, media.size)
        flaws += [flaw] if flaw else []
    return CheckReport(flaws, movie)


def heeds_edits(movie: Movie) -> bool:
    """Report whether FFmpeg can follow the edit lists in time.

    Where they leave out many empty samples, it looks for the next in vain for ever.
    """
    played = [track for track in (movie.picture, movie.sound) if track]
    if any(track.samples.is_hollow for track in played):
        return False
    return all(track.shown.edits <= MOST_EDITS for track in movie.tracks)


def _number_sound(movie: Movie | None) -> int | None:
    """Return which track is the sound that players are to play, from 0 on."""
    sound = movie.sound if movie else None
    return movie.tracks.index(sound) if movie and sound else None


def blame_ourselves(fault: SandboxFault) -> Flaw:
    """Return why a clip could not be checked that may well be fine."""
    sentence = f"could not be checked, for {fault.reason}"
    return Flaw("not-checked", FAULT, sentence, f"{fault.remedy}; the file may be fine")


def check_files(
    paths: Iterable[Path], sandbox: Sandbox, limits: Limits
) -> Iterator[tuple[str, list[Flaw]]]:
    """Yield each file's name, for a sentence, and what is wrong with it."""
    for path in paths:
        try:
            with open_file(path) as file:
                flaws = check_media(open_media(file), sandbox, limits).flaws
        except FileFault as fault:
            flaws = [Flaw("unreadable", FAULT, fault.sentence, fault.remedy)]
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
            flaws = [Flaw("unreadable", FAULT, reason, "fix that and check it again")]
        yield show_path(path), flaws


def is_file(name: str) -> bool:
    """Report whether a name is meant as that of a file, even of one that is missing."""
    return os.path.lexists(name) or "/" in name
