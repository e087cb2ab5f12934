"""Captions over the admin's HTTP: kept as they are served, or refused with a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.library.captions.blocks import MAX_BYTES
from tests.admin.client import serving_admin
from tests.conftest import insert_video
from tests.postgres.test_schema import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.admin.client import Admin, Answer

VTT = "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nRun <b>fast</b>!\n"
SRT = "1\r\n00:00:00,500 --> 00:00:02,000\r\nRun <b onclick=x>fast</b>!\r\n"


@pytest.fixture(scope="module")
def admin(
    cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Admin]:
    spool = tmp_path_factory.mktemp("spool")
    with serving_admin(cluster, template, "admin_captions", spool) as admin:
        insert_video(admin.database_url, "run.mp4", b"abc")
        run(admin.database_url, "UPDATE videos SET duration_seconds = 3")
        yield admin


def put(
    admin: Admin, language: str, text: str | bytes, kind: str = "text/plain"
) -> Answer:
    path = f"/v3/admin/videos/1/captions/{language}"
    data = text if isinstance(text, bytes) else text.encode()
    return admin.ask("PUT", path, data, {"Content-Type": kind})


def test_captions_are_added_edited_and_deleted(admin: Admin) -> None:
    path = "/v3/admin/videos/1/captions"
    for status, kind, text in (
        ("added", "application/x-subrip", SRT),
        ("exists", "text/vtt; charset=UTF-8", VTT),
        ("changed", "text/plain", VTT.replace("fast", "slow")),
    ):
        answer = put(admin, "EN", text, kind)
        assert answer.status == 200
        assert answer.body == {
            "status": status,
            "language": "en",
            "label": "English",
            "cues": 1,
            "warning": None,
        }
        served = admin.ask("GET", "/v3/videos/1/captions/en.vtt", token=None)
        assert served.body.decode() == (
            VTT if status != "changed" else VTT.replace("fast", "slow")
        )
    (entry,) = admin.ask("GET", path).body["captions"]
    assert entry.pop("updated_at").endswith("Z")
    assert entry == {
        "language": "en",
        "label": "English",
        "cues": 1,
        "bytes": len(VTT),
    }
    assert admin.ask("DELETE", f"{path}/en").body == {"deleted": "en"}
    again = admin.ask("DELETE", f"{path}/en")
    assert (again.status, again.error) == (404, "Video 1 has no captions in en.")
    assert admin.ask("GET", path).body == {"captions": []}


def test_cues_behind_the_end_are_warned_of(admin: Admin) -> None:
    text = VTT + "\n00:05.000 --> 00:06.000\nlate\n"
    assert put(admin, "de", text).body["warning"] == (
        "1 of 2 cues begin after the end of the clip at 3 s: see that the captions are "
        "of this clip"
    )


@pytest.mark.parametrize(
    ("language", "text", "kind", "status", "sentence"),
    [
        (
            *("en", "WEBVTT\n\n00:02.000 --> 00:01.000\na", "text/vtt", 400),
            "Line 3 of the text ends at 00:00:01.000, which is not after its start at "
            "00:00:02.000: correct its times.",
        ),
        (
            *("en", b"1\n00:01,000 --> 00:02,000\n\xe9", "text/vtt", 400),
            "Line 3 of the text is not UTF-8: save the file as UTF-8.",
        ),
        (
            *("en", "", "text/vtt", 400),
            "The text has no cue with a text: give WebVTT or SubRip (SRT).",
        ),
        (
            *("english", VTT, "text/vtt", 400),
            "“english” is not a language: give a tag like en, pt-BR or zh-Hans.",
        ),
        (
            *("en", b" " * (MAX_BYTES + 1), "text/vtt", 413),
            "The body may have at most 1048576 bytes.",
        ),
        (
            *("en", VTT, "text/html", 415),
            "Send it as text/vtt or application/x-subrip or text/plain in UTF-8.",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(
    admin: Admin,
    language: str,
    text: str | bytes,
    kind: str,
    status: int,
    sentence: str,
) -> None:
    before = admin.ask("GET", "/v3/admin/videos/1/captions").body
    answer = put(admin, language, text, kind)
    assert (answer.status, answer.error) == (status, sentence)
    assert admin.ask("GET", "/v3/admin/videos/1/captions").body == before


def test_large_captions_are_taken(admin: Admin) -> None:
    text = "00:00.000 --> 00:01.000\n" + "a" * (MAX_BYTES - 1000)
    assert put(admin, "fr", text).status == 200


def test_captions_of_no_video_are_refused(admin: Admin) -> None:
    for method, path in (
        ("GET", "/v3/admin/videos/9/captions"),
        ("PUT", "/v3/admin/videos/9/captions/en"),
        ("DELETE", "/v3/admin/videos/9/captions/en"),
    ):
        answer = admin.ask(method, path, VTT.encode(), {"Content-Type": "text/vtt"})
        assert (answer.status, answer.error) == (404, "There is no video 9.")
