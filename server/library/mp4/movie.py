"""What an MP4 file says of itself, read by its boxes alone. No I/O."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import NamedTuple

from server.library.mp4.boxes import Box, MalformedError, Read, Tree
from server.library.mp4.top_level import FIRST, Layout, read_layout
from server.library.mp4.track import (
    Track,
    pick_picture,
    pick_sound,
    read_header,
    read_track,
)

# Longer ones never start on iOS, seen on Safari of iOS 26 (Zibbp/ganymede#1313).
MAX_INDEX_BYTES = 32 << 20
# Of the file types of HEIF and AVIF, whose boxes hold pictures, moving ones too.
PICTURE_BRANDS = {"avif", "avis", "heic", "heix", "heim", "heis", "mif1", "msf1"}


class Movie(NamedTuple):
    """A file of boxes as far as it goes."""

    size: int  # bytes
    brand: str  # of the file type; "qt  " without one
    seconds: float  # that it plays
    movie_header: float | None  # what mvhd says of that; None: that it is not known
    tracks: tuple[Track, ...]
    missing: int  # bytes that samples or boxes need and that are not there
    tail: int  # bytes behind the last box that are none, and not zero
    overlong: str  # the kind of a last box that claims more bytes than there are
    has_index: bool
    index_is_last: bool
    is_fragmented: bool
    malformed: tuple[str, ...]  # what is wrong with its boxes

    @property
    def is_picture(self) -> bool:
        """Report whether the file type is one of pictures."""
        return self.brand in PICTURE_BRANDS

    def list_tracks(self, handler: str) -> list[Track]:
        """Return the tracks of a kind."""
        return [track for track in self.tracks if track.handler == handler]

    @property
    def picture(self) -> Track | None:
        """Return the track whose pictures players show."""
        return pick_picture(self.tracks)

    @property
    def sound(self) -> Track | None:
        """Return the track that players are to play: the first in AAC, if there is."""
        return pick_sound(self.tracks)


def read_movie(read: Read, size: int) -> Movie | None:
    """Return what the boxes say, None if these are none; nothing is raised."""
    if read(4, 4).decode("latin-1") not in FIRST:
        return None
    layout = read_layout(read, size)
    malformed = [layout.malformed] if layout.malformed else []
    tracks: list[Track] = []
    seconds: float | None = None
    if layout.moov and layout.moov.end <= size:
        try:
            tree = read_index(read, layout.moov)
            timescale, seconds = read_header(tree.find("mvhd"))
            for trak in tree.children():
                if trak.kind == "trak":
                    _add_track(trak, timescale, tracks, malformed)
        except MalformedError as error:
            malformed.append(str(error))
    if not malformed and not layout.is_fragmented:
        malformed += _find_strays(layout.boxes, tracks)
    return _assemble(size, layout, tracks, seconds, malformed)


def _add_track(
    trak: Tree, timescale: int, tracks: list[Track], malformed: list[str]
) -> None:
    """Add a track, or what is wrong with it; others may be wrong, too."""
    try:
        tracks.append(read_track(trak, timescale))
    except MalformedError as error:
        malformed.append(str(error))


def read_index(read: Read, index: Box) -> Tree:
    """Return the box moov; MalformedError if it is beyond what anyone plays."""
    length = index.end - index.body
    if length > MAX_INDEX_BYTES:
        raise MalformedError(
            f"has an index of {length} bytes, with which players never start"
        )
    return Tree(read(index.body, length), "moov")


def _assemble(
    size: int,
    layout: Layout,
    tracks: list[Track],
    movie_header: float | None,
    malformed: list[str],
) -> Movie:
    played = [track for track in tracks if track.handler in ("vide", "soun")]
    own = [track for track in played if not track.is_external]
    needed = max((track.samples.end for track in own), default=0)
    seconds = max((track.shown.seconds for track in played), default=0.0)
    is_whole = layout.moov is not None and not layout.is_fragmented
    over = layout.boxes[-1].end - size if layout.boxes else 0
    if over > 0 and is_whole and layout.boxes[-1].kind != "moov":
        over = 0  # the samples decide
    missing = max(needed - size, over, layout.promised - size, 0)
    return Movie(
        size,
        layout.brand,
        seconds or (movie_header if layout.is_fragmented else 0) or 0.0,
        movie_header,
        tuple(tracks),
        missing,
        layout.tail,
        layout.boxes[-1].kind if layout.boxes and layout.boxes[-1].end > size else "",
        layout.moov is not None,
        layout.index_is_last,
        layout.is_fragmented,
        tuple(dict.fromkeys(malformed)),
    )


def _find_strays(boxes: list[Box], tracks: list[Track]) -> list[str]:
    """Return which samples lie outside of media (8.1.1), or where others are."""
    media = [box for box in boxes if box.kind in ("mdat", "imda")]
    spans = []
    for track in tracks:
        if track.handler in ("vide", "soun") and not track.is_external:
            name = "pictures" if track.handler == "vide" else "sound"
            for start, end in track.samples.spans:
                after = bisect_right(media, start, key=attrgetter("body"))
                if not after or end > media[after - 1].end:  # in the one before
                    return [f"has {name} outside of its media (mdat)"]
                spans.append((start, end, name))
    reached, owner = 0, ""
    for start, end, name in sorted(spans):
        if start < reached and name != owner:
            return ["has sound where its pictures are"]
        if end > reached:
            reached, owner = end, name
    return []
