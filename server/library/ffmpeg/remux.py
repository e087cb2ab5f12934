"""Copy samples into a new MP4 without encoding; only ever inside the sandbox."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from itertools import repeat
from typing import TYPE_CHECKING, Any

import av

from server.library.ffmpeg import nal_units
from server.library.ffmpeg.copying import CopyPlan, plan_copy, read_packets
from server.library.ffmpeg.output import explain, open_output
from server.library.ffmpeg.probe import read_rational
from server.library.ffmpeg.tracks import open_tracks, pick_tracks

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

    from server.library.ffmpeg.output import Answer
    from server.library.ffmpeg.source import Source

_DRIFT_SECONDS = Fraction(1, 25)  # by which sound may come early or late
_ADTS = 0xFFF0  # what its frames begin with (ISO/IEC 13818-7, 6.2)


def remux(source: Source, target: str) -> Answer:
    """Copy picture and sound into a new MP4.

    Return why that failed, or nothing, and what nobody can decode of its start.
    """
    try:
        plan = plan_copy(source)
        with (
            open_tracks(source) as container,
            open_output(target) as out,
        ):
            tracks = pick_tracks(container)
            picture = PictureCopier(out, tracks.picture, plan)
            sound = tracks.sound and SoundCopier(out, tracks.sound, plan)
            for packet in read_packets(container, tracks):
                if packet.stream.index == tracks.picture.index:
                    picture.write(packet)
                elif sound and plan.keeps_sound(packet):
                    sound.write(packet)
    except (av.FFmpegError, OSError, ValueError) as error:
        return explain(error), []
    return "", plan.damage


class PictureCopier:
    """Copies the packets of pictures as planned."""

    def __init__(
        self, out: OutputContainer, stream: VideoStream, plan: CopyPlan
    ) -> None:
        self._out, self._plan = out, plan
        self._samples = iter(plan.samples)
        self._codec = stream.codec_context.name
        extra = stream.codec_context.extradata or b""
        self._copy: VideoStream = out.add_stream_from_template(stream)
        if self._codec == nal_units.H265:
            self._copy.codec_context.codec_tag = "hvc1"
        elif self._codec == nal_units.H264:
            self._copy.codec_context.codec_tag = "avc1"
        self._width: int | None = None
        if plan.parameters:
            self._width = nal_units.read_width(self._codec, extra)
            self._copy.codec_context.extradata = plan.parameters

    def write(self, packet: Packet[Any]) -> None:
        """Copy the next packet, unless it is to be left out."""
        sample = next(self._samples)
        if sample is None:
            return
        if self._width:  # for parameters with start codes
            units = nal_units.split_units(bytes(packet), self._width)
            base = packet.time_base
            packet = av.Packet(nal_units.join_units(units))
            packet.time_base = base
        packet.pts, packet.dts = sample.shown, sample.decoded
        packet.duration, packet.is_keyframe = sample.length, sample.is_key
        packet.stream = self._copy
        self._out.mux(packet)


class SoundCopier:
    """Copies the packets of sound, one right behind the other."""

    def __init__(
        self, out: OutputContainer, stream: AudioStream, plan: CopyPlan
    ) -> None:
        self._out, self._start = out, plan.start
        self._copy: AudioStream = out.add_stream_from_template(stream)
        self._rate = stream.codec_context.sample_rate or 1
        self._size = stream.codec_context.frame_size or 0
        self._next: Fraction | None = None  # seconds

    def write(self, packet: Packet[Any]) -> None:
        """Copy a packet, right behind the last unless there is a gap."""
        base = read_rational(packet.time_base)
        at = packet.pts if packet.pts is not None else packet.dts
        told = at * base - self._start if at is not None else None
        moment = self._next if self._next is not None else told or Fraction(0)
        if told is not None and told - moment > _DRIFT_SECONDS:
            moment = told
        length = (packet.duration or 0) * base
        if self._size > 1 and base != Fraction(1, self._rate):  # times were rounded
            base, length = Fraction(1, self._rate), Fraction(self._size, self._rate)
            packet.time_base, packet.duration = base, self._size
        self._next = moment + max(length, base)
        packet.pts = packet.dts = round(moment / base)
        packet.stream = self._copy
        self._out.mux(packet)


def digest(source: Source, *, planned: bool) -> list[list[str]]:
    """Return kind, codec and digest of the samples of each track that is played.

    Of H.264 and H.265 only what is neither a delimiter nor a parameter set counts, of
    AAC only what stands behind its headers: formats differ in these. planned leaves out
    what remux does; without it all counts, whatever edit lists say. Nothing if it
    cannot be read.
    """
    try:
        plan = plan_copy(source) if planned else None
        samples = iter(plan.samples) if plan else repeat(True)
        with open_tracks(source, edits=planned) as container:
            tracks = pick_tracks(container)
            sums = {each.index: hashlib.sha256() for each in tracks[:2] if each}
            reader = PayloadReader(tracks.picture)
            for packet in read_packets(container, tracks):
                if packet.stream.index == tracks.picture.index:
                    if next(samples):
                        sums[packet.stream.index].update(reader.read(bytes(packet)))
                elif not plan or plan.keeps_sound(packet):
                    sums[packet.stream.index].update(_strip_header(bytes(packet)))
            return [
                [each.type, each.codec_context.name, sums[each.index].hexdigest()]
                for each in tracks[:2]
                if each
            ]
    except (av.FFmpegError, OSError, ValueError):
        return []


class PayloadReader:
    """Reads what codes the picture out of samples of any format."""

    def __init__(self, stream: VideoStream) -> None:
        self._codec = stream.codec_context.name
        self._width: int | None = None
        if self._codec in nal_units.STANDARDS:
            extra = stream.codec_context.extradata or b""
            self._width = nal_units.read_width(self._codec, extra)

    def read(self, sample: bytes) -> bytes:
        """Return the units of a sample with start codes, or else all of it."""
        if self._codec not in nal_units.STANDARDS:
            return sample
        try:
            units = nal_units.split_units(sample, self._width)
        except ValueError:
            return sample
        return nal_units.join_units(
            unit
            for unit in units
            if not nal_units.is_parameter_set(self._codec, unit)
            and not nal_units.is_delimiter(self._codec, unit)
        )


def _strip_header(sample: bytes) -> bytes:
    """Return a frame of AAC without the header that streams have before it."""
    if int.from_bytes(sample[:2], "big") & 0xFFF6 == _ADTS:
        return sample[7 if sample[1] & 1 else 9 :]
    return sample
