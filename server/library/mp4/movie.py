"""What an MP4 file says of itself, read by its boxes alone. No I/O."""

from __future__ import annotations

from typing import NamedTuple

from server.library.mp4.boxes import Box, MalformedError, Read, Tree, list_boxes
from server.library.mp4.codecs import Coding, read_coding
from server.library.mp4.sample_tables import Samples, read_samples

# Longer ones never start on iOS, seen on Safari of iOS 26 (Zibbp/ganymede#1313).
MAX_INDEX_BYTES = 32 << 20
_FIRST = {"ftyp", "moov", "mdat", "free", "skip", "wide", "pnot", "styp", "moof"}
_TURNS: dict[tuple[int, ...], int] = {  # the signs of a matrix
    (1, 0, 0, 1): 0,
    (0, 1, -1, 0): 90,
    (-1, 0, 0, -1): 180,
    (0, -1, 1, 0): 270,
}
# Of the file types of HEIF and AVIF, whose boxes hold pictures, moving ones too.
PICTURE_BRANDS = {"avif", "avis", "heic", "heix", "heim", "heis", "mif1", "msf1"}
_MOST_EDITS = 100  # two say already that it is not simple
OTHERWISE = -1  # turned by a matrix that is no quarter


class Track(NamedTuple):
    """A track; times are in seconds."""

    handler: str  # vide, soun, tmcd, meta, …
    coding: Coding
    seconds: float
    turned: int  # degrees clockwise
    samples: Samples
    longest_gap: float  # between key frames
    delay: float  # how much later than the movie it starts, by its edit list
    cut: float  # how much of its start is not shown
    has_more_edits: bool  # than one that shows all at normal speed

    @property
    def frame_rate(self) -> float:
        """Return the mean number of pictures a second."""
        return self.samples.total / self.seconds if self.seconds else 0.0


class Movie(NamedTuple):
    """A file of boxes as far as it goes."""

    size: int  # bytes
    brand: str  # of the file type; "qt  " without one
    seconds: float
    tracks: tuple[Track, ...]
    missing: int  # bytes that the file claims to have and has not
    cut: str  # the kind of box that these belong to
    has_index: bool
    index_is_last: bool
    is_fragmented: bool
    malformed: str  # what is wrong with its boxes

    @property
    def is_picture(self) -> bool:
        """Report whether the file type is one of pictures."""
        return self.brand in PICTURE_BRANDS

    def list_tracks(self, handler: str) -> list[Track]:
        """Return the tracks of a kind."""
        return [track for track in self.tracks if track.handler == handler]


def read_movie(read: Read, size: int) -> Movie | None:
    """Return what the boxes say, None if these are none; nothing is raised."""
    if read(4, 4).decode("latin-1") not in _FIRST:
        return None
    malformed = ""
    boxes: list[Box] = []
    tracks: list[Track] = []
    seconds = 0.0
    try:
        boxes = list_boxes(read, 0, size)
        index = next((box for box in boxes if box.kind == "moov"), None)
        if index and index.end <= size:
            tree = read_index(read, index)
            timescale, seconds = _read_header(tree.find("mvhd"))
            tracks += (
                _read_track(trak, timescale)
                for trak in tree.children()
                if trak.kind == "trak"
            )
    except MalformedError as error:
        malformed = str(error)
    return _assemble(read, size, boxes, tracks, seconds, malformed)


def read_index(read: Read, index: Box) -> Tree:
    """Return the box moov; MalformedError if it is beyond what anyone plays."""
    length = index.end - index.body
    if length > MAX_INDEX_BYTES:
        raise MalformedError(
            f"has an index of {length} bytes, with which players never start"
        )
    return Tree(read(index.body, length), "moov")


def _assemble(
    read: Read,
    size: int,
    boxes: list[Box],
    tracks: list[Track],
    seconds: float,
    malformed: str,
) -> Movie:
    kinds = [box.kind for box in boxes]
    brand = "qt  "
    if "ftyp" in kinds:
        brand = read(boxes[kinds.index("ftyp")].body, 4).decode("latin-1")
    media = kinds.index("mdat") if "mdat" in kinds else len(kinds)
    needed = max((track.samples.end for track in tracks), default=0)
    claimed = max([box.end for box in boxes[-1:]] + [needed])
    cut = boxes[-1].kind if boxes and needed <= size else "mdat"
    return Movie(
        size,
        brand,
        seconds or max((track.seconds for track in tracks), default=0.0),
        tuple(tracks),
        max(claimed - size, 0),
        cut,
        "moov" in kinds,
        "moov" in kinds and kinds.index("moov") > media,
        "moof" in kinds,
        malformed,
    )


def _read_header(box: Tree | None) -> tuple[int, float]:
    """Return the units a second and the seconds of a movie or a medium (8.2.2)."""
    if box is None:
        raise MalformedError("has no header that tells its time")
    at, width = (20, 8) if box.number(0, 1) == 1 else (12, 4)
    timescale, units = box.number(at, 4), box.number(at + 4, width)
    if not timescale:
        raise MalformedError("has a header that counts time in units of nothing")
    if units == (1 << 8 * width) - 1:  # not known
        return timescale, 0.0
    return timescale, units / timescale


def _read_track(trak: Tree, movie_timescale: int) -> Track:
    media = trak.find("mdia")
    handler, table = trak.find("mdia", "hdlr"), trak.find("mdia", "minf", "stbl")
    header = trak.find("tkhd")
    if media is None or handler is None or table is None or header is None:
        raise MalformedError("has a track that lacks what every track has")
    kind = handler.text(8)
    timescale, seconds = _read_header(media.find("mdhd"))
    samples = read_samples(table)
    description = table.find("stsd")
    edits = _read_edits(trak.find("edts", "elst"))
    shown = [edit for edit in edits if edit[1] >= 0]
    cut = max(shown[0][1] - samples.first_shown, 0) if shown else 0
    delay = 0
    for duration, start, _ in edits:
        if start >= 0:
            break
        delay += duration
    return Track(
        kind,
        read_coding(description, kind) if description else Coding(""),
        seconds,
        _read_turn(header),
        samples,
        samples.longest_gap / timescale,
        delay / movie_timescale,
        cut / timescale,
        len(shown) > 1 or any(rate != 1 << 16 for _, _, rate in shown),
    )


def _read_edits(box: Tree | None) -> list[tuple[int, int, int]]:
    """Return length, start in the medium (-1: nothing) and speed of each (8.6.6)."""
    if box is None:
        return []
    width = 8 if box.number(0, 1) == 1 else 4
    count, each = box.number(4, 4), 2 * width + 4
    stop = 8 + min(count, _MOST_EDITS) * each
    return [
        (
            box.number(at, width),
            _sign(box.number(at + width, width), width),
            box.number(at + 2 * width, 4),
        )
        for at in range(8, stop, each)
    ]


def _sign(number: int, width: int) -> int:
    return number - (number >> (8 * width - 1) << 8 * width)


def _read_turn(header: Tree) -> int:
    """Return by how many degrees the matrix of a track header turns it (8.3.2)."""
    at = 52 if header.number(0, 1) == 1 else 40
    signs = []
    for offset in (at, at + 4, at + 12, at + 16):
        number = _sign(header.number(offset, 4), 4)
        signs.append((number > 0) - (number < 0))
    return _TURNS.get(tuple(signs), OTHERWISE)
