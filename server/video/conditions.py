"""Entity tags and dates: does a condition of the client hold? No I/O.

The tables are RFC 9110, 13.1; the order among the conditions is plan.py's.
"""

import re
from calendar import timegm
from datetime import UTC, datetime

_TAG = re.compile(r'[ \t,]*((?:W/)?"[^"\x00-\x20\x7f]*")[ \t]*(?=,|\Z)')

_DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_TIME = r"(?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d):(?P<second>[0-5]\d|60)"
_DATES = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        # IMF-fixdate, then the two obsolete forms that must be read too (5.6.7)
        rf"(?:{_DAYS}), (?P<day>\d\d) (?P<month>{_MONTHS}) (?P<year>\d{{4}}) "
        rf"{_TIME} GMT",
        r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, "
        rf"(?P<day>\d\d)-(?P<month>{_MONTHS})-(?P<year>\d\d) {_TIME} GMT",
        rf"(?:{_DAYS}) (?P<month>{_MONTHS}) (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)


def parse_tags(header: str) -> list[str]:
    """Return the entity tags of a list, up to the first that is none."""
    tags: list[str] = []
    at = 0
    while match := _TAG.match(header, at):
        tags.append(match[1])
        at = match.end()
    return tags


def parse_date(header: str) -> int | None:
    """Return an HTTP-date in seconds since the epoch; None for anything else."""
    for pattern in _DATES:
        if match := pattern.fullmatch(header):
            return _seconds(match.groupdict())
    return None


def _seconds(part: dict[str, str]) -> int | None:
    year = int(part["year"])
    if len(part["year"]) == 2:
        # Two digits that seem over 50 years ahead are of the last century (5.6.7).
        year += 2000
        if year > datetime.now(UTC).year + 50:
            year -= 100
    month = _MONTHS.split("|").index(part["month"]) + 1
    try:
        day = datetime(year, month, int(part["day"]), tzinfo=UTC)
    except ValueError:
        return None
    hour, minute, second = (int(part[unit]) for unit in ("hour", "minute", "second"))
    return timegm((day.year, day.month, day.day, hour, minute, second))


def tag_matches(header: str, etag: str) -> bool:
    """Report whether If-Match holds: strong comparison, or * (13.1.1)."""
    return header.strip(" \t") == "*" or etag in parse_tags(header)


def tag_matches_weakly(header: str, etag: str) -> bool:
    """Report whether If-None-Match names the tag: weak comparison (13.1.2)."""
    return header.strip(" \t") == "*" or etag.removeprefix("W/") in (
        tag.removeprefix("W/") for tag in parse_tags(header)
    )


def modified_since(header: str, modified: int | None) -> bool | None:
    """Report whether the video is newer than the date; None if one has no date."""
    date = parse_date(header)
    return None if date is None or modified is None else modified > date


def range_may_resume(header: str, etag: str, modified: int | None) -> bool:
    """Report whether If-Range names just this video: strong tag or exact date.

    A weak tag never does, nor a later date (13.1.5).
    """
    text = header.strip(" \t")
    return text == etag or (modified is not None and parse_date(text) == modified)
