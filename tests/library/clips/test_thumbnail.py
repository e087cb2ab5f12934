"""The picture of a clip: made, kept, served and made anew."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from contextlib import closing
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import psycopg2
import pytest

from server.cli import main
from server.library.clips.repair import open_media
from server.library.clips.thumbnail import (
    IMAGE_MAX,
    MadeThumbnail,
    make_thumbnail,
    make_thumbnails,
    parse_answer,
    save_thumbnail,
)
from server.library.ffmpeg.orientation import plan_turn
from server.library.ffmpeg.sandbox import Sandbox
from tests.clips import GOOD, Kind, make, patch
from tests.conftest import insert_video
from tests.library.clips.test_check import MATRIX_OF_90, MATRIX_OF_A_MIRROR, write_at
from tests.postgres.test_schema import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

BLACK, WHITE, GREY = 16, 235, 128
PICTURE = MadeThumbnail("image/jpeg", 640, 360, b"\xff\xd8\xff picture")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def picture(path: Path, sandbox: Sandbox) -> MadeThumbnail | None:
    with path.open("rb") as file:
        return make_thumbnail(open_media(file), sandbox)


def film(path: Path, frames: Sequence[tuple[int, int]], aspect: int = 1) -> Path:
    """Write frames, ten a second, of which both halves have a brightness each."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)
        for left, right in frames:
            frame = av.VideoFrame(96, 64, "yuv420p")
            light, *hues = frame.planes
            row = bytes([left] * 48 + [right] * 48).ljust(light.line_size, b"\0")
            light.update(row * 64)
            for hue in hues:
                hue.update(bytes([GREY]) * hue.buffer_size)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def read_corners(image: bytes) -> list[int]:
    """Return how bright the corners are: top left, top right, and below."""
    with av.open(io.BytesIO(image), "r") as container:
        frame = next(container.decode(video=0)).reformat(format="gray")
    data, step = bytes(frame.planes[0]), frame.planes[0].line_size
    below = step * (frame.height - 4)
    return [data[at] for at in (4, frame.width - 4, below + 4, below + frame.width - 4)]


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (GOOD, (64, 64)),  # never enlarged
        (Kind(width=960, height=540, frames=2), (640, 360)),
        (Kind(width=320, height=960, frames=2), (213, 640)),
        (Kind(pixels="yuv420p10le", audio=None), (64, 64)),
        (Kind("libvpx-vp9", format="webm", audio=None), (64, 64)),
    ],
)
def test_thumbnail_has_the_shape_of_the_clip(
    sandbox: Sandbox, tmp_path: Path, kind: Kind, size: tuple[int, int]
) -> None:
    made = picture(make(tmp_path / "clip", kind), sandbox)
    assert made is not None
    assert (made.mime_type, made.width, made.height) == ("image/jpeg", *size)
    with av.open(io.BytesIO(made.image)) as container:
        [stream] = container.streams.video
        assert (stream.width, stream.height) == size
        assert stream.pix_fmt == "yuvj420p"


def test_pixels_that_are_not_square_become_so(sandbox: Sandbox, tmp_path: Path) -> None:
    made = picture(film(tmp_path / "a.mp4", [(BLACK, WHITE)], aspect=2), sandbox)
    assert made is not None
    assert (made.width, made.height) == (192, 64)


def test_thumbnail_stays_small(sandbox: Sandbox, tmp_path: Path) -> None:
    noise = Kind(width=640, height=360, frames=1, noise=True, audio=None)
    made = picture(make(tmp_path / "a.mp4", noise), sandbox)
    assert made is not None
    assert 10_000 < len(made.image) <= IMAGE_MAX
    assert made.width < 640


@pytest.mark.parametrize(
    ("frames", "corners"),
    [
        ([(BLACK, WHITE)], (0, 255)),
        ([(BLACK, BLACK)] * 8 + [(WHITE, BLACK)] * 9, (255, 0)),
        ([(WHITE, WHITE)] * 8 + [(WHITE, BLACK)] * 9, (255, 0)),
        ([(GREY, GREY)] * 8 + [(WHITE, BLACK)] * 9, (255, 0)),
        # of none that is good the best: these differ, but by little
        ([(BLACK, BLACK)] * 4 + [(BLACK, 36)] * 4 + [(BLACK, BLACK)] * 4, (0, 23)),
        ([(BLACK, BLACK)] * 3, (0, 0)),
    ],
)
def test_first_frame_that_shows_something_is_taken(
    sandbox: Sandbox,
    tmp_path: Path,
    frames: list[tuple[int, int]],
    corners: tuple[int, int],
) -> None:
    made = picture(film(tmp_path / "a.mp4", frames), sandbox)
    assert made is not None
    assert read_corners(made.image)[:2] == pytest.approx(corners, abs=6)


@pytest.mark.parametrize(
    ("matrix", "size", "corners"),
    [
        (MATRIX_OF_90, (64, 96), [0, 0, 255, 255]),
        (MATRIX_OF_A_MIRROR, (96, 64), [255, 0, 255, 0]),
    ],
)
def test_turned_clip_has_an_upright_thumbnail(
    sandbox: Sandbox,
    tmp_path: Path,
    matrix: bytes,
    size: tuple[int, int],
    corners: list[int],
) -> None:
    source = film(tmp_path / "a.mp4", [(BLACK, WHITE)])
    turned = patch(tmp_path / "b.mp4", source, b"tkhd", write_at(40, matrix))
    made = picture(turned, sandbox)
    assert made is not None
    assert (made.width, made.height) == size
    assert read_corners(made.image) == pytest.approx(corners, abs=6)


