from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import av
import pytest

from server.library.ffmpeg.sandbox import Sandbox
from server.library.levels.encode import MOST_ATTEMPTS
from server.library.levels.worker import work
from tests.library.ffmpeg.encoding import FASTSTART
from tests.library.levels.clips import LARGE, bring, list_states, queue, run

if TYPE_CHECKING:
    from pathlib import Path

    from server.library.levels.encode import Encoded
    from tests.clips import Kind

pytestmark = pytest.mark.long


def encode(url: str) -> list[Encoded]:
    return list(work(url))


def read_level(url: str) -> dict[str, Any]:
    names = "video_id, original_id, width, height, bit_rate, frame_rate, codecs"
    [row] = run(url, f"SELECT {names} FROM levels")
    return dict(zip(names.split(", "), row, strict=True))


def test_level_is_a_video_of_its_own(database_url: str, tmp_path: Path) -> None:
    [video] = bring(database_url, tmp_path, LARGE)
    queue(database_url, 144)
    [done] = encode(database_url)
    assert (done.status, done.video_id, done.height) == ("ready", video, 144)
    level = read_level(database_url)
    assert level["video_id"] == done.level_id
    assert level["original_id"] == video
    assert (level["width"], level["height"]) == (192, 144)
    assert level["frame_rate"] == pytest.approx(30)
    assert level["codecs"].startswith("avc1.6400")
    [(name, data, digest, is_level, mime)] = run(
        database_url,
        "SELECT filename, video_data, sha256, is_level, mime_type FROM videos"
        " WHERE id = %s",
        done.level_id,
    )
    assert name == f"clip0.{video}-144p.mp4"
    assert sha256(data).digest() == bytes(digest)
    assert (is_level, mime, len(data)) == (True, "video/mp4", done.bytes)
    assert level["bit_rate"] == pytest.approx(len(data) * 8, rel=0.05)
    assert run(database_url, "SELECT video_id, width, height, codecs FROM originals")
    assert run(database_url, "SELECT * FROM encoding_results") == [("ready", 1)]


def test_level_that_saves_little_is_not_kept(database_url: str, tmp_path: Path) -> None:
    bring(database_url, tmp_path, LARGE._replace(options=(("crf", "51"),)))
    queue(database_url, 144)
    [done] = encode(database_url)
    assert done.status == "not-kept"
    assert "15%" in (done.reason or "")
    assert run(database_url, "SELECT count(*) FROM videos") == [(1,)]


def test_level_is_never_larger_than_its_clip(database_url: str, tmp_path: Path) -> None:
    bring(database_url, tmp_path, LARGE._replace(width=144, height=256))
    queue(database_url, 144, 240)
    assert [done.status for done in encode(database_url)] == ["not-kept", "not-kept"]


def test_clip_that_cannot_be_encoded_fails_and_the_next_goes_on(
    database_url: str, tmp_path: Path
) -> None:
    sound, no_mp4 = make_sound(tmp_path / "sound.mp4").read_bytes(), b"nothing at all"
    for name, data in (("a.mp4", sound), ("b.mp4", no_mp4)):
        insert = "INSERT INTO videos (filename, video_data) VALUES (%s, %s)"
        run(database_url, insert, name, data)
    bring(database_url, tmp_path, LARGE)
    queue(database_url, 144)
    results = encode(database_url)
    assert [done.status for done in results] == ["failed", "failed", "ready"]
    reasons = [done.reason for done in results]
    assert reasons[:2] == [
        "it has no pictures",
        "it is no MP4 that can be read: see bytereel check",
    ]
    assert list_states(database_url) == ["failed", "failed", "ready"]


def make_sound(path: Path) -> Path:
    with av.open(str(path), "w", options=FASTSTART) as out:
        stream: Any = out.add_stream("aac", rate=48000, layout="mono")
        sound = av.AudioFrame("fltp", "mono", 1024)
        sound.planes[0].update(bytes(sound.planes[0].buffer_size))
        sound.sample_rate, sound.pts = 48000, 0
        out.mux(stream.encode(sound))
        out.mux(stream.encode(None))
    return path


