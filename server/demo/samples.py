"""Clips made on the spot, for the demo and for tests: no media is shipped."""

from __future__ import annotations

import math
from array import array
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

import av

from server.demo import scenes
from server.demo.canvas import DARK, WHITE, Canvas

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from av.container import OutputContainer
    from av.video.stream import VideoStream

    from server.demo.canvas import Color
    from server.demo.scenes import Scene

SAMPLE_RATE = 48000
AAC_FRAME_SAMPLES = 1024


class Sample(NamedTuple):
    """One clip of the demo."""

    filename: str  # {word}_{descriptor}.mp4
    seconds: float
    hue: int  # degrees
    faststart: bool = True
    bit_rate: int | None = None  # bits per second
    fps: int = 24
    scene: Scene | None = None


SAMPLES = (  # the longest first, as the others are made beside it
    # Large enough that a browser, which reads ahead, leaves some of it.
    Sample("journey_road.mp4", 150, hue=260, bit_rate=2_500_000, fps=12),
    Sample("rise_sun.mp4", 3, hue=50, fps=20, scene=scenes.paint_rise),
    Sample("sink_ball.mp4", 3, hue=210, fps=20, scene=scenes.paint_sink),
    Sample("bounce_ball.mp4", 3, hue=10, fps=20, scene=scenes.paint_bounce),
    Sample("shrink_disc.mp4", 3, hue=230, fps=20, scene=scenes.paint_shrink),
    Sample("blink_lamp.mp4", 3, hue=60, fps=20, scene=scenes.paint_blink),
    Sample("collide_balls.mp4", 3, hue=0, fps=20, scene=scenes.paint_collide),
    Sample("follow_ball.mp4", 3, hue=240, fps=20, scene=scenes.paint_follow),
    Sample("overtake_cars.mp4", 3, hue=90, fps=20, scene=scenes.paint_overtake),
    Sample("wave_ocean.mp4", 20, hue=200),
    Sample("beautiful_sunset.mp4", 5, hue=30),
    Sample("beautiful_flower.mp4", 4, hue=320),
    Sample("run_person.mp4", 20, hue=120, faststart=False, bit_rate=4_000_000),
    Sample("happy_smile.mp4", 2, hue=60),
)


