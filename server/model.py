"""The nouns. No I/O."""

from email.utils import formatdate
from typing import NamedTuple


class Video(NamedTuple):
    """What is known of a video without its bytes."""

    id: int
    filename: str
    mime_type: str
    size: int  # bytes
    modified: int  # seconds since the epoch

    @property
    def etag(self) -> str:
        """Return the entity tag, a strong one: bytes never change under an id."""
        return f'"video-{self.id}"'

    @property
    def date(self) -> str:
        """Return modified as an IMF-fixdate (RFC 9110, 5.6.7)."""
        return formatdate(self.modified, usegmt=True)
