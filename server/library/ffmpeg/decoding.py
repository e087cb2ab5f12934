"""Decode what is played of a clip and see what is damaged; only inside the sandbox."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

import av
from av.codec.context import Flags

from server.library.ffmpeg import nal_units
from server.library.ffmpeg.damage import END, PICTURES, SOUND, START, Damage
from server.library.ffmpeg.probe import read_rational
from server.library.ffmpeg.tracks import Continuity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from server.library.ffmpeg.tracks import Tracks

    Frame = VideoFrame | AudioFrame

# Of formats whose header tells a length that was measured, not guessed from bytes.
_TELL_LENGTH = ("matroska", "avi", "flv", "asf")
_BIDIRECTIONAL = 3  # of AVPictureType
_SHORT_SECONDS = 1.0
_SHORT_PART = 0.1


class Decoder:
    """Yields whole frames, and counts those that are not; of sound alone if asked."""

    def __init__(
        self, container: InputContainer, tracks: Tracks, *, pictures: bool = True
    ) -> None:
        self._container, self.tracks = container, tracks
        self._continuity = Continuity(container)
        self._picture = TrackDecoder(tracks.picture, tracks.start)
        self._counters = {tracks.picture.index: self._picture} if pictures else {}
        if tracks.sound:
            self._counters[tracks.sound.index] = TrackDecoder(
                tracks.sound, tracks.start
            )
        self._end = Fraction(0)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames that are whole, in the order of decoding."""
        streams = [counter.stream for counter in self._counters.values()]
        if not streams:
            return
        with suppress(av.FFmpegError):  # what cannot be read ends it
            for packet in self._container.demux(streams):
                if packet.size:
                    self._continuity.mend(packet)
                    counter = self._counters[packet.stream.index]
                    self._end = max(self._end, counter.read_end(packet))
                    yield from counter.decode(packet)
        for counter in self._counters.values():
            yield from counter.decode(None)

    def list_damage(self) -> list[Damage]:
        """Return what was damaged, once all frames have come."""
        first = self._picture
        found = [Damage(START, n, n + first.total, 0.0) for n in [first.cut_off] if n]
        found += (damage for each in self._counters.values() for damage in each.tell())
        name, length = self._container.format.name, self._container.duration
        if name.startswith(_TELL_LENGTH) and length:
            told, end = length / av.time_base, float(self._end)
            if end < told - max(_SHORT_SECONDS, told * _SHORT_PART):
                found.append(Damage(END, int(end), round(told), end))
        return found


class _Gap:
    """Where pictures refer to a lost one; of packets, by number."""

    def __init__(self, lost: int) -> None:
        self.lost = lost
        self.key: int | None = None  # the next that refers to none
        self.is_over = False  # that one was shown


