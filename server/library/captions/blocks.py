"""The blocks of a WebVTT or SubRip file, each with the number of its line. No I/O.

Lines and blocks are those of WebVTT, 6.1; SubRip has the same, without a header.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_BYTES = 1 << 20
"""Of captions as they come, and as they are kept."""

ARROW = "-->"

_LINE_END = re.compile(r"\r\n|\r|\n")
_SIGNATURE = re.compile(r"WEBVTT(?:[ \t].*)?")
_LANGUAGE = re.compile(r"Language:\s*(\S+)\s*", re.I)
_ASIDE = re.compile(r"(?:NOTE|STYLE|REGION)(?:[ \t].*)?")


class Block(NamedTuple):
    """Lines without a blank one among them; one that may be a cue has an arrow."""

    line: int  # number of the first one, from 1
    lines: list[str]

    @property
    def is_aside(self) -> bool:
        """Report whether it is a comment, a style or a region."""
        return bool(_ASIDE.fullmatch(self.lines[0]))

    @property
    def timing(self) -> int | None:
        """Return the index of the line with an arrow; None if there is none."""
        return next((at for at, each in enumerate(self.lines) if ARROW in each), None)


class Header(NamedTuple):
    """What stands before the first block of WebVTT; SubRip has none of it."""

    lines: int
    language: str | None  # that the file names, such as those of YouTube do


def split_lines(text: str) -> list[str]:
    """Return the lines; \r\n, \r and \n end one."""
    return _LINE_END.split(text)


def read_header(lines: Sequence[str]) -> Header:
    """Return the header; one without lines if the file does not begin as WebVTT."""
    if not lines or not _SIGNATURE.fullmatch(lines[0]):
        return Header(0, None)
    language = None
    for number, line in enumerate(lines[1:], 1):
        if not line or ARROW in line:
            return Header(number, language)
        if match := _LANGUAGE.fullmatch(line):
            language = match[1]
    return Header(len(lines), language)


def split_blocks(lines: Sequence[str], skip: int) -> Iterator[Block]:
    """Yield the blocks behind so many lines.

    A line with an arrow begins a block, together with the one before it if that may be
    its identifier: cues need not have a blank line between them.
    """
    block = Block(skip + 1, [])
    for number, line in enumerate(lines[skip:], skip + 1):
        if _ends_block(line, block.lines):
            if block.lines:
                yield block
            block = Block(number + 1, [])
            continue
        if ARROW in line and len(block.lines) > 1:
            kept = block.lines[-1:] if block.lines[-1].strip().isdigit() else []
            yield Block(block.line, block.lines[: len(block.lines) - len(kept)])
            block = Block(number - len(kept), kept)
        elif ARROW in line and block.timing is not None:
            yield block
            block = Block(number, [])
        block.lines.append(line)
    if block.lines:
        yield block


def _ends_block(line: str, block: Sequence[str]) -> bool:
    """Report whether a line is blank, or has spaces alone that don't begin a text."""
    if line.strip():
        return False
    return not (line and block and ARROW in block[-1])
