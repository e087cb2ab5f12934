"""What can be wrong at an edge, how bad that is, and what to do about it. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from server.library.clips.check import FAULT, NOTE, WARNING


class Kind(NamedTuple):
    """A kind of finding."""

    severity: str
    remedy: str


class EdgeFinding(NamedTuple):
    """Something about an edge; the questions are those whose answers show it."""

    code: str
    severity: str
    sentence: str
    remedy: str
    questions: tuple[str, ...]


_PASS_ON = "have the edge pass on what the origin sends"
_TEMPLATE = "with nginx take what bytereel nginx-config prints"

KINDS = {
    # Nothing else can be asked then.
    "redirect": Kind(FAULT, "give players the URL at its end, and check that one"),
    "not-found": Kind(FAULT, "check the id, the path and which origin the edge asks"),
    "no-video": Kind(FAULT, "give the URL of a clip, such as …/v3/videos/1.mp4"),
    "challenge": Kind(
        FAULT, "leave videos out of bot protection: players cannot solve a challenge"
    ),
    "forbidden": Kind(FAULT, "let everybody GET videos, whatever the address or agent"),
    "rate-limited": Kind(FAULT, "raise the limit: a player asks often while it seeks"),
    "unavailable": Kind(FAULT, "see that the origin answers, and the edge reaches it"),
    "wrong-status": Kind(FAULT, _PASS_ON),
    "no-answer": Kind(FAULT, "see that edge and origin are up, and their time limits"),
    # What players ask for, and get.
    "range-ignored": Kind(
        FAULT,
        f"{_TEMPLATE} (slice); elsewhere let Range and the origin's "
        "Accept-Ranges and Content-Length pass, and change nothing about videos",
    ),
    "suffix-ignored": Kind(FAULT, "let Range: bytes=-N pass, or answer it from cache"),
    "wrong-content-range": Kind(
        FAULT,
        f"do not keep a 206 under a key without its range: {_TEMPLATE}, or keep whole "
        "videos and cut ranges from them",
    ),
    "no-total": Kind(
        FAULT, "keep Content-Length on the way from the origin: AVPlayer needs the size"
    ),
    "wrong-total": Kind(FAULT, "purge the URL, then have nothing rewrite the header"),
    "wrong-length": Kind(FAULT, "send the length of the part, not that of the video"),
    "short-body": Kind(FAULT, "purge the URL; raise the time and size limits on it"),
    "wrong-bytes": Kind(FAULT, "purge the URL, then see what changes bodies there"),
    "other-bytes": Kind(
        FAULT, "purge the URL: bytes never change under an id, so an edge changed them"
    ),
    "past-the-end": Kind(
        FAULT, "let the origin's 416 pass: players take it as the end"
    ),
    "bare-416": Kind(NOTE, "send Content-Range: bytes */SIZE with it if you can"),
    "chunked": Kind(
        FAULT, "send Content-Length: switch off what changes or compresses videos"
    ),
    "no-length": Kind(FAULT, "send Content-Length, and HTTP/1.1 between the servers"),
    "compressed": Kind(
        FAULT, "leave video/* out of compression: it has no ranges then"
    ),
    "content-type": Kind(FAULT, "pass the origin's Content-Type on: video/mp4"),
    # What they need to go on from there.
    "no-accept-ranges": Kind(WARNING, "pass Accept-Ranges: bytes on; some look for it"),
    "no-etag": Kind(WARNING, "pass the origin's ETag on, in its double quotes"),
    "weak-etag": Kind(
        WARNING,
        "switch off what changes bodies there (gzip, minifying); at Cloudflare add a "
        "cache rule with Respect Strong ETags. Safari may refuse ranges without it",
    ),
    "changing-etag": Kind(FAULT, "let all edges and origins send the same ETag"),
    "condition-ignored": Kind(
        WARNING, "pass If-None-Match on, or answer it from cache: a 304 spares a body"
    ),
    "head-differs": Kind(WARNING, "answer HEAD as GET, without the body"),
    # What caches need.
    "not-cached": Kind(
        FAULT,
        f"{_TEMPLATE}, at Cloudflare add a cache rule (Eligible for cache), elsewhere "
        "have the edge keep what Cache-Control allows",
    ),
    "uncacheable": Kind(FAULT, f"{_PASS_ON}: public, max-age=31536000, immutable"),
    "short-max-age": Kind(WARNING, f"{_PASS_ON}: bytes never change under an id"),
    "no-cache-control": Kind(WARNING, f"{_PASS_ON}: a year, without it it is a guess"),
    "set-cookie": Kind(FAULT, "set no cookies on videos: caches refuse such answers"),
    "vary-star": Kind(FAULT, "take Vary: * away: it forbids every cache to answer"),
    "vary": Kind(WARNING, "take it away: a video is the same for everybody"),
    "error-cached": Kind(
        FAULT, "keep 200 and 206 alone: what is missing now may be there in a minute"
    ),
    # What players of HLS need besides.
    "no-playlist": Kind(
        FAULT, "give the URL of a playlist, such as …/v3/videos/1/master.m3u8"
    ),
    "no-cors": Kind(
        WARNING, f"{_PASS_ON}: pages of other origins read playlists by a script"
    ),
    "wrong-coding": Kind(
        FAULT, "send gzip to those alone who accept it: heed Vary: Accept-Encoding"
    ),
    "not-compressed": Kind(
        WARNING, "let Accept-Encoding pass: compressed, a playlist is a seventh"
    ),
    "other-playlist": Kind(
        FAULT, "purge the URL; a master that has just changed is the same in a minute"
    ),
    "kept-too-long": Kind(
        WARNING, f"{_PASS_ON}: a master changes with levels and captions"
    ),
    # What to know.
    "http": Kind(
        FAULT, "serve https: apps on iOS refuse http (App Transport Security)"
    ),
    "http-local": Kind(
        NOTE, "fine here; in public use https, which apps on iOS demand"
    ),
    "no-edge": Kind(NOTE, "fine for an origin; an edge says HIT or MISS in a header"),
    "cache-unknown": Kind(
        NOTE, "have it say so; nginx: add_header X-Cache-Status $upstream_cache_status"
    ),
    "full-cut": Kind(NOTE, "raise --full-mb to compare all"),
}


def build_finding(
    code: str, sentence: str, *questions: str, remedy: str = ""
) -> EdgeFinding:
    """Return a finding of a kind; remedy only where its own knows more."""
    kind = KINDS[code]
    return EdgeFinding(code, kind.severity, sentence, remedy or kind.remedy, questions)


def merge_findings(found: list[EdgeFinding]) -> list[EdgeFinding]:
    """Return one finding a code with all its questions, the worst first."""
    merged: dict[str, EdgeFinding] = {}
    for each in found:
        first = merged.setdefault(each.code, each)
        names = dict.fromkeys((*first.questions, *each.questions))
        merged[each.code] = first._replace(questions=tuple(names))
    order = (FAULT, WARNING, NOTE)
    return sorted(merged.values(), key=lambda each: order.index(each.severity))