@pytest.mark.parametrize(
    ("matrix", "steps"),
    [
        ((1, 0, 0, 0, 1), ""),
        ((0, 1, 0, -1, 0), "transpose hflip"),  # a quarter to the right
        ((-1, 0, 0, 0, -1), "hflip vflip"),
        ((0, -1, 0, 1, 0), "transpose vflip"),
        ((1, 0, 0, 0, -1), "vflip"),
        ((0, 1, 0, 1, 0), "transpose"),
        ((9, 1, 0, -1, 9), ""),  # a little crooked
        ((0, 0, 0, 0, 0), ""),
    ],
)
def test_turn_is_what_the_matrix_says(matrix: tuple[int, ...], steps: str) -> None:
    assert " ".join(step[0] for step in plan_turn(matrix)) == steps


@pytest.mark.parametrize("kind", ["text", "cut", "sound", "encrypted", "nothing"])
def test_broken_clip_has_no_thumbnail(
    sandbox: Sandbox, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "a.mp4"
    if kind == "sound":
        make(path, GOOD._replace(videos=0))
    elif kind == "encrypted":
        make(path, GOOD._replace(encrypted=True, audio=None))
    else:
        whole = make(path).read_bytes()
        parts = {"text": b"#EXTM3U\n/etc/passwd\n", "cut": whole[:900], "nothing": b""}
        path.write_bytes(parts[kind])
    made = picture(path, sandbox)
    assert made is None or kind == "encrypted"  # whose picture is noise


IMAGE = b64encode(PICTURE.image).decode()


@pytest.mark.parametrize(
    ("answer", "made"),
    [
        ([640, 360, IMAGE], PICTURE),
        (None, None),
        ([640, 360], None),
        ([0, 360, IMAGE], None),
        (["640", 360, IMAGE], None),
        ([1 << 31, 360, IMAGE], None),
        ([640, 360, "!"], None),
        ([640, 360, b64encode(b"<html>").decode()], None),
        ([640, 360, b64encode(b"\xff\xd8\xff" * IMAGE_MAX).decode()], None),
        ({"image": IMAGE}, None),
    ],
)
def test_only_a_picture_is_taken_from_the_sandbox(
    answer: object, made: MadeThumbnail | None
) -> None:
    assert parse_answer(answer) == made


def test_table_refuses_what_is_no_thumbnail(database_url: str) -> None:
    video_id = insert_video(database_url, "a.mp4", b"abc")
    wrong = {"mime_type": "text/html", "width": 0, "image": bytes(1_000_001)}
    with closing(psycopg2.connect(database_url)) as connection:
        for column, value in wrong.items():
            row: Any = PICTURE._asdict() | {column: value}
            with pytest.raises(psycopg2.IntegrityError, match=f"{column}_check"):
                save_thumbnail(connection.cursor(), video_id, MadeThumbnail(**row))
            connection.rollback()


@pytest.mark.long
def test_command_makes_those_that_lack(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make(tmp_path / "a.mp4").read_bytes()
    for name, data in (("a.mp4", clip), ("b\u202e.mp4", b"abc"), ("c.mp4", clip)):
        insert_video(database_url, name, data)

    def act(*arguments: str) -> tuple[int, list[str]]:
        status = main(["thumbnail", "--database-url", database_url, *arguments])
        return status, capsys.readouterr().out.splitlines()

    status, [line] = act("3")
    assert (status, line[:23]) == (0, "made  3 c.mp4: 64 x 64,")
    status, lines = act()
    assert status == 1
    assert [line.split(":")[0] for line in lines] == [
        "made  1 a.mp4",
        "failed  2 b\\u202e.mp4",
    ]
    run(database_url, "DELETE FROM videos WHERE id = 2")
    assert act() == (0, ["# every video has a thumbnail"])
    assert act("--json") == (0, [])
    assert act("c.mp4") == (0, ["exists  3 c.mp4"])
    before = run(database_url, "SELECT video_id, created_at FROM thumbnails")
    status, lines = act("--again", "--json")
    assert status == 0
    assert [json.loads(line)["status"] for line in lines] == ["made"] * 2
    after = run(database_url, "SELECT video_id, created_at FROM thumbnails")
    assert not set(before) & set(after)


def test_video_that_goes_meanwhile_is_passed_over(
    database_url: str, tmp_path: Path
) -> None:
    clip = make(tmp_path / "a.mp4").read_bytes()
    for name in ("a.mp4", "b.mp4"):
        insert_video(database_url, name, clip)
    rows = make_thumbnails(database_url)
    assert next(rows).status == "made"
    run(database_url, "DELETE FROM videos WHERE id = 2")
    assert list(rows) == []


def test_command_needs_the_table(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(database_url, "DROP TABLE thumbnails")
    assert main(["thumbnail", "--database-url", database_url]) == 1
    assert "run bytereel migrate" in capsys.readouterr().err
