"""Byte ranges: what the client asked for, then what the video can give. No I/O.

Spans are half-open `range` objects; inclusive ends stand in header text only.
"""

import re
from collections.abc import Sequence

Spec = tuple[int | None, int | None]
"""First and last position as sent; (None, n) asks for the last n bytes."""

SPECS_MAX = 200  # in a header; no player asks for so many

_SPEC = re.compile(r"([0-9]*)-([0-9]*)")
_USUAL = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})")  # nearly all that come


def parse_range(header: str) -> list[Spec] | None:
    """Return what was asked, in order; None for a header to ignore.

    RFC 9110, 14.2 lets a server ignore what it can't read: another unit, a
    range-set that breaks the grammar of 14.1.1, a last position before the first.
    Of more than SPECS_MAX none is granted, as 15.5.17 allows: the list is empty.
    """
    if usual := _USUAL.fullmatch(header):
        begin, end = int(usual[1]), int(usual[2]) if usual[2] else None
        return None if end is not None and end < begin else [(begin, end)]
    unit, _, range_set = header.partition("=")
    if unit.lower() != "bytes":
        return None
    asked: list[Spec] = []
    if asks_too_much(range_set):
        return asked
    for element in range_set.split(","):
        text = element.strip(" \t")
        if not text:  # empty elements of a list are skipped (RFC 9110, 5.6.1.2)
            continue
        match = _SPEC.fullmatch(text)
        if match is None or text == "-":
            return None
        first, last = (_number(digits) if digits else None for digits in match.groups())
        if first is not None and last is not None and last < first:
            return None
        asked.append((first, last))
    return asked or None


def asks_too_much(header: str) -> bool:
    """Report whether there are more than SPECS_MAX ranges in a header."""
    return header.count(",") >= SPECS_MAX


def _number(digits: str) -> int:
    significant = digits.lstrip("0")
    if len(significant) <= 18:
        return int(significant or "0")
    # Past any video. int() refuses very long decimals but no hexadecimals, and
    # reading decimal digits as those keeps their order.
    return int(significant, 16)


def fit_ranges(asked: Sequence[Spec], size: int) -> list[range]:
    """Return the spans to send out of size bytes; none when none can be satisfied.

    Spans that overlap or touch become one (RFC 9110, 15.3.7.2), which stands where
    the first of them was asked for. Together they never exceed size.
    """
    if len(asked) == 1:
        span = _fit(*asked[0], size)
        return [span] if span else []
    spans = [span for first, last in asked if (span := _fit(first, last, size))]
    places = sorted(range(len(spans)), key=lambda place: spans[place].start)
    merged: list[tuple[int, range]] = []
    for place in places:
        span = spans[place]
        if merged and span.start <= merged[-1][1].stop:
            before, wide = merged[-1]
            stop = max(wide.stop, span.stop)
            merged[-1] = (min(before, place), range(wide.start, stop))
        else:
            merged.append((place, span))
    return [span for _, span in sorted(merged, key=lambda item: item[0])]


def _fit(first: int | None, last: int | None, size: int) -> range:
    if first is None:  # the last so many bytes, or all if there are fewer
        return range(max(size - (last or 0), 0), size)
    return range(first, size if last is None else min(last + 1, size))
