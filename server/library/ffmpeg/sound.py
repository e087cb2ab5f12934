"""Encode sound as AAC, in step with the pictures; only ever inside the sandbox."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer

BIT_RATE = 128_000
_FRAME_SAMPLES = 1024  # AAC's own


class SoundWriter:
    """Encodes frames of any kind in mono or stereo, with silence where they lack."""

    def __init__(
        self, out: OutputContainer, stream: AudioStream, bit_rate: int, start: Fraction
    ) -> None:
        self._layout = "mono" if stream.channels == 1 else "stereo"
        self._rate = 44_100 if stream.rate == 44_100 else 48_000
        self._out, self._start = out, start
        self._encoder: AudioStream = out.add_stream(
            "aac", rate=self._rate, layout=self._layout
        )
        self._encoder.bit_rate = bit_rate
        self._converted: tuple[str, str, int] | None = None
        self._shape: av.filter.Graph | None = None  # to what is encoded
        self._fill: av.filter.Graph = self._build_filler()
        self._next: Fraction | None = None

    def write(self, frame: AudioFrame) -> None:
        """Encode a frame at its own time."""
        moment = self._next or Fraction(0)
        if frame.pts is not None and frame.time_base:
            moment = frame.pts * Fraction(frame.time_base) - self._start
        self._next = moment + Fraction(frame.samples, frame.sample_rate)
        frame.pts = round(moment * frame.sample_rate)
        frame.time_base = Fraction(1, frame.sample_rate)
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if kind != self._converted:
            self._drain(self._shape, self._fill)
            self._shape, self._converted = self._build_shape(frame), kind
        assert self._shape
        self._shape.push(frame)
        self._move(self._shape, self._fill)
        self._encode()

    def finish(self) -> None:
        """Encode what is left."""
        self._drain(self._shape, self._fill)
        if self._next is not None:
            self._fill.push(None)
        self._encode()
        self._out.mux(self._encoder.encode(None))

    def _build_shape(self, frame: AudioFrame) -> av.filter.Graph:
        graph = av.filter.Graph()
        steps = [
            graph.add_abuffer(
                sample_rate=frame.sample_rate,
                format=frame.format.name,
                layout=frame.layout.name,
                time_base=frame.time_base,
            ),
            graph.add(
                "aformat",
                f"sample_fmts=fltp:sample_rates={self._rate}"
                f":channel_layouts={self._layout}",
            ),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(*steps).configure()
        return graph

    def _build_filler(self) -> av.filter.Graph:
        graph = av.filter.Graph()
        steps = [
            graph.add_abuffer(
                sample_rate=self._rate,
                format="fltp",
                layout=self._layout,
                time_base=Fraction(1, self._rate),
            ),
            graph.add("aresample", "async=1:min_hard_comp=0.04:first_pts=0"),
            graph.add("asetnsamples", f"{_FRAME_SAMPLES}:0"),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(*steps).configure()
        return graph

    def _drain(self, source: av.filter.Graph | None, target: av.filter.Graph) -> None:
        if source is not None:
            source.push(None)
            self._move(source, target)

    def _move(self, source: av.filter.Graph, target: av.filter.Graph) -> None:
        for frame in _pull(source):
            target.push(frame)

    def _encode(self) -> None:
        for frame in _pull(self._fill):
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
