"""Guess which bytes an answer will begin with, before the video is known. No I/O."""

from collections.abc import Mapping

from server.video.ranges import parse_range

POSITION_MAX = 2**31 - 2
"""The last position that PostgreSQL's substring() can reach; no video is longer."""

_CONDITIONS = {
    "If-Match",
    "If-Unmodified-Since",
    "If-None-Match",
    "If-Modified-Since",
    "If-Range",
}


def guess_first(method: str, asked: Mapping[str, str]) -> tuple[int, int]:
    """Return where the answer's bytes will likely start, and how many it will have.

    The size is not known yet, so a negative start counts from the end. A wrong guess
    costs time but does no harm, since plan_video decides.
    """
    if method != "GET" or asked.keys() & _CONDITIONS:
        return 0, 0
    specs = parse_range(asked.get("Range", ""))
    if specs is None:
        return 0, POSITION_MAX
    if not specs:
        return 0, 0
    first, last = specs[0]
    if first is None:
        return -min(last or 0, POSITION_MAX), min(last or 0, POSITION_MAX)
    first = min(first, POSITION_MAX)
    return first, POSITION_MAX if last is None else min(last + 1 - first, POSITION_MAX)
