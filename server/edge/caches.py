"""Which edge answered, and whether from its cache, told by headers. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT = ("HIT", "STALE", "UPDATING", "REVALIDATED")
"""The states in which the cache had the object."""

# What X-Cache and its like say, in the many words of the edges; the first one counts.
_WORDS = (
    (r"PASS|UNCACHEABLE|NO-?_?(CACHE|STORE)|HIT-FOR|HFM|HFP", "BYPASS"),
    (r"DYNAMIC", "DYNAMIC"),
    (r"REVALIDATED|REFRESH_?HIT|IMS_HIT", "REVALIDATED"),
    (r"UPDATING", "UPDATING"),
    (r"STALE", "STALE"),
    (r"EXPIRED|REFRESH_?MISS", "EXPIRED"),
    (r"HIT", "HIT"),
    (r"MISS", "MISS"),
)

_EDGES = (
    ("Cloudflare", ("cf-ray", "cf-cache-status"), "cloudflare"),
    ("CloudFront", ("x-amz-cf-id", "x-amz-cf-pop"), "cloudfront"),
    ("Fastly", ("x-fastly-request-id", "x-timer"), "fastly"),
    ("bunny.net", ("cdn-pullzone", "cdn-cache"), "bunnycdn"),
    ("Akamai", ("x-akamai-request-id", "akamai-grn"), "akamai"),
    ("Varnish", ("x-varnish",), "varnish"),
    ("nginx", ("x-cache-status", "x-proxy-cache", "x-nginx-cache"), "nginx"),
)
"""Name, headers of its own, and what Server, Via or X-Cache says; nearest to us first.

An edge passes on what those behind it said, so the public ones go before the others.
"""

_NAMED_BY = ("server", "via", "x-cache")

_SAID_BY = (
    "cdn-cache",
    "x-cache-status",
    "x-proxy-cache",
    "x-nginx-cache",
    "x-cache",
    "x-varnish",
    "cache-status",
    "age",
)


class Cached(NamedTuple):
    """What headers say of an edge."""

    edge: str  # "" when nothing tells of one
    state: str = ""  # HIT, MISS, EXPIRED, BYPASS, DYNAMIC …; "" when it does not say
    said: str = ""  # the header that said so

    @property
    def kept(self) -> bool:
        """Report whether the answer came from the cache."""
        return self.state in KEPT


def read_cache(headers: Mapping[str, str]) -> Cached:
    """Return what headers, by small letters, say."""
    edge = _find_edge(headers)
    for name in _list_sayers(headers):
        if state := _read_state(name, headers.get(name, "")):
            return Cached(edge or "a cache", state, f"{name}: {headers[name]}")
    return Cached(edge)


def _find_edge(headers: Mapping[str, str]) -> str:
    for edge, own, word in _EDGES:
        said = " ".join(headers.get(name, "") for name in _NAMED_BY).lower()
        if word in said or any(name in headers for name in own):
            return edge
        if edge == "Fastly" and headers.get("x-served-by", "").startswith("cache-"):
            return edge
    if "cache-status" in headers:
        return _find_last(headers["cache-status"]).partition(";")[0].strip(' "')
    return headers.get("via", "").rpartition(",")[2].strip()


def _list_sayers(headers: Mapping[str, str]) -> list[str]:
    """Return the headers that may tell, the one of the nearest edge first."""
    if "cf-cache-status" in headers:
        return ["cf-cache-status"]
    if _find_edge(headers) in ("CloudFront", "Fastly"):
        return ["x-cache", "age"]
    if len(headers.get("x-varnish", "").split()) > 1:  # a hit of it or behind it
        return ["x-varnish"]
    return list(_SAID_BY)


def _read_state(name: str, value: str) -> str:
    if name == "x-varnish":  # this request, and the one that filled the cache
        return ("", "MISS", "HIT")[min(len(value.split()), 2)]
    if name == "age":  # caches alone send it, but Varnish sends 0 with a miss as well
        return "HIT" if value.isdigit() and value.strip("0") else ""
    last = _find_last(value)
    if name == "cache-status":
        return _read_cache_status(last)
    found = (state for word, state in _WORDS if re.search(word, last.upper()))
    return next(found, "")


def _find_last(value: str) -> str:
    """Return the last of a list: each cache on the way puts its own behind."""
    members = re.findall(r'(?:"[^"]*"|[^",])+', value)
    return members[-1] if members else ""


def _read_cache_status(member: str) -> str:
    """Return the state of RFC 9211, 2."""
    _, *parameters = (each.strip().lower() for each in member.split(";"))
    if any(each in ("hit", "hit=?1") for each in parameters):
        return "HIT"
    if any(each in ("fwd=bypass", "fwd=method") for each in parameters):
        return "BYPASS"
    if "fwd=stale" in parameters:
        return "REVALIDATED" if "fwd-status=304" in parameters else "EXPIRED"
    return "MISS" if any(each.startswith("fwd") for each in parameters) else ""
