"""What an export says of itself, read from a file that anybody may have written."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path

from server.errors import Fault
from server.library.imports.manifest import (
    MANIFEST_NAME,
    Manifest,
    read_manifest,
    render_manifest,
)

WORDS = [
    *(b'{"format": "bytereel-export", "version": 1, "clips": [', b'"definitions": ['),
    *(b'"file": "a.mp4"', b'"filename": "a.mp4"', b'"mime_type": null', b"true", b"-1"),
    *(b'"bytes": 5', b'"duration_seconds": 5', b'"sha256": null', b'"clips": ["a"]'),
    *(b'"source_sha256": "' + b"ab" * 32 + b'"', b'"word": "a"', b'"questions": ['),
    *(b'"definition_text": ""', b'"learning_language": "en"', b'"choices": ['),
    *(b'"native_language": null', b'"question_text": "a"', b'"correct_answer": "b"'),
    *(b"[" * 50, b"\\u0000", b"\\ud800", b"9" * 30, b"1e999", b"NaN", b"..", b"/"),
]
_NUMBER_MAX = (1 << 31) - 1


@cache
def open_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that is removed at the end."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() else None
    return tempfile.TemporaryDirectory(prefix="fuzz-manifest-", dir=place)


def fuzz_manifest(data: bytes) -> None:
    """Read a manifest; what is taken can be kept, and written and read again."""
    folder = Path(open_folder().name)
    (folder / MANIFEST_NAME).write_bytes(data)
    try:
        manifest = read_manifest(folder)
    except Fault as fault:
        str(fault).encode()
        return
    assert manifest is not None
    check(manifest)
    (folder / MANIFEST_NAME).write_bytes(render_manifest(manifest).encode())
    assert read_manifest(folder) == manifest


def check(manifest: Manifest) -> None:
    """See that PostgreSQL can keep it all: text, numbers and JSON."""
    for clip in manifest.clips:
        for number in (clip.bytes, clip.duration_seconds):
            assert number is None or 0 <= number <= _NUMBER_MAX, number
    for definition in manifest.definitions:
        for question in definition.questions:
            told = json.dumps(question.choices, ensure_ascii=False, allow_nan=False)
            told.encode()
            assert "\\u0000" not in told.replace("\\\\", "")
