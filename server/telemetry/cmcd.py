"""What players tell with a request: CMCD, Common Media Client Data (CTA-5004). No I/O.

It comes in headers or in the query. What could tell who somebody is, or what else they
watch (sid, cid, nor, nrr), is never taken.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from multidict import CIMultiDictProxy

    Value = int | float | str | bool
    Told = Mapping[str, Value]

HEADERS = ("CMCD-Request", "CMCD-Object", "CMCD-Status", "CMCD-Session")
QUERY = "CMCD"
TEXT_MAX = (
    2_000  # characters of a header or of the query, percent-encoded; else ignored
)

BIT_RATES = (500, 1_000, 2_000, 4_000, 8_000)
"""Kbit/s, the upper bounds of classes."""
CLASSES = (*map(str, BIT_RATES), "more", "unknown")
THROUGHPUTS = (250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000)
"""Kbit/s, the upper bounds of the buckets of a histogram."""

# A key alone is true. Quoted text may have commas in it.
_PAIR = re.compile(r'([A-Za-z0-9.-]+)(?:=("(?:[^"\\]|\\.)*"|[^",]*))?(?:,|\Z)')
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3})?", re.ASCII)


def _read_whole(text: str) -> int | None:
    return int(text) if _WHOLE.fullmatch(text) else None


def _read_decimal(text: str) -> float | None:
    return float(text) if _DECIMAL.fullmatch(text) else None


def _read_truth(text: str) -> bool | None:
    return {"": True, "true": True, "false": False}.get(text)


def _allow(*tokens: str) -> Callable[[str], str | None]:
    return lambda text: text if text in tokens else None


_KEYS: Mapping[str, Callable[[str], Value | None]] = {
    "br": _read_whole,  # kbit/s of what is asked for
    "tb": _read_whole,  # kbit/s, the most there is
    "d": _read_whole,  # ms of what is asked for
    "bl": _read_whole,  # ms in the buffer
    "dl": _read_whole,  # ms until the buffer is empty
    "mtp": _read_whole,  # kbit/s as measured
    "rtp": _read_whole,  # kbit/s, the most that is of use
    "bs": _read_truth,  # the buffer has run empty since the last request
    "su": _read_truth,  # needed to start, to seek or to go on
    "pr": _read_decimal,  # times as fast as real time
    "ot": _allow("m", "a", "v", "av", "i", "c", "tt", "k", "o"),  # what is asked for
    "sf": _allow("d", "h", "s", "o"),  # DASH, HLS, Smooth Streaming, other
    "st": _allow("v", "l"),  # on demand, live
}


def find_cmcd(target: str, headers: CIMultiDictProxy[str]) -> dict[str, Value]:
    """Return what a request tells, by CMCD's keys; unknown and bad ones are ignored.

    target is that of the request line.
    """
    told: dict[str, Value] = {}
    for text in _list_texts(target, headers):
        for key, value in parse_cmcd(text).items():
            told.setdefault(key, value)
    return told


def _list_texts(target: str, headers: CIMultiDictProxy[str]) -> Iterator[str]:
    for name in HEADERS:
        if name in headers:
            yield headers[name]
    for part in target.partition("?")[2].split("&") if QUERY in target else ():
        name, _, text = part.partition("=")
        if name == QUERY and len(text) <= TEXT_MAX:
            yield unquote(text)


def parse_cmcd(text: str) -> dict[str, Value]:
    """Return the known keys of a header's value; what follows a flaw is ignored."""
    told: dict[str, Value] = {}
    start = 0
    while start < len(text) <= TEXT_MAX and (pair := _PAIR.match(text, start)):
        start = pair.end()
        read = _KEYS.get(pair[1])
        value = read(pair[2] or "") if read else None
        if value is not None:
            told.setdefault(pair[1], value)
    return told


def strip_cmcd(target: str) -> str:
    """Return a request's target without what CMCD adds to its query."""
    path, mark, query = target.partition("?")
    if not mark or QUERY not in query.upper():
        return target
    parts = query.split("&")
    rest = [part for part in parts if part.partition("=")[0].upper() != QUERY]
    return f"{path}?{'&'.join(rest)}" if rest else path


def find_class(told: Told) -> str:
    """Return which of CLASSES the bit rate of what is asked for belongs to."""
    rate = told.get("br")
    if not isinstance(rate, int):
        return "unknown"
    return next((str(bound) for bound in BIT_RATES if rate <= bound), "more")
