"""The files made of one video, as HTTP sees them: virtual file, playlists. No I/O."""

from __future__ import annotations

import gzip
import re
from array import array
from hashlib import sha256
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

from server.hls.coding import accepts_gzip
from server.hls.layout import Unfit, plan_layout
from server.hls.playlists import describe_variant, render_iframes, render_media
from server.video.handler import CODING
from server.video.plan import (
    FOR_GOOD,
    Representation,
    plan_error,
    plan_representation,
    render_disposition,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from server.hls.layout import Layout
    from server.hls.pieces import PieceCache
    from server.hls.playlists import Variant
    from server.model import Video
    from server.video.plan import Plan

# The 1 is the generator's version. Caches keep these files for good, so whatever
# changes a byte of them must change it.
MEDIA_FILE = "hls1.mp4"
MEDIA = "hls1.m3u8"
IFRAMES = "hls1-iframes.m3u8"
MASTER = "master.m3u8"

MASTER_SECONDS = 60  # that the master is kept: it lists the levels there are
GZIP_BYTES = 500  # of a playlist that is worth compressing
GZIP = {"Content-Encoding": "gzip"}
PLAYLIST_WEIGHT = 1_000  # bytes of memory, besides its text
_BORDER = re.compile(rb"^#EXT(?:INF:|-X-ENDLIST$)", re.MULTILINE)


class Text(NamedTuple):
    """A playlist in one coding."""

    known: Representation
    body: bytes

    def spread(self, span: range) -> tuple[bytes]:
        """Return the bytes of a range."""
        return (self.body[span.start : span.stop],)


class Playlist(NamedTuple):
    """A playlist as it is, and compressed unless it is short."""

    plain: Text
    packed: Text | None
    borders: array[int]  # where segments begin in it, and where the last ends

    @property
    def weight(self) -> int:
        """Return the bytes of memory it takes."""
        packed = len(self.packed.body) if self.packed else 0
        borders = len(self.borders) * self.borders.itemsize
        return len(self.plain.body) + packed + borders + PLAYLIST_WEIGHT


class Files(NamedTuple):
    """All that is made of a video, but for the heads between its samples."""

    video: Video
    layout: Layout
    known: Representation  # of the virtual file
    media: Playlist
    iframes: Playlist | None  # None without pictures
    variant: Variant
    pieces: PieceCache

    @property
    def weight(self) -> int:
        """Return the bytes of memory they take."""
        playlists = [each for each in (self.media, self.iframes) if each]
        return self.layout.weight + sum(each.weight for each in playlists)

    def find(self, name: str) -> Playlist | None:
        """Return MEDIA or IFRAMES; None if there is none."""
        return self.media if name == MEDIA else self.iframes

    def spread(self, span: range) -> Iterable[bytes | range]:
        """Return what a range of the virtual file consists of."""
        return self.pieces.find(identify(self.video), self.layout, span)


def identify(video: Video) -> tuple[int, int, int | None]:
    """Return what tells a video from others, and from what its id once stood for."""
    return video.id, video.size, video.modified


def build_files(video: Video, moov: bytes, pieces: PieceCache) -> Files:
    """Return the files of a video with this index; raise Unfit if there can be none.

    pieces keeps what the ranges of all videos consist of. It may take half a second:
    call it outside of an event loop.
    """
    layout = plan_layout(moov, video.size)
    iframes = IFRAMES if layout.has_pictures else ""
    return Files(
        video,
        layout,
        _represent(video, layout.size),
        build_playlist(video, render_media(layout, MEDIA_FILE)),
        build_playlist(video, render_iframes(layout, MEDIA_FILE)) if iframes else None,
        describe_variant(layout, MEDIA, iframes),
        pieces,
    )


def _represent(video: Video, size: int) -> Representation:
    filename = PurePath(video.filename).stem + ".mp4"  # whatever the row is called
    return Representation(
        f"The HLS file of video {video.id}",
        size,
        f'"video-{video.id}-hls1"',
        video.modified,
        "video/mp4",
        {"Cache-Control": FOR_GOOD, **_tag(video)},
        {"Content-Disposition": render_disposition(filename)},
    )


def _tag(video: Video) -> dict[str, str]:
    return {"Cache-Tag": f"video-{video.id}"}  # who purges the video means this too


def build_playlist(video: Video, text: str, seconds: int | None = None) -> Playlist:
    """Return a playlist; one that may change is kept so many seconds.

    Its entity tags follow from its text.
    """
    body = text.encode()
    digest = sha256(body).hexdigest()[:16]
    control = FOR_GOOD if seconds is None else f"public, max-age={seconds}"

    def represent(body: bytes, suffix: str, about: Mapping[str, str]) -> Text:
        known = Representation(
            f"This playlist of video {video.id}",
            len(body),
            f'"video-{video.id}-{digest}{suffix}"',
            video.modified if seconds is None else None,
            "application/vnd.apple.mpegurl",
            {"Cache-Control": control, "Vary": CODING, **_tag(video)},
            about,
        )
        return Text(known, body)

    plain = represent(body, "", {})
    borders = array("I", (each.start() for each in _BORDER.finditer(body)))
    if len(body) < GZIP_BYTES:
        return Playlist(plain, None, borders)
    packed = gzip.compress(body, mtime=0)
    return Playlist(plain, represent(packed, "-gzip", GZIP), borders)


def plan_file(
    method: str, asked: Mapping[str, str], files: Files, name: str, boundary: str
) -> Plan:
    """Choose the answer to a GET or HEAD of MEDIA_FILE, MEDIA or IFRAMES.

    asked are the headers that choose it, among them Accept-Encoding for playlists.
    """
    if name == MEDIA_FILE:
        plan = plan_representation(method, asked, files.known, boundary)
        return plan._replace(spread=files.spread)
    playlist = files.find(name)
    if playlist is None:
        sentence = f"Video {files.video.id} has no pictures, hence no I-frames."
        plan = plan_error(404, sentence, code="hls-no-pictures")
        return plan if method == "GET" else plan._replace(body=())
    return plan_playlist(method, asked, playlist, boundary)


def plan_playlist(
    method: str, asked: Mapping[str, str], playlist: Playlist, boundary: str
) -> Plan:
    """Choose the answer to a GET or HEAD of a playlist."""
    text = playlist.plain
    if playlist.packed and accepts_gzip(asked.get(CODING, "")):
        text = playlist.packed
    plan = plan_representation(method, asked, text.known, boundary)
    return plan._replace(spread=text.spread)


def plan_unfit(method: str, unfit: Unfit) -> Plan:
    """Return the answer for a video that HLS can't play."""
    plan = plan_error(404, str(unfit), code=unfit.code)
    return plan if method == "GET" else plan._replace(body=())
