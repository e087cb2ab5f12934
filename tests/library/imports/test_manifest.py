from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from server.errors import Fault
from server.library.imports.manifest import (
    MANIFEST_NAME,
    ExportedCaptions,
    ExportedClip,
    ExportedDefinition,
    ExportedQuestion,
    Manifest,
    read_manifest,
    render_manifest,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DIGEST = "ab" * 32
MANIFEST = Manifest(
    [
        ExportedClip(
            *("a.mp4", "a/a.mp4", "video/mp4", 5, None, DIGEST, None),
            [ExportedCaptions("en", "a.en.vtt", DIGEST)],
        )
    ],
    [
        ExportedDefinition(
            *("上升", "rise", "zh", None, ["a.mp4"]),
            [ExportedQuestion("What?", [{"id": 1.5}], "A", ["a.mp4", "b.mp4"])],
        )
    ],
)


def test_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None
    assert read_manifest(tmp_path / "none") is None
    text = render_manifest(MANIFEST)
    (tmp_path / MANIFEST_NAME).write_text(text, encoding="utf-8")
    assert read_manifest(tmp_path) == MANIFEST


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(format="other"),
        lambda told: told.update(version="1"),
        lambda told: told.pop("clips"),
        lambda told: told.update(definitions={}),
        lambda told: told["clips"][0].pop("file"),
        lambda told: told["clips"][0].update(filename=""),
        lambda told: told["clips"][0].update(filename="a" * 256),
        lambda told: told["clips"][0].update(filename="a\0"),
        lambda told: told["clips"][0].update(filename="\ud800"),
        lambda told: told["clips"][0].update(sha256="ab"),
        lambda told: told["clips"][0].update(sha256="x" * 64),
        lambda told: told["clips"][0].update(bytes=True),
        lambda told: told["clips"][0].update(captions={}),
        lambda told: told["clips"][0].update(captions=["en"]),
        lambda told: told["clips"][0]["captions"][0].pop("language"),
        lambda told: told["clips"][0]["captions"][0].update(sha256="ab"),
        lambda told: told["clips"][0].update(bytes=-1),
        lambda told: told["clips"][0].update(duration_seconds=1 << 31),
        lambda told: told["definitions"][0]["questions"][0].update(choices=1e999),
        lambda told: told["definitions"][0]["questions"][0].update(choices=["\0"]),
        lambda told: told["definitions"][0]["questions"][0].update(choices="\ud800"),
        lambda told: told["clips"].append(5),
        lambda told: told["definitions"][0].update(word=None),
        lambda told: told["definitions"][0].update(clips=[5]),
        lambda told: told["definitions"][0].update(clips=["\ud800"]),
        lambda told: told["definitions"][0].update(clips=["\0"]),
        lambda told: told["definitions"][0]["questions"][0].pop("choices"),
    ],
)
def test_what_is_no_manifest_is_told(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    told = json.loads(render_manifest(MANIFEST))
    change(told)
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(told))
    with pytest.raises(Fault, match="is not what bytereel export writes"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("data", [b"", b"[]", b"5", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(data)
    with pytest.raises(Fault, match="is not what bytereel export writes"):
        read_manifest(tmp_path)


def test_newer_manifest_is_told(tmp_path: Path) -> None:
    told = {"format": "bytereel-export", "version": 2}
    (tmp_path / MANIFEST_NAME).write_text(json.dumps(told))
    with pytest.raises(Fault, match="newer bytereel"):
        read_manifest(tmp_path)