class TrackDecoder:
    """Decodes one track; knows which of its packets gave no whole frame."""

    def __init__(self, stream: VideoStream | AudioStream, start: Fraction) -> None:
        self.stream, self._start = stream, start
        context = stream.codec_context
        # One thread, so that an error belongs to the packet that was given last.
        context.thread_count = 1
        context.options = {"err_detect": "explode"}
        context.flags |= Flags.copy_opaque
        self.total = self.lost = 0
        self.cut_off = 0  # pictures that came before the first key frame
        self.first: Fraction | None = None  # seconds
        self._is_picture = stream.type == "video"
        self._codec = context.name
        self._width: int | None = None
        if self._codec in nal_units.STANDARDS:
            extra = context.extradata or b""
            self._width = nal_units.read_width(self._codec, extra)
        self._number = 0
        self._first_key: int | None = None  # its time
        self._pending: dict[int, tuple[int | None, Any]] = {}  # times, by number
        self._is_interlaced = False
        # AVI tells no time of display; pictures come in order, so times do, too.
        self._sorts = self._is_picture and stream.container.format.name == "avi"
        self._times: list[int] = []
        self._bad: set[int] = set()  # numbers
        # Pictures before the first key frame are not damaged: they were cut off.
        self._begun = not self._is_picture
        self._gaps: list[_Gap] = []

    def tell(self) -> list[Damage]:
        """Return what was damaged, nothing if all is whole."""
        if not self.lost:
            return []
        kind = PICTURES if self._is_picture else SOUND
        return [Damage(kind, self.lost, self.total, float(self.first or 0))]

    def read_end(self, packet: Packet[Any]) -> Fraction:
        """Return when a packet ends, in seconds from the start."""
        at = packet.pts if packet.pts is not None else packet.dts
        if at is None or not packet.time_base:
            return Fraction(0)
        return (at + (packet.duration or 0)) * read_rational(
            packet.time_base
        ) - self._start

    def decode(self, packet: Packet[Any] | None) -> Iterator[Any]:
        """Yield the whole frames that come of a packet; None is the end."""
        if packet is not None:
            self._admit(packet)
        try:
            frames: list[Any] = self.stream.codec_context.decode(packet)
        except av.FFmpegError:
            frames = []
            if packet is not None:
                self._reject(packet)
        for frame in frames:
            number = (frame.opaque or [0])[0]
            self._pending.pop(number, None)
            self._is_interlaced |= self._is_picture and frame.interlaced_frame
            frame.time_base = self.stream.time_base  # at the end it has none
            if self._times:
                frame.pts = heappop(self._times)
            if number in self._bad:
                continue
            if frame.is_corrupt or self._refers_to_lost(number):
                self._count(number, frame.pts, frame.time_base, shown=True)
                if self._is_picture and int(frame.pict_type) != _BIDIRECTIONAL:
                    self._lose_reference(number)
                continue
            yield frame
        if packet is None:
            self._count_silent()

    def _count_silent(self) -> None:
        """Count the pictures of which nothing came, not even an error.

        Not of interlaced ones, where two packets may make one picture.
        """
        silent = {} if self._is_interlaced else self._pending
        for number, (at, base) in list(silent.items()):
            self._count(number, at, base, shown=True)

    def _admit(self, packet: Packet[Any]) -> None:
        self._number += 1
        packet.opaque = [self._number]  # PyAV wants an object of its own for each
        if self._sorts and packet.dts is not None:
            heappush(self._times, packet.dts)
        if not self._begun:
            self._begun = self._is_key(packet)
            self._first_key = packet.pts
        leads = self._begun and self._is_leading(packet)
        if leads:
            self._bad.add(self._number)
        if leads or not self._begun:  # what FFmpeg makes of the latter is recovered
            self.cut_off += not packet.is_discard
            return
        self.total += not packet.is_discard
        if not packet.is_discard and self._owes_picture(packet):
            at = packet.pts if packet.pts is not None else packet.dts
            self._pending[self._number] = at, packet.time_base
        waiting = [gap for gap in self._gaps if gap.key is None]
        if waiting and self._is_key(packet):
            for gap in waiting:
                gap.key = self._number

    def _lose_reference(self, number: int) -> None:
        for gap in self._gaps:
            if gap.lost < number and (gap.key is None or number < gap.key):
                return
        self._gaps.append(_Gap(number))

    def _refers_to_lost(self, number: int) -> bool:
        """Report whether a picture may refer to one that was lost."""
        for gap in self._gaps:
            if gap.key == number:
                gap.is_over = True
            # Also of what stands behind the key frame, if it is shown before that.
            elif gap.lost < number and (
                not gap.is_over or (gap.key is not None and number < gap.key)
            ):
                return True
        return False

    def _is_leading(self, packet: Packet[Any]) -> bool:
        """Report whether a picture needs some before the first key frame."""
        known = self._codec in nal_units.STANDARDS and not self._sorts
        if not known or self._first_key is None or packet.pts is None:
            return False
        if packet.pts >= self._first_key:
            return False
        units = self._split(packet) or []
        return not any(nal_units.is_decodable_leading(self._codec, u) for u in units)

    def _owes_picture(self, packet: Packet[Any]) -> bool:
        """Report whether a sample of H.264 or H.265 must give a picture.

        Each with lengths must (ISO/IEC 14496-15, 4.3.2), whatever damage made of its
        units; between start codes there may be others alone.
        """
        if self._codec not in nal_units.STANDARDS:
            return False
        units = self._split(packet) if self._width is None else None
        return not units or any(
            not nal_units.is_accessory(self._codec, unit) for unit in units
        )

    def _is_key(self, packet: Packet[Any]) -> bool:
        units = self._split(packet)
        if units is None:
            return packet.is_keyframe
        return nal_units.is_key(self._codec, units)

    def _split(self, packet: Packet[Any]) -> list[bytes] | None:
        if self._codec in nal_units.STANDARDS:
            with suppress(ValueError):
                return nal_units.split_units(bytes(packet), self._width)
        return None

    def _reject(self, packet: Packet[Any]) -> None:
        if self._number in self._bad:
            return  # only others that are cut off refer to it
        shown = not packet.is_discard
        at = packet.pts if packet.pts is not None else packet.dts
        self._count(self._number, at, packet.time_base, shown=shown)
        if self._is_picture and self._is_reference(packet):
            self._lose_reference(self._number)

    def _is_reference(self, packet: Packet[Any]) -> bool:
        slices = nal_units.list_slices(self._codec, self._split(packet) or [])
        if not slices:
            return True
        return nal_units.is_reference(self._codec, slices)

    def _count(self, number: int, at: int | None, base: Any, *, shown: bool) -> None:
        if number in self._bad:
            return
        self._pending.pop(number, None)
        self._bad.add(number)
        if shown and self._begun:
            self.lost += 1
            moment = max((at or 0) * Fraction(base or 1) - self._start, Fraction(0))
            self.first = moment if self.first is None else min(self.first, moment)
