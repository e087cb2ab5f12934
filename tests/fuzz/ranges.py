"""Range against a slow reading of RFC 9110, 14.1 and 14.2, written from its grammar."""

from __future__ import annotations

from server.video.ranges import asks_too_much, fit_ranges, parse_range

WORDS = [b"bytes=", b"0-0", b"-5", b"5-", b",", b" , ", b"\t", b"9" * 20, b"BYTES="]

SIZES = (0, 1, 10, 100)
_DIGITS = set("0123456789")


def fuzz_ranges(data: bytes) -> None:
    """Compare what is asked, and the bytes that are sent, with the slow reading."""
    header = data.decode(errors="surrogateescape")
    asked = parse_range(header)
    if asks_too_much(header):  # by its commas, before the grammar is looked at
        assert not asked
        return
    slow = read_slowly(header)
    assert (asked is None) == (slow is None), (asked, slow)
    if asked is None or slow is None:
        return
    assert len(asked) == len(slow)
    for size in SIZES:
        spans = fit_ranges(asked, size)
        wanted = {place for one in slow for place in list_bytes(*one, size)}
        sent = [place for span in spans for place in span]
        assert sorted(sent) == sorted(wanted), (size, spans)
        assert all(len(span) for span in spans)
        assert not any(one.stop == other.start for one in spans for other in spans), (
            "ranges that touch are one"
        )


def read_slowly(header: str) -> list[tuple[str, str]] | None:
    """Return the digits of each range-spec, None for a header to ignore."""
    unit, equals, rest = header.partition("=")
    if not equals or unit.lower() != "bytes" or not unit.isascii():
        return None
    found = []
    for element in rest.split(","):
        while element and element[0] in " \t":
            element = element[1:]
        while element and element[-1] in " \t":
            element = element[:-1]
        if not element:
            continue
        if element.count("-") != 1 or element == "-":
            return None
        first, last = element.split("-")
        if not set(first + last) <= _DIGITS:
            return None
        if first and last and compare(last, first) < 0:
            return None
        found.append((first, last))
    return found or None


def compare(one: str, other: str) -> int:
    """Return less than 0, 0 or more as decimals compare, however long they are."""
    one, other = one.lstrip("0"), other.lstrip("0")
    if len(one) != len(other):
        return len(one) - len(other)
    return (one > other) - (one < other)


def list_bytes(first: str, last: str, size: int) -> list[int]:
    """Return which bytes of a video are asked for, one by one."""
    if not first:  # the last so many, of all that there are
        return [at for at in range(size) if compare(str(size - at), last) <= 0]
    return [
        at
        for at in range(size)
        if compare(str(at), first) >= 0 and (not last or compare(str(at), last) <= 0)
    ]
