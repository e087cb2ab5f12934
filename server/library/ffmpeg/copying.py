"""Plan how to copy samples without encoding them; only ever inside the sandbox."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import av
from av.codec.context import Flags

from server.library.ffmpeg import nal_units
from server.library.ffmpeg.damage import START, Damage
from server.library.ffmpeg.fragments import read_delay
from server.library.ffmpeg.probe import read_rational
from server.library.ffmpeg.timing import fill_moments, plan_decoding
from server.library.ffmpeg.tracks import (
    Continuity,
    join_starts,
    open_tracks,
    pick_tracks,
    tell_start,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

    from server.library.ffmpeg.source import Source
    from server.library.ffmpeg.tracks import Tracks


class Sample(NamedTuple):
    """A picture's packet; times are in units of its track, from the clip's start."""

    shown: int
    decoded: int
    length: int
    is_key: bool


class CopyPlan(NamedTuple):
    """How pictures are copied."""

    samples: list[Sample | None]  # in the order of the file; None is left out
    start: Fraction  # of the clip, in seconds on the clock of the file
    end: Fraction  # of its pictures
    parameters: bytes | None  # to stand in the index, if they do not
    damage: list[Damage]  # pictures that are left out though they are to be shown

    def keeps_sound(self, packet: Packet[Any]) -> bool:
        """Report whether a packet of sound is heard, or needed by the first that is.

        AAC adds half of each frame to the one before (ISO/IEC 14496-3, 4.6.11).
        """
        if not packet.is_discard or packet.pts is None:
            return True
        base = read_rational(packet.time_base)
        length = (packet.duration or 0) * base
        begin = packet.pts * base
        return begin + 2 * length >= self.start - base and begin < self.end


class _Found(NamedTuple):
    shown: int | None
    decoded: int | None
    length: int
    is_key: bool
    is_open: bool  # pictures behind it may need those before it
    is_hidden: bool  # by the edit list


def read_packets(container: InputContainer, tracks: Tracks) -> Iterator[Packet[Any]]:
    """Yield the packets of what is played, their clock mended."""
    continuity = Continuity(container)
    streams = [each for each in tracks[:2] if each]
    for packet in container.demux(streams):
        if packet.size:
            continuity.mend(packet)
            yield packet


def plan_copy(source: Source) -> CopyPlan:
    """Look at all pictures; ValueError if they cannot be copied."""
    with open_tracks(source) as container:
        tracks = pick_tracks(container)
        delay = _tell_delay(source, container, tracks)
        survey = _Survey(container, tracks.picture, delay)
        sound_start: Fraction | None = None
        for packet in read_packets(container, tracks):
            if packet.stream.index == tracks.picture.index:
                survey.add(packet)
            elif sound_start is None and packet.pts is not None:
                sound_start = packet.pts * read_rational(packet.time_base)
        if not survey.found:
            raise ValueError("it has no picture")
        if tracks.sound and (told := tell_start(tracks.sound)) is not None:
            sound_start = told
        return survey.plan(sound_start)


def _tell_delay(source: Source, container: InputContainer, tracks: Tracks) -> int:
    """Return by how much FFmpeg tells pictures too late, in units of their track."""
    if "mp4" not in container.format.name.split(","):
        return 0
    at = source.tell()
    delay = read_delay(source, tracks.picture.id)
    source.seek(at)
    return delay


class _Survey:
    def __init__(
        self, container: InputContainer, stream: VideoStream, delay: int
    ) -> None:
        self._stream, self._delay, self.found = stream, delay, list[_Found]()
        self._base = read_rational(stream.time_base)
        self._is_avi = container.format.name == "avi"
        self._codec = stream.codec_context.name
        self._extra = stream.codec_context.extradata or b""
        self._width: int | None = None
        self._sets: dict[bytes, None] = {}
        self._had_sets = True
        if self._codec in nal_units.STANDARDS:
            self._width = nal_units.read_width(self._codec, self._extra)
            self._sets |= dict.fromkeys(
                nal_units.find_parameter_sets(self._codec, self._extra)
            )
            self._had_sets = nal_units.is_complete(self._codec, self._sets)
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= Flags.copy_opaque
        self._order: list[int] = []  # of display, by number

    def add(self, packet: Packet[Any]) -> None:
        """Note what a packet tells; ValueError if it has parameters of its own."""
        if packet.has_sidedata("new_extradata") and self.found:
            raise ValueError("its parameters change in the middle")
        is_key, is_open = packet.is_keyframe, False
        if self._codec in nal_units.STANDARDS:
            units = nal_units.split_units(bytes(packet), self._width)
            is_key = is_key and nal_units.is_key(self._codec, units)
            is_key |= any(nal_units.is_random_access(self._codec, u) for u in units)
            is_open = not any(nal_units.is_refresh(self._codec, u) for u in units)
            self._sets |= dict.fromkeys(
                unit for unit in units if nal_units.is_parameter_set(self._codec, unit)
            )
        shown = None
        if packet.pts is None or self._is_avi:
            self._decode(packet, len(self.found))
        else:
            shown = packet.pts - self._delay
        self.found.append(
            _Found(
                shown,
                packet.dts,
                packet.duration or 0,
                is_key,
                is_open,
                packet.is_discard,
            )
        )

    def _decode(self, packet: Packet[Any] | None, number: int = 0) -> None:
        """Find out in which order pictures are shown that do not tell when."""
        if packet is not None:
            packet.opaque = [number]  # PyAV wants an object of its own for each
        with suppress(av.FFmpegError):
            frames: list[Any] = self._stream.codec_context.decode(packet)
            self._order += (frame.opaque[0] for frame in frames if frame.opaque)

    def plan(self, sound_start: Fraction | None) -> CopyPlan:
        """Return the plan once all packets have come."""
        shown = self._fill_times()
        kept = self._choose(shown)
        visible = [shown[n] for n in kept if not self.found[n].is_hidden]
        start = join_starts(min(visible) * self._base, sound_start)
        origin = round(start / self._base)
        moments = [shown[number] - origin for number in kept]
        if moments[0] == min(moments) > 0:
            moments[0] = 0  # what is shown first is shown from the start
        lengths = self._measure(kept, moments)
        samples: list[Sample | None] = [None] * len(self.found)
        for number, moment, decoded, length in zip(
            kept, moments, plan_decoding(moments), lengths, strict=True
        ):
            samples[number] = Sample(moment, decoded, length, self.found[number].is_key)
        end = start + (max(moments) + lengths[-1]) * self._base
        parameters = self._join_parameters()
        return CopyPlan(samples, start, end, parameters, self._tell_lost(samples))

    def _tell_lost(self, samples: Sequence[Sample | None]) -> list[Damage]:
        """Return what depends on pictures that were cut off before the file."""
        visible = [
            sample
            for sample, found in zip(samples, self.found, strict=True)
            if not found.is_hidden
        ]
        lost = visible.count(None)
        return [Damage(START, lost, len(visible), 0.0)] if lost else []

    def _choose(self, shown: Sequence[int]) -> list[int]:
        """Return which packets are kept: not those that nothing shown depends on."""
        kept: list[int] = []
        needed = False
        for number in reversed(range(len(self.found))):
            found = self.found[number]
            needed |= not found.is_hidden
            if needed:
                kept.append(number)
            if found.is_key:
                needed = False
        kept.reverse()
        keys = [at for at, number in enumerate(kept) if self.found[number].is_key]
        kept = kept[keys[0] :] if keys else kept
        if kept and self.found[kept[0]].is_open:
            kept = [number for number in kept if shown[number] >= shown[kept[0]]]
        visible = [shown[n] for n in kept if not self.found[n].is_hidden]
        if not visible:
            raise ValueError("nothing of it is shown")
        hidden = [shown[n] for n in kept if self.found[n].is_hidden]
        if hidden and max(hidden) > min(visible):
            raise ValueError("its edit list cuts between key frames")
        return kept

    def _fill_times(self) -> list[int]:
        """Return when each picture is shown, by number."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        step = round(1 / (read_rational(rate) * self._base)) if rate else 1
        known = [found.shown for found in self.found]
        if None not in known:
            order = sorted(range(len(known)), key=lambda number: known[number] or 0)
        elif self._is_avi or not any(each is not None for each in known):
            self._decode(None)
            order = self._order
            known = sorted_by(order, [found.decoded for found in self.found])
        else:
            raise ValueError("some of its pictures do not tell their times")
        if sorted(order) != list(range(len(known))):
            raise ValueError("the order of its pictures cannot be told")
        times = fill_moments([known[number] for number in order], max(step, 1))
        shown = [0] * len(order)
        for number, moment in zip(order, times, strict=True):
            shown[number] = moment
        return shown

    def _measure(self, kept: Sequence[int], moments: Sequence[int]) -> list[int]:
        """Return how long each is shown; of the last decoded, so that all add up."""
        order = sorted(range(len(kept)), key=lambda at: moments[at])
        lengths = [0] * len(kept)
        for at, after in pairwise(order):
            lengths[at] = moments[after] - moments[at]
        last = self.found[kept[order[-1]]].length
        usual = lengths[order[-2]] if len(order) > 1 else 1
        lengths[order[-1]] = lengths[-1] = last or usual
        return lengths

    def _join_parameters(self) -> bytes | None:
        """Return the parameter sets found in samples, if they stand nowhere else."""
        if self._codec not in nal_units.STANDARDS:
            return None
        if nal_units.count_sequences(self._codec, self._sets) > 1:
            raise ValueError("its parameters change in the middle")
        if self._had_sets:
            return None
        if not nal_units.is_complete(self._codec, self._sets):
            raise ValueError("its parameters are nowhere")
        return nal_units.join_units(self._sets)


def sorted_by(order: Sequence[int], values: Sequence[int | None]) -> list[int | None]:
    """Return the values in order, each at the number that stands there in order."""
    found: list[int | None] = [None] * len(values)
    known = sorted(value for value in values if value is not None)
    for number, value in zip(order, known, strict=False):
        found[number] = value
    return found
