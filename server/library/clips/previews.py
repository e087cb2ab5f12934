"""Pictures of a video's moments, its storyboard and its animation: made and kept."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import psycopg2

from server.library.clips.storyboard import LEAST_SECONDS, Storyboard, render_cues
from server.library.ffmpeg.sandbox import OverrunError
from server.postgres.locks import limit_lock_waits
from server.postgres.queries import queries

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from server.library.clips.repair import Media
    from server.library.ffmpeg.sandbox import Sandbox

Kind = Literal["frame", "animation", "storyboard"]
FRAME: Final = "frame"
ANIMATION: Final = "animation"
STORYBOARD: Final = "storyboard"

PREVIEW_SECONDS = 15
FRAME_MAX = 60_000  # bytes
ANIMATION_MAX = 150_000
STORYBOARD_MAX = 500_000
FRAMES_KEPT = 64  # of a video, and
FRAME_BYTES_KEPT = 2_000_000
_SIDE_MAX = 16_383  # pixels of a WebP; JPEG has more
_BROKEN = "FFmpeg finds no picture in video {id}: see bytereel check."
_SHORT = (
    "Video {id} is {seconds:.0f} s long: there is a storyboard only of clips above "
    f"{LEAST_SECONDS:.0f} s."
)
# Of an image's first bytes, by its type.
_MAGIC = {"image/jpeg": (b"\xff\xd8\xff", 0), "image/webp": (b"WEBP", 8)}


class NoPreview(Exception):
    """The video has none of this kind; the message is a sentence that says why."""


class PreviewKey(NamedTuple):
    """Which one of which video."""

    video_id: int
    kind: Kind
    at_ms: int = 0  # of a frame


class MadePreview(NamedTuple):
    """A picture as it is kept."""

    mime_type: str
    width: int  # pixels
    height: int
    image: bytes
    cues: str | None = None  # WebVTT, of a storyboard


def make_preview(media: Media, sandbox: Sandbox, key: PreviewKey) -> MadePreview:
    """Return a picture of a clip.

    NoPreview if there is none, SandboxFault if that has nothing to do with the clip.
    """
    job, values = _describe_job(key)
    try:
        answer = sandbox.run(job, *media, PREVIEW_SECONDS, **values)
    except (OverrunError, ValueError):  # the latter if its answer is no JSON
        answer = None
    if key.kind == STORYBOARD:
        return _read_storyboard(answer, key.video_id)
    mime_type, most = "image/jpeg", FRAME_MAX
    if key.kind == ANIMATION:
        mime_type, most = "image/webp", ANIMATION_MAX
    match answer:
        case [int(width), int(height), str(text)] if _fits(width, height):
            if image := _decode(text, mime_type, most):
                return MadePreview(mime_type, width, height, image)
    raise NoPreview(_BROKEN.format(id=key.video_id))


def _describe_job(key: PreviewKey) -> tuple[str, dict[str, Any]]:
    if key.kind == FRAME:
        return "picture_at", {"moment": key.at_ms / 1000, "most": FRAME_MAX}
    if key.kind == ANIMATION:
        return "animation", {"most": ANIMATION_MAX}
    return "storyboard", {"least": LEAST_SECONDS, "most": STORYBOARD_MAX}


def _read_storyboard(answer: object, video_id: int) -> MadePreview:
    match answer:
        case int(seconds) | float(seconds):
            raise NoPreview(explain_short(video_id, seconds))
        case [
            int(seconds) | float(seconds),
            int(width),
            int(height),
            int(count),
            int(step) | float(step),
            str(text),
        ] if 0 < count <= 1000 and step > 0 and 0 < seconds <= step * count + 1:
            board = Storyboard(seconds, width, height, count, step)
            image = _decode(text, "image/jpeg", STORYBOARD_MAX)
            if _fits(width, height) and _fits(*board.size) and image:
                version = hashlib.sha256(image).hexdigest()[:8]
                cues = render_cues(board, f"storyboard.jpg?v={version}")
                return MadePreview("image/jpeg", *board.size, image, cues)
    raise NoPreview(_BROKEN.format(id=video_id))


def explain_short(video_id: int, seconds: float) -> str:
    """Return why a clip has no storyboard."""
    return _SHORT.format(id=video_id, seconds=seconds)


def _fits(width: int, height: int) -> bool:
    return 0 < width <= _SIDE_MAX and 0 < height <= _SIDE_MAX


def _decode(text: str, mime_type: str, most: int) -> bytes | None:
    """Return an image that came from the sandbox, of which anything might come."""
    try:
        image = b64decode(text, validate=True)
    except ValueError:
        return None
    magic, place = _MAGIC[mime_type]
    return image if image[place:].startswith(magic) and len(image) <= most else None


def save_preview(
    cursor: Cursor, key: PreviewKey, made: MadePreview, *, again: bool = False
) -> None:
    """Keep a picture; one that is there stays, unless this is made again.

    Of the pictures of moments, the oldest give way.
    """
    values = {"again": again, **key._asdict(), **made._asdict()}
    cursor.execute(queries()["save_preview"], values)
    if key.kind == FRAME:
        bounds = {"frames": FRAMES_KEPT, "bytes": FRAME_BYTES_KEPT}
        cursor.execute(
            queries()["drop_oldest_frames"], {"video_id": key.video_id, **bounds}
        )


def keep_if_possible(
    connection: Connection, key: PreviewKey, made: MadePreview
) -> bool:
    """Keep a picture and report whether that worked.

    A standby, a database of others or a role with few rights need not take it, and the
    video may be gone.
    """
    try:
        connection.autocommit = False
        with connection, connection.cursor() as cursor:
            limit_lock_waits(cursor)
            save_preview(cursor, key, made)
    except psycopg2.Error:
        return False
    return True
