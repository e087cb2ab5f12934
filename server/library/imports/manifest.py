"""What an export says of itself: its clips, words and links, in a file beside them.

A folder with a draft is an export that was not finished.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from server.errors import Fault
from server.library.files import NAME_LETTERS, show_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MANIFEST_NAME = "bytereel.json"
DRAFT_NAME = ".bytereel.json.part"
_FORMAT = "bytereel-export"
_VERSION = 1
_TEXT = (str,)
_TEXT_OR_NONE = (str, type(None))
_NUMBER_OR_NONE = (int, type(None))
_NUMBER_MAX = (1 << 31) - 1  # bytes of a video, and its seconds


class ExportedCaptions(NamedTuple):
    """Captions of a clip; file is their name in the folder."""

    language: str
    file: str
    sha256: str  # hexadecimal


class ExportedClip(NamedTuple):
    """A clip; file is its name in the folder, filename that in the table."""

    file: str
    filename: str
    mime_type: str | None
    bytes: int | None
    duration_seconds: int | None
    sha256: str | None  # hexadecimal, as the next
    source_sha256: str | None  # of the file that it was repaired from
    captions: list[ExportedCaptions] | None = None  # None of an older manifest


class ExportedQuestion(NamedTuple):
    """A question, and the files of the clips it shows, in order."""

    question_text: str | None
    choices: Any  # JSON
    correct_answer: str | None
    clips: list[str]


class ExportedDefinition(NamedTuple):
    """A definition, the files of the clips it shows, in order, and its questions."""

    word: str
    definition_text: str | None
    learning_language: str | None
    native_language: str | None
    clips: list[str]
    questions: list[ExportedQuestion]


class Manifest(NamedTuple):
    """All that is exported."""

    clips: list[ExportedClip]
    definitions: list[ExportedDefinition]


def render_manifest(manifest: Manifest) -> str:
    """Return a manifest as JSON."""
    told = {
        "format": _FORMAT,
        "version": _VERSION,
        "clips": [_tell_clip(clip) for clip in manifest.clips],
        "definitions": [
            each._asdict() | {"questions": [one._asdict() for one in each.questions]}
            for each in manifest.definitions
        ],
    }
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def _tell_clip(clip: ExportedClip) -> dict[str, object]:
    fields = clip._asdict()
    captions = fields.pop("captions")
    if captions is None:
        return fields
    return {**fields, "captions": [each._asdict() for each in captions]}


def read_manifest(folder: Path) -> Manifest | None:
    """Return what a folder says of its clips, None if it is no export.

    Fault for what cannot be read, or is no manifest of this version or an older one.
    """
    path = folder / MANIFEST_NAME
    shown = show_path(path)
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Fault(
            f"{shown} cannot be read ({error.strerror}): see that you may read it"
        ) from error
    except (ValueError, RecursionError) as error:
        raise _explain_damage(shown) from error
    match found:
        case {"format": str(kind), "version": int(version)} if kind == _FORMAT:
            if version > _VERSION:
                raise Fault(
                    f"{shown} was written by a newer bytereel: import it with that one"
                )
        case _:
            raise _explain_damage(shown)
    try:
        return _build_manifest(found)
    except (KeyError, TypeError, ValueError) as error:
        raise _explain_damage(shown) from error


def _explain_damage(shown: str) -> Fault:
    return Fault(
        f"{shown} is not what bytereel export writes: move it away, or use another "
        "folder"
    )


def _build_manifest(found: dict[str, Any]) -> Manifest:
    """Return what was read; KeyError, TypeError or ValueError if some is wrong."""
    clips = [
        ExportedClip(
            _take(clip, "file", _TEXT),
            _take_name(clip),
            _take(clip, "mime_type", _TEXT_OR_NONE),
            _take(clip, "bytes", _NUMBER_OR_NONE),
            _take(clip, "duration_seconds", _NUMBER_OR_NONE),
            _take_digest(clip, "sha256"),
            _take_digest(clip, "source_sha256"),
            _take_captions(clip),
        )
        for clip in _take(found, "clips", (list,))
    ]
    definitions = [
        ExportedDefinition(
            _take(each, "word", _TEXT),
            _take(each, "definition_text", _TEXT_OR_NONE),
            _take(each, "learning_language", _TEXT_OR_NONE),
            _take(each, "native_language", _TEXT_OR_NONE),
            _take_files(each),
            [_build_question(one) for one in _take(each, "questions", (list,))],
        )
        for each in _take(found, "definitions", (list,))
    ]
    return Manifest(clips, definitions)


def _build_question(found: dict[str, Any]) -> ExportedQuestion:
    return ExportedQuestion(
        _take(found, "question_text", _TEXT_OR_NONE),
        _take_choices(found),
        _take(found, "correct_answer", _TEXT_OR_NONE),
        _take_files(found),
    )


def _take(found: dict[str, Any], name: str, kinds: tuple[type, ...]) -> Any:
    value = found[name]
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise TypeError(name)
    if isinstance(value, int) and not 0 <= value <= _NUMBER_MAX:
        raise ValueError(name)
    if isinstance(value, str) and "\0" in value.encode().decode():  # halves raise
        raise ValueError(name)
    return value


def _take_choices(found: dict[str, Any]) -> Any:
    """Return choices, if PostgreSQL can keep them as JSON."""
    choices = found["choices"]
    told = json.dumps(choices, ensure_ascii=False, allow_nan=False)
    if "\\u0000" in told.encode().decode().replace("\\\\", ""):  # halves raise
        raise ValueError("choices")
    return choices


def _take_name(found: dict[str, Any]) -> str:
    name: str = _take(found, "filename", _TEXT)
    if not 1 <= len(name) <= NAME_LETTERS:
        raise ValueError(name)
    return name


def _take_digest(found: dict[str, Any], name: str) -> str | None:
    digest: str | None = _take(found, name, _TEXT_OR_NONE)
    if digest is not None and len(bytes.fromhex(digest)) != 32:
        raise ValueError(name)
    return digest


def _take_captions(clip: dict[str, Any]) -> list[ExportedCaptions] | None:
    if "captions" not in clip:
        return None
    return [
        ExportedCaptions(
            _take(each, "language", _TEXT),
            _take(each, "file", _TEXT),
            _take_digest(each, "sha256") or "",
        )
        for each in _take(clip, "captions", (list,))
    ]


def _take_files(found: dict[str, Any]) -> list[str]:
    files: list[str] = _take(found, "clips", (list,))
    if not all(isinstance(file, str) for file in files):
        raise TypeError("clips")
    if "\0" in "".join(files).encode().decode():  # halves raise
        raise ValueError("clips")
    return files


def read_exports(paths: Iterable[Path]) -> dict[Path, Manifest]:
    """Return the manifests of those folders that are exports.

    Fault for an export that was not finished, and as read_manifest.
    """
    found = {}
    for path in dict.fromkeys(paths):
        if (path / DRAFT_NAME).exists():
            raise Fault(
                f"{show_path(path)} is an export that was not finished: run bytereel "
                "export again, then import it"
            )
        if manifest := read_manifest(path):
            found[path] = manifest
    return found
