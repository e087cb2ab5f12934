"""Uploads: checked, repaired and saved; whatever breaks leaves nothing behind."""

from __future__ import annotations

import asyncio
import gzip
import os
import resource
import socket
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from server.admin import uploads
from server.admin.jobs import Jobs, silence_psycopg2
from server.admin.spool import (
    KEPT_SECONDS,
    SILENT_SECONDS,
    UPLOADS_MAX,
    Spool,
    opening_spool,
)
from server.admin.uploads import FILE_NAME
from server.api.errors import Refused
from server.errors import Fault
from server.library.ffmpeg.sandbox import OverrunError
from server.library.imports.importer import RepairPolicy
from server.library.imports.rows import MAX_BYTES
from tests.admin.client import TOKEN, Admin, Answer, serving_admin
from tests.clips import GOOD, make
from tests.command import serving
from tests.conftest import insert_video
from tests.postgres.test_schema import run
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UPLOADS = "/v3/admin/uploads"


@pytest.fixture(scope="module")
def admin(
    cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Admin]:
    """Yield a server that all tests share."""
    spool = tmp_path_factory.mktemp("spool")
    with serving_admin(cluster, template, "uploads", spool) as admin:
        run(
            admin.database_url,
            "INSERT INTO definitions (id, word, definition_text, learning_language,"
            " native_language) VALUES (10, 'wave', '波', 'en', 'zh')",
        )
        yield admin


@pytest.fixture
def empty(admin: Admin) -> Iterator[Admin]:
    """Yield it without videos; nothing may be left in its folder at the end."""
    yield admin
    run(admin.database_url, "DELETE FROM videos")
    for name in admin.list_spooled():
        if name.endswith(".json"):
            admin.ask("DELETE", f"{UPLOADS}/{name.removesuffix('.json')}")
    assert admin.list_spooled() == []


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make(tmp_path_factory.mktemp("clips") / "good.mp4").read_bytes()


