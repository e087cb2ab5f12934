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


class Thumbnail(NamedTuple):
    """The picture of a video, as it is answered with: the row of find_thumbnail."""

    video_id: int
    mime_type: str
    made: int  # microseconds since the epoch
    image: bytes

    @property
    def etag(self) -> str:
        """Return the entity tag, another one if the picture was made again."""
        return f'"thumbnail-{self.video_id}-{self.made}"'

    @property
    def modified(self) -> int:
        """Return when it was made, in seconds since the epoch."""
        return self.made // 1_000_000

    @property
    def date(self) -> str:
        """Return modified as an IMF-fixdate (RFC 9110, 5.6.7)."""
        return formatdate(self.modified, usegmt=True)
