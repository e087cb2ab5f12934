"""Decide what keeps a clip from playing and seeking on iOS, or from being a good one.

No I/O: a list of flaws follows from what the boxes say and what FFmpeg could decode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from server.library.mp4.codecs import APPLE_TAGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from server.library.ffmpeg.probe_result import ProbeResult
    from server.library.mp4.movie import Movie, Track

FAULT, WARNING, NOTE = SEVERITIES = ("fault", "warning", "note")
FIX: Final = "fix"  # without encoding anew
TRANSCODE: Final = "transcode"
Repair = Literal["fix", "transcode"]
_REMEDIES = {repair: f"import it with --{repair}" for repair in (FIX, TRANSCODE)}
_IMPORT_MP4 = "import an MP4 video"
_EXPORT = "export it again from what it was made of"

_H264 = ("avc1", "avc3")
_H265 = ("hvc1", "hev1", "dvh1", "dvhe")
# Apple's HLS authoring specification, 1: up to High at 5.2, Main 10 at 5.1.
_PROFILES = {"H.264": (66, 77, 100), "H.265": (1, 2)}
_LEVELS = {"H.264": (52, 10), "H.265": (153, 30)}  # the highest, and the unit
_AAC = (0x40, 0x66, 0x67, 0x68)
_MP3 = (0x69, 0x6B)
_APPLE_SOUND = {".mp3", "ac-3", "ec-3", "alac", "lpcm", "sowt", "twos", "in24", "fl32"}
_EXTRA = {"tmcd": "timecode", "text": "text", "sbtl": "subtitles", "subt": "subtitles"}
_HDR = {16: "PQ", 18: "HLG"}  # ISO/IEC 23091-2, 8.2
_SPARE = ("free", "skip", "uuid", "meta", "udta")  # boxes that nobody plays
_KEY_SECONDS = 2
_SHIFT_SECONDS = 0.1  # what AAC needs to start is less, and nobody sees it
_SLACK = 0.05  # seconds by which sound outlasts the picture, and rounding


class Flaw(NamedTuple):
    """What is wrong with a file; sentence goes on after its name."""

    code: str
    severity: str
    sentence: str
    remedy: str  # for a person
    repair: Repair | None = None  # what an import can do about it

    def tell(self, shown: str) -> str:
        """Return all as one sentence about a file."""
        return f"{shown} {self.sentence}: {self.remedy}"


class Limits(NamedTuple):
    """What a good clip does not go beyond."""

    seconds: float = 10
    megabytes: float = 5
    height: int = 1080  # pixels of the shorter side
    fps: float = 30

    @property
    def bytes(self) -> int:
        """Return the largest size, in bytes."""
        return int(self.megabytes * 1_000_000)


def find_flaws(movie: Movie | None, probed: ProbeResult, limits: Limits) -> list[Flaw]:
    """Return what is wrong, the worst first."""
    if movie is None or movie.is_picture:
        return [_name_format(probed, is_picture=movie is not None or probed.is_picture)]
    flaws = list(_list_all(movie, probed, limits))
    if probed.broken and not any(flaw.severity == FAULT for flaw in flaws):
        flaws.append(
            Flaw("undecodable", FAULT, f"cannot be decoded ({probed.broken})", _EXPORT)
        )
    return sorted(flaws, key=lambda flaw: SEVERITIES.index(flaw.severity))


def find_worst(flaws: Sequence[Flaw]) -> str | None:
    """Return the gravest severity, None without any flaw."""
    return min((flaw.severity for flaw in flaws), key=SEVERITIES.index, default=None)


def _name_format(probed: ProbeResult, *, is_picture: bool) -> Flaw:
    if is_picture:
        return Flaw("not-mp4", FAULT, "is a picture, not a video", _IMPORT_MP4)
    if not probed.format:
        sentence = "is not a video, or is damaged or cut short"
        return Flaw("not-mp4", FAULT, sentence, _IMPORT_MP4)
    sentence = f"is of the format {probed.format}, which iOS does not play"
    if probed.broken:
        return Flaw("not-mp4", FAULT, sentence, _IMPORT_MP4)
    return _repairable("not-mp4", FAULT, sentence, TRANSCODE)


def _repairable(code: str, severity: str, sentence: str, repair: Repair) -> Flaw:
    return Flaw(code, severity, sentence, _REMEDIES[repair], repair)


def _list_all(movie: Movie, probed: ProbeResult, limits: Limits) -> Iterator[Flaw]:
    if movie.missing:
        sentence = f"is cut short: at least {movie.missing} bytes are missing"
        severity = WARNING if movie.cut in _SPARE else FAULT
        yield Flaw("truncated", severity, sentence, "copy it again, whole")
    elif movie.malformed:
        yield Flaw("damaged", FAULT, movie.malformed, _EXPORT)
    elif not movie.has_index:
        yield Flaw(
            "truncated", FAULT, "has no index (moov)", "copy or export it again, whole"
        )
    if movie.malformed or not movie.has_index or (movie.missing and not movie.tracks):
        return
    yield from _list_layout(movie)
    tracks = [track for track in movie.list_tracks("vide") if not _is_empty(track)]
    if movie.is_fragmented:
        tracks = movie.list_tracks("vide")
    if not movie.list_tracks("vide"):
        yield Flaw("no-video", FAULT, "has no moving picture", _IMPORT_MP4)
    elif not tracks:
        yield Flaw("zero-duration", FAULT, "has a length of zero", _EXPORT)
    if len(tracks) > 1:
        sentence = f"has {len(tracks)} tracks of pictures"
        yield _repairable("several-video-tracks", WARNING, sentence, TRANSCODE)
    for track in tracks[:1]:
        yield from _list_picture(track)
        yield from _list_keys(track)
        yield from _list_guidelines(track, limits)
    for track in movie.list_tracks("soun"):
        yield from _list_sound(track)
    yield from _list_shifts(movie)
    yield from _list_weight(movie, probed, limits)


def _is_empty(track: Track) -> bool:
    return not track.samples.total or not track.seconds


def _list_layout(movie: Movie) -> Iterator[Flaw]:
    if movie.brand == "qt  ":
        sentence = "is a QuickTime file, which plays on Apple's devices only"
        yield _repairable("not-mp4", WARNING, sentence, FIX)
    if movie.is_fragmented:
        sentence = "is fragmented (moof), so it starts late and cannot seek"
        yield _repairable("fragmented", FAULT, sentence, FIX)
    elif movie.index_is_last:
        sentence = "has its index (moov) behind the media, so it starts late"
        yield _repairable("moov-after-mdat", WARNING, sentence, FIX)
    if any(track.coding.encrypted for track in movie.tracks):
        yield Flaw("encrypted", FAULT, "is encrypted", "export it without protection")
    extra = [track.handler for track in movie.tracks if is_extra(track)]
    if extra:
        names = ", ".join(_EXTRA.get(handler, f"{handler!r}") for handler in extra)
        sentence = f"has tracks besides picture and sound ({names})"
        yield _repairable("extra-track", WARNING, sentence, FIX)


def is_extra(track: Track) -> bool:
    """Report whether a track is neither picture nor sound."""
    return track.handler not in ("vide", "soun")


def _list_picture(track: Track) -> Iterator[Flaw]:
    coding = track.coding
    standard = "H.264" if coding.codec in _H264 else "H.265"
    if coding.codec not in _H264 + _H265:
        sentence = f"has the codec {coding.codec!r}, not H.264 or H.265"
        yield _repairable("codec", FAULT, sentence, TRANSCODE)
        return
    if coding.codec in APPLE_TAGS:
        code = "avc3-tag" if coding.codec == "avc3" else "hev1-tag"
        sentence = (
            f"has {standard} tagged {coding.codec}, where Apple's players want "
            f"{APPLE_TAGS[coding.codec]}"
        )
        repair: Repair = FIX if coding.has_parameters else TRANSCODE
        yield _repairable(code, FAULT, sentence, repair)
    elif not coding.has_parameters:
        sentence = f"has {standard} without its parameters"
        yield _repairable("damaged", FAULT, sentence, TRANSCODE)
    yield from _list_depth(track, standard)
    if coding.width % 2 or coding.height % 2:
        sentence = f"has odd dimensions ({coding.width}×{coding.height})"
        yield _repairable("odd-dimensions", FAULT, sentence, TRANSCODE)
    if track.turned:
        how = "a quarter" if track.turned > 0 else "something else than quarters"
        how = f"{track.turned} degrees" if track.turned > 0 else how
        sentence = f"is turned by {how}, which not every player heeds"
        yield _repairable("rotated", WARNING, sentence, TRANSCODE)
    if coding.transfer in _HDR:
        sentence = f"is HDR ({_HDR[coding.transfer]})"
        yield Flaw("hdr", NOTE, sentence, "see that it is not pale on other screens")


def _list_depth(track: Track, standard: str) -> Iterator[Flaw]:
    coding = track.coding
    if coding.bit_depth > 8:
        # Phones have decoded H.265 Main 10 since 2016, and record it.
        hard = standard == "H.264" or coding.bit_depth > 10
        sentence = f"has {coding.bit_depth} bits a colour, where 8 play everywhere"
        yield _repairable("bit-depth", FAULT if hard else WARNING, sentence, TRANSCODE)
    if coding.chroma != "4:2:0":
        grey = coding.chroma == "4:0:0"
        sentence = f"has {coding.chroma} colours, where phones decode 4:2:0"
        yield _repairable("chroma", WARNING if grey else FAULT, sentence, TRANSCODE)
    elif coding.profile not in _PROFILES[standard] and coding.bit_depth == 8:
        sentence = f"has the {standard} profile {coding.profile}, which iOS lacks"
        yield _repairable("profile", FAULT, sentence, TRANSCODE)
    highest, unit = _LEVELS[standard]
    if coding.level > highest:
        sentence = (
            f"has the {standard} level {coding.level / unit:.1f}, above "
            f"{highest / unit:.1f}"
        )
        yield _repairable("level", FAULT, sentence, TRANSCODE)


def _list_keys(track: Track) -> Iterator[Flaw]:
    if track.samples.total and not track.samples.starts_with_key:
        sentence = "does not begin with a key frame"
        yield _repairable("no-key-frame-at-start", FAULT, sentence, TRANSCODE)
    if track.longest_gap > _KEY_SECONDS + _SLACK:
        sentence = (
            f"has {track.longest_gap:.1f} s without a key frame, so it seeks badly"
        )
        yield _repairable("key-frame-interval", WARNING, sentence, TRANSCODE)


def _list_guidelines(track: Track, limits: Limits) -> Iterator[Flaw]:
    short, long = sorted((track.coding.width, track.coding.height))
    if short > limits.height or long > -(-limits.height * 16 // 9):
        size = f"{track.coding.width}×{track.coding.height}"
        sentence = f"has {size} pixels, which is above {limits.height}p"
        yield _repairable("over-resolution", WARNING, sentence, TRANSCODE)
    if track.frame_rate > limits.fps * 1.01:
        sentence = f"has {track.frame_rate:.4g} frames a second, above {limits.fps:g}"
        yield _repairable("over-frame-rate", WARNING, sentence, TRANSCODE)


def _list_sound(track: Track) -> Iterator[Flaw]:
    codec, kind = track.coding.codec, track.coding.object_type
    if codec == "mp4a" and kind in _AAC:
        return
    played = codec in _APPLE_SOUND or (codec == "mp4a" and kind in _MP3)
    name = "MP3" if kind in _MP3 else codec
    sentence = f"has sound of the codec {name!r}, not AAC"
    yield _repairable("audio-codec", WARNING if played else FAULT, sentence, TRANSCODE)


def _list_shifts(movie: Movie) -> Iterator[Flaw]:
    tracks = [track for track in movie.tracks if not is_extra(track)]
    delay = max((track.delay for track in tracks), default=0)
    cut = max((track.cut for track in tracks), default=0)
    if delay > _SHIFT_SECONDS:
        sentence = f"has an edit list that delays its start by {delay:.1f} s"
    elif cut > _SHIFT_SECONDS:
        sentence = f"has an edit list that leaves out its first {cut:.1f} s"
    elif any(track.has_more_edits for track in tracks):
        sentence = "has an edit list that cuts it into pieces or changes its speed"
    else:
        return
    yield _repairable("edit-list-shift", WARNING, sentence, TRANSCODE)


def _list_weight(movie: Movie, probed: ProbeResult, limits: Limits) -> Iterator[Flaw]:
    seconds = movie.seconds or probed.seconds or 0
    if seconds > limits.seconds + _SLACK:
        sentence = f"is {seconds:.1f} s long, above {limits.seconds:g} s"
        yield Flaw("over-duration", WARNING, sentence, "cut it, or raise --max-seconds")
    if movie.size > limits.bytes:
        sentence = f"has {movie.size / 1e6:.2f} MB, above {limits.megabytes:g} MB"
        yield _repairable("over-size", WARNING, sentence, TRANSCODE)
