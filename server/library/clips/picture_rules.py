"""What may be wrong with the picture of a clip. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.library.clips.check import (
    EXPORT,
    FAULT,
    FIX,
    LOSE,
    NOTE,
    TRANSCODE,
    WARNING,
    Flaw,
    Limits,
    repairable,
)
from server.library.ffmpeg.likeness import has_lost_order
from server.library.mp4.codecs import APPLE_TAGS
from server.library.mp4.headers import fits_aperture, has_wrong_size
from server.library.mp4.key_frames import plan_marks
from server.library.report import count_noun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.library.ffmpeg.probe_result import ProbeResult
    from server.library.mp4.codecs import Coding
    from server.library.mp4.key_frames import KeyFrames
    from server.library.mp4.track import Track

_H264 = ("avc1", "avc3")
_H265 = ("hvc1", "hev1", "dvh1", "dvhe")
# Apple's HLS authoring specification, 1: up to High at 5.2, Main 10 at 5.1.
_PROFILES = {"H.264": (66, 77, 100), "H.265": (1, 2)}
_LEVELS = {"H.264": (52, 10), "H.265": (153, 30)}  # the highest, and the unit
_HDR = {16: "PQ", 18: "HLG"}  # ISO/IEC 23091-2, 8.2
_KEY_SECONDS = 2
_SLACK = 0.05  # seconds of rounding


def list_picture_flaws(
    track: Track, probed: ProbeResult, limits: Limits, keys: KeyFrames | None
) -> Iterator[Flaw]:
    """Yield what is wrong with the pictures that players show."""
    coding = track.coding
    if coding.codec not in _H264 + _H265:
        sentence = f"has the codec {coding.codec!r}, not H.264 or H.265"
        if probed.broken:  # what cannot be decoded cannot be encoded
            yield Flaw("codec", FAULT, sentence, EXPORT)
        else:
            yield repairable("codec", FAULT, sentence, TRANSCODE)
    else:
        standard = "H.264" if coding.codec in _H264 else "H.265"
        yield from _list_entry(track, standard, probed)
        yield from _list_depth(coding, standard)
    yield from _list_shape(track)
    yield from _list_light(coding, probed)
    yield from _list_keys(track, keys, is_told=probed.bad_pictures > 0)
    if probed.disordered and not track.samples.contradictions:
        sentence = (
            f"shows {count_noun(probed.disordered, 'picture')} in another order than "
            "that of the coding (ctts)"
        )
        if has_lost_order(probed.disordered, probed.pictures):
            yield Flaw("sample-times", FAULT, sentence, EXPORT)
        else:
            yield repairable("sample-times", FAULT, sentence, TRANSCODE)
    yield from _list_guidelines(track, limits)


def _list_entry(track: Track, standard: str, probed: ProbeResult) -> Iterator[Flaw]:
    """Yield what is wrong with the sample entries."""
    coding = track.coding
    if len(set(track.codings)) > 1:
        sentence = (
            f"has pictures of {len(set(track.codings))} kinds one after the other "
            "(stsd), of which browsers follow the first"
        )
        yield repairable("sample-entries", FAULT, sentence, TRANSCODE)
    if not coding.has_parameters:
        sentence = f"has {standard} without its parameters"
        if probed.pictures and probed.bad_pictures < probed.pictures:
            sentence = f"has the parameters of {standard} in its samples only"
            yield repairable("in-band-parameters", FAULT, sentence, FIX)
        elif probed.pictures or probed.broken:
            yield Flaw("damaged", FAULT, sentence, EXPORT)
        else:
            yield repairable("damaged", FAULT, sentence, TRANSCODE)
    elif coding.codec in APPLE_TAGS:
        code = "avc3-tag" if coding.codec == "avc3" else "hev1-tag"
        sentence = (
            f"has {standard} tagged {coding.codec}, where Apple's players want "
            f"{APPLE_TAGS[coding.codec]}"
        )
        yield repairable(code, FAULT, sentence, FIX)
    if coding.dolby_vision and not coding.dolby_vision[1]:
        sentence = (
            f"is Dolby Vision of profile {coding.dolby_vision[0]}, which has no base "
            "layer for other screens"
        )
        yield Flaw("dolby-vision", FAULT, sentence, "export it as HLG, HDR10 or SDR")


def _list_depth(coding: Coding, standard: str) -> Iterator[Flaw]:
    if coding.bit_depth > 8:
        # Phones have decoded H.265 Main 10 since 2016, and record it.
        hard = standard == "H.264" or coding.bit_depth > 10
        sentence = f"has {coding.bit_depth} bits a colour, where 8 play everywhere"
        yield repairable("bit-depth", FAULT if hard else WARNING, sentence, TRANSCODE)
    if coding.chroma != "4:2:0":
        grey = coding.chroma == "4:0:0"
        sentence = f"has {coding.chroma} colours, where phones decode 4:2:0"
        yield repairable("chroma", WARNING if grey else FAULT, sentence, TRANSCODE)
    elif coding.profile not in _PROFILES[standard] and coding.bit_depth == 8:
        sentence = f"has the {standard} profile {coding.profile}, which iOS lacks"
        yield repairable("profile", FAULT, sentence, TRANSCODE)
    highest, unit = _LEVELS[standard]
    if coding.level > highest:
        sentence = (
            f"has the {standard} level {coding.level / unit:.1f}, above "
            f"{highest / unit:.1f}"
        )
        yield repairable("level", FAULT, sentence, TRANSCODE)


def _list_shape(track: Track) -> Iterator[Flaw]:
    coding = track.coding
    width, height = coding.width, coding.height
    if has_wrong_size(coding) and coding.parameters:
        told = coding.parameters
        sentence = (
            f"says of {told.width}×{told.height} pixels that they are "
            f"{width}×{height} (stsd)"
        )
        severity = WARNING if width and height else FAULT
        yield repairable("picture-size", severity, sentence, FIX)
        width, height = told.width, told.height
    if width % 2 or height % 2:
        sentence = f"has odd dimensions ({width}×{height})"
        yield repairable("odd-dimensions", FAULT, sentence, TRANSCODE)
    if coding.aperture and not fits_aperture(coding):
        shown = "×".join(map(str, coding.aperture))
        sentence = f"is to be cut to {shown} of {width}×{height} pixels (clap)"
        yield repairable("clean-aperture", FAULT, sentence, FIX)
    elif coding.aperture and coding.aperture != (width, height):
        shown = "×".join(map(str, coding.aperture))
        sentence = f"is meant to be cut to {shown} pixels (clap), as browsers do not"
        yield repairable("clean-aperture", WARNING, sentence, TRANSCODE)
    if track.turned < 0:
        sentence = "is turned by something else than quarters (tkhd)"
        yield repairable("rotated", WARNING, sentence, TRANSCODE)
    elif track.is_mirrored:
        yield repairable("mirrored", WARNING, "is mirrored (tkhd)", TRANSCODE)
    elif track.turned:
        sentence = f"is turned by {track.turned} degrees"
        yield Flaw("rotated", NOTE, sentence, "players turn it, nothing is to be done")


def _list_light(coding: Coding, probed: ProbeResult) -> Iterator[Flaw]:
    transfer = coding.transfer if coding.transfer in _HDR else probed.transfer
    if transfer in _HDR:
        sentence = f"is HDR ({_HDR[transfer]})"
        yield Flaw("hdr", NOTE, sentence, "see that it is not pale on other screens")
    if probed.is_interlaced:
        sentence = "is interlaced, so what moves has combs"
        yield repairable("interlaced", WARNING, sentence, TRANSCODE)


def _list_keys(
    track: Track, keys: KeyFrames | None, *, is_told: bool
) -> Iterator[Flaw]:
    """Yield where players cannot begin to decode, or are told that they can.

    is_told: of damage, by what could not be decoded.
    """
    samples = track.samples
    if keys is None or not samples.total:
        if samples.total and not samples.starts_with_key:
            sentence = "does not begin with a key frame"
            yield repairable("no-key-frame-at-start", FAULT, sentence, TRANSCODE)
        yield from _list_gaps(track)
        return
    if keys.broken and not is_told:
        moment = track.seconds * (keys.broken[0] - 1) / samples.total
        sentence = (
            f"is damaged at {moment:.1f} s: {len(keys.broken)} of {samples.total} "
            "samples cannot be cut into whole units"
        )
        yield Flaw("damaged-pictures", FAULT, sentence, LOSE)
    yield from _list_sizes(track.coding, keys)
    yield from _list_start(keys)
    marks = plan_marks(keys, samples)
    if marks is None:
        yield from _list_gaps(track)
        return
    if keys.closed[:1] == [1] and not samples.starts_with_key:
        sentence = "does not mark its first sample as a key frame, though it is one"
        yield repairable("no-key-frame-at-start", FAULT, sentence, FIX)
    true = {*keys.closed, *keys.open, *keys.broken}
    keys_told = range(1, samples.total + 1) if samples.keys is None else samples.keys
    marked = len({*keys_told})
    false = len({*keys_told} - true)
    if false:
        sentence = f"marks {false} of {samples.total} samples as key frames, falsely"
        yield repairable("key-frame-marks", FAULT, sentence, FIX)
    else:
        sentence = f"marks {marked} of its {len(true)} key frames only"
        yield repairable("key-frame-marks", WARNING, sentence, FIX)


def _list_sizes(coding: Coding, keys: KeyFrames) -> Iterator[Flaw]:
    told = coding.parameters
    others = keys.sizes - {(told.width, told.height)} if told else set()
    for width, height in sorted(others)[:1]:
        sentence = (
            f"changes its size to {width}×{height} pixels in the middle, which not "
            "every player follows"
        )
        yield repairable("sample-entries", FAULT, sentence, TRANSCODE)


def _list_start(keys: KeyFrames) -> Iterator[Flaw]:
    """Yield what is wrong with the first sample (H.264, 3.69; H.265, 3.24)."""
    if 1 in keys.closed[:1] or 1 in keys.broken[:1]:
        return
    if 1 in keys.open[:1] and not keys.of_avc:
        following = min((each for each in keys.closed if each > 1), default=1 << 32)
        lost = [number for number in keys.skipped if number < following]
        if lost:
            many = count_noun(len(lost), "picture")
            sentence = f"begins in the middle (CRA) and loses {many}"
            yield repairable("open-gop-at-start", WARNING, sentence, TRANSCODE)
        return
    sentence = "does not begin with a key frame, whatever it marks (no IDR picture)"
    yield repairable("no-key-frame-at-start", FAULT, sentence, TRANSCODE)


def _list_gaps(track: Track) -> Iterator[Flaw]:
    if track.longest_gap > _KEY_SECONDS + _SLACK:
        sentence = (
            f"has {track.longest_gap:.1f} s without a key frame, so it seeks badly"
        )
        yield repairable("key-frame-interval", WARNING, sentence, TRANSCODE)


def _list_guidelines(track: Track, limits: Limits) -> Iterator[Flaw]:
    size = track.coding.parameters or track.coding
    short, long = sorted((size.width, size.height))
    if short > limits.height or long > -(-limits.height * 16 // 9):
        shown = f"{size.width}×{size.height}"
        sentence = f"has {shown} pixels, which is above {limits.height}p"
        yield repairable("over-resolution", WARNING, sentence, TRANSCODE)
    if track.frame_rate > limits.fps * 1.01:
        rate = track.frame_rate
        shown = f"{rate:,.0f}" if rate >= 1000 else f"{rate:.4g}"
        sentence = f"has {shown} frames a second, above {limits.fps:g}"
        yield repairable("over-frame-rate", WARNING, sentence, TRANSCODE)
