"""Cut a part out of a clip, copied or encoded; only ever inside the sandbox."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import av

from server.library.ffmpeg import nal_units
from server.library.ffmpeg.copying import CopyPlan, Sample, plan_copy, read_packets
from server.library.ffmpeg.decoding import Decoder
from server.library.ffmpeg.output import explain, open_output
from server.library.ffmpeg.picture import EncodeLimits, PictureWriter, UnevenError
from server.library.ffmpeg.probe import read_rational
from server.library.ffmpeg.remux import PictureCopier, SoundCopier
from server.library.ffmpeg.sound import BIT_RATE, SoundWriter
from server.library.ffmpeg.timing import plan_decoding
from server.library.ffmpeg.tracks import open_tracks, pick_tracks, read_aperture
from server.library.ffmpeg.transcode import explain_damage, tell_moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from av.packet import Packet
    from av.video.frame import VideoFrame

    from server.library.ffmpeg.source import Source

    # Why it failed, empty if not; and where the part begins and ends, in seconds.
    CutAnswer = tuple[str, float, float]

_ROUNDING = Fraction(1, 1000)  # a second as people write it, in milliseconds


class Part(NamedTuple):
    """What is copied of a clip; times are in units of its track."""

    samples: list[Sample | None]  # in the order of the file; None is left out
    begin: int
    end: int


def find_key_frames(source: Source) -> tuple[str, float, list[float]]:
    """Return why it fails or nothing, the length, and where copies may begin.

    All is in seconds from the start of the clip.
    """
    try:
        plan = plan_copy(source)
        base, whole = _read_base(source), _find_refreshing(source)
    except (av.FFmpegError, OSError, ValueError) as error:
        return explain(error), 0.0, []
    keys = [
        each.shown
        for at, each in enumerate(plan.samples)
        if each is not None and each.is_key and (whole is None or at in whole)
    ]
    return "", float(plan.end - plan.start), [float(key * base) for key in keys]


def _find_refreshing(source: Source) -> set[int] | None:
    """Return at which pictures decoding may begin, by their place in the file.

    Pictures behind other key frames may need those before. None if all are fine.
    """
    with open_tracks(source) as container:
        tracks = pick_tracks(container)
        codec = tracks.picture.codec_context.name
        if codec not in nal_units.STANDARDS:
            return None
        extra = tracks.picture.codec_context.extradata or b""
        width = nal_units.read_width(codec, extra)
        pictures = (
            bytes(packet)
            for packet in read_packets(container, tracks)
            if packet.stream.index == tracks.picture.index
        )
        return {
            at
            for at, data in enumerate(pictures)
            if any(
                nal_units.is_refresh(codec, unit)
                for unit in nal_units.split_units(data, width)
            )
        }


def cut(source: Source, target: str, begin: float, end: float) -> CutAnswer:
    """Copy what is shown from a key frame on, until a moment in seconds.

    All pictures that others depend on are copied too, so it may end a little later.
    """
    try:
        plan, base = plan_copy(source), _read_base(source)
        begins, ends = Fraction(begin) / base, Fraction(end) / base
        part = plan_part(plan.samples, begins, ends, _ROUNDING / base)
        _copy(source, target, plan, part, base)
    except (av.FFmpegError, OSError, ValueError) as error:
        return explain(error), 0.0, 0.0
    return "", float(part.begin * base), float(part.end * base)


def _read_base(source: Source) -> Fraction:
    """Return the seconds of a unit of the track of pictures."""
    with open_tracks(source) as container:
        return read_rational(pick_tracks(container).picture.time_base)


def plan_part(
    samples: Sequence[Sample | None], begin: Fraction, end: Fraction, rounding: Fraction
) -> Part:
    """Return what is copied from the key frame at a moment on; ValueError without one.

    Times are in units of the track; one may be off by the rounding.
    """
    known = [(at, each) for at, each in enumerate(samples) if each is not None]
    keys = [(at, each) for at, each in known if each.is_key]
    near = min(keys, key=lambda each: abs(each[1].shown - begin), default=None)
    if near is None or abs(near[1].shown - begin) > rounding:
        raise ValueError("no key frame is there")
    first, key = near
    rest = [(at, each) for at, each in known if at >= first and each.shown >= key.shown]
    last = max((at for at, each in rest if each.shown < end - rounding), default=first)
    while True:  # what is copied of them has no gaps
        shown = max(each.shown for at, each in rest if at <= last)
        further = max((at for at, each in rest if each.shown < shown), default=last)
        if further <= last:
            break
        last = further
    kept = [(at, each) for at, each in rest if at <= last]
    moments = [each.shown - key.shown for _, each in kept]
    latest = max((each for _, each in kept), key=lambda each: each.shown)
    lengths = [each.length for _, each in kept]
    lengths[-1] = latest.length  # of the last decoded, so that all add up
    copied: list[Sample | None] = [None] * len(samples)
    for (at, each), moment, decoded, length in zip(
        kept, moments, plan_decoding(moments), lengths, strict=True
    ):
        copied[at] = Sample(moment, decoded, length, each.is_key)
    return Part(copied, key.shown, latest.shown + latest.length)


def _copy(
    source: Source, target: str, plan: CopyPlan, part: Part, base: Fraction
) -> None:
    start = plan.start + part.begin * base
    stop = plan.start + part.end * base
    plan = plan._replace(samples=part.samples, start=start, end=stop)
    with open_tracks(source) as container, open_output(target) as out:
        tracks = pick_tracks(container)
        picture = PictureCopier(out, tracks.picture, plan)
        sound = tracks.sound and SoundCopier(out, tracks.sound, plan)
        for packet in read_packets(container, tracks):
            if packet.stream.index == tracks.picture.index:
                picture.write(packet)
            elif sound and _is_heard(packet, start, stop):
                sound.write(packet)


def _is_heard(packet: Packet[Any], start: Fraction, stop: Fraction) -> bool:
    """Report whether sound is in a part, or needed by the first that is.

    AAC adds half of each frame to the one before (ISO/IEC 14496-3, 4.6.11).
    """
    at = packet.pts if packet.pts is not None else packet.dts
    if at is None:
        return False
    base = read_rational(packet.time_base)
    return (at + 2 * (packet.duration or 0)) * base > start and at * base < stop


def cut_encoded(
    source: Source, target: str, begin: float, end: float, limit: tuple[int, int, float]
) -> CutAnswer:
    """Encode what is shown from one moment to another, as H.264 and AAC.

    limit holds the fields of EncodeLimits.
    """
    span, within = (Fraction(begin), Fraction(end)), EncodeLimits(*limit)
    try:
        try:
            failure = _encode(source, target, span, within, steady=True)
        except UnevenError:
            failure = _encode(source, target, span, within, steady=False)
    except (av.FFmpegError, OSError, ValueError) as error:
        failure = explain(error)
    return failure, begin, end


def _encode(
    source: Source,
    target: str,
    span: tuple[Fraction, Fraction],
    limit: EncodeLimits,
    *,
    steady: bool,
) -> str:
    """Return which damage is in the way, nothing if none is."""
    begin, end = span
    aperture = read_aperture(source)
    before: VideoFrame | None = None  # what is shown when the part begins
    early: list[av.AudioFrame] = []  # before the first picture tells its size
    with open_tracks(source) as container, open_output(target) as out:
        tracks = pick_tracks(container)
        decoder = Decoder(container, tracks)
        picture = PictureWriter(
            out, tracks.picture, limit, None, steady=steady, aperture=aperture
        )
        sound = None
        if tracks.sound:
            sound = SoundWriter(out, tracks.sound, BIT_RATE, tracks.start + begin)
        for frame in decoder.frames():
            if isinstance(frame, av.VideoFrame):
                moment = tell_moment(frame, tracks.start) or Fraction(0)
                if moment <= begin + _ROUNDING:
                    before = frame
                elif moment < end - _ROUNDING:
                    if before is not None:
                        picture.write(before, Fraction(0))
                        before = None
                    picture.write(frame, moment - begin)
            elif _overlaps(frame, tracks.start + begin, tracks.start + end):
                early.append(frame)
            if sound and picture.is_open:
                for tone in early:
                    sound.write(tone)
                early.clear()
        if before is not None:
            picture.write(before, Fraction(0))
        picture.finish()
        if sound:
            for tone in early:
                sound.write(tone)
            sound.finish()
        refused = [each for each in decoder.list_damage() if each.is_refused]
    return explain_damage(refused) if refused else ""


def _overlaps(tone: av.AudioFrame, begin: Fraction, end: Fraction) -> bool:
    if tone.pts is None or not tone.time_base:
        return True
    at = tone.pts * read_rational(tone.time_base)
    return at + Fraction(tone.samples, tone.sample_rate) > begin and at < end
