"""Read captions as WebVTT or SubRip, and write them as plain WebVTT. No I/O.

webvtt-py reads the cues. It leaves out without a word what it does not understand, and
names no lines, so it gets one cue after the other.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, NamedTuple

from webvtt import WebVTT
from webvtt.errors import MalformedCaptionError

from server.errors import Fault
from server.library.captions.blocks import (
    ARROW,
    MAX_BYTES,
    Block,
    read_header,
    split_blocks,
    split_lines,
)
from server.library.captions.cue_text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_CUES = 10_000
"""More than a film of many hours has; reading each takes its time."""

_MOST_FLAWS = 100  # that are looked for
_NAMED_LINES = 5

_TIME = r"(?:(?:(\d{1,2}):)?(\d{1,2}):)(\d{1,2})(?:[.,](\d{1,3}))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(\s.*)?", re.ASCII)
_PERCENT = r"(?:100(?:\.0+)?|\d{1,2}(?:\.\d{1,4})?)%"
_SETTING = re.compile(
    r"vertical:(?:rl|lr)"
    rf"|line:(?:-?\d{{1,4}}|{_PERCENT})(?:,(?:start|center|end))?"
    rf"|position:{_PERCENT}(?:,(?:line-left|center|line-right))?"
    rf"|size:{_PERCENT}"
    r"|align:(?:start|center|end|left|right)",
    re.ASCII,
)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class CaptionFlaw(NamedTuple):
    """What is wrong with captions, and in which line; both go on after a name."""

    line: int  # from 1
    sentence: str
    remedy: str


class CaptionFault(Fault):
    """Captions can't be kept; of several flaws the text tells the first, and where."""

    def __init__(self, shown: str, flaws: Sequence[CaptionFlaw]) -> None:
        first, *others = flaws
        lines = sorted({flaw.line for flaw in others} - {first.line})
        also = ", ".join(map(str, lines[:_NAMED_LINES]))
        more = ", …" if lines[_NAMED_LINES:] else ""
        too = f" (see line {also}{more} too)" if lines else ""
        super().__init__(
            f"line {first.line} of {shown} {first.sentence}", f"{first.remedy}{too}"
        )
        self.flaws = flaws


class Cue(NamedTuple):
    """A text and when it is shown, in milliseconds of the clip."""

    start: int
    end: int
    settings: str  # where it is shown, with a space before each
    text: str


class Captions(NamedTuple):
    """The captions of a clip in one language."""

    vtt: str
    cues: list[Cue]  # in the order of their starts
    language: str | None  # that the file itself names; it may be none


def parse_captions(data: bytes, shown: str) -> Captions:
    """Return captions with nothing but plain WebVTT; Fault for what is wrong.

    Comments, styles, regions, identifiers and unknown tags and settings are left out.
    shown is what a sentence calls them.
    """
    if len(data) > MAX_BYTES:
        raise _explain_size(shown)
    lines = split_lines(decode(data, shown).replace("\0", ""))
    header = read_header(lines)
    flaws: list[CaptionFlaw] = []
    cues: list[Cue] = []
    for block in split_blocks(lines, header.lines):
        found = _read_block(block)
        if isinstance(found, CaptionFlaw):
            flaws.append(found)
        elif found is not None:
            cues.append(found)
        if len(flaws) == _MOST_FLAWS:
            break
        if len(cues) > MAX_CUES:
            raise Fault(f"{shown} has more than {MAX_CUES:,} cues", "make it shorter")
    if flaws:
        raise CaptionFault(shown, flaws)
    if not cues:
        raise Fault(f"{shown} has no cue with a text", "give WebVTT or SubRip (SRT)")
    cues.sort(key=lambda cue: cue.start)
    vtt = render_vtt(cues)
    if len(vtt.encode()) > MAX_BYTES:
        raise _explain_size(shown)
    return Captions(vtt, cues, header.language)


def _explain_size(shown: str) -> Fault:
    return Fault(f"{shown} has more than {MAX_BYTES:,} bytes", "make it shorter")


def decode(data: bytes, shown: str) -> str:
    """Return text in UTF-8, or in UTF-16 if its mark says so; Fault for another."""
    encoding = "utf-8"
    for mark, name in _BOMS:
        if data.startswith(mark):
            data, encoding = data[len(mark) :], name
            break
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "replace")
        line = len(split_lines(before))
        name = encoding.upper().removesuffix("-LE").removesuffix("-BE")
        flaw = CaptionFlaw(line, f"is not {name}", "save the file as UTF-8")
        raise CaptionFault(shown, [flaw]) from None


def render_vtt(cues: Iterable[Cue]) -> str:
    """Return WebVTT with nothing but cues."""
    blocks = (
        f"\n{render_time(cue.start)} {ARROW} {render_time(cue.end)}{cue.settings}\n"
        f"{cue.text}\n"
        for cue in cues
    )
    return "".join(["WEBVTT\n", *blocks])


def render_time(milliseconds: int) -> str:
    """Return a time as WebVTT writes it, with hours."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{rest:03}"


def _read_block(block: Block) -> Cue | CaptionFlaw | None:
    """Return a cue, what is wrong with it, or None for what is left out."""
    at = block.timing
    if at is None:
        if block.is_aside or not clean_text("\n".join(block.lines)):
            return None
        if len(block.lines) == 1 and block.lines[0].strip().isdigit():
            return None  # the number of a cue that is not there
        return CaptionFlaw(
            block.line,
            "belongs to no cue",
            "remove the blank line above it, or put its times there, like "
            f"00:01.000 {ARROW} 00:02.500",
        )
    line = block.line + at
    match = _TIMING.fullmatch(block.lines[at])
    if match is None:
        return CaptionFlaw(
            line,
            f"has {ARROW} and not two times",
            f"write 00:01.000 {ARROW} 00:02.500; in a text write --&gt;",
        )
    times = _render_found(match.groups()[:4]), _render_found(match.groups()[4:8])
    text = [each for each in block.lines[at + 1 :] if each.strip()]
    return _read_cue(line, times, text, _clean_settings(match[9] or ""))


def _render_found(parts: Sequence[str | None]) -> str:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return f"{hours:0>2}:{minutes:0>2}:{seconds:0>2}.{fraction:0<3}"


def _read_cue(
    line: int, times: tuple[str, str], text: list[str], settings: str
) -> Cue | CaptionFlaw | None:
    timing = f" {ARROW} ".join(times)
    if not text:
        return None
    try:
        [caption] = WebVTT.from_buffer(["WEBVTT", "", timing, *text]).captions
    except MalformedCaptionError:
        return CaptionFlaw(
            line, f"has no time of a day in {timing}", "give minutes and seconds to 59"
        )
    start, end = (
        time.in_seconds() * 1000 + time.milliseconds
        for time in (caption.start_time, caption.end_time)
    )
    if end <= start:
        return CaptionFlaw(
            line,
            f"ends at {times[1]}, which is not after its start at {times[0]}",
            "correct its times",
        )
    cleaned = clean_text(caption.raw_text)
    return Cue(start, end, settings, cleaned) if cleaned else None


def _clean_settings(text: str) -> str:
    """Return those settings that players know, each once."""
    found: dict[str, str] = {}
    for part in text.replace("align:middle", "align:center").split():
        if _SETTING.fullmatch(part):
            found.setdefault(part.partition(":")[0], part)
    return "".join(f" {part}" for part in found.values())
