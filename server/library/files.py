"""Find and open the files that a person named, and name them in sentences."""

from __future__ import annotations

import os
import stat
import unicodedata
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.suffixes import VIDEO_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import BufferedReader
    from pathlib import Path

NAME_LETTERS = 255
_REMEDY = "import an MP4 video"


class FileFault(Fault):
    """A file cannot be taken; sentence goes on after its name."""

    def __init__(self, shown: str, sentence: str, remedy: str) -> None:
        super().__init__(f"{shown} {sentence}", remedy)
        self.sentence = sentence


def name_file(path: Path) -> str:
    """Return path as text, whatever bytes it is made of."""
    return os.fsencode(path).decode(errors="backslashreplace")


def show_path(path: Path) -> str:
    """Return path for a sentence: on one line."""
    return show_text(name_file(path))


def show_text(text: str) -> str:
    """Return text on one line, with what cannot be printed escaped."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode()
        for sign in text
    )


def open_file(path: Path) -> BufferedReader:
    """Open path for reading; FileFault if it is no file with something in it."""
    shown = show_path(path)
    try:
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - it is returned
    except FileNotFoundError:
        raise FileFault(shown, "does not exist", "check the path") from None
    except IsADirectoryError:
        raise FileFault(shown, "is a folder, not a file", _REMEDY) from None
    except (OSError, ValueError) as error:
        raise unreadable(shown, error) from None
    found = os.fstat(file.fileno())
    if stat.S_ISREG(found.st_mode) and found.st_size:
        return file
    file.close()
    kind = "empty" if stat.S_ISREG(found.st_mode) else "a device or pipe, not a file"
    raise FileFault(shown, f"is {kind}", _REMEDY)


def unreadable(shown: str, error: Exception) -> FileFault:
    """Return the FileFault for a file that the system will not read."""
    reason = getattr(error, "strerror", None) or error
    sentence = f"cannot be read ({reason})"
    return FileFault(shown, sentence, "check the path, and that you may read it")


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for a writer, as a named pipe would."""
    return os.open(path, flags | os.O_NONBLOCK)


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files of paths, and the videos in folders by order of their names.

    A folder without any, or that cannot be listed, stands for itself.
    """
    found: list[Path] = []
    for path in paths:
        inside = list(_walk(path, set())) if os.path.isdir(path) else [path]
        found += inside or [path]
    return found


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in seen:  # by way of a symbolic link
        return
    seen.add(real)
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        yield folder
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if os.path.isdir(entry):
            yield from _walk(entry, seen)
        elif entry.suffix.lower() in VIDEO_SUFFIXES:
            yield entry


def name_repaired(name: str) -> str:
    """Return the name in the table of a file that was repaired, which makes an MP4."""
    return os.path.splitext(name)[0] + ".mp4"


def check_name(path: Path, shown: str) -> None:
    """Raise Fault for a folder, and for a name that the table cannot keep."""
    if os.path.isdir(path):
        suffixes = ", ".join(VIDEO_SUFFIXES)
        raise Fault(
            f"{shown} is a folder in which no {suffixes} file can be found: "
            "check the path, and that you may read it"
        )
    kinds = {unicodedata.category(letter) for letter in path.name}
    if len(path.name) > NAME_LETTERS:
        raise Fault(
            f"{shown} has a name longer than {NAME_LETTERS} characters: rename it"
        )
    if "Cs" in kinds:  # Python's stand-in for a byte it cannot decode
        raise Fault(f"{shown} has a name that is not UTF-8: rename it")
    if "Cc" in kinds:
        raise Fault(f"{shown} has a control character in its name: rename it")
