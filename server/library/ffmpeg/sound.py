"""Encode sound as AAC, in step with the pictures; only ever inside the sandbox."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import av

from server.library.ffmpeg.probe import read_rational

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer

BIT_RATE = 128_000
_FRAME_SAMPLES = 1024  # AAC's own
# Gaps and overlaps of more are filled and cut; less is how containers round times.
_DRIFT_SECONDS = 0.04


class SoundFormat(NamedTuple):
    """What sound is converted to."""

    sample: str
    rate: int
    layout: str


class SoundFilter:
    """Converts frames of any kind, and fills with silence where there are none."""

    def __init__(self, form: SoundFormat, start: Fraction) -> None:
        self._form, self._start = form, start
        self._came_as: tuple[str, str, int] | None = None
        self._shape: av.filter.Graph | None = None
        self._fill = self._build_filler()
        self._next: Fraction | None = None  # seconds

    def push(self, frame: AudioFrame | None) -> list[AudioFrame]:
        """Return what is ready, in pieces of 1,024 samples; None is the end."""
        if frame is None:
            self._drain()
            if self._next is not None:
                self._fill.push(None)
            return _pull(self._fill)
        moment = self._next or Fraction(0)
        if frame.pts is not None and frame.time_base:
            moment = frame.pts * read_rational(frame.time_base) - self._start
        self._next = moment + Fraction(frame.samples, frame.sample_rate)
        frame.pts = round(moment * frame.sample_rate)
        frame.time_base = Fraction(1, frame.sample_rate)
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self._came_as:
            self._drain()
            self._shape, self._came_as = self._build_shape(*kind), kind
        assert self._shape
        self._shape.push(frame)
        self._move()
        return _pull(self._fill)

    def _drain(self) -> None:
        if self._shape is not None:
            self._shape.push(None)
            self._move()

    def _move(self) -> None:
        assert self._shape
        for frame in _pull(self._shape):
            self._fill.push(frame)

    def _build_shape(self, sample: str, layout: str, rate: int) -> av.filter.Graph:
        form = self._form
        graph = av.filter.Graph()
        steps = [
            graph.add_abuffer(
                sample_rate=rate,
                format=sample,
                layout=layout,
                time_base=Fraction(1, rate),
            ),
            graph.add(
                "aformat",
                f"sample_fmts={form.sample}:sample_rates={form.rate}"
                f":channel_layouts={form.layout}",
            ),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(*steps).configure()
        return graph

    def _build_filler(self) -> av.filter.Graph:
        graph = av.filter.Graph()
        steps = [
            graph.add_abuffer(
                sample_rate=self._form.rate,
                format=self._form.sample,
                layout=self._form.layout,
                time_base=Fraction(1, self._form.rate),
            ),
            graph.add(
                "aresample", f"async=1:min_hard_comp={_DRIFT_SECONDS}:first_pts=0"
            ),
            graph.add("asetnsamples", f"{_FRAME_SAMPLES}:0"),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(*steps).configure()
        return graph


class SoundWriter:
    """Encodes frames in mono or stereo."""

    def __init__(
        self, out: OutputContainer, stream: AudioStream, bit_rate: int, start: Fraction
    ) -> None:
        layout = "mono" if stream.channels == 1 else "stereo"
        rate = 44_100 if stream.rate == 44_100 else 48_000
        self._out = out
        self._encoder: AudioStream = out.add_stream("aac", rate=rate, layout=layout)
        self._encoder.bit_rate = bit_rate
        self._filter = SoundFilter(SoundFormat("fltp", rate, layout), start)

    def write(self, frame: AudioFrame) -> None:
        """Encode a frame at its own time."""
        self._encode(self._filter.push(frame))

    def finish(self) -> None:
        """Encode what is left."""
        self._encode(self._filter.push(None))
        self._out.mux(self._encoder.encode(None))

    def _encode(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            self._out.mux(self._encoder.encode(frame))


def _pull(graph: av.filter.Graph) -> list[AudioFrame]:
    frames: list[AudioFrame] = []
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return frames
        if isinstance(frame, av.AudioFrame):
            frames.append(frame)
