"""Pick the frame that stands for a clip, and render frames; only in the sandbox."""

from __future__ import annotations

from base64 import b64encode
from fractions import Fraction
from statistics import fmean, pstdev
from time import monotonic
from typing import TYPE_CHECKING

import av

from server.library.ffmpeg.orientation import SWAP, plan_turn, read_matrix
from server.library.ffmpeg.probe import (
    find_video_stream,
    has_decoder,
    open_container,
    read_rational,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from server.library.ffmpeg.source import Source

SIDE_MAX = 640  # pixels of the longer side
_LOOK_SECONDS = 6.0  # of the clip
_STEP_SECONDS = 0.2  # of the clip, between the frames that are looked at
_WORK_SECONDS = 3.0  # then the best so far has to do
_QUALITIES = (4, 7, 12)  # of JPEG, the best first; 2 to 31
_SMALL = 32  # pixels a side of what is looked at
_LIGHT = range(12, 248)  # the mean of a frame that is neither black nor white
_SPREAD = 16.0  # with less of it all is one colour


def thumbnail(source: Source, most: int) -> tuple[int, int, str] | None:
    """Return width and height in pixels, and a JPEG in base 64; None without a picture.

    most is how many bytes the JPEG may have.
    """
    try:
        with open_container(source) as container:
            stream = find_video_stream(container)
            if stream is None or not has_decoder(stream):
                return None
            frame = pick_frame(container, stream)
            if frame is None:
                return None
            return render_jpeg(frame, stream, most)
    except (av.FFmpegError, OSError, ValueError):
        return None


def pick_frame(container: InputContainer, stream: VideoStream) -> VideoFrame | None:
    """Return the first frame that shows something, or else the one that shows most."""
    best, most = None, -1.0
    for frame in _sample(container, stream):
        light, spread = measure(frame)
        if int(light) in _LIGHT and spread >= _SPREAD:
            return frame
        if spread > most:
            best, most = frame, spread
    return best


def _sample(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield frames of the first seconds, as far as they can be decoded in time."""
    stream.codec_context.thread_count = 1  # more would decode ahead, mostly for nothing
    until = monotonic() + _WORK_SECONDS
    start = due = None
    try:
        for frame in container.decode(stream):
            moment = frame.time or 0.0
            start = moment if start is None else start
            if not frame.is_corrupt and (due is None or moment >= due):
                due = moment + _STEP_SECONDS
                yield frame
            if moment > start + _LOOK_SECONDS or monotonic() > until:
                return
    except (av.FFmpegError, OSError):
        return  # what came before it may do


def measure(frame: VideoFrame) -> tuple[float, float]:
    """Return how light a frame is, from 0 to 255, and how much its parts differ."""
    small = frame.reformat(_SMALL, _SMALL, "yuvj444p")
    planes = [
        bytes(plane)[row * plane.line_size :][:_SMALL]
        for plane in small.planes
        for row in range(_SMALL)
    ]
    light, *hues = (b"".join(planes[at : at + _SMALL]) for at in range(0, 96, _SMALL))
    return fmean(light), pstdev(light) + sum(pstdev(hue) for hue in hues)


def render_jpeg(
    frame: VideoFrame, stream: VideoStream, most: int
) -> tuple[int, int, str]:
    """Return the frame as it is shown, in as many pixels as fit into most bytes."""
    size = measure_shown(frame, stream, SIDE_MAX)
    while True:
        picture = scale(frame, stream, size)
        for quality in _QUALITIES:
            image = encode_jpeg(picture, quality)
            if len(image) <= most:
                return *size, b64encode(image).decode()
        size = fit_side(Fraction(size[0]), Fraction(size[1]), max(size) * 3 // 4)


def measure_shown(frame: VideoFrame, stream: VideoStream, most: int) -> tuple[int, int]:
    """Return the dimensions of a frame as it is shown, neither longer than most."""
    aspect = read_rational(stream.sample_aspect_ratio)
    width, height = frame.width * aspect, Fraction(frame.height)
    turned = SWAP in plan_turn(read_matrix(frame))
    return fit_side(*((height, width) if turned else (width, height)), most)


def fit_side(width: Fraction, height: Fraction, most: int) -> tuple[int, int]:
    """Return dimensions of the same shape, neither longer than most, nor enlarged."""
    scale = min(Fraction(most) / max(width, height), Fraction(1))
    return max(round(width * scale), 1), max(round(height * scale), 1)


def scale(
    frame: VideoFrame,
    stream: VideoStream,
    size: tuple[int, int],
    *,
    limited: bool = False,
) -> VideoFrame:
    """Return the frame upright in so many pixels, in the colours of JPEG.

    limited has the lightness from 16 to 235, as WebP wants it.
    """
    width, height = size
    colours = "out_color_matrix=bt601:out_range=" + ("tv" if limited else "pc")
    graph = av.filter.Graph()
    steps = [
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=stream.time_base,
        ),
        *(graph.add(*turn) for turn in plan_turn(read_matrix(frame))),
        # JPEG knows these colours only (JFIF 1.02), and WebP those of its own.
        graph.add("scale", f"{width}:{height}:flags=area:{colours}"),
        graph.add("format", "yuv420p" if limited else "yuvj420p"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*steps).configure()
    graph.push(frame)
    picture = graph.pull()
    assert isinstance(picture, av.VideoFrame)
    return picture


def encode_jpeg(picture: VideoFrame, quality: int) -> bytes:
    """Return a JPEG of a picture that scale made; quality is 2, the best, to 31."""
    encoder = av.VideoCodecContext.create("mjpeg", "w")
    encoder.width, encoder.height = picture.width, picture.height
    encoder.pix_fmt, encoder.time_base = "yuvj420p", Fraction(1, 25)
    encoder.options = {
        "flags": "+qscale+bitexact",  # the same frame becomes the same bytes
        # A quality of its own each frame only has in the ffmpeg command.
        "qmin": str(quality),
        "qmax": str(quality),
    }
    picture.pts = 0
    packets = [*encoder.encode(picture), *encoder.encode(None)]
    return b"".join(map(bytes, packets))
