"""Conditions against a slow reading of RFC 9110, 5.6.7, 8.8.3 and 13.1."""

from __future__ import annotations

from datetime import UTC, date, datetime

from server.video.conditions import (
    modified_since,
    parse_date,
    parse_tags,
    range_may_resume,
    tag_matches,
    tag_matches_weakly,
)

WORDS = [
    *(b'"video-7"', b'W/"video-7"', b'""', b"*", b",", b" , ", b"W/", b'"'),
    *(b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT"),
    *(b"Sun Nov  6 08:49:37 1994", b" GMT", b"Feb 29", b":60", b"9999", b"0001"),
]

TAG = '"video-7"'
MODIFIED = 784_111_777  # Sun, 06 Nov 1994 08:49:37 GMT
_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
_LONG = ["Mon", "Tues", "Wednes", "Thurs", "Fri", "Satur", "Sun"]
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct"]
_MONTHS += ["Nov", "Dec"]


def fuzz_conditions(data: bytes) -> None:
    """Compare tags, dates and what follows from them with the slow reading."""
    header = data.decode(errors="surrogateescape")
    tags = read_tags(header)
    assert parse_tags(header) == tags
    is_any = header.strip(" \t") == "*"
    assert tag_matches(header, TAG) == (is_any or TAG in tags)
    is_weak = any(tag in (TAG, f"W/{TAG}") for tag in tags)
    assert tag_matches_weakly(header, TAG) == (is_any or is_weak)
    moment = read_date(header)
    assert parse_date(header) == moment
    expected = None if moment is None else moment < MODIFIED
    assert modified_since(header, MODIFIED) is expected
    bare = header.strip(" \t")
    may = bare == TAG or read_date(bare) == MODIFIED
    assert range_may_resume(header, TAG, MODIFIED) == may


def read_tags(header: str) -> list[str]:
    """Return the tags of a list, sign by sign, up to the first that is none."""
    tags: list[str] = []
    at = 0
    while True:
        while header[at : at + 1] in (" ", "\t", ","):
            at += 1
        start = at
        if header[at : at + 2] == "W/":
            at += 2
        if header[at : at + 1] != '"':
            return tags
        at += 1
        while at < len(header) and is_tag_sign(header[at]):
            at += 1
        if header[at : at + 1] != '"':
            return tags
        at += 1
        found = header[start:at]
        while header[at : at + 1] in (" ", "\t"):
            at += 1
        if at < len(header) and header[at] != ",":
            return tags
        tags.append(found)


def is_tag_sign(sign: str) -> bool:
    """Report whether a sign is an etagc (8.8.3)."""
    return sign == "!" or "#" <= sign <= "~" or sign >= "\x80"


def read_date(header: str) -> int | None:
    """Return an HTTP-date (5.6.7), by cutting it at its fixed places."""
    if not header.isascii():
        return None
    short, long = header[:3], header.partition(",")[0]
    if header[3:5] == ", " and short in _DAYS and len(header) == 29:
        marks = header[7], header[11], header[16], header[25:]
        if marks != (" ", " ", " ", " GMT"):
            return None
        return count(header[12:16], header[8:11], header[5:7], header[17:25])
    if long.removesuffix("day") in _LONG and long.endswith("day"):
        rest = header[len(long) :]
        if len(rest) != 24 or (rest[:2], rest[4], rest[8], rest[11], rest[20:]) != (
            *(", ", "-", "-", " "),
            " GMT",
        ):
            return None
        year = find_century(rest[9:11])
        return count(year, rest[5:8], rest[2:4], rest[12:20])
    if short in _DAYS and len(header) == 24:
        if (header[3], header[7], header[10], header[19]) != (" ",) * 4:
            return None
        day = header[8:10].replace(" ", "0", 1) if header[8] == " " else header[8:10]
        return count(header[20:], header[4:7], day, header[11:19])
    return None


def find_century(digits: str) -> str:
    """Return four digits for two: at most 50 years ahead."""
    if not digits.isdigit():
        return digits
    year = 2000 + int(digits)
    return str(year - 100 if year > datetime.now(UTC).year + 50 else year)


def count(year: str, month: str, day: str, time: str) -> int | None:
    """Return seconds since the epoch, None for a moment that there is not."""
    hour, minute, second = time[:2], time[3:5], time[6:]
    numbers = (year, day, hour, minute, second)
    if not all(part.isdigit() for part in numbers) or month not in _MONTHS:
        return None
    if time[2] + time[5] != "::" or int(hour) > 23 or int(minute) > 59:
        return None
    if int(second) > 60:
        return None
    try:
        found = date(int(year), _MONTHS.index(month) + 1, int(day))
    except ValueError:
        return None
    days = found.toordinal() - date(1970, 1, 1).toordinal()
    return ((days * 24 + int(hour)) * 60 + int(minute)) * 60 + int(second)
