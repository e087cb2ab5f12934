"""Encode pictures as H.264, each with its own time; only ever inside the sandbox."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import av

from server.library.ffmpeg.filters import PictureFilter, measure_shown, plan_colour
from server.library.ffmpeg.probe import read_rational
from server.library.ffmpeg.sound import BIT_RATE
from server.library.ffmpeg.timing import Thinner, pick_ticks

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from server.library.ffmpeg.tracks import Aperture

THREADS = 2  # more or fewer change what x264 decides
KEY_SECONDS = 2
_UNEVEN = 2  # times the usual distance
_BITS_A_PIXEL = 0.02  # with less, a smaller picture looks better
_HEIGHTS = (2160, 1440, 1080, 720, 540, 360)


class EncodeLimits(NamedTuple):
    """What the new clip must not go beyond."""

    bytes: int
    height: int  # pixels of the shorter side
    fps: float


class Style(NamedTuple):
    """How pictures and sound are encoded."""

    preset: str = "fast"
    crf: int = 20  # x264's measure of quality, less is better
    threads: int = THREADS
    most_bit_rate: int | None = None  # of the picture, where quality would take more
    sound_bit_rate: int = BIT_RATE
    aligned: bool = False  # key frames by the clock alone, so at the same pictures


class UnevenError(Exception):
    """Some picture is shown for so long that the encoder must know that before."""


USUAL = Style()


class PictureWriter:
    """Thins out, filters and encodes pictures."""

    def __init__(
        self,
        out: OutputContainer,
        stream: VideoStream,
        limit: EncodeLimits,
        bit_rate: int | None,
        *,
        steady: bool,
        aperture: Aperture | None = None,
        style: Style = USUAL,
    ) -> None:
        self._out, self._stream, self._limit = out, stream, limit
        self._style = style
        self._bit_rate, self._steady, self._aperture = bit_rate, steady, aperture
        self._thinner = Thinner(limit.fps)
        rate = read_rational(stream.average_rate or stream.guessed_rate, Fraction(25))
        self._fastest = Fraction(limit.fps).limit_denominator(1001)
        self._rate = min(max(rate, Fraction(1)), self._fastest)
        base = read_rational(stream.time_base) if stream.time_base else None
        self._ticks = pick_ticks(base)
        self._encoder: VideoStream = out.add_stream("libx264", rate=self._rate)
        self._filter: PictureFilter | None = None
        self._moment = Fraction(-1)  # of the last picture that came
        self._end = Fraction(0)
        self._ready: list[VideoFrame] = []  # whose length is not known yet
        self._lengths: dict[int, int] = {}  # ticks, by time
        self._last_key = 0
        self._next_key = 0  # in ticks, where the clock alone decides
        self._held: av.Packet[Any] | None = None
        self._first_decoded = 0
        self.bytes = 0

    @property
    def is_open(self) -> bool:
        """Report whether a picture has come, so that its size is known."""
        return self._filter is not None

    @property
    def seconds(self) -> float:
        """Return how long it is so far."""
        return float(self._end)

    def write(self, frame: VideoFrame, moment: Fraction | None) -> None:
        """Encode a frame, unless it comes too fast; moment is when, in seconds."""
        length = self._measure(frame)
        if moment is None:
            moment = self._end
        first = self._filter is None
        moment = max(moment, Fraction(0))
        if not first and moment <= self._moment:
            return
        self._moment, self._end = moment, max(self._end, moment + length)
        if not self._thinner.keeps(moment):
            return
        if self._filter is None:
            self._filter = self._prepare(frame)
        # What is shown first is shown from the start, as players do.
        ticks = 0 if first else round(moment * self._ticks)
        for picture in self._filter.push(frame, ticks):
            self._queue(picture)

    def finish(self) -> None:
        """Encode what is left; ValueError if no picture has come."""
        if self._filter is None:
            raise ValueError("it has no whole picture")
        for picture in self._filter.push(None):
            self._queue(picture)
        last = self._ready.pop()
        assert last.pts is not None
        # A last picture of no length would make it faster than the limit.
        self._end = max(self._end, self._thinner.least)
        end = max(ceil(self._end * self._ticks), last.pts + 1)
        self._encode(last, end)
        self._mux(self._encoder.encode(None))
        if self._held is not None and self._held.dts is not None:
            # So that the times of decoding add up to the whole length at least.
            left = end - (self._held.dts - self._first_decoded)
            self._held.duration = max(left, self._held.duration or 1)
            self._out.mux(self._held)

    def _measure(self, frame: VideoFrame) -> Fraction:
        """Return how long a frame is shown at least."""
        if frame.duration and frame.time_base:
            return frame.duration * read_rational(frame.time_base)
        return 1 / self._rate

    def _queue(self, picture: VideoFrame) -> None:
        self._ready.append(picture)
        if len(self._ready) > 1:
            following = self._ready[1].pts
            assert following is not None
            self._encode(self._ready.pop(0), following)

    def _encode(self, picture: VideoFrame, end: int) -> None:
        assert picture.pts is not None
        length = Fraction(end - picture.pts, self._ticks)
        if self._steady and length > _UNEVEN / self._rate:
            raise UnevenError
        kinds = av.video.frame.PictureType
        is_key = self._is_key(picture.pts, end)
        picture.pict_type = kinds.I if is_key else kinds.NONE
        self._lengths[picture.pts] = end - picture.pts
        self._mux(self._encoder.encode(picture))

    def _is_key(self, start: int, end: int) -> bool:
        """Report whether the encoder is told that a picture begins a group."""
        step = KEY_SECONDS * self._ticks
        if self._style.aligned:
            middle = (start + end) // 2  # so that jitter moves no key
            is_due = middle >= self._next_key
            if is_due:
                self._next_key = (middle // step + 1) * step
            return is_due
        if self._steady or end - self._last_key <= step:
            return False
        self._last_key = start
        return True

    def _mux(self, packets: list[av.Packet[Any]]) -> None:
        for packet in packets:
            self.bytes += packet.size
            if packet.pts is not None:
                packet.duration = self._lengths.pop(packet.pts, 1)
            if self._held is not None:
                self._out.mux(self._held)
            elif packet.dts is not None:
                self._first_decoded = packet.dts
            self._held = packet

    def _prepare(self, frame: VideoFrame) -> PictureFilter:
        shown = measure_shown(frame, self._stream, self._aperture)
        height = pick_height(shown, self._limit.height, self._rate, self._bit_rate)
        size = fit_size(*shown, height)
        encoder, base = self._encoder, Fraction(1, self._ticks)
        encoder.width, encoder.height = size
        encoder.pix_fmt = "yuv420p"
        context, colour = encoder.codec_context, plan_colour(frame)
        context.time_base, encoder.time_base = base, base
        context.thread_count = self._style.threads
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        context.colorspace, context.color_range = colour.matrix, 1
        most = self._rate if self._steady else self._fastest
        context.gop_size = max(round(most * KEY_SECONDS), 1)
        if self._bit_rate is not None:
            context.bit_rate = self._bit_rate
        encoder.options = self._choose_options(context)
        return PictureFilter(self._stream, size, base, colour, aperture=self._aperture)

    def _choose_options(self, context: VideoCodecContext) -> dict[str, object]:
        style = self._style
        options: dict[str, object] = {"preset": style.preset, "profile": "high"}
        most = self._bit_rate or style.most_bit_rate
        if self._bit_rate is None:
            options["crf"] = str(style.crf)
        if most is not None:
            options |= {"maxrate": str(most), "bufsize": str(most)}
        if not self._steady:  # or what is decoded early would be so by a whole pause
            options["bf"] = "0"
        if style.aligned:
            context.gop_size *= 2  # x264 counts pictures, which is no clock
            options |= {"sc_threshold": "0", "forced-idr": "1", "flags": "+cgop"}
        return options


def fit_size(width: int, height: int, limit: int) -> tuple[int, int]:
    """Return even dimensions of the same shape, with at most limit on the short side.

    The long side has at most sixteen ninths of it.
    """
    most = -(-limit * 16 // 9)
    short, long = sorted((width, height))
    scale = min(Fraction(limit, short), Fraction(most, long), Fraction(1))
    even = [max(int(side * scale) & ~1, 2) for side in (width, height)]
    return even[0], even[1]


def pick_height(
    shown: tuple[int, int], limit: int, rate: Fraction, bit_rate: int | None
) -> int:
    """Return how many pixels of the short side the bit rate is enough for.

    The fewest of all if it is enough for none; the limit without a bit rate.
    """
    if bit_rate is None:
        return limit
    for height in _HEIGHTS:
        width, fitted = fit_size(*shown, min(height, limit))
        if width * fitted * rate * Fraction(_BITS_A_PIXEL) <= bit_rate:
            return min(height, limit)
    return min(_HEIGHTS[-1], limit)
