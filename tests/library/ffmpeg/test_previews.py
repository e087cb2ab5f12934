"""Pictures from all over a clip, as they come out of the sandbox."""

from __future__ import annotations

import io
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import av
import pytest

from server.library.clips.repair import open_media
from server.library.ffmpeg.sandbox import Sandbox
from tests.clips import GOOD, Kind, make, patch
from tests.library.clips.test_check import MATRIX_OF_90, write_at
from tests.library.clips.test_thumbnail import BLACK, WHITE, film, read_corners

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(niceness=10) as sandbox:
        yield sandbox


def run(sandbox: Sandbox, job: str, path: Path, **values: Any) -> Any:
    with path.open("rb") as file:
        return sandbox.run(job, *open_media(file), 20, **values)


def read_brightness(image: bytes) -> list[list[int]]:
    """Return how bright the middle of each tile of 160 x 106 pixels is, by rows."""
    with av.open(io.BytesIO(image), "r") as container:
        frame = next(container.decode(video=0)).reformat(format="gray")
    data, step = bytes(frame.planes[0]), frame.planes[0].line_size
    return [
        [data[y * step + x] for x in range(48, frame.width, 96)]
        for y in range(32, frame.height, 64)
    ]


def test_picture_is_that_of_the_moment(sandbox: Sandbox, tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [(BLACK, BLACK)] * 10 + [(WHITE, WHITE)] * 10)
    seen = []
    for moment in (0, 0.9, 1.0, 99):
        width, height, text = run(
            sandbox, "picture_at", path, moment=moment, most=60_000
        )
        assert (width, height) == (96, 64)
        seen.append(read_corners(b64decode(text))[0])
    assert seen == pytest.approx([0, 0, 255, 255], abs=3)


@pytest.mark.long
def test_animation_has_frames_of_the_whole_clip(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    kind = Kind(width=640, height=360, frames=60, noise=True, audio=None)
    width, height, text = run(
        sandbox, "animation", make(tmp_path / "a.mp4", kind), most=150_000
    )
    image = b64decode(text)
    assert image[:4] == b"RIFF"
    assert image[8:16] == b"WEBPVP8X"
    assert image.count(b"ANMF") == 8
    assert len(image) <= 150_000
    assert width < 320  # noise does not compress
    assert width / height == pytest.approx(16 / 9, abs=0.02)


def test_storyboard_has_a_tile_for_every_two_seconds(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    light = [20 * (n // 20) for n in range(230)]  # another one every two seconds
    path = film(tmp_path / "a.mp4", [(each, each) for each in light])
    length, width, height, count, step, text = run(
        sandbox, "storyboard", path, least=20, most=400_000
    )
    assert (length, width, height, count, step) == (23, 96, 64, 12, 2)
    [above, below] = read_brightness(b64decode(text))
    found = above + below[:2]
    expected = [min(max((20 * n - 16) * 255 / 219, 0), 255) for n in range(12)]
    assert found == pytest.approx(expected, abs=4)


@pytest.mark.long
def test_storyboard_gives_up_quality_and_then_pixels(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    kind = Kind(width=320, height=180, frames=210, fps=10, noise=True, audio=None)
    path = make(tmp_path / "a.mp4", kind)
    found = [
        run(sandbox, "storyboard", path, least=20, most=most)
        for most in (400_000, 60_000, 9_000)
    ]
    images = [b64decode(answer[-1]) for answer in found]
    fine, coarse, small = map(len, images)
    assert 400_000 > fine > 60_000 > coarse > 9_000 > small
    assert [answer[1] for answer in found[:2]] == [160, 160]
    assert found[2][1] < 160


def test_storyboard_is_upright(sandbox: Sandbox, tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [(BLACK, WHITE)] * 210)
    path = patch(tmp_path / "b.mp4", path, b"tkhd", write_at(40, MATRIX_OF_90))
    answer = run(sandbox, "storyboard", path, least=20, most=400_000)
    assert answer[1:3] == [64, 96]


def test_short_clip_has_no_storyboard(sandbox: Sandbox, tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", GOOD._replace(fps=10, frames=30, audio=None))
    answer = run(sandbox, "storyboard", path, least=20, most=400_000)
    assert answer == pytest.approx(3)


@pytest.mark.parametrize(
    ("job", "values"),
    [
        ("picture_at", {"moment": 1.0, "most": 60_000}),
        ("animation", {"most": 150_000}),
        ("storyboard", {"least": 20, "most": 400_000}),
    ],
)
@pytest.mark.parametrize("data", [b"", b"no film " * 1000, b"\0\0\0\x18ftypmp42\0\0"])
def test_what_is_no_clip_has_no_picture(
    sandbox: Sandbox, tmp_path: Path, job: str, values: dict[str, float], data: bytes
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    assert run(sandbox, job, path, **values) is None
