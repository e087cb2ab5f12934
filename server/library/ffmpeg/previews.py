"""Make pictures from all over a clip; only ever inside the sandbox."""

from __future__ import annotations

import io
from base64 import b64encode
from contextlib import contextmanager
from fractions import Fraction
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any

import av

from server.library.ffmpeg.frames import (
    encode_jpeg,
    fit_side,
    measure_shown,
    render_jpeg,
    scale,
)
from server.library.ffmpeg.probe import (
    find_video_stream,
    has_decoder,
    open_container,
)
from server.library.ffmpeg.seeking import FrameFinder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from server.library.ffmpeg.source import Source

    Opened = tuple[InputContainer, VideoStream]

_WORK_SECONDS = 6.0  # then what is shown a little earlier has to do
_ANIMATED_FRAMES = 8
_ANIMATED_RATE = Fraction(5, 2)  # frames per second
_ANIMATED_SIDE = 320  # pixels of the longer side
_ANIMATED_QUALITIES = (60, 45, 30)  # of WebP, the best first; 0 to 100
_TILES = 100  # at most
_TILE_SECONDS = 2  # at least
_TILE_SIDE = 160  # pixels of the longer side
_COLUMNS = 10
_SPRITE_QUALITIES = (5, 8, 12, 20, 31)  # of JPEG, the best first; 2 to 31


def picture_at(source: Source, moment: float, most: int) -> tuple[int, int, str] | None:
    """Return width and height in pixels, and a JPEG of at most so many bytes.

    It shows the moment, in seconds; behind the end, the last frame. None without a
    picture.
    """
    with _opening(source) as opened:
        if opened is None:
            return None
        container, stream = opened
        finder = FrameFinder(container, stream)
        frame = finder.find(moment, monotonic() + _WORK_SECONDS)
        return render_jpeg(frame, stream, most) if frame is not None else None


def animation(source: Source, most: int) -> tuple[int, int, str] | None:
    """Return the same of an animated WebP, whose frames come from all over the clip."""
    with _opening(source) as opened:
        if opened is None:
            return None
        container, stream = opened
        length = _measure_length(container)
        parts = _ANIMATED_FRAMES
        moments = [length * (n + 0.5) / parts for n in range(parts)]
        frames = _sample(container, stream, moments)
        if not frames:
            return None
        size = measure_shown(frames[0], stream, _ANIMATED_SIDE)
        while True:
            pictures = [scale(frame, stream, size, limited=True) for frame in frames]
            for quality in _ANIMATED_QUALITIES:
                image = _encode_webp(pictures, quality)
                if len(image) <= most:
                    return *size, b64encode(image).decode()
            size = fit_side(Fraction(size[0]), Fraction(size[1]), max(size) * 3 // 4)


def storyboard(
    source: Source, least: float, most: int
) -> tuple[float, int, int, int, float, str] | float | None:
    """Return a JPEG of at most most bytes with tiles of a clip, ten in a row.

    It comes behind the clip's length in seconds, the width and height of a tile, how
    many there are, and how many seconds each stands for. Only the length, where that is
    least or less; None without a picture.
    """
    with _opening(source) as opened:
        if opened is None:
            return None
        container, stream = opened
        length = _measure_length(container)
        if length <= least:
            return length
        step = max(length / _TILES, _TILE_SECONDS)
        count = ceil(round(length / step, 6))
        moments = [min((n + 0.5) * step, length) for n in range(count)]
        frames = _sample(container, stream, moments)
        if len(frames) < count:
            return None
        width, height = measure_shown(frames[0], stream, _TILE_SIDE)
        size = max(width // 2 * 2, 2), max(height // 2 * 2, 2)  # of whole chroma pixels
        while True:
            sprite = _join([scale(frame, stream, size) for frame in frames])
            for quality in _SPRITE_QUALITIES:
                image = encode_jpeg(sprite, quality)
                if len(image) <= most:
                    return length, *size, count, step, b64encode(image).decode()
            size = max(size[0] * 3 // 8 * 2, 2), max(size[1] * 3 // 8 * 2, 2)


@contextmanager
def _opening(source: Source) -> Iterator[Opened | None]:
    """Yield a file and its pictures; None if there are none, or FFmpeg fails."""
    try:
        container = open_container(source)
    except (av.FFmpegError, OSError, ValueError):
        yield None
        return
    with container:
        stream = find_video_stream(container)
        usable = stream is not None and has_decoder(stream)
        yield (container, stream) if usable and stream is not None else None


def _measure_length(container: InputContainer) -> float:
    return max(container.duration or 0, 0) / av.time_base


def _sample(
    container: InputContainer, stream: VideoStream, moments: Sequence[float]
) -> list[VideoFrame]:
    """Return the frames of rising moments; each has its share of the time."""
    finder, begun, found = FrameFinder(container, stream), monotonic(), []
    for number, moment in enumerate(moments, 1):
        frame = finder.find(moment, begun + _WORK_SECONDS * number / len(moments))
        if frame is not None:
            found.append(frame)
    return found


def _join(tiles: Sequence[VideoFrame]) -> VideoFrame:
    """Return pictures of one size as one, row by row."""
    graph = av.filter.Graph()
    rows = ceil(len(tiles) / _COLUMNS)
    columns = min(len(tiles), _COLUMNS)
    steps = [
        graph.add_buffer(
            width=tiles[0].width,
            height=tiles[0].height,
            format=tiles[0].format,
            time_base=Fraction(1, 25),
        ),
        graph.add("tile", f"{columns}x{rows}"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*steps).configure()
    for number, tile in enumerate(tiles):
        tile.pts, tile.time_base = number, Fraction(1, 25)
        graph.push(tile)
    graph.push(None)
    sprite = graph.pull()
    assert isinstance(sprite, av.VideoFrame)
    return sprite


def _encode_webp(pictures: Sequence[VideoFrame], quality: int) -> bytes:
    file = io.BytesIO()
    options = {"loop": "0", "fflags": "+bitexact"}  # again and again
    with av.open(file, "w", format="webp", options=options) as out:
        stream: Any = out.add_stream("libwebp_anim", rate=_ANIMATED_RATE)
        stream.width, stream.height = pictures[0].width, pictures[0].height
        stream.pix_fmt = "yuv420p"
        stream.codec_context.options = {"quality": str(quality)}
        for number, picture in enumerate(pictures):
            picture.pts, picture.time_base = number, 1 / _ANIMATED_RATE
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return file.getvalue()
