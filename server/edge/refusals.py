"""Find out why the first answer is not a video. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.edge.caches import read_cache
from server.edge.faults import build_finding

if TYPE_CHECKING:
    from server.edge.answers import EdgeAnswer
    from server.edge.faults import EdgeFinding

_MEDIA = ("video/", "audio/", "application/octet-stream", "application/mp4", "binary/")
_STATUSES = {
    401: "forbidden",
    403: "forbidden",
    404: "not-found",
    410: "not-found",
    407: "forbidden",
    429: "rate-limited",
    451: "forbidden",
}
# cf:support/troubleshooting/http-status-codes/cloudflare-5xx-errors
_CLOUDFLARE = {
    520: "the origin sent something odd",
    521: "the origin refused the connection",
    522: "the origin did not accept a connection in time",
    523: "there is no way to the origin",
    524: "the origin did not answer in time",
    525: "TLS with the origin failed",
    526: "the origin's certificate is not valid",
    530: "the origin's name is not known, or its tunnel is down",
}


def find_refusal(answer: EdgeAnswer) -> EdgeFinding | None:
    """Return why there is nothing more to ask, if so."""
    name, status = answer.question.name, answer.status
    if not status:
        return build_finding("no-answer", f"no answer came: {answer.error}", name)
    if _is_challenge(answer):
        sentence = f"Cloudflare answered {status} with a challenge for a browser"
        return build_finding("challenge", sentence, name)
    if status in (301, 302, 303, 307, 308):
        target = answer.headers.get("location", "nowhere")
        return build_finding("redirect", f"it is a {status} to {target}", name)
    if status in _STATUSES:
        kept = read_cache(answer.headers).kept
        cached = ", and that out of the cache" if kept else ""
        return build_finding(_STATUSES[status], f"it is a {status}{cached}", name)
    if status >= 500:
        why = _CLOUDFLARE.get(status, "")
        sentence = f"it is a {status}" + (f": {why}" if why else "")
        return build_finding("unavailable", sentence, name)
    if status not in (200, 206):
        size = ", for the video is empty" if answer.total == 0 else ""
        return build_finding("wrong-status", f"it is a {status}{size}", name)
    return _find_page(answer)


def _is_challenge(answer: EdgeAnswer) -> bool:
    """Report whether Cloudflare wants proof of a browser.

    cf:cloudflare-challenges/challenge-types/challenge-pages/detect-response
    """
    if answer.headers.get("cf-mitigated") == "challenge":
        return True
    marks = (b"Just a moment...", b"/cdn-cgi/challenge-platform/", b"cf-chl-")
    cloudflare = read_cache(answer.headers).edge == "Cloudflare"
    page = any(mark in answer.body for mark in marks)
    return cloudflare and page and answer.status in (403, 429, 503)


def _find_page(answer: EdgeAnswer) -> EdgeFinding | None:
    if answer.status == 200 and answer.length == 0:
        return build_finding("no-video", "it is empty", answer.question.name)
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    # The first two bytes of an MP4 are those of a box's size, which is small.
    if not kind or kind.startswith(_MEDIA) or answer.body.startswith(b"\0\0"):
        return None
    return build_finding("no-video", f"it is {kind}, not a video", answer.question.name)


def is_video(answer: EdgeAnswer) -> bool:
    """Report whether Content-Type says so; AVPlayer goes by it."""
    return answer.headers.get("content-type", "").lower().startswith("video/")
