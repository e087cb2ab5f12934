"""Choose the answer to GET or HEAD of a video: headers + Video → Plan. No I/O.

Files that are made of a video are answered for in the same way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol
from urllib.parse import quote

from server.errors import render_error
from server.model import Video, render_date
from server.video.conditions import (
    modified_since,
    range_may_resume,
    tag_matches,
    tag_matches_weakly,
)
from server.video.ranges import fit_ranges, parse_range

PARTS_MAX = 16
"""A request for more parts gets the whole video; no player asks for so many."""

_MIME_TYPES = {"video/mp4", "video/quicktime", "video/webm"}

FOR_GOOD = "public, max-age=31536000, immutable"

ANY_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": (
        "Content-Length, Content-Range, Accept-Ranges, ETag"
    ),
}

PREFLIGHT = {
    "Allow": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Range, If-Range, If-Match, If-None-Match, "
        "If-Modified-Since, If-Unmodified-Since, "
        "CMCD-Request, CMCD-Object, CMCD-Status, CMCD-Session"
    ),
    "Access-Control-Max-Age": "86400",
}


class Validators(Protocol):
    """What conditions are about."""

    @property
    def etag(self) -> str:
        """Return the entity tag."""

    @property
    def modified(self) -> int | None:
        """Return seconds since the epoch, if they are known."""


Spread = Callable[[range], Iterable[bytes | range]]
"""Return what a range of a file consists of: bytes, and spans of the video."""


@dataclass(frozen=True, eq=False, slots=True)
class Representation:
    """What is answered with, apart from its bytes (RFC 9110, 3.2).

    It is compared and hashed by identity, which makes looking up its headers cheap.
    """

    name: str  # in sentences, such as "Video 5"
    size: int  # bytes
    etag: str  # strong
    modified: int | None  # seconds since the epoch; None if there is no date to tell
    content_type: str
    caching: Mapping[str, str]  # headers for caches, which a 304 repeats
    about: Mapping[str, str]  # further headers of an answer with bytes


def render_fields(headers: Mapping[str, str]) -> str:
    """Return field lines (RFC 9112, 5)."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


class Plan(NamedTuple):
    """An answer: what goes out, in order; a range stands for bytes of what is named."""

    status: int
    own: Mapping[str, str]  # headers of this answer
    body: Sequence[bytes | range] = ()
    shared: str = ""  # field lines that other answers have, too
    spread: Spread | None = None  # of a range that is not of the video's own bytes

    def pieces(self) -> Iterable[bytes | range]:
        """Return what goes out as bytes and as spans of the video."""
        return self.body if self.spread is None else self._spread(self.spread)

    def _spread(self, spread: Spread) -> Iterator[bytes | range]:
        for piece in self.body:
            if isinstance(piece, bytes):
                yield piece
            elif piece:
                yield from spread(piece)

    @property
    def body_bytes(self) -> int:
        """Return the length of the body."""
        return sum(map(len, self.body))


def plan_video(
    method: str, asked: Mapping[str, str], video: Video | None, boundary: str
) -> Plan:
    """Choose the answer to a GET or HEAD with these headers.

    boundary divides the parts of a multipart answer and must not occur in a video.
    """
    if video is not None:
        return plan_representation(method, asked, _represent(video), boundary)
    plan = plan_error(404, "Video not found")
    return plan if method == "GET" else plan._replace(body=())


def plan_representation(
    method: str, asked: Mapping[str, str], known: Representation, boundary: str
) -> Plan:
    """Choose the answer to a GET or HEAD, as plan_video does.

    The ranges of its body are then of what is represented.
    """
    plan = _choose(method, asked, known, boundary)
    return plan if method == "GET" else plan._replace(body=())


@lru_cache(maxsize=4096)
def _represent(video: Video) -> Representation:
    # A foreign table may hold any type here, and some run as code.
    is_known = video.mime_type in _MIME_TYPES
    return Representation(
        f"Video {video.id}",
        video.size,
        video.etag,
        video.modified,
        video.mime_type if is_known else "application/octet-stream",
        {"Cache-Control": FOR_GOOD, "Cache-Tag": f"video-{video.id}"},
        {"Content-Disposition": render_disposition(video.filename)},
    )