def make_samples(directory: Path, samples: Sequence[Sample] = SAMPLES) -> list[Path]:
    """Make the clips in directory and return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:  # FFmpeg lets go of the interpreter
        return list(pool.map(partial(_make_sample, directory), samples))


def _make_sample(directory: Path, sample: Sample) -> Path:
    path = directory / sample.filename
    make_clip(
        path,
        seconds=sample.seconds,
        hue=sample.hue,
        faststart=sample.faststart,
        bit_rate=sample.bit_rate,
        fps=sample.fps,
        scene=sample.scene,
    )
    return path


def make_clip(
    path: Path,
    *,
    seconds: float = 4.0,
    width: int = 640,
    height: int = 360,
    fps: int = 30,
    faststart: bool = True,
    bit_rate: int | None = None,
    hue: int = 0,
    scene: Scene | None = None,
) -> None:
    """Make an H.264 and AAC clip of a scene, or whose picture tells its own time.

    Width and height are even, seconds above 0. The same arguments give the same
    pictures.
    """
    options = {"movflags": "+faststart"} if faststart else {}
    with av.open(str(path.absolute()), "w", format="mp4", options=options) as out:
        video = _add_video(out, width, height, fps, bit_rate)
        audio = out.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        audio.bit_rate = 48_000
        tones = _tones(seconds, 220 + hue)
        for number in range(max(round(seconds * fps), 1)):
            if scene is None:
                frame = _picture(width, height, number / fps, seconds, hue)
            else:
                canvas = Canvas(width, height)
                scene(canvas, width, height, number / fps / seconds)
                frame = canvas.finish()
            frame.pts = number
            out.mux(video.encode(frame))
            for start, tone in tones:
                out.mux(audio.encode(tone))
                if start * fps > number * SAMPLE_RATE:
                    break  # a little ahead of the picture, as players like it
        out.mux(video.encode(None))
        out.mux(audio.encode(None))


def _add_video(
    out: OutputContainer, width: int, height: int, fps: int, bit_rate: int | None
) -> VideoStream:
    video = out.add_stream("libx264", rate=fps)
    video.width, video.height, video.pix_fmt = width, height, "yuv420p"
    video.gop_size = fps  # a key frame each second: a seek lands close
    video.thread_count = 1  # more of them change what x264 decides
    # without the last of these, ultrafast would not be profile High
    parameters = "8x8dct=1:cabac=1"
    if bit_rate is None:
        video.options = {"crf": "26"}
    else:
        # Constant, with filler where the picture needs less: the size is as asked.
        rate = f"{bit_rate // 1000}"
        parameters += f":nal-hrd=cbr:vbv-maxrate={rate}:vbv-bufsize={rate}"
        video.bit_rate = bit_rate
    video.options |= {"preset": "ultrafast", "x264-params": parameters}
    return video


def _picture(
    width: int, height: int, at: float, seconds: float, hue: int
) -> av.VideoFrame:
    canvas = Canvas(width, height)
    _paint_ground(canvas, at, _color(60, 24, hue))
    _paint_shapes(canvas, width, height, at, hue)
    tenths = int(at * 10 + 1e-6)
    text = f"{tenths // 600}:{tenths // 10 % 60:02}.{tenths % 10}"
    cell = max(width // 40 & ~1, 2)
    left, top = (width - (len(text) * 4 - 1) * cell) // 2 & ~1, height // 3 & ~1
    canvas.fill(left - cell, top - cell, (len(text) * 4 + 1) * cell, 7 * cell, DARK)
    canvas.write(left, top, cell, text)
    margin, done = width // 16 & ~1, at / seconds
    bar = width - 2 * margin
    canvas.fill(margin, height - 3 * cell, bar, cell, DARK)
    canvas.fill(margin, height - 3 * cell, int(bar * done) & ~1, cell, WHITE)
    return canvas.finish()


def _paint_ground(canvas: Canvas, at: float, color: Color) -> None:
    """Fill the picture with slanting bands that drift four seconds a period."""
    stride = canvas.strides[0]
    bands = _bands(color[0], stride)
    shift = int(at * 32) % 128
    lines = len(canvas.planes[0]) // stride
    canvas.planes[0][:] = b"".join(
        bands[(line + shift) % 128 :][:stride] for line in range(lines)
    )
    for index in (1, 2):
        canvas.planes[index][:] = bytes([color[index]]) * len(canvas.planes[index])


@cache
def _bands(base: int, width: int) -> bytes:
    """Return one line of the ground, a period of 128 pixels longer than width."""
    return bytes(base + abs(x % 128 - 64) // 2 for x in range(width + 128))


def _paint_shapes(canvas: Canvas, width: int, height: int, at: float, hue: int) -> None:
    """Paint two discs and a square, each on its own slow path."""
    radius = min(width, height) // 8 & ~1
    for number, turn in enumerate((120, 180, 240)):
        angle = at * (0.7 + 0.3 * number) + number * 2
        x = int(width / 2 + (width / 2 - radius - 2) * math.cos(angle)) & ~1
        y = int(height / 2 + (height / 2 - radius - 2) * math.sin(angle * 1.3)) & ~1
        color = _color(170, 70, hue + turn)
        if number == 1:
            canvas.fill(x - radius, y - radius, 2 * radius, 2 * radius, color)
        else:
            canvas.disc(x, y, radius, color)


def _color(luma: int, strength: int, hue: int) -> Color:
    angle = math.radians(hue)
    u, v = strength * math.cos(angle), strength * math.sin(angle)
    return luma, 128 + round(u), 128 + round(v)


def _tones(seconds: float, pitch: int) -> Iterator[tuple[int, av.AudioFrame]]:
    """Yield (first sample, frame) of a soft note that is struck anew each second."""
    second = array(
        "f",
        (
            0.2 * math.sin(math.tau * pitch * at) * math.exp(-3 * at) * min(at * 99, 1)
            for at in (sample / SAMPLE_RATE for sample in range(SAMPLE_RATE))
        ),
    )
    notes = (second + second[:AAC_FRAME_SAMPLES]).tobytes()
    for start in range(
        0, int(seconds * SAMPLE_RATE) - AAC_FRAME_SAMPLES + 1, AAC_FRAME_SAMPLES
    ):
        frame = av.AudioFrame("fltp", "mono", AAC_FRAME_SAMPLES)
        offset = start % SAMPLE_RATE * second.itemsize
        frame.planes[0].update(
            notes[offset : offset + AAC_FRAME_SAMPLES * second.itemsize]
        )
        frame.sample_rate, frame.pts = SAMPLE_RATE, start
        yield start, frame
