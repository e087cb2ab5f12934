"""Decide what keeps a clip from playing and seeking, or from being a good one.

No I/O: a list of flaws follows from what the boxes say, what the samples are, and what
FFmpeg could decode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.library.clips.check import (
    EXPORT,
    FAULT,
    FIX,
    IMPORT_MP4,
    LOSE,
    SEVERITIES,
    TRANSCODE,
    WARNING,
    Flaw,
    Limits,
    repairable,
)
from server.library.clips.picture_rules import list_picture_flaws
from server.library.clips.sound_rules import list_sound_flaws, name_sound
from server.library.clips.time_rules import YEAR, list_shifts, list_times
from server.library.mp4.inspection import Inspection
from server.library.mp4.sample_tables import BOXES, COPY, ENCODING
from server.library.report import count_noun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.library.clips.check import Repair
    from server.library.ffmpeg.probe_result import ProbeResult
    from server.library.mp4.movie import Movie
    from server.library.mp4.track import Track

_COPIED = ("h264", "hevc")  # pictures that an MP4 for phones may have
_EXTRA = {"tmcd": "timecode", "text": "text", "sbtl": "subtitles", "subt": "subtitles"}
_SLACK = 0.05  # seconds by which sound outlasts the picture, and rounding
_END_SECONDS = 0.5  # that the last picture may last
_MOST_MISSING = 1 << 40  # bytes
_NOTHING = Inspection()


def find_flaws(
    movie: Movie | None,
    probed: ProbeResult,
    limits: Limits,
    seen: Inspection = _NOTHING,
) -> list[Flaw]:
    """Return all that is wrong, the worst first."""
    if movie is None or movie.is_picture:
        is_picture = movie is not None or probed.is_picture
        flaws = list(_list_foreign(probed, is_picture=is_picture))
    else:
        flaws = list(_list_all(movie, probed, limits, seen))
    return sorted(flaws, key=lambda flaw: SEVERITIES.index(flaw.severity))


def _list_foreign(probed: ProbeResult, *, is_picture: bool) -> Iterator[Flaw]:
    """Yield what is wrong with a file that is not made of the boxes of an MP4."""
    if is_picture:
        yield Flaw("not-mp4", FAULT, "is a picture, not a video", IMPORT_MP4)
        return
    if not probed.format:
        sentence = "is not a video, or is damaged or cut short"
        yield Flaw("not-mp4", FAULT, sentence, IMPORT_MP4)
        return
    sentence = f"is of the format {probed.format}, which iOS does not play"
    if "MOV" in probed.format:
        sentence = "begins with something that is no box of an MP4"
    if probed.broken:
        yield Flaw("not-mp4", FAULT, sentence, IMPORT_MP4)
        return
    is_copied = probed.picture_codec in _COPIED
    repair: Repair = FIX if is_copied else TRANSCODE
    yield repairable("not-mp4", FAULT, sentence, repair)
    yield from _list_end(probed)
    if is_copied and probed.sound_codec:
        yield from name_sound(probed.sound_codec, probed.sound_codec == "aac")
    yield from list_damage(probed)


def _list_end(probed: ProbeResult) -> Iterator[Flaw]:
    """Yield that pictures and sound end before their file says so."""
    if probed.span is None or probed.seconds is None:
        return
    if probed.seconds - probed.span > max(_END_SECONDS, probed.seconds / 8):
        sentence = (
            f"is cut short: it says that it lasts {probed.seconds:.1f} s, and ends "
            f"after {probed.span:.1f} s"
        )
        yield Flaw("truncated", FAULT, sentence, "copy it again, whole")


def list_damage(probed: ProbeResult) -> Iterator[Flaw]:
    """Yield what FFmpeg could not decode; None of it may hide behind another fault."""
    for code, bad, total, first, name in (
        (
            "damaged-pictures",
            probed.bad_pictures,
            probed.pictures,
            probed.bad_picture,
            "pictures",
        ),
        (
            "damaged-sound",
            probed.bad_sounds,
            probed.sounds,
            probed.bad_sound,
            "pieces of sound",
        ),
    ):
        if bad and bad == total and name == "pictures":  # nothing would be left
            sentence = f"cannot be decoded (not one of {count_noun(total, 'picture')})"
            yield Flaw("undecodable", FAULT, sentence, EXPORT)
        elif bad:
            sentence = (
                f"is damaged at {first:.1f} s: {bad} of {total} {name} cannot be "
                "decoded"
            )
            yield Flaw(code, FAULT, sentence, LOSE)


def _list_all(
    movie: Movie, probed: ProbeResult, limits: Limits, seen: Inspection
) -> Iterator[Flaw]:
    found = list(_list_boxes(movie))
    if movie.has_index and (movie.tracks or not (movie.malformed or movie.missing)):
        found += _list_tracks(movie, probed, limits, seen)
    yield from found
    if movie.missing or any(flaw.code == "encrypted" for flaw in found):
        return
    if _is_before_keys(movie.picture, probed, seen):
        probed = probed._replace(bad_pictures=0)  # the missing key frame is told
    yield from list_damage(probed)
    hopeless = [each for each in found if each.severity == FAULT and not each.repair]
    if probed.broken and not hopeless and not _hides_media(found):
        yield Flaw("undecodable", FAULT, f"cannot be decoded ({probed.broken})", EXPORT)


def _is_before_keys(
    picture: Track | None, probed: ProbeResult, seen: Inspection
) -> bool:
    """Report whether all that cannot be decoded is before the first key frame."""
    if picture is None or seen.keys is None or not picture.samples.total:
        return False
    if seen.keys.broken:
        return False
    first = min([*seen.keys.closed[:1], *seen.keys.open[:1]], default=1)
    moment = picture.seconds * first / picture.samples.total
    return probed.bad_pictures < first and probed.bad_picture < moment


def _hides_media(found: list[Flaw]) -> bool:
    """Report whether a fault to be mended keeps FFmpeg from decoding."""
    return any(flaw.code in ("data-reference", "edit-list-empty") for flaw in found)


def _list_boxes(movie: Movie) -> Iterator[Flaw]:
    """Yield what is wrong with the file as such."""
    if movie.missing:
        sentence = f"is cut short by at least {count_noun(movie.missing, 'byte')}"
        if movie.missing > _MOST_MISSING:
            sentence = "says that samples lie where no file ends"
        yield Flaw("truncated", FAULT, sentence, "copy it again, whole")
    elif not movie.has_index and not movie.malformed:
        yield Flaw(
            "truncated", FAULT, "has no index (moov)", "copy or export it again, whole"
        )
    elif movie.overlong:
        sentence = (
            f"ends with a box {movie.overlong!r} that claims more bytes than there "
            "are, though no sample is missing"
        )
        yield repairable("overlong-box", WARNING, sentence, FIX)
    for sentence in movie.malformed:
        yield Flaw("damaged", FAULT, sentence, EXPORT)
    if movie.tail and not movie.malformed:
        sentence = f"goes on behind its last box (by bytes: {movie.tail})"
        yield repairable("tail", WARNING, sentence, FIX)


def _list_tracks(
    movie: Movie, probed: ProbeResult, limits: Limits, seen: Inspection
) -> Iterator[Flaw]:
    yield from _list_layout(movie)
    pictures, picture = movie.list_tracks("vide"), movie.picture
    if picture is None:
        if not movie.malformed:
            yield Flaw("no-video", FAULT, "has no moving picture", IMPORT_MP4)
    elif _is_empty(picture) and not movie.is_fragmented:
        yield Flaw("zero-duration", FAULT, "has a length of zero", EXPORT)
    else:
        yield from _list_reference(picture)
        yield from list_picture_flaws(picture, probed, limits, seen.keys)
    if len(pictures) > 1:
        sentence = f"has {len(pictures)} tracks of pictures"
        yield repairable("several-video-tracks", WARNING, sentence, FIX)
    if movie.sound is not None:
        yield from _list_reference(movie.sound)
        yield from list_sound_flaws(movie, seen, probed.bad_sounds)
    if not movie.is_fragmented:
        yield from list_shifts(movie)
        yield from list_times(movie)
    yield from _list_weight(movie, probed, limits)


def _is_empty(track: Track) -> bool:
    return not track.samples.total or not track.seconds


def _list_layout(movie: Movie) -> Iterator[Flaw]:
    if movie.brand == "qt  ":
        sentence = "is a QuickTime file, which not every player takes"
        yield repairable("not-mp4", WARNING, sentence, FIX)
    if movie.is_fragmented:
        sentence = "is fragmented (moof), so it starts late and cannot seek"
        yield repairable("fragmented", FAULT, sentence, FIX)
    elif movie.index_is_last:
        sentence = "has its index (moov) behind the media, so it starts late"
        yield repairable("moov-after-mdat", WARNING, sentence, FIX)
    if any(coding.encrypted for track in movie.tracks for coding in track.codings):
        yield Flaw("encrypted", FAULT, "is encrypted", "export it without protection")
    extra = [track.handler for track in movie.tracks if is_extra(track)]
    if extra:
        names = ", ".join(_EXTRA.get(handler, f"{handler!r}") for handler in extra)
        sentence = f"has tracks besides picture and sound ({names})"
        yield repairable("extra-track", WARNING, sentence, FIX)


def is_extra(track: Track) -> bool:
    """Report whether a track is neither picture nor sound."""
    return track.handler not in ("vide", "soun")


def _list_reference(track: Track) -> Iterator[Flaw]:
    """Yield what keeps players from finding and using a track's samples."""
    name = "pictures" if track.handler == "vide" else "sound"
    if track.is_external:  # ISO/IEC 14496-12, 8.7.2
        sentence = f"has its {name} in another file (dref)"
        yield Flaw("external-media", FAULT, sentence, "export it as one file")
    elif not track.has_reference:
        sentence = f"has {name} that refer to no file, not even this one (dref)"
        yield repairable("data-reference", FAULT, sentence, FIX)
    if not track.is_enabled:  # 8.3.2
        sentence = f"has its track of {name} disabled"
        yield repairable("track-disabled", FAULT, sentence, FIX)
    samples = track.samples
    if samples.is_hollow:  # of fewer is told what is lost
        sentence = (
            f"has {samples.empty} of {samples.total} samples of {name} without a byte "
            "(stsz)"
        )
        yield Flaw("sample-tables", FAULT, sentence, EXPORT)
    for sentence, mended_by in samples.contradictions:
        if mended_by == BOXES:
            yield repairable("sample-tables", FAULT, sentence, FIX)
        elif mended_by == COPY:
            yield repairable("chunk-table", FAULT, sentence, FIX)
        elif mended_by == ENCODING and track.handler == "vide":
            yield repairable("sample-times", FAULT, sentence, TRANSCODE)
        else:
            yield Flaw("sample-times", FAULT, sentence, EXPORT)


def _list_weight(movie: Movie, probed: ProbeResult, limits: Limits) -> Iterator[Flaw]:
    seconds = movie.seconds or probed.seconds or 0
    if seconds > limits.seconds + _SLACK:
        long = f"{seconds:.1f} s" if seconds < YEAR else "over a year"
        sentence = f"is {long} long, above {limits.seconds:g} s"
        yield Flaw("over-duration", WARNING, sentence, "cut it, or raise --max-seconds")
    if movie.size > limits.bytes:
        sentence = f"has {movie.size / 1e6:.2f} MB, above {limits.megabytes:g} MB"
        yield repairable("over-size", WARNING, sentence, TRANSCODE)