def test_damaged_clip_fails(database_url: str, tmp_path: Path) -> None:
    [video] = bring(database_url, tmp_path, LARGE)
    [(data,)] = run(database_url, "SELECT video_data FROM videos")
    broken = bytearray(data)
    middle = len(broken) // 2
    broken[middle : middle + 2000] = bytes(2000)
    run(
        database_url,
        "INSERT INTO videos (filename, video_data) VALUES ('broken.mp4', %s)",
        bytes(broken),
    )
    run(database_url, "DELETE FROM videos WHERE id = %s", video)
    queue(database_url, 144)
    [done] = encode(database_url)
    assert done.status == "failed"
    assert done.reason


def test_ready_level_is_never_made_again(database_url: str, tmp_path: Path) -> None:
    bring(database_url, tmp_path, LARGE)
    queue(database_url, 144)
    assert len(encode(database_url)) == 1
    assert encode(database_url) == []


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM videos",
        "UPDATE encodings SET state = 'cancelled'",
        "UPDATE encodings SET claims = claims + 1",
    ],
)
def test_level_that_is_not_wanted_any_more_is_dropped(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    bring(database_url, tmp_path, LARGE)
    queue(database_url, 144)
    encoded = Sandbox.run

    def run_and_change(self: Sandbox, name: str, *values: Any, **named: Any) -> Any:
        answer = encoded(self, name, *values, **named)
        if name == "encode_level":
            run(database_url, change)
        return answer

    monkeypatch.setattr(Sandbox, "run", run_and_change)
    results = work(database_url)
    assert next(results).status == "lost"
    results.close()
    assert run(database_url, "SELECT count(*) FROM levels") == [(0,)]
    assert run(database_url, "SELECT count(*) FROM videos WHERE is_level") == [(0,)]


def test_deleted_clip_ends_its_encoding(database_url: str, tmp_path: Path) -> None:
    [video] = bring(database_url, tmp_path, LARGE._replace(frames=3000, gop=300))
    queue(database_url, 144)
    results = work(database_url)
    deletion = "DELETE FROM videos WHERE id = %s"
    original = Sandbox.run

    def delete_first(self: Sandbox, name: str, *values: Any, **named: Any) -> Any:
        if name == "encode_level":
            run(database_url, deletion, video)
        return original(self, name, *values, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sandbox, "run", delete_first)
        assert next(results).status == "lost"
    results.close()
    assert run(database_url, "SELECT count(*) FROM videos") == [(0,)]


def test_encoding_whose_encoders_die_fails_at_last(
    database_url: str, tmp_path: Path
) -> None:
    bring(database_url, tmp_path, LARGE)
    queue(database_url, 144)
    run(database_url, "UPDATE encodings SET attempts = %s", MOST_ATTEMPTS)
    [done] = encode(database_url)
    assert done.reason == "its encoder ended 20 times before it"


def test_turned_clip_gets_the_figures_of_what_is_shown(
    database_url: str, tmp_path: Path
) -> None:
    bring(database_url, tmp_path, LARGE._replace(width=240, height=320))
    queue(database_url, 144)
    encode(database_url)
    level = read_level(database_url)
    assert (level["width"], level["height"]) == (144, 192)


@pytest.mark.parametrize("audio", ["aac", None])
def test_codecs_are_those_of_picture_and_sound(
    database_url: str, tmp_path: Path, audio: str | None
) -> None:
    kind: Kind = LARGE._replace(audio=audio)
    bring(database_url, tmp_path, kind)
    queue(database_url, 144)
    encode(database_url)
    codecs = read_level(database_url)["codecs"]
    assert codecs.endswith(",mp4a.40.2") is (audio is not None)
