"""Tiny clips of every kind, made on the spot, and ways to break them."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import av

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Kind(NamedTuple):
    """How a clip is made."""

    codec: str = "libx264"
    pixels: str = "yuv420p"
    width: int = 64
    height: int = 64
    frames: int = 10
    fps: int = 30
    gop: int = 30
    audio: str | None = "aac"
    format: str = "mp4"
    tag: str | None = None
    movflags: str = "+faststart"
    options: tuple[tuple[str, str], ...] = ()
    color_trc: int | None = None
    delay: int = 0  # frames
    timecode: bool = False
    videos: int = 1
    encrypted: bool = False
    noise: bool = False  # which does not compress


GOOD = Kind()
X265 = (("x265-params", "log-level=none"),)


def make(path: Path, kind: Kind = GOOD) -> Path:
    """Make a clip; its picture changes, so that frames can be told apart."""
    options = {"movflags": kind.movflags} if kind.movflags else {}
    if kind.format not in ("mp4", "mov"):
        options = {}
    if kind.encrypted:
        options["encryption_scheme"] = "cenc-aes-ctr"
        options["encryption_key"] = options["encryption_kid"] = "0" * 32
    with av.open(str(path), "w", format=kind.format, options=options) as out:
        videos = [_add_video(out, kind) for _ in range(kind.videos)]
        audio: Any = None
        if kind.audio:
            audio = out.add_stream(kind.audio, rate=48000, layout="mono")
        for number in range(kind.frames):
            for video in videos:
                frame = paint(kind.width, kind.height, number, noise=kind.noise)
                frame = frame.reformat(format=kind.pixels)
                frame.pts, frame.time_base = number + kind.delay, Fraction(1, kind.fps)
                out.mux(video.encode(frame))
        for video in videos:
            out.mux(video.encode(None))
        if audio:
            samples = kind.frames * 48000 // kind.fps
            frame_size = audio.codec_context.frame_size or 1024
            layout = audio.codec_context.format.name
            for start in range(0, samples, frame_size):
                sound = av.AudioFrame(layout, "mono", frame_size)
                for plane in sound.planes:
                    plane.update(bytes(plane.buffer_size))
                sound.sample_rate, sound.pts = 48000, start
                sound.time_base = Fraction(1, 48000)
                out.mux(audio.encode(sound))
            out.mux(audio.encode(None))
    return path


def _add_video(out: av.container.OutputContainer, kind: Kind) -> Any:
    video: Any = out.add_stream(kind.codec, rate=kind.fps)
    video.width, video.height, video.pix_fmt = kind.width, kind.height, kind.pixels
    video.gop_size, video.codec_context.thread_count = kind.gop, 1
    video.options = dict(kind.options)
    if kind.tag:
        video.codec_context.codec_tag = kind.tag
    if kind.color_trc:
        video.codec_context.color_trc = kind.color_trc
        video.codec_context.color_primaries = video.codec_context.colorspace = 9
    if kind.timecode:
        video.metadata["timecode"] = "01:00:00:00"
    return video


def paint(
    width: int, height: int, number: int, *, noise: bool = False
) -> av.VideoFrame:
    """Return a grey picture with a bar that moves, or noise."""
    frame = av.VideoFrame(width, height, "yuv444p")
    if noise:
        for plane in frame.planes:
            plane.update(Random(number).randbytes(plane.buffer_size))
        return frame
    for index, plane in enumerate(frame.planes):
        row = bytearray([90 + 30 * index]) * plane.line_size
        row[number * 5 % width] = 200
        plane.update(bytes(row) * (plane.buffer_size // plane.line_size))
    return frame


def read_frames(path: Path) -> list[bytes]:
    """Return each decoded picture's bytes, and those of the sound at the end."""
    with av.open(str(path)) as container:
        found = [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        if container.streams.audio:
            sounds = container.decode(audio=0)
            found.append(b"".join(sound.to_ndarray().tobytes() for sound in sounds))
    return found


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box (ISO/IEC 14496-12, 4.2)."""
    body = b"".join(parts)
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def patch(
    path: Path, source: Path, kind: bytes, change: Callable[[bytearray], object]
) -> Path:
    """Write source with the body of its first box of a kind changed in place."""
    data = bytearray(source.read_bytes())
    start = data.index(kind) - 4
    size = int.from_bytes(data[start : start + 4], "big")
    body = data[start + 8 : start + size]
    before = len(body)
    change(body)
    assert len(body) == before
    data[start + 8 : start + size] = body
    path.write_bytes(data)
    return path
