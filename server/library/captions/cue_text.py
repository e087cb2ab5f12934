"""The text of a cue, with nothing in it but what WebVTT allows. No I/O.

What it is read by: WebVTT, 4.2.2 (cue text), and its character references, which are
those of HTML.
"""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from typing import NamedTuple

MAX_DEPTH = 16  # of tags: browsers hang on many thousands
MAX_CLASSES = 8  # of a tag
_TAGS = ("b", "i", "u", "ruby", "rt", "v", "lang", "c")
_ANNOTATED = ("v", "lang")

# Something in angle brackets that begins as a tag, a timestamp or a comment does. What
# else has a < in it, like "a < b" or "<3", is text.
_TAG = re.compile(
    r"<(?P<slash>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)(?P<classes>(?:\.[^\s<>.&]+)*)"
    r"(?P<rest>[^<>]*)>|<!--.*?-->|<[/!?][^<>]*>|<\d[\d:.]*>|\{\\an?\d+\}",
    re.DOTALL,
)
_CLASS = re.compile(r"\.[A-Za-z0-9_-]{1,32}(?![A-Za-z0-9_-])")
_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")


class _Nesting(NamedTuple):
    """The tags that are not closed yet."""

    opened: list[str]  # outermost first
    dropped: Counter[str]  # those too deep to be kept, by name


def clean_text(text: str) -> str:
    """Return cue text with known tags alone, properly nested, and all else escaped.

    Unknown tags and those too deep go, the text within them stays. Blank lines go,
    since they would end the cue. Cleaning it again changes nothing.
    """
    pieces: list[str] = []
    nesting = _Nesting([], Counter())
    at = 0
    for match in _TAG.finditer(text):
        pieces.append(_escape(text[at : match.start()]))
        pieces += _render_tag(match, nesting)
        at = match.end()
    pieces.append(_escape(text[at:]))
    pieces += [f"</{name}>" for name in reversed(nesting.opened)]
    lines = (line.strip() for line in "".join(pieces).split("\n"))
    return "\n".join(filter(None, lines))


def _escape(text: str) -> str:
    """Return plain text as it stands in a cue; references in it are resolved first."""
    plain = _UNFIT.sub("", unescape(text))
    for sign, reference in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        plain = plain.replace(sign, reference)
    return plain


def _render_tag(match: re.Match[str], nesting: _Nesting) -> list[str]:
    """Return what a tag becomes."""
    name = (match["name"] or "").lower()
    if name not in _TAGS:
        return []
    if match["slash"]:
        return _close(name, nesting)
    annotation = " ".join(_escape(match["rest"]).split()).rstrip("/")
    if name == "rt" and "ruby" not in nesting.opened:
        return []
    if name in _ANNOTATED and not annotation:
        return []
    if len(nesting.opened) == MAX_DEPTH:
        nesting.dropped[name] += 1
        return []
    nesting.opened.append(name)
    classes = "".join(_CLASS.findall(match["classes"])[:MAX_CLASSES])
    return [f"<{name}{classes}{' ' + annotation if name in _ANNOTATED else ''}>"]


def _close(name: str, nesting: _Nesting) -> list[str]:
    """Return the end of a tag, and of what was opened within it."""
    opened, dropped = nesting
    if dropped[name]:
        dropped[name] -= 1
        return []
    if name not in opened:
        return []
    dropped.clear()  # they stood within it
    closed: list[str] = []
    while not closed or closed[-1] != f"</{name}>":
        closed.append(f"</{opened.pop()}>")
    return closed
