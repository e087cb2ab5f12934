"""Captions beside clips: real folders imported by the command, with every trouble."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from server.library.captions.sidecars import find_sidecars, read_name
from tests import command
from tests.clips import make
from tests.postgres.test_schema import run

pytestmark = pytest.mark.long

VTT = "WEBVTT\n\n00:00:00.100 --> 00:00:00.300\nRun!\n"
KEPT = (
    "SELECT filename, language, vtt FROM captions JOIN videos ON id = video_id"
    " ORDER BY filename, language"
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture
def folder(tmp_path: Path, clip: Path) -> Path:
    """Return a folder with two clips of different bytes, one of them in a folder."""
    inside = tmp_path / "clips" / "verbs"
    inside.mkdir(parents=True)
    shutil.copy(clip, tmp_path / "clips" / "sun_rise.mp4")
    data = clip.read_bytes()
    (inside / "run_person.mp4").write_bytes(data + b"\0\0\0\x08free")
    return tmp_path / "clips"


def take(url: str, *paths: Path | str, status: int = 0) -> dict[str, Any]:
    """Return what became of each file of captions, by its name."""
    text = command.run(
        "import", *map(str, paths), "--json", "--jobs", "1", url=url, status=status
    )
    rows = [json.loads(line) for line in text.splitlines() if line[0] == "{"]
    return {Path(row["file"]).name: row for row in rows if "cues" in row}


@pytest.mark.parametrize(
    ("name", "clip", "language"),
    [
        ("run_person.en.vtt", "run_person", "en"),
        ("run_person.PT-br.SRT", "run_person", "pt-BR"),
        ("run.mp4.zh-hans.vtt", "run.mp4", "zh-Hans"),
        ("run_person.vtt", "run_person", None),
        ("run.person.vtt", "run.person", None),
        ("en.vtt", "en", None),
    ],
)
def test_name_tells_clip_and_language(
    name: str, clip: str, language: str | None
) -> None:
    sidecar = read_name(Path(name))
    assert (sidecar.clip, sidecar.language) == (clip, language)


def test_captions_are_found_where_clips_are(folder: Path) -> None:
    for name in ("sun_rise.srt", "sun_rise.vtt", "sun_rises.en.vtt", ".x.vtt", "a.txt"):
        (folder / name).write_text(VTT)
    (folder / "verbs" / "run_person.en.VTT").write_text(VTT)
    found = [each.path.name for each in find_sidecars([folder])]
    assert found == [
        *("sun_rise.vtt", "sun_rise.srt", "sun_rises.en.vtt", "run_person.en.VTT")
    ]
    beside = [each.path.name for each in find_sidecars([folder / "sun_rise.mp4"])]
    assert beside == ["sun_rise.vtt", "sun_rise.srt"]


def test_second_import_takes_what_has_changed(folder: Path, database_url: str) -> None:
    english, german = folder / "sun_rise.en.vtt", folder / "verbs/run_person.de.srt"
    english.write_text(VTT)
    german.write_text("1\n00:00:00,100 --> 00:00:00,300\nLauf!\n")
    for status in ("added", "exists"):
        done = take(database_url, folder)
        assert {name: row["status"] for name, row in done.items()} == {
            "sun_rise.en.vtt": status,
            "run_person.de.srt": status,
        }
    assert run(database_url, KEPT) == [
        ("run_person.mp4", "de", VTT.replace("Run", "Lauf")),
        ("sun_rise.mp4", "en", VTT),
    ]
    english.write_text(VTT.replace("Run", "Rise"))
    assert take(database_url, folder)["sun_rise.en.vtt"]["status"] == "changed"
    assert run(database_url, KEPT)[1][2] == VTT.replace("Run", "Rise")
    english.write_text(VTT)  # later, with the clip no longer there
    assert take(database_url, english)["sun_rise.en.vtt"]["status"] == "changed"


def test_faulty_captions_are_named_and_stop_no_clip(
    folder: Path, database_url: str
) -> None:
    faulty, lost = folder / "sun_rise.en.vtt", folder / "sunrise.en.vtt"
    faulty.write_text("WEBVTT\n\n00:02.000 --> 00:01.000\na")
    lost.write_text(VTT)
    (folder / "sun_rise.srt").write_text(VTT)
    (folder / "sun_rise.fr.vtt").write_text(VTT)
    (folder / "sun_rise.fr.srt").write_text(VTT)
    (folder / "sun_rise.de.vtt").mkdir()
    (folder / "broken.mp4").write_bytes(b"no video")
    (folder / "broken.en.vtt").write_text(VTT)
    done = take(database_url, folder, status=1)
    assert run(database_url, "SELECT count(*) FROM videos") == [(2,)]
    errors = {name: row["error"] for name, row in done.items()}
    assert errors == {
        "sun_rise.en.vtt": f"line 3 of {faulty} ends at 00:00:01.000, which is not "
        "after its start at 00:00:02.000: correct its times",
        "sunrise.en.vtt": f"{lost} is for no clip: name it like its clip, then .en.vtt",
        "sun_rise.srt": f"{folder}/sun_rise.srt does not tell its language: name it "
        "sun_rise.en.srt, or add --language en",
        "sun_rise.fr.vtt": None,
        "sun_rise.fr.srt": f"{folder}/sun_rise.fr.srt has captions in fr as "
        f"{folder}/sun_rise.fr.vtt has: remove one of them",
        "broken.en.vtt": f"{folder}/broken.en.vtt waits for its clip, which was "
        "rejected",
    }
    statuses = {row["status"] for row in done.values()}
    assert statuses == {"rejected", "no-clip", "added"}
    assert [row[:2] for row in run(database_url, KEPT)] == [("sun_rise.mp4", "fr")]


def test_language_is_that_of_the_file_or_asked_for(
    folder: Path, database_url: str
) -> None:
    run(
        database_url,
        "INSERT INTO definitions (word, definition_text, learning_language,"
        " native_language) VALUES ('run', '跑', 'en', 'zh')",
    )
    (folder / "sun_rise.vtt").write_text(VTT.replace("WEBVTT", "WEBVTT\nLanguage: fr"))
    (folder / "verbs" / "run_person.vtt").write_text(VTT)
    done = take(database_url, folder, "--language", "en")
    assert {name: row["language"] for name, row in done.items()} == {
        "sun_rise.vtt": "fr",
        "run_person.vtt": "en",
    }


def test_dry_run_takes_nothing(folder: Path, database_url: str) -> None:
    (folder / "sun_rise.en.vtt").write_text(VTT)
    done = take(database_url, folder, "--dry-run")
    assert done["sun_rise.en.vtt"]["status"] == "would-take"
    assert run(database_url, KEPT) == []


def test_database_without_captions_is_told(folder: Path, database_url: str) -> None:
    run(database_url, "DROP TABLE captions")
    take(database_url, folder)
    (folder / "sun_rise.en.vtt").write_text(VTT)
    done = take(database_url, folder, status=1)
    assert done["sun_rise.en.vtt"]["error"].endswith("run bytereel migrate")
