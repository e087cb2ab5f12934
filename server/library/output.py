"""What the commands print: nothing reaches a terminal that it would act upon.

Names of files may hold escape sequences, and signs that turn the line around.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from json import dumps
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.files import show_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import TextIO


class OutputFault(Fault):
    """Standard output takes nothing more."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "send the output to where it can be written")


def print_line(line: str) -> None:
    """Print one line on standard output, with what does not show escaped.

    So is what its encoding lacks. OutputFault if it cannot be written.
    """
    _write(_escape(line, sys.stdout))


def announce(line: str) -> None:
    """Print a line as print_line does, where there is a standard output at all."""
    if sys.stdout is not None:
        print_line(line)


def write_text(text: str) -> None:
    """Print lines of our own as they are; OutputFault if they cannot be written."""
    _write(text, end="")


def _write(text: str, end: str = "\n") -> None:
    if sys.stdout is None:
        raise OutputFault("standard output is closed")
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputFault(
            f"standard output cannot be written ({error.strerror})"
        ) from error


def _escape(line: str, file: TextIO | None) -> str:
    encoding = (file and file.encoding) or "utf-8"
    return show_text(line).encode(encoding, "backslashreplace").decode(encoding)


def discard_output() -> None:
    """Have nothing written any more, not even at the end, of what is left over."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def ensuring(lines: Iterable[str]) -> Iterator[None]:
    """Have what was done told on standard error where standard output fails."""
    try:
        yield
    except OutputFault:
        for line in lines:
            print_note(line)
        raise


def print_json(
    value: object, default: Callable[[object], object] | None = None
) -> None:
    """Print a value as one line of JSON; default is that of json.dumps."""
    line = render_json(value, default=default)
    try:
        line.encode((sys.stdout and sys.stdout.encoding) or "utf-8")
    except UnicodeEncodeError:
        line = dumps(value, default=default)
    _write(line)


def print_lines(lines: Iterable[str]) -> None:
    """Print each as print_line does."""
    for line in lines:
        print_line(line)


def print_objects(objects: Iterable[Mapping[str, object]]) -> None:
    """Print each as one line of JSON; what JSON lacks becomes text."""
    for each in objects:
        print_json(each, default=str)


def print_note(note: str) -> None:
    """Print a line that is for a person alone, on standard error if that can be."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(_escape(note, sys.stderr), file=sys.stderr, flush=True)


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
