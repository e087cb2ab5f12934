"""The nouns. No I/O."""

from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple


def render_date(modified: int | None) -> str:
    """Return Last-Modified for seconds since the epoch; nothing for None.

    A time to come is now, since it must not be later than Date (RFC 9110, 8.8.2.1).
    """
    if modified is None:
        return ""
    now = _find_time()
    return _format_date(modified) if modified <= now else formatdate(now, usegmt=True)


def _find_time() -> float:
    return datetime.now(UTC).timestamp()


@lru_cache(maxsize=4096)
def _format_date(modified: int) -> str:
    return formatdate(modified, usegmt=True)  # an IMF-fixdate (5.6.7)


class Video(NamedTuple):
    """What is known of a video without its bytes."""

    id: int
    filename: str
    mime_type: str
    size: int  # bytes
    modified: int | None  # seconds since the epoch; None if there is no date to tell

    @property
    def etag(self) -> str:
        """Return the entity tag, a strong one: bytes never change under an id."""
        return f'"video-{self.id}"'


class Thumbnail(NamedTuple):
    """The picture of a video, as it is answered with: the row of find_thumbnail."""

    video_id: int
    mime_type: str
    made: int | None  # microseconds since the epoch; None if nobody knows
    image: bytes

    @property
    def etag(self) -> str:
        """Return the entity tag, another one if the picture was made again."""
        return f'"thumbnail-{self.video_id}-{self.made or 0}"'

    @property
    def modified(self) -> int | None:
        """Return when it was made, in seconds since the epoch."""
        return None if self.made is None else self.made // 1_000_000

    @property
    def date(self) -> str:
        """Return Last-Modified, or nothing."""
        return render_date(self.modified)


class Preview(NamedTuple):
    """Another picture of a video, or its cues, as answered with: a row of find_preview.

    It need not be kept anywhere, so its tag tells the bytes and not when it was made.
    """

    video_id: int
    mime_type: str
    made: int | None  # microseconds since the epoch; None if it is not kept
    image: bytes

    @property
    def etag(self) -> str:
        """Return the entity tag, the same for the same bytes."""
        return f'"preview-{self.video_id}-{sha256(self.image).hexdigest()[:16]}"'

    @property
    def modified(self) -> int | None:
        """Return when it was made, in seconds since the epoch."""
        return None if self.made is None else self.made // 1_000_000

    @property
    def date(self) -> str:
        """Return Last-Modified, or nothing."""
        return render_date(self.modified)