@pytest.fixture(scope="module")
def slow_start(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a clip with its index behind the media."""
    path = tmp_path_factory.mktemp("clips") / "late.mp4"
    return make(path, GOOD._replace(movflags="")).read_bytes()


def upload(admin: Admin, name: str, data: bytes) -> dict[str, Any]:
    answer = admin.ask("POST", f"{UPLOADS}?filename={quote(name)}", data)
    assert answer.status == 201, answer
    found: dict[str, Any] = answer.body
    return found


def save(admin: Admin, uploaded: dict[str, Any], **asked: Any) -> Answer:
    return admin.ask("POST", f"{UPLOADS}/{uploaded['upload']}", asked)


def list_videos(admin: Admin) -> list[tuple[Any, ...]]:
    return run(admin.database_url, "SELECT id, filename FROM videos ORDER BY id")


def test_upload_is_checked_then_saved_and_linked(empty: Admin, clip: bytes) -> None:
    uploaded = upload(empty, "wave_a.mp4", clip)
    assert uploaded == {
        "upload": uploaded["upload"],
        "filename": "wave_a.mp4",
        "bytes": len(clip),
        "sha256": sha256(clip).hexdigest(),
        "exists": None,
        "name_taken": None,
        "same_bytes": [],
        "flaws": [],
        "repair": None,
        "playable": True,
    }
    assert list_videos(empty) == []
    link = {"word": "wave", "language": "en"}
    saved = save(empty, uploaded, repair="none", link=link)
    assert saved.status == 201
    video = saved.body["video_id"]
    assert saved.body["links"][0].pop("videos") == [video]
    assert saved.body == {
        "status": "imported",
        "video_id": video,
        "bytes": len(clip),
        "repaired": None,
        "flaws": [],
        "links": [
            {
                "kind": "definition",
                "id": 10,
                "word": "wave",
                "learning_language": "en",
                "native_language": "zh",
                "status": "linked",
            }
        ],
        "link_error": None,
    }
    assert empty.ask("GET", f"/v3/videos/{video}").body == clip
    assert empty.list_spooled() == []
    gone = save(empty, uploaded)
    assert (gone.status, "no such upload" in gone.error) == (404, True)


@pytest.mark.long
def test_known_clip_is_recognised(empty: Admin, clip: bytes, slow_start: bytes) -> None:
    video = save(empty, upload(empty, "a.mp4", clip)).body["video_id"]
    again = upload(empty, "a.mp4", clip)
    assert (again["exists"], again["same_bytes"]) == (video, [video])
    saved = save(empty, again)
    assert (saved.status, saved.body["status"]) == (200, "exists")
    assert saved.body["video_id"] == video
    other = upload(empty, "a.mp4", slow_start)
    assert (other["exists"], other["name_taken"]) == (None, video)
    refused = save(empty, other)
    assert (refused.status, "this name" in refused.error) == (409, True)
    renamed = save(empty, other, filename="b.mp4")
    assert renamed.status == 201
    assert [name for _, name in list_videos(empty)] == ["a.mp4", "b.mp4"]


@pytest.mark.long
def test_repair_is_offered_and_done(
    empty: Admin, clip: bytes, slow_start: bytes
) -> None:
    uploaded = upload(empty, "late.m4v", slow_start)
    assert [flaw["code"] for flaw in uploaded["flaws"]] == ["moov-after-mdat"]
    assert (uploaded["repair"], uploaded["playable"]) == ("fix", True)
    saved = save(empty, uploaded, repair="fix")
    assert (saved.status, saved.body["repaired"]) == (201, "fixed")
    assert saved.body["flaws"] == []
    [(video, name)] = list_videos(empty)
    assert name == "late.mp4"
    again = upload(empty, "late.m4v", slow_start)
    assert (again["exists"], again["name_taken"]) == (video, None)
    assert save(empty, again, repair="fix").body["video_id"] == video
    # The name that the repaired one would have is another's.
    other = upload(empty, "late.mov", slow_start + b"\0\0\0\x08free")
    assert (other["exists"], other["name_taken"]) == (None, video)
    refused = save(empty, other, repair="fix")
    assert refused.status == 409
    assert refused.error.startswith(
        f"late.mov, which becomes late.mp4, has other bytes than video {video}, "
    )
    renamed = save(empty, other, repair="fix", filename="a" * 255)  # and .mp4
    assert (renamed.status, "too long" in renamed.error) == (422, True)


@pytest.mark.long
def test_what_cannot_play_is_not_saved(
    empty: Admin, clip: bytes, tmp_path: Path
) -> None:
    text = upload(empty, "notes.mp4", b"These are notes.\n" * 99)
    assert (text["playable"], text["repair"]) == (False, None)
    refused = save(empty, text, repair="transcode")
    assert (refused.status, "not a video" in refused.error) == (422, True)
    kind = GOOD._replace(codec="mpeg4", audio=None)
    old = upload(empty, "old.mp4", make(tmp_path / "old.mp4", kind).read_bytes())
    assert (old["playable"], old["repair"]) == (False, "transcode")
    refused = save(empty, old, repair="fix")
    assert refused.status == 422
    assert refused.error.endswith(': save it with "repair": "transcode"')
    assert list_videos(empty) == []
    saved = save(empty, old, repair="transcode")
    assert (saved.status, saved.body["repaired"]) == (201, "transcoded")


def test_link_to_no_word_saves_nothing(empty: Admin) -> None:
    uploaded = upload(empty, "a.mp4", b"x")
    link = {"word": "wavy", "language": "en"}
    answer = save(empty, uploaded, link=link)
    assert (answer.status, "no definition" in answer.error) == (422, True)
    assert list_videos(empty) == []


@pytest.mark.parametrize("name", ["...", "server", "%00", "a\\b", "a.mp4\u2028"])
def test_name_without_folders_is_taken(name: str) -> None:
    assert FILE_NAME.read(name) == name


def test_printable_name_is_kept(empty: Admin, clip: bytes) -> None:
    name = "a\"b'<i>%00 漂亮\\\u202egpj.4pm".ljust(255, "é")
    assert save(empty, upload(empty, name, clip)).status == 201
    [video] = empty.ask("GET", "/v3/admin/videos").body["videos"]
    assert video["filename"] == name


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?filename=",
        "?filename=a%0Ab.mp4",
        "?filename=a%00.mp4",
        "?filename=a%7F.mp4",
        "?filename=" + "a" * 256,
        "?filename=..",
        "?filename=../a.mp4",
        "?filename=/etc/passwd",
        "?filename=%20",
        "?filename=%E2%80%8B.mp4",
        "?filename=%EF%BB%BF.mp4",
        "?filename=%C2%A0.mp4",
        "?filename=%ff",
        "?filename=a%C3.mp4",
        "?filename=a.mp4&filename=b.mp4",
        "?filename=a.mp4&more=1",
    ],
)
def test_hostile_name_is_refused(empty: Admin, clip: bytes, query: str) -> None:
    answer = empty.ask("POST", UPLOADS + query, clip)
    assert (answer.status, 3 < len(answer.error) < 200) == (400, True)
    assert answer.error.startswith(("filename ", '"more" '))


def test_large_upload_without_a_name_is_told_so(empty: Admin) -> None:
    answer = empty.ask("POST", UPLOADS, bytes(200_000))
    assert (answer.status, answer.error[:8]) == (400, "filename")


@pytest.mark.parametrize(
    "number",
    ["x", "a" * 32, "..%2F..%2Fetc%2Fpasswd", "a" * 31 + "%2F", "%2e%2e", "a" * 3000],
)
def test_unknown_upload_is_not_found(empty: Admin, number: str) -> None:
    assert empty.ask("POST", f"{UPLOADS}/{number}", {}).status == 404
    assert empty.ask("DELETE", f"{UPLOADS}/{number}").status == 404


@pytest.mark.parametrize(
    "asked",
    [
        {"repair": "magic"},
        {"repair": None},
        {"filename": "a\nb"},
        {"filename": 5},
        {"link": "wave"},
        {"link": {}},
        {"link": {"word": "wave"}},
        {"link": {"word": "wave", "language": "en", "definition": 1}},
        {"video_id": 7},
    ],
)
def test_save_reads_strictly(empty: Admin, clip: bytes, asked: dict[str, Any]) -> None:
    answer = empty.ask("POST", f"{UPLOADS}/{'a' * 32}", asked)
    assert (answer.status, 3 < len(answer.error) < 200) == (400, True)


def test_upload_can_be_dropped(empty: Admin, clip: bytes) -> None:
    uploaded = upload(empty, "a.mp4", clip)
    assert len(empty.list_spooled()) == 2
    answer = empty.ask("DELETE", f"{UPLOADS}/{uploaded['upload']}")
    assert (answer.status, answer.body) == (204, b"")
    assert empty.list_spooled() == []


# What breaks


@contextmanager
def sending(admin: Admin, *headers: str) -> Iterator[socket.socket]:
    """Yield a connection on which an upload has begun."""
    lines = [
        f"POST {UPLOADS}?filename=a.mp4 HTTP/1.1",
        "Host: admin.example",
        f"Authorization: Bearer {TOKEN}",
        *headers,
    ]
    with socket.create_connection(("127.0.0.1", admin.port), timeout=20) as line:
        line.sendall("\r\n".join([*lines, "", ""]).encode())
        yield line


def test_too_large_upload_is_refused_at_once(empty: Admin) -> None:
    with sending(empty, f"Content-Length: {MAX_BYTES + 1}") as line:
        assert line.recv(100).startswith(b"HTTP/1.1 413 ")
    assert empty.list_spooled() == []


def test_upload_that_becomes_too_large_is_refused(
    empty: Admin, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", len(clip) - 1)
    answer = empty.ask("POST", f"{UPLOADS}?filename=a.mp4", iter([clip]))
    assert (answer.status, "at most" in answer.error) == (413, True)
    assert empty.list_spooled() == []


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("Content-Length: 1000", b"something"),
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\n"),
    ],
)
def test_slow_upload_is_given_up(
    empty: Admin, header: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "IDLE_SECONDS", 0.3)
    with sending(empty, header) as line:
        line.sendall(body)
        wait_until(empty.list_spooled)
        assert line.recv(100).startswith(b"HTTP/1.1 408 ")
    assert empty.list_spooled() == []


def test_upload_in_broken_chunks_is_refused(empty: Admin) -> None:
    with sending(empty, "Transfer-Encoding: chunked") as line:
        line.sendall(b"5\r\nhello\r\n")
        wait_until(empty.list_spooled)
        line.sendall(b"no number\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 400 ")
    assert empty.list_spooled() == []


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("Content-Length: 1000000", b"x" * 100_000),
        ("Transfer-Encoding: chunked", b"186a0\r\n" + b"x" * 50_000),
    ],
)
def test_aborted_upload_leaves_nothing(empty: Admin, header: str, body: bytes) -> None:
    with sending(empty, header) as line:
        line.sendall(body)
        wait_until(empty.list_spooled)
    wait_until(lambda: not empty.list_spooled())


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"", 400),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"x", mtime=0), 415),
    ],
)
def test_body_that_is_no_file_is_refused(
    empty: Admin, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = empty.ask("POST", f"{UPLOADS}?filename=a.mp4", body, headers)
    assert (answer.status, 3 < len(answer.error) < 200) == (status, True)
    assert empty.list_spooled() == []


def test_full_disk_is_a_sentence(
    empty: Admin, clip: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(clip) // 2, limits[1]))
    try:
        answer = empty.ask("POST", f"{UPLOADS}?filename=a.mp4", clip)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (answer.status, "make room" in answer.error) == (507, True)
    assert [record.getMessage() for record in caplog.records].count(answer.error) == 1
    assert empty.list_spooled() == []


def test_upload_that_lost_its_bytes_is_gone(empty: Admin) -> None:
    uploaded = upload(empty, "a.mp4", b"x")
    (empty.spool / f"{uploaded['upload']}.bytes").unlink()
    assert save(empty, uploaded).status == 404


@pytest.mark.parametrize("blamed", [Refused, OverrunError])  # by the job, or not
async def test_what_runs_is_broken_off_when_the_server_stops(
    database_url: str, blamed: type[Exception]
) -> None:
    jobs = Jobs(database_url)
    begun = threading.Barrier(3)
    stopped = threading.Event()

    def ask_database() -> None:
        with (
            jobs.open_importer(RepairPolicy()) as importer,
            importer.connection.cursor() as cursor,
        ):
            begun.wait(20)
            cursor.execute("SELECT pg_sleep(60)")

    def look() -> None:
        def read(start: int, length: int) -> bytes:
            if not stopped.is_set():
                begun.wait(20)
                stopped.wait(20)
            return bytes(length)

        with jobs.open_sandbox() as sandbox, suppress(blamed):
            sandbox.run("probe", read, 1_000_000, 60, whole=True)

    tasks = [asyncio.create_task(jobs.run_heavy(job)) for job in (ask_database, look)]
    await asyncio.to_thread(begun.wait, 20)
    jobs.break_off()
    stopped.set()
    for broken in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(broken, Refused)
        assert broken.status == 503
        assert "stopping" in broken.sentence
        assert broken.headers["Retry-After"]
    with pytest.raises(Refused, match="stopping"):
        await jobs.run(look)
    await asyncio.to_thread(jobs.close)


def test_only_threads_are_hushed(capsys: pytest.CaptureFixture[str]) -> None:
    def print_error(name: str) -> None:
        sys.excepthook(KeyError, KeyError(name), None)

    with silence_psycopg2():
        thread = threading.Thread(target=print_error, args=["in a thread"])
        thread.start()
        thread.join()
        print_error("at home")
    said = capsys.readouterr().err
    assert "at home" in said
    assert "in a thread" not in said


# The folder


def keep(spool: Spool, filename: str) -> str:
    part = spool.begin()
    part.write(b"x")
    return spool.keep(part, filename).id


def test_spool_drops_the_oldest_and_what_nobody_saves(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    kept = [keep(spool, f"{number}.mp4") for number in range(UPLOADS_MAX)]
    for number, each in enumerate(kept):
        os.utime(tmp_path / f"{each}.json", (number, number))
    newest = keep(spool, "new.mp4")
    assert spool.find(kept[0]) is None
    found = spool.find(kept[1])
    assert found is not None
    assert (found.filename, found.bytes) == ("1.mp4", 1)
    with spool.open(found) as file:
        spool.drop(kept[1])
        assert file.read() == b"x"
    spool.sweep(time.time())
    assert spool.find(newest) is not None
    assert len(list(tmp_path.iterdir())) == 2
    begun = spool.begin()
    spool.sweep(time.time() + SILENT_SECONDS - 10)
    assert begun.path.exists()
    spool.sweep(time.time() + KEPT_SECONDS + 10)
    assert list(tmp_path.iterdir()) == []
    begun.discard()


def test_spool_without_room_keeps_nothing(tmp_path: Path) -> None:
    part = Spool(tmp_path).begin()
    part.write(b"x")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            Spool(tmp_path).keep(part, "a.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_server_without_a_folder_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(Fault, match="TMPDIR"), opening_spool():
        pass


def test_folder_of_a_killed_server_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = tmp_path / "bytereel-uploads-killed"
    killed.mkdir()
    (killed / "lock").touch()
    (killed / "x.bytes").touch()
    (tmp_path / "bytereel-uploads-link").symlink_to(tmp_path)
    (tmp_path / "bytereel-uploads-new").mkdir()
    with opening_spool() as first, opening_spool() as second:
        assert not killed.exists()
        assert (tmp_path / "bytereel-uploads-new").exists()
        assert first.stat().st_mode & 0o777 == 0o700
        assert {first.exists(), second.exists()} == {True}
    assert not first.exists()


@pytest.mark.long
def test_workers_share_uploads_and_forget_the_deleted(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    arguments = ("--workers", "2", "--admin-token", TOKEN)
    with serving(database_url, *arguments) as server:
        [folder] = tmp_path.iterdir()
        admin = Admin(server.port, database_url, folder)
        path = f"{UPLOADS}/{upload(admin, 'a.mp4', b'x')['upload']}"
        link = {"word": "wavy", "language": "en"}
        for _ in range(8):  # each by any worker
            assert "definition" in admin.ask("POST", path, {"link": link}).error
        video = insert_video(database_url, "b.mp4", b"x")

        def ask() -> set[int]:
            """Return what both workers say, most likely."""
            paths = [f"/v3/videos/{video}"] * 8
            return {admin.ask("GET", path).status for path in paths}

        assert ask() == {200}
        assert admin.ask("DELETE", f"/v3/admin/videos/{video}").status == 200
        wait_until(lambda: ask() == {404})
        server.process.terminate()
        assert server.process.wait(20) == 0
        assert list(tmp_path.iterdir()) == []
