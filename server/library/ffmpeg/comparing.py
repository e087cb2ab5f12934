"""Compare a clip with the one that it was made of; only ever inside the sandbox."""

from __future__ import annotations

import os
from array import array
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av

from server.library.ffmpeg import likeness
from server.library.ffmpeg.decoding import Decoder
from server.library.ffmpeg.filters import HDR, find_crop, measure_shown, read_colour
from server.library.ffmpeg.likeness import Sketch
from server.library.ffmpeg.orientation import plan_turn, read_matrix
from server.library.ffmpeg.output import explain
from server.library.ffmpeg.probe import read_rational
from server.library.ffmpeg.sound import SoundFilter, SoundFormat
from server.library.ffmpeg.source import Source
from server.library.ffmpeg.timing import Thinner
from server.library.ffmpeg.tracks import open_tracks, pick_tracks, read_aperture

if TYPE_CHECKING:
    from io import BufferedReader

    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from server.library.ffmpeg.tracks import Aperture

_MOST_PICTURES = 300  # that are looked at, evenly spread
_TICK = Fraction(1, 90_000)
_SOUND = SoundFormat("s16", likeness.RATE, "mono")


class LocalSource(Source):
    """A file of our own, read as those of others are."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size
        self._at = 0

    def read(self, length: int) -> bytes:
        """Return the next bytes, none at the end."""
        data = os.pread(self._file.fileno(), length, self._at)
        self._at += len(data)
        return data


def compare(source: Source, target: str, fps: float, *, pictures: bool) -> str:
    """Return in what way target is worse than its source should be, or nothing.

    Pictures of the source that come faster than fps are expected to be left out;
    pictures is False if they were only copied.
    """
    try:
        with Path(target).open("rb") as file:
            made = LocalSource(file)
            with open_tracks(made) as container:
                count = pick_tracks(container).picture.frames
            step = max(count // _MOST_PICTURES, 1)
            thinner = Thinner(fps) if pictures else None
            before = sketch(source, step, thinner, pictures=pictures)
            after = sketch(made, step, None, pictures=pictures)
    except (av.FFmpegError, OSError, ValueError) as error:
        return f"what came of it cannot be read: {explain(error)}"
    return likeness.find_difference(before, after)


def sketch(
    source: Source,
    step: int,
    thinner: Thinner | None,
    *,
    pictures: bool,
) -> Sketch:
    """Return what is compared of a clip: of its pictures each so many."""
    aperture = read_aperture(source)
    with open_tracks(source) as container:
        tracks = pick_tracks(container)
        decoder = Decoder(container, tracks, pictures=pictures)
        seen = _Pictures(tracks.picture, tracks.start, step, thinner, aperture)
        heard = SoundFilter(_SOUND, tracks.start)
        samples = array("h")
        for frame in decoder.frames():
            if isinstance(frame, av.VideoFrame):
                seen.add(frame)
            else:
                for part in heard.push(frame):
                    samples.frombytes(bytes(part.planes[0])[: part.samples * 2])
        for part in heard.push(None):
            samples.frombytes(bytes(part.planes[0])[: part.samples * 2])
        return Sketch(
            seen.moments,
            seen.end,
            seen.small,
            likeness.measure_loudness(samples),
            bool(samples),
            seen.is_hdr,
            seen.misplaced,
        )


class _Pictures:
    """Gathers when pictures are shown, and what some look like."""

    def __init__(
        self,
        stream: VideoStream,
        start: Fraction,
        step: int,
        thinner: Thinner | None,
        aperture: Aperture | None,
    ) -> None:
        self._stream, self._start, self._step = stream, start, step
        self._thinner, self._aperture = thinner, aperture
        self._shrinker: _Shrinker | None = None
        self._last = Fraction(-1)
        self._end = Fraction(0)
        self.moments: list[float] = []
        self.small: dict[int, bytes] = {}
        self.misplaced = 0
        self.is_hdr = False

    @property
    def end(self) -> float:
        """Return when the last picture is no longer shown."""
        return float(max(self._end, self._thinner.least if self._thinner else 0))

    def add(self, frame: VideoFrame) -> None:
        """Note a picture, unless it comes too fast."""
        base = read_rational(frame.time_base)
        at = frame.pts if frame.pts is not None else frame.dts
        moment = at * base - self._start if at is not None else self._end
        moment = max(moment, Fraction(0))
        self._end = max(self._end, moment + (frame.duration or 0) * base)
        if moment <= self._last:
            self.misplaced += 1
            return
        self._last = moment
        if self._thinner and not self._thinner.keeps(moment):
            return
        number = len(self.moments)
        self.moments.append(float(moment) if number else 0.0)
        self.is_hdr |= read_colour(frame).transfer in HDR
        if number % self._step == 0:
            self._shrinker = self._shrinker or _Shrinker(
                frame, self._stream, self._aperture
            )
            if self._shrinker.suits(frame):
                self.small[number] = self._shrinker.shrink(frame)


class _Shrinker:
    """Makes small pictures, upright and cropped, of frames of one shape."""

    def __init__(
        self, frame: VideoFrame, stream: VideoStream, aperture: Aperture | None
    ) -> None:
        self._stream, self._aperture = stream, aperture
        self._shape = measure_shown(frame, stream, aperture)
        self._kind: tuple[object, ...] = ()
        self._graph: av.filter.Graph | None = None

    def suits(self, frame: VideoFrame) -> bool:
        """Report whether a frame has that shape; others get black bars."""
        return measure_shown(frame, self._stream, self._aperture) == self._shape

    def shrink(self, frame: VideoFrame) -> bytes:
        """Return Y, U and V of a small picture."""
        turn = plan_turn(read_matrix(frame))
        kind = frame.width, frame.height, frame.format.name, tuple(turn)
        if self._graph is None or kind != self._kind:
            self._graph, self._kind = self._build(frame, turn), kind
        frame.time_base = _TICK
        self._graph.push(frame)
        small = self._graph.pull()
        assert isinstance(small, av.VideoFrame)
        side = likeness.SIDE
        return b"".join(
            bytes(plane)[row * plane.line_size :][:side]
            for plane in small.planes
            for row in range(side)
        )

    def _build(self, frame: VideoFrame, turn: list[tuple[str, ...]]) -> av.filter.Graph:
        crop = find_crop(frame, self._aperture)
        size = f"{likeness.SIDE}:{likeness.SIDE}"
        graph = av.filter.Graph()
        steps = [
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=_TICK,
            ),
            graph.add("setparams", f"range={int(frame.color_range)}"),
            *([graph.add("crop", "{}:{}:{}:{}".format(*crop))] if crop else []),
            *(graph.add(*step) for step in turn),
            graph.add("scale", f"{size}:flags=area:out_range=tv"),
            graph.add("format", "yuv444p"),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*steps).configure()
        return graph
