from __future__ import annotations

import re
from typing import TYPE_CHECKING

import av
import pytest

from server.demo.canvas import GLYPHS
from server.demo.samples import SAMPLES, make_clip, make_samples
from server.library.clips.repair import open_media
from server.library.files import open_file
from server.library.mp4.movie import Movie, read_movie

if TYPE_CHECKING:
    from pathlib import Path


def boxes(path: Path) -> list[bytes]:
    """Return the names of the top-level boxes (ISO/IEC 14496-12, 4.2)."""
    data, names = path.read_bytes(), []
    while data:
        names.append(data[4:8])
        data = data[int.from_bytes(data[:4], "big") :]
    return names


def picture_at(path: Path, seconds: float) -> av.VideoFrame:
    with av.open(str(path)) as container:
        container.seek(round(seconds * av.time_base))
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= seconds - 0.001:
                return frame
    raise AssertionError(f"no picture at {seconds}")


def is_white(frame: av.VideoFrame, x: int, y: int) -> bool:
    plane = frame.planes[0]
    return bytes(plane)[y * plane.line_size + x] > 128


def read_clock(frame: av.VideoFrame) -> str:
    """Return the six signs of the readout, from the middle of each cell."""
    cell, left, top = 16, 136, 120  # in a picture of 640 by 360
    text = ""
    for sign in range(6):
        rows = tuple(
            sum(
                4 >> column
                for column in range(3)
                if is_white(
                    frame,
                    left + (sign * 4 + column) * cell + cell // 2,
                    top + row * cell + cell // 2,
                )
            )
            for row in range(5)
        )
        text += next(letter for letter, glyph in GLYPHS.items() if glyph == rows)
    return text


def read_clip(path: Path) -> Movie:
    with open_file(path) as file:
        movie = read_movie(*open_media(file))
    assert movie
    return movie


def test_clip_is_h264_high_with_aac(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    make_clip(path, seconds=1, width=320, height=180)
    clip = read_clip(path)
    picture, sound = (track.coding for track in clip.tracks)
    assert (clip.brand, picture.width, picture.height) == ("isom", 320, 180)
    assert (picture.codec, sound.codec) == ("avc1", "mp4a")
    assert clip.seconds == pytest.approx(1, abs=0.05)
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        assert (video.codec_context.profile, video.pix_fmt) == ("High", "yuv420p")


def test_same_arguments_give_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_clip(tmp_path / name, seconds=1, hue=90)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("faststart", [True, False])
def test_faststart_puts_the_index_first(tmp_path: Path, faststart: bool) -> None:
    make_clip(tmp_path / "a", seconds=1, width=64, height=64, faststart=faststart)
    found = boxes(tmp_path / "a")
    assert (found.index(b"moov") < found.index(b"mdat")) is faststart


@pytest.mark.parametrize(
    ("seconds", "clock"), [(0, "0:00.0"), (0.5, "0:00.5"), (1.5, "0:01.5")]
)
def test_picture_tells_its_time(tmp_path: Path, seconds: float, clock: str) -> None:
    path = tmp_path / "a.mp4"
    make_clip(path, seconds=2)
    frame = picture_at(path, seconds)
    assert read_clock(frame) == clock
    end = 40 + int(560 * seconds / 2)  # the bar, from its left end to its right
    assert is_white(frame, max(end - 8, 44), 320) is (seconds > 0)
    assert not is_white(frame, end + 8, 320)


def test_bit_rate_sets_the_size(tmp_path: Path) -> None:
    make_clip(tmp_path / "a", seconds=8, bit_rate=400_000)
    bits = (tmp_path / "a").stat().st_size * 8
    assert bits / 8 == pytest.approx(400_000 + 48_000, rel=0.3)


def test_samples_are_named_by_the_plan() -> None:
    names = [sample.filename for sample in SAMPLES]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+_[a-z]+\.mp4", name) for name in names)


@pytest.mark.long
def test_samples_are_made_as_listed(tmp_path: Path) -> None:
    samples = SAMPLES[1:]  # the first is large, and the demo's tests make it
    paths = make_samples(tmp_path / "new" / "folder", samples)
    assert [path.name for path in paths] == [sample.filename for sample in samples]
    for path, sample in zip(paths, samples, strict=True):
        assert read_clip(path).seconds == pytest.approx(sample.seconds, abs=0.1)
        found = boxes(path)
        assert (found.index(b"moov") < found.index(b"mdat")) is sample.faststart
        if sample.bit_rate:
            size = sample.bit_rate / 8 * sample.seconds
            assert path.stat().st_size == pytest.approx(size, rel=0.1)
    assert max(path.stat().st_size for path in paths) > 3_000_000