def _choose(
    method: str, asked: Mapping[str, str], known: Representation, boundary: str
) -> Plan:
    """Take the steps in the order of RFC 9110, 13.2.2."""
    if not precondition_holds(asked, known):
        return plan_error(412, f"{known.name} is not in the state you name.")
    if copy_is_fresh(asked, known):
        return Plan(304, {}, (), _shared_fields(known, render_date(known.modified)))
    spans = _pick_spans(asked, known) if method == "GET" else None
    if spans is None or len(spans) > PARTS_MAX:
        return _plan_body(200, {}, known, [range(known.size)])
    if not spans:
        sentence = f"{known.name} has {known.size} bytes, none in the range asked."
        return plan_error(416, sentence, {"Content-Range": f"bytes */{known.size}"})
    if len(spans) == 1:
        part = {"Content-Range": _content_range(spans[0], known.size)}
        return _plan_body(206, part, known, spans)
    kind = f"multipart/byteranges; boundary={boundary}"
    return _plan_body(206, {}, known, _multipart(spans, known, boundary), kind)


def precondition_holds(asked: Mapping[str, str], known: Validators) -> bool:
    """Report whether the client may have what it asks for (RFC 9110, 13.2.2)."""
    if "If-Match" in asked:
        return tag_matches(asked["If-Match"], known.etag)
    if "If-Unmodified-Since" in asked:
        return not modified_since(asked["If-Unmodified-Since"], known.modified)
    return True


def copy_is_fresh(asked: Mapping[str, str], known: Validators) -> bool:
    """Report whether the client has it already."""
    if "If-None-Match" in asked:
        return tag_matches_weakly(asked["If-None-Match"], known.etag)
    if "If-Modified-Since" in asked:
        return modified_since(asked["If-Modified-Since"], known.modified) is False
    return False


def _pick_spans(asked: Mapping[str, str], known: Representation) -> list[range] | None:
    """Return the spans to send; None for all, empty when there are none."""
    if "Range" not in asked or known.size == 0:  # no range of nothing can be written
        return None
    resume = asked.get("If-Range")
    if resume is not None and not range_may_resume(resume, known.etag, known.modified):
        return None
    specs = parse_range(asked["Range"])
    return None if specs is None else fit_ranges(specs, known.size)


def _plan_body(
    status: int,
    own: dict[str, str],
    known: Representation,
    body: Sequence[bytes | range],
    kind: str = "",
) -> Plan:
    own["Content-Length"] = str(sum(map(len, body)))
    date = render_date(known.modified)
    fields = _all_fields(known, kind or known.content_type, date)
    return Plan(status, own, body, fields)


def plan_error(
    status: int, sentence: str, more: Mapping[str, str] = {}, code: str = ""
) -> Plan:
    """Return an error that pages of any origin may read."""
    headers, body = render_error(sentence, {**ANY_ORIGIN, **more}, code)
    return Plan(status, {**headers, "Content-Length": str(len(body))}, [body])


@lru_cache(maxsize=4096)
def _all_fields(known: Representation, kind: str, date: str) -> str:
    own = {
        "Content-Type": kind,
        **known.about,
        "X-Content-Type-Options": "nosniff",
    }
    return _shared_fields(known, date) + render_fields(own)


def _shared_fields(known: Representation, date: str) -> str:
    """Return what a 304 must say again (RFC 9110, 15.4.5) and every answer says."""
    return render_fields(
        {
            "Accept-Ranges": "bytes",
            "ETag": known.etag,
            **render_modified(date),
            **known.caching,
            **ANY_ORIGIN,
        }
    )


def render_modified(date: str) -> dict[str, str]:
    """Return Last-Modified, left out where there is no date to tell."""
    return {"Last-Modified": date} if date else {}


def render_disposition(filename: str) -> str:
    """Return Content-Disposition for a file name of any characters (RFC 6266).

    What is not plain ASCII, or is read differently by browsers (appendix D), turns
    into _ in filename= and is kept whole in filename*= (RFC 8187).
    """
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%' else "_" for c in filename)
    if plain == filename:
        return f'inline; filename="{plain}"'
    whole = quote(filename, safe="", errors="replace")
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{whole}"


def _content_range(span: range, size: int) -> str:
    return f"bytes {span.start}-{span.stop - 1}/{size}"


def _multipart(
    spans: Sequence[range], known: Representation, boundary: str
) -> list[bytes | range]:
    """Return the parts with their headers between them (RFC 9110, 14.6)."""
    body: list[bytes | range] = []
    for span in spans:
        body.append(
            f"\r\n--{boundary}\r\n"
            f"Content-Type: {known.content_type}\r\n"
            f"Content-Range: {_content_range(span, known.size)}\r\n\r\n".encode()
        )
        body.append(span)
    body.append(f"\r\n--{boundary}--\r\n".encode())
    return body
