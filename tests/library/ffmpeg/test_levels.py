from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import av
import pytest

from server.library.clips.repair import open_media
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import open_file
from server.library.mp4.movie import read_movie
from tests.clips import Kind, make
from tests.library.ffmpeg.encoding import FASTSTART

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.library.mp4.movie import Movie

pytestmark = pytest.mark.long

LARGE = 1 << 30
CLIP = Kind(width=192, height=128, frames=150, gop=250)


class Level(NamedTuple):
    """What was encoded."""

    movie: Movie
    keys: list[float]  # seconds
    moments: list[float]
    codec: str


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def encode(
    sandbox: Sandbox, source: Path, height: int, most: int = LARGE, fps: float = 60
) -> tuple[Path, list[Any]]:
    target = source.with_name(f"{height}.mp4")
    with open_file(source) as file:
        limit = (most, height, fps)
        told = sandbox.run(
            "encode_level",
            *open_media(file),
            60,
            target=str(target),
            limit=limit,
            most_bit_rate=500_000,
        )
    return target, told


def read(path: Path) -> Level:
    with path.open("rb") as file:
        movie = read_movie(*open_media(file))
    assert movie
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        keys = [float(frame.time or 0) for frame in frames if frame.key_frame]
        codec = container.streams.video[0].codec_context.name
        moments = [float(frame.time or 0) for frame in frames]
    return Level(movie, keys, moments, codec)


@pytest.mark.parametrize("fps", [30, 25, 24])
def test_groups_of_all_levels_begin_every_two_seconds(
    tmp_path: Path, sandbox: Sandbox, fps: int
) -> None:
    clip = make(tmp_path / "clip.mp4", CLIP._replace(fps=fps, frames=fps * 5))
    levels = [read(encode(sandbox, clip, height)[0]) for height in (32, 64)]
    for level in levels:
        assert level.keys == pytest.approx([0, 2, 4])
        assert len(level.moments) == fps * 5
        assert level.codec == "h264"
    assert levels[0].moments == levels[1].moments


def test_level_has_no_key_where_a_scene_ends(tmp_path: Path, sandbox: Sandbox) -> None:
    clip = make(tmp_path / "clip.mp4", CLIP._replace(frames=90, noise=True))
    assert read(encode(sandbox, clip, 64)[0]).keys == pytest.approx([0, 2])


def test_level_lies_in_chunks_of_half_a_second(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    movie = read(encode(sandbox, make(tmp_path / "clip.mp4", CLIP), 64)[0]).movie
    for track in movie.tracks:
        assert 5 <= len(track.samples.spans) <= 12
    assert not movie.index_is_last


def test_level_of_a_turned_clip_stands_upright(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    clip = make(tmp_path / "clip.mp4", CLIP._replace(frames=15))
    turned = turn(clip, tmp_path / "turned.mp4")
    picture = read(encode(sandbox, turned, 64)[0]).movie.picture
    assert picture
    coding = picture.coding
    assert (coding.width, coding.height, picture.turned) == (64, 96, 0)


def turn(clip: Path, target: Path) -> Path:
    """Write a clip that is shown turned by a quarter."""
    data = bytearray(clip.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    quarter = (0, 1 << 16, 0, -1 << 16 & 0xFFFFFFFF, 0, 0, 0, 0, 1 << 30)
    data[start : start + 36] = b"".join(n.to_bytes(4, "big") for n in quarter)
    target.write_bytes(data)
    return target


def test_pixels_that_are_no_squares_become_squares(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w", options=FASTSTART) as out:
        stream: Any = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 128, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        for number in range(10):
            frame = av.VideoFrame(96, 128, "yuv420p")
            frame.pts = number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    picture = read(encode(sandbox, path, 64)[0]).movie.picture
    assert picture
    assert (picture.coding.width, picture.coding.height) == (96, 64)


def test_level_that_becomes_too_large_is_given_up(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    clip = make(tmp_path / "clip.mp4", CLIP._replace(noise=True, frames=30))
    assert encode(sandbox, clip, 64, most=1000)[1] == ["", True]


def test_clip_without_pictures_is_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w", options=FASTSTART) as out:
        stream: Any = out.add_stream("aac", rate=48000, layout="mono")
        sound = av.AudioFrame("fltp", "mono", 1024)
        sound.planes[0].update(bytes(sound.planes[0].buffer_size))
        sound.sample_rate, sound.pts = 48000, 0
        out.mux(stream.encode(sound))
        out.mux(stream.encode(None))
    [reason, is_large] = encode(sandbox, path, 64)[1]
    assert "picture" in reason
    assert not is_large
