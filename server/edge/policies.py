"""Judge what headers tell players and caches, and what the cache did. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.edge.caches import read_cache
from server.edge.faults import build_finding
from server.edge.refusals import is_video

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from server.edge.answers import EdgeAnswer
    from server.edge.faults import EdgeFinding

DAY_SECONDS = 86_400
_CLOUDFLARE_MAX_BYTES = 512 * 2**20
_STRONG = re.compile(r'"[\x21\x23-\x7e\x80-\U0010ffff]*"')  # RFC 9110, 8.8.3
_WEAK = re.compile(rf"W/{_STRONG.pattern}")
_HARMLESS_VARY = {"accept-encoding", "origin"}
_FORBIDDING = ("no-store", "private", "no-cache")


def judge_headers(answers: Sequence[EdgeAnswer]) -> Iterator[EdgeFinding]:
    """Judge every answer that brought the video or a part."""
    tags: dict[str, str] = {}
    for answer in answers:
        if answer.encoded:
            kind = answer.headers["content-encoding"]
            sentence = f"Content-Encoding is {kind}"
            yield build_finding("compressed", sentence, answer.question.name)
            continue
        yield from judge_identity(answer)
        yield from judge_policy(answer)
        tags[answer.question.name] = answer.headers.get("etag", "").removeprefix("W/")
    if len(set(tags.values())) > 1:
        told = ", ".join(dict.fromkeys(tag or "none" for tag in tags.values()))
        yield build_finding("changing-etag", f"the ETag changes: {told}", *tags)


def judge_identity(answer: EdgeAnswer) -> Iterator[EdgeFinding]:
    """Judge what a player goes by: the kind of thing, and which one."""
    name, said = answer.question.name, answer.headers
    if not is_video(answer):
        sentence = f"Content-Type is {said.get('content-type', 'absent')}"
        yield build_finding("content-type", sentence, name)
    tag = said.get("etag", "")
    if _WEAK.fullmatch(tag):
        yield build_finding("weak-etag", f"the ETag is weak: {tag}", name)
    elif not _STRONG.fullmatch(tag):
        sentence = f"the ETag is not in quotes: {tag}" if tag else "there is no ETag"
        yield build_finding("no-etag", sentence, name)
    # An edge may leave it out of a 206, which says as much.
    if said.get("accept-ranges", "").lower() != "bytes" and answer.status == 200:
        sentence = f"Accept-Ranges is {said.get('accept-ranges', 'absent')}"
        yield build_finding("no-accept-ranges", sentence, name)


def judge_policy(answer: EdgeAnswer) -> Iterator[EdgeFinding]:
    """Judge what caches on the way are told."""
    name, said = answer.question.name, answer.headers
    vary = {each.strip().lower() for each in said.get("vary", "").split(",")} - {""}
    if "*" in vary:
        yield build_finding("vary-star", "it says Vary: *", name)
    elif vary - _HARMLESS_VARY:
        yield build_finding("vary", f"it says Vary: {said['vary']}", name)
    if cookies := find_cookies(answer):
        yield build_finding("set-cookie", f"it sets {', '.join(cookies)}", name)
    control = said.get("cache-control", "")
    seconds = find_max_age(control)
    if forbids(control):
        yield build_finding("uncacheable", f"Cache-Control is {control}", name)
    elif seconds is not None and seconds < DAY_SECONDS:
        yield build_finding("short-max-age", f"Cache-Control is {control}", name)
    elif seconds is None and "expires" not in said:
        sentence = f"Cache-Control is {control or 'absent'}"
        yield build_finding("no-cache-control", sentence, name)


def find_cookies(answer: EdgeAnswer) -> list[str]:
    """Return the names of cookies, without Cloudflare's own, which it adds to hits."""
    lines = answer.headers.get("set-cookie", "").splitlines()
    names = [line.partition("=")[0].strip() for line in lines]
    return [name for name in names if not name.startswith(("__cf", "_cf", "cf_"))]


