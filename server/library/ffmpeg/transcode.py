"""Write a clip anew with FFmpeg, by PyAV; only ever inside the sandbox."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import av

from server.library.ffmpeg.probe import (
    find_video_stream,
    has_decoder,
    open_container,
    read_rational,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from server.library.ffmpeg.source import Source

# The same file becomes the same bytes, so that it is known when it comes again.
_OPTIONS = {"movflags": "+faststart", "fflags": "+bitexact"}
_THREADS = 2  # more or fewer change what x264 decides
_TRIES = 4
_LEAST_BIT_RATE = 60_000  # of the picture
_SOUND_BIT_RATE = 128_000
_BITS_A_PIXEL = 0.02  # with less, a smaller picture looks better
_HEIGHTS = (2160, 1440, 1080, 720, 540, 360)


class EncodeLimits(NamedTuple):
    """What the new clip must not go beyond."""

    bytes: int
    height: int  # pixels of the shorter side
    fps: float


def digest(source: Source) -> list[list[str]]:
    """Return kind, codec and digest of the samples of each track that is played."""
    with open_container(source) as container:
        streams = [s for s in container.streams if s.type in ("video", "audio")]
        sums = {stream.index: hashlib.sha256() for stream in streams}
        for packet in container.demux(streams):
            if packet.size:
                sums[packet.stream.index].update(bytes(packet))
        return [
            [stream.type, _name_codec(stream), sums[stream.index].hexdigest()]
            for stream in streams
        ]


def _name_codec(stream: Stream) -> str:
    return stream.codec_context.name if has_decoder(stream) else ""


def remux(source: Source, target: str) -> str:
    """Copy pictures and sound into a new MP4; return why that failed, or nothing."""
    try:
        with (
            open_container(source) as container,
            av.open(target, "w", format="mp4", options=_OPTIONS) as out,
        ):
            wanted = [s for s in container.streams if s.type in ("video", "audio")]
            copies = {s.index: out.add_stream_from_template(s) for s in wanted}
            for stream in wanted:
                if _name_codec(stream) == "hevc":
                    copies[stream.index].codec_context.codec_tag = "hvc1"
            for packet in container.demux(wanted):
                if packet.dts is not None:
                    packet.stream = copies[packet.stream.index]
                    out.mux(packet)
    except (av.FFmpegError, OSError, ValueError) as error:
        return _explain(error)
    return ""


def _explain(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).lower() or "no reason given"


def transcode(source: Source, target: str, limit: tuple[int, int, float]) -> str:
    """Make an MP4 that plays everywhere; return why that failed, or nothing.

    limit holds the fields of EncodeLimits. First at a constant quality; if that is too
    large, at the bit rate that fits.
    """
    within = EncodeLimits(*limit)
    bit_rate = None
    try:
        for _ in range(_TRIES):
            source.seek(0)
            with open_container(source) as container:
                seconds = _encode(container, target, within, bit_rate)
            size = Path(target).stat().st_size
            if size <= within.bytes:
                return ""
            fitting = int(within.bytes * 8 * 0.94 / seconds)
            bit_rate = fitting if bit_rate is None else bit_rate * within.bytes // size
            bit_rate = min(bit_rate, fitting) * 97 // 100
            if bit_rate < _LEAST_BIT_RATE * 5 // 4:
                break
    except (av.FFmpegError, OSError, ValueError) as error:
        return _explain(error)
    return f"{seconds:.0f} s do not fit into {within.bytes} bytes"


def _encode(
    container: InputContainer, path: str, limit: EncodeLimits, bit_rate: int | None
) -> float:
    """Write one attempt and return its seconds; ValueError without pictures."""
    stream = find_video_stream(container)
    if stream is None:
        raise ValueError("it has no moving picture")
    if not has_decoder(stream):
        raise ValueError("FFmpeg does not know its codec")
    stream.thread_count = _THREADS
    sounds = [each for each in container.streams.audio if has_decoder(each)][:1]
    start = Fraction(container.start_time or 0, av.time_base)
    known = (container.duration or 0) / av.time_base
    early: list[av.AudioFrame] = []  # before the first picture tells its size
    with av.open(path, "w", format="mp4", options=_OPTIONS) as out:
        sound_rate = min(_SOUND_BIT_RATE, (bit_rate or 1 << 30) // 5) if sounds else 0
        picture = _Picture(out, stream, limit, bit_rate and bit_rate - sound_rate)
        picture.start = start
        sound = _add_sound(out, sounds[0], sound_rate, start) if sounds else None
        for packet in container.demux([stream, *sounds]):
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    picture.write(frame)
                elif isinstance(frame, av.AudioFrame):
                    early.append(frame)
            if sound and picture.seconds:
                for tone in early:
                    sound(tone)
                early.clear()
            if known and bit_rate is None and picture.bytes > limit.bytes:
                return known  # it would only become larger
        picture.write(None)
        if sound:
            sound(None)
    return max(picture.seconds, 0.1)


class _Picture:
    """Turns, thins out, scales and encodes pictures."""

    def __init__(
        self,
        out: OutputContainer,
        stream: VideoStream,
        limit: EncodeLimits,
        bit_rate: int | None,
    ) -> None:
        self._out, self._stream, self._limit = out, stream, limit
        self._bit_rate = bit_rate
        self.start = Fraction(0)
        self.bytes = 0
        rate = read_rational(stream.average_rate or stream.guessed_rate, Fraction(25))
        self._rate = min(rate, Fraction(limit.fps).limit_denominator(1001))
        self._graph: av.filter.Graph | None = None
        self._encoder: VideoStream = out.add_stream("libx264", rate=self._rate)
        self._frames = 0

    @property
    def seconds(self) -> float:
        """Return how long it is so far."""
        return float(self._frames / self._rate)

    def write(self, frame: VideoFrame | None) -> None:
        """Encode what a frame becomes; None is the end."""
        if self._graph is None:
            if frame is None:
                raise ValueError("it has no picture that can be decoded")
            self._graph = self._prepare(frame)
        self._graph.push(frame)
        for picture in _pull(self._graph):
            picture.pts, picture.time_base = self._frames, 1 / self._rate
            picture.pict_type = av.video.frame.PictureType.NONE
            self._frames += 1
            self._mux(self._encoder.encode(picture))
        if frame is None:
            self._mux(self._encoder.encode(None))

    def _mux(self, packets: list[av.Packet[Any]]) -> None:
        self.bytes += sum(packet.size for packet in packets)
        self._out.mux(packets)

    def _prepare(self, frame: VideoFrame) -> av.filter.Graph:
        turn = round(frame.rotation / 90) % 4  # counterclockwise, as it is to be shown
        aspect = read_rational(self._stream.sample_aspect_ratio)
        shown = int(frame.width * aspect) or 1, frame.height
        shown = shown[::-1] if turn % 2 else shown
        height = pick_height(shown, self._limit.height, self._rate, self._bit_rate)
        width, height = fit_size(*shown, height)
        self._set_encoder(width, height)
        graph = av.filter.Graph()
        steps = [
            graph.add_buffer(template=self._stream),
            graph.add("fps", f"{self._rate}:start_time={float(self.start)}"),
            *(graph.add("transpose", "cclock") for _ in range(turn)),
            graph.add("scale", f"{width}:{height}:out_range=tv"),
            graph.add("setsar", "1"),
            graph.add("format", "yuv420p"),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*steps).configure()
        return graph

    def _set_encoder(self, width: int, height: int) -> None:
        encoder, was = self._encoder, self._stream.codec_context
        encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
        context = encoder.codec_context
        context.thread_count = _THREADS
        context.color_primaries, context.color_trc = was.color_primaries, was.color_trc
        context.colorspace, context.color_range = was.colorspace, 1
        context.gop_size = max(round(self._rate * 2), 1)
        options: dict[str, str] = {"preset": "fast", "profile": "high"}
        if self._bit_rate is None:
            options["crf"] = "20"
        else:
            context.bit_rate = self._bit_rate
            options |= {"maxrate": str(self._bit_rate), "bufsize": str(self._bit_rate)}
        encoder.options = dict(options)


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


def _pull(graph: av.filter.Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        if isinstance(frame, av.VideoFrame):
            yield frame


def _add_sound(
    out: OutputContainer, stream: AudioStream, bit_rate: int, start: Fraction
) -> Callable[[Any], None]:
    """Return what encodes frames of sound as AAC; None is the end."""
    layout = "mono" if stream.channels == 1 else "stereo"
    rate = 44_100 if stream.rate == 44_100 else 48_000
    encoder: AudioStream = out.add_stream("aac", rate=rate, layout=layout)
    encoder.bit_rate = bit_rate
    resampler = av.AudioResampler("fltp", layout, rate, frame_size=1024)

    def write(frame: av.AudioFrame | None) -> None:
        if frame is not None and frame.pts is not None and frame.time_base:
            frame.pts -= round(start / frame.time_base)
        for part in resampler.resample(frame):
            out.mux(encoder.encode(part))
        if frame is None:
            out.mux(encoder.encode(None))

    return write
