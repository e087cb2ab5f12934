"""Find and open the files that a person named, and name them in sentences."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.suffixes import TEXT_SUFFIXES, VIDEO_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import BufferedReader
    from pathlib import Path
    from typing import IO

NAME_LETTERS = 255
_TEXT_BYTES = 4096  # of the beginning
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\xff]")
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
    is_file = stat.S_ISREG(found.st_mode)
    is_source = path.suffix.lower() in TEXT_SUFFIXES and is_file and _is_text(file)
    if is_file and found.st_size and not is_source:
        return file
    file.close()
    if is_source:
        raise FileFault(shown, "is a text, not a video", "leave it out")
    kind = "empty" if is_file else "a device or pipe, not a file"
    raise FileFault(shown, f"is {kind}", _REMEDY)


def _is_text(file: IO[bytes]) -> bool:
    """Report whether a file begins as a text does; an empty one does not."""
    start = os.pread(file.fileno(), _TEXT_BYTES, 0)
    return bool(start) and not _NO_TEXT.search(start)


def unreadable(shown: str, error: Exception) -> FileFault:
    """Return the FileFault for a file that the system will not read."""
    reason = getattr(error, "strerror", None) or error
    sentence = f"cannot be read ({reason})"
    return FileFault(shown, sentence, "check the path, and that you may read it")


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for a writer, as a named pipe would."""
    return os.open(path, flags | os.O_NONBLOCK)


def measure_file(path: Path) -> int:
    """Return the bytes of a file, 0 if that cannot be said."""
    try:
        return os.path.getsize(path)
    except (OSError, ValueError):
        return 0


def find_files(paths: Sequence[Path], texts: list[Path] | None = None) -> list[Path]:
    """Return the files of paths, and the videos in folders by order of their names.

    A folder without any, or that cannot be listed, stands for itself. Sources of
    TypeScript in folders are added to texts instead.
    """
    found: list[Path] = []
    for path in paths:
        if not os.path.isdir(path):
            found.append(path)
            continue
        inside = list(walk_folder(path))
        sources = set(filter(_is_source, inside))
        if texts is not None:
            texts += sorted(sources)
        found += [file for file in inside if file not in sources] or [path]
    return found


def walk_folder(
    folder: Path, suffixes: tuple[str, ...] = VIDEO_SUFFIXES
) -> Iterator[Path]:
    """Yield the files below a folder that end so, and folders that cannot be listed.

    What begins with a dot is passed over.
    """
    seen: set[str] = set()
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        if not os.path.isdir(path):
            yield path
            continue
        real = os.path.realpath(path)
        if real in seen:  # by way of a symbolic link
            continue
        seen.add(real)
        try:
            entries = sorted(path.iterdir(), reverse=True)
        except OSError:
            yield path
            continue
        waiting += [entry for entry in entries if _is_wanted(entry, suffixes)]


def _is_wanted(entry: Path, suffixes: tuple[str, ...]) -> bool:
    if entry.name.startswith("."):
        return False
    return entry.suffix.lower() in suffixes or os.path.isdir(entry)


def _is_source(path: Path) -> bool:
    """Report whether a file of a folder is a text that is named as videos are."""
    if path.suffix.lower() not in TEXT_SUFFIXES:
        return False
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            return _is_text(file)
    except OSError:
        return False


def tell_texts(texts: Sequence[Path]) -> str:
    """Return a sentence about the texts that were left out."""
    first = show_path(texts[0])
    if len(texts) == 1:
        return f"{first} is a text, not a video: it is left out"
    more = f"{len(texts) - 1:,} more"
    return f"{first} and {more} are texts, not videos: they are left out"


def name_repaired(name: str) -> str:
    """Return the name in the table of a file that was repaired, which makes an MP4."""
    return os.path.splitext(name)[0] + ".mp4"


def check_name(path: Path, shown: str) -> None:
    """Raise Fault for a folder, and for the name of a file that the table rejects."""
    if os.path.isdir(path):
        suffixes = ", ".join(VIDEO_SUFFIXES)
        raise Fault(
            f"{shown} is a folder in which no {suffixes} file can be found: "
            "check the path, and that you may read it"
        )
    if reason := find_unfit(path.name):
        raise Fault(f"{shown} has {reason}: rename it")


def find_unfit(name: str) -> str | None:
    """Return what a name has that the table cannot keep, None for a good one."""
    kinds = {unicodedata.category(letter) for letter in name}
    if len(name) > NAME_LETTERS:
        return f"a name longer than {NAME_LETTERS} characters"
    if "Cs" in kinds:  # Python's stand-in for a byte it cannot decode
        return "a name that is not UTF-8"
    return "a control character in its name" if "Cc" in kinds else None