def parse_control(text: str) -> dict[str, str]:
    """Return the directives of Cache-Control (RFC 9111, 5.2)."""
    pairs = (each.strip().lower().partition("=") for each in text.split(","))
    return {name: value.strip('"') for name, _, value in pairs if name}


def find_max_age(control: str) -> int | None:
    """Return for how many seconds the most impatient of caches may keep it."""
    said = parse_control(control)
    found = [said.get(name, "") for name in ("max-age", "s-maxage")]
    return min((int(age[:18]) for age in found if age.isdecimal()), default=None)


def forbids(control: str) -> bool:
    """Report whether no shared cache may answer with it."""
    said = parse_control(control)
    return any(name in said for name in _FORBIDDING) or find_max_age(control) == 0


def judge_cache(
    answer: EdgeAnswer, path: str, size: int | None
) -> Iterator[EdgeFinding]:
    """Judge where the answer to a repeated request came from."""
    name, cached = answer.question.name, read_cache(answer.headers)
    if not answer.status or cached.kept:
        return
    if cached.state:
        why, remedy = explain_miss(answer, path, size)
        sentence = f"asked again, {cached.edge} says {cached.said}: {why}"
        yield build_finding("not-cached", sentence, name, remedy=remedy)
    elif cached.edge:
        sentence = f"{cached.edge} does not say whether it caches"
        yield build_finding("cache-unknown", sentence, name)
    else:
        yield build_finding("no-edge", "no header tells of an edge or cache", name)


def explain_miss(answer: EdgeAnswer, path: str, size: int | None) -> tuple[str, str]:
    """Return why an edge does not keep a video, and what to do; "" for the usual."""
    said, cached = answer.headers, read_cache(answer.headers)
    control = said.get("cache-control", "")
    at_cloudflare = cached.edge == "Cloudflare"
    if find_cookies(answer):
        return "it sets a cookie", "set no cookies on videos"
    if forbids(control):
        return f"Cache-Control is {control}", "have the origin's Cache-Control pass"
    if "*" in said.get("vary", ""):
        return "it says Vary: *", "take that away"
    if at_cloudflare and size is not None and size > _CLOUDFLARE_MAX_BYTES:
        return "it is larger than 512 MB", "make it smaller, or see Enterprise's limit"
    if cached.state == "DYNAMIC":
        return _explain_dynamic(path)
    if answer.chunked or answer.length is None:
        return "it has no Content-Length", "send it, so that the edge knows the size"
    if cached.state == "BYPASS":
        return "a rule there has it pass", "take videos out of the rule that bypasses"
    if cached.state == "EXPIRED":
        return "it was kept, and at once too old", "see the edge's own time to live"
    return "it was fetched anew each time", ""


def _explain_dynamic(path: str) -> tuple[str, str]:
    if path.lower().endswith(".mp4"):
        return (
            "a rule there keeps it from being eligible",
            "add a cache rule that makes the path Eligible for cache",
        )
    remedy = "add a cache rule that makes the path Eligible for cache"
    if not path.lower().endswith(".m3u8"):
        remedy = "use the URL with .mp4, or add a cache rule: Eligible for cache"
    return "the path has no extension that Cloudflare caches", remedy


def judge_kept_error(answer: EdgeAnswer) -> Iterator[EdgeFinding]:
    """Judge where an error, asked for before, came from.

    A 416 may be made from a kept video, and has its headers; the origin's says no more
    than no-store.
    """
    cached, said = read_cache(answer.headers), answer.headers
    own = parse_control(said.get("cache-control", "")).keys() == {"no-store"}
    made_there = answer.status == 416 and ("etag" in said or not own)
    if answer.status >= 400 and cached.kept and not made_there:
        sentence = f"a {answer.status} came out of the cache ({cached.said})"
        yield build_finding("error-cached", sentence, answer.question.name)
