"""Show a frame as a player does, for an encoder; only ever inside the sandbox."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import av

from server.library.ffmpeg.orientation import SWAP, plan_turn, read_matrix
from server.library.ffmpeg.probe import read_rational

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from server.library.ffmpeg.tracks import Aperture

_UNKNOWN = 2
_SDR = {1, _UNKNOWN, 4, 5, 6, 7, 13}  # transfers that phones show as they are
HDR = {16, 18}  # PQ and HLG
_MATRICES = {1, _UNKNOWN, 5, 6}
_PRIMARIES = {1, _UNKNOWN, 4, 5, 6, 7}
_DYNAMIC = ("DYNAMIC_HDR_PLUS", "DOVI_METADATA")
_BT709 = "out_primaries=bt709:out_transfer=bt709:intent=perceptual"


class Colour(NamedTuple):
    """How numbers become colours (ISO/IEC 23091-2, 8.1 to 8.3)."""

    primaries: int = 1
    transfer: int = 1
    matrix: int = 1


def read_colour(frame: VideoFrame) -> Colour:
    """Return how the colours of a frame are meant."""
    return Colour(*map(int, (frame.color_primaries, frame.color_trc, frame.colorspace)))


def plan_colour(frame: VideoFrame) -> Colour:
    """Return how they are to be stored: as they are if all screens show that."""
    colour = read_colour(frame)
    if frame.format.is_rgb:
        return Colour()
    if (
        colour.primaries in _PRIMARIES
        and colour.transfer in _SDR
        and colour.matrix in _MATRICES
    ):
        return colour
    return Colour()


def measure_shown(
    frame: VideoFrame, stream: VideoStream, aperture: Aperture | None = None
) -> tuple[int, int]:
    """Return width and height in square pixels of a frame as it is shown."""
    aspect = read_rational(stream.sample_aspect_ratio) or Fraction(1)
    width, height = crop[:2] if (crop := find_crop(frame, aperture)) else _size(frame)
    width = max(round(width * aspect), 1)
    return (height, width) if SWAP in plan_turn(read_matrix(frame)) else (width, height)


def _size(frame: VideoFrame) -> tuple[int, int]:
    return frame.width, frame.height


def find_crop(frame: VideoFrame, aperture: Aperture | None) -> Aperture | None:
    """Return what to cut out of a frame, if FFmpeg has not done so already."""
    return aperture if aperture and aperture.whole == _size(frame) else None


class PictureFilter:
    """Makes frames upright, progressive, of square pixels, in colours of any screen.

    Each frame becomes one of a size and format; where their shape changes on the way,
    black bars fill the rest.
    """

    def __init__(
        self,
        stream: VideoStream,
        size: tuple[int, int],
        base: Fraction,
        colour: Colour,
        *,
        pixels: str = "yuv420p",
        aperture: Aperture | None = None,
    ) -> None:
        self._stream, self._size, self._base = stream, size, base
        self._colour, self._pixels, self._aperture = colour, pixels, aperture
        self._graph: av.filter.Graph | None = None
        self._built_for: tuple[object, ...] = ()
        self._interlaced = False

    def push(self, frame: VideoFrame | None, ticks: int = 0) -> Iterator[VideoFrame]:
        """Yield what is ready of it, with its time in ticks as pts; None is the end."""
        if frame is None:
            yield from self._flush()
            return
        self._interlaced |= frame.interlaced_frame
        turn = plan_turn(read_matrix(frame))
        kind = (
            (frame.width, frame.height, frame.format.name, self._interlaced),
            (read_colour(frame), int(frame.color_range), tuple(turn)),
        )
        if kind != self._built_for:
            yield from self._flush()
            self._graph, self._built_for = self._build(frame, turn), kind
        assert self._graph
        frame.pts, frame.time_base = ticks, self._base
        self._graph.push(frame)
        yield from _pull(self._graph)

    def _flush(self) -> Iterator[VideoFrame]:
        if self._graph is not None:
            self._graph.push(None)
            yield from _pull(self._graph)
        self._graph = None

    def _build(self, frame: VideoFrame, turn: list[tuple[str, ...]]) -> av.filter.Graph:
        width, height = self._size
        shown = measure_shown(frame, self._stream, self._aperture)
        crop = find_crop(frame, self._aperture)
        scale = min(Fraction(width, shown[0]), Fraction(height, shown[1]))
        inside = [max(round(side * scale) & ~1, 2) for side in shown]
        if all(abs(a - b) <= 2 for a, b in zip(inside, self._size, strict=True)):
            inside = [width, height]
        was, primaries = read_colour(frame), ""
        told = f"range={int(frame.color_range)}"
        if not frame.format.is_rgb:
            told += ":color_primaries={}:color_trc={}:colorspace={}".format(*was)
            if self._colour not in (was, Colour(*[_UNKNOWN] * 3)):
                primaries = f":{_BT709}"
        if self._colour.matrix == 1:
            primaries += ":out_color_matrix=bt709"
        graph = av.filter.Graph()
        steps = [
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=self._base,
            ),
            graph.add("setparams", told),
            *([graph.add("bwdif", "send_frame:deint=1")] if self._interlaced else []),
            *([graph.add("crop", "{}:{}:{}:{}".format(*crop))] if crop else []),
            *(graph.add(*step) for step in turn),
            # Of these each frame has others, and a table for each takes seconds.
            *(
                graph.add("sidedata", f"delete:type={kind}")
                for kind in (_DYNAMIC if primaries else ())
            ),
            graph.add("scale", f"{inside[0]}:{inside[1]}:out_range=tv{primaries}"),
            graph.add("format", self._pixels),
            graph.add("pad", f"{width}:{height}:-1:-1"),
            graph.add("setsar", "1"),
            graph.add("settb", f"{self._base}"),
            graph.add("sidedata", "delete"),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*steps).configure()
        return graph


def _pull(graph: av.filter.Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        if isinstance(frame, av.VideoFrame):
            yield frame
