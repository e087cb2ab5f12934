"""What the commands print: nothing reaches a terminal that it would act upon.

Names of files may hold escape sequences, and signs that turn the line around.
"""

from __future__ import annotations

import sys
from json import dumps
from typing import TYPE_CHECKING

from server.library.files import show_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TextIO


def print_line(line: str, file: TextIO | None = None) -> None:
    """Print one line, on standard output by default, with what does not show escaped.

    So is what the encoding of file lacks.
    """
    file = file or sys.stdout
    encoding = file.encoding or "utf-8"
    plain = show_text(line).encode(encoding, "backslashreplace").decode(encoding)
    print(plain, file=file, flush=True)


def print_json(
    value: object, default: Callable[[object], object] | None = None
) -> None:
    """Print a value as one line of JSON; default is that of json.dumps."""
    line = render_json(value, default=default)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        line = dumps(value, default=default)
    print(line, flush=True)


def print_lines(lines: Iterable[str]) -> None:
    """Print each as print_line does."""
    for line in lines:
        print_line(line)


def print_objects(objects: Iterable[Mapping[str, object]]) -> None:
    """Print each as one line of JSON; what JSON lacks becomes text."""
    for each in objects:
        print_json(each, default=str)


def print_note(note: str) -> None:
    """Print what is for a person alone, on standard error."""
    print_line(note, sys.stderr)


def render_json(
    value: object,
    indent: int | None = None,
    default: Callable[[object], object] | None = None,
) -> str:
    """Return JSON in which letters of all scripts stand as they are.

    What does not show is escaped, which a parser undoes.
    """
    text = dumps(value, ensure_ascii=False, indent=indent, default=default)
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign == "\n" else dumps(sign)[1:-1]
        for sign in text
    )
