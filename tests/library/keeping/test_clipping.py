"""A part of a clip becomes a clip of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import av
import pytest

from server.cli import main
from server.library.clips.check import Limits
from server.library.keeping.clipping import cut_clip
from server.library.keeping.excerpt import Excerpt
from tests.clips import GOOD, Kind, make, read_frames
from tests.conftest import insert_video
from tests.postgres.test_schema import run

if TYPE_CHECKING:
    from pathlib import Path

    from server.library.keeping.excerpt import CutClip

pytestmark = pytest.mark.long

FPS = 10
GROUPS = "scenecut=0:keyint=20:min-keyint=20"


def shape(more: str) -> Kind:
    """Return a kind of eight seconds whose groups have two seconds each."""
    options = (("x264-params", f"{GROUPS}:{more}"),)
    return GOOD._replace(frames=80, fps=FPS, gop=20, options=options)


KINDS = {
    "plain": shape("bframes=0"),
    "in two directions": shape("bframes=3"),
    "without sound": shape("bframes=3")._replace(audio=None),
}


def cut(url: str, *asked: Any, **named: Any) -> CutClip:
    return cut_clip(url, Excerpt(*asked, **named), Limits())


def fetch(url: str, video: int | None, path: Path) -> Path:
    [(data,)] = run(url, f"SELECT video_data FROM videos WHERE id = {video}")
    path.write_bytes(bytes(data))
    return path


def list_moments(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [round(frame.time or 0, 3) for frame in container.decode(video=0)]


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_those_of_the_part(
    database_url: str, tmp_path: Path, kind: str
) -> None:
    source = make(tmp_path / "a.mp4", KINDS[kind])
    data = source.read_bytes()
    video = insert_video(database_url, "run_person.mp4", data)
    done = cut(database_url, str(video), 4.0, 6.5)
    assert (done.status, done.begin) == ("clipped", 4.0)
    assert 6.5 <= done.end < 6.9
    assert done.filename == f"run_person_4-{done.end:g}.mp4"
    path = fetch(database_url, done.video_id, tmp_path / "b.mp4")
    pictures = round((done.end - done.begin) * FPS)
    expected = read_frames(source)[40 : 40 + pictures]
    assert read_frames(path)[:pictures] == expected
    assert list_moments(path) == pytest.approx(
        [n / FPS for n in range(pictures)], abs=0.002
    )
    assert fetch(database_url, video, tmp_path / "c.mp4").read_bytes() == data
    [(seconds, thumbnails)] = run(
        database_url,
        "SELECT duration_seconds, (SELECT count(*) FROM thumbnails WHERE video_id = id)"
        f" FROM videos WHERE id = {done.video_id}",
    )
    assert abs(seconds - (done.end - done.begin)) <= 0.6
    assert thumbnails == 1
    again = cut(database_url, str(video), 4.0, 6.5)
    assert (again.status, again.video_id) == ("exists", done.video_id)


def test_encoded_part_begins_anywhere(database_url: str, tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4", KINDS["in two directions"])
    video = insert_video(database_url, "a.mp4", source.read_bytes())
    with pytest.raises(Exception, match="--from 2 or --from 4, or add --encode"):
        cut(database_url, str(video), 3.3, 6.5)
    done = cut(database_url, str(video), 3.3, 6.5, encode=True)
    assert (done.begin, done.end, done.encoded) == (3.3, 6.5, True)
    path = fetch(database_url, done.video_id, tmp_path / "b.mp4")
    moments = list_moments(path)
    assert moments == pytest.approx([n / FPS for n in range(32)], abs=0.002)
    with av.open(str(path)) as container:
        assert (container.duration or 0) / av.time_base == pytest.approx(3.2, abs=0.1)
        [frame, *_] = container.decode(video=0)
    with av.open(str(source)) as container:
        original = list(container.decode(video=0))[33]
    light, expected = (bytes(each.planes[0])[:64] for each in (frame, original))
    assert max(abs(a - b) for a, b in zip(light, expected, strict=True)) < 40


def test_key_frame_that_does_not_stand_alone_is_no_beginning(
    database_url: str, tmp_path: Path
) -> None:
    source = make(tmp_path / "a.mp4", shape("bframes=3:open-gop=1"))
    insert_video(database_url, "a.mp4", source.read_bytes())
    with pytest.raises(Exception, match="give --from 0, or add --encode"):
        cut(database_url, "a.mp4", 4.0)


def test_names_of_others_are_left_alone(database_url: str, tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4", KINDS["plain"])
    video = insert_video(database_url, "a.mp4", source.read_bytes())
    insert_video(database_url, "a_2-8.mp4", b"other")
    assert cut(database_url, "a.mp4", 2.0).filename == "a_2-8-2.mp4"
    with pytest.raises(Exception, match="another video has the name"):
        cut(database_url, str(video), 4.0, name="a.mp4")
    with pytest.raises(Exception, match="is not a file name"):
        cut(database_url, str(video), 3.0, name="x/y.mp4")


def test_command_tells_what_it_did(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make(tmp_path / "a.mp4", KINDS["plain"])
    video = insert_video(database_url, "a.mp4", source.read_bytes())
    base = [
        "clip",
        str(video),
        "--from",
        "2",
        "--to",
        "5",
        "--database-url",
        database_url,
    ]
    assert main([*base, "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["video_id"]) == ("would-clip", None)
    assert (told["from"], told["to"], told["source_id"]) == (2, 5, video)
    assert run(database_url, "SELECT count(*) FROM videos") == [(1,)]
    assert main(base) == 0
    assert "2 to 5 s of" in capsys.readouterr().out
    assert main([*base[:5], "99", *base[6:]]) == 1
    assert "is 8 s long" in capsys.readouterr().err


def test_command_names_remedies_of_what_is_stored(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make(tmp_path / "a.mp4", KINDS["plain"])
    video = insert_video(database_url, "a.mp4", source.read_bytes())
    command = ["clip", str(video), "--to", "4", "--max-fps", "5"]
    command += ["--database-url", database_url]
    assert main([*command, "--dry-run"]) == 0
    told = capsys.readouterr().err
    assert "warning over-frame-rate: a_0-4" in told
    assert ": add --encode" in told
    for _ in range(2):  # it exists the second time
        assert main(command) == 0
        told = capsys.readouterr().err
        assert f": bytereel replace {video + 1} --transcode" in told
        assert "import it" not in told


@pytest.mark.parametrize("data", [b"", b"no film"])
def test_what_is_no_clip_is_not_cut(database_url: str, data: bytes) -> None:
    video = insert_video(database_url, "a.mp4", data)
    with pytest.raises(Exception, match="can't be cut"):
        cut(database_url, str(video), 0.0, 1.0)
    assert run(database_url, "SELECT count(*) FROM videos") == [(1,)]
