"""What an MP4 file says of itself, read by its boxes alone. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.boxes import Box, MalformedError, Read, Tree
from server.library.mp4.codecs import Coding, read_codings
from server.library.mp4.edits import Shown, apply_edits, read_edits
from server.library.mp4.sample_tables import Samples, read_samples
from server.library.mp4.top_level import FIRST, Layout, read_layout

if TYPE_CHECKING:
    from collections.abc import Sequence

# Longer ones never start on iOS, seen on Safari of iOS 26 (Zibbp/ganymede#1313).
MAX_INDEX_BYTES = 32 << 20
_TURNS: dict[tuple[int, ...], tuple[int, bool]] = {  # the signs of a matrix
    (1, 0, 0, 1): (0, False),
    (0, 1, -1, 0): (90, False),
    (-1, 0, 0, -1): (180, False),
    (0, -1, 1, 0): (270, False),
    (-1, 0, 0, 1): (0, True),
    (1, 0, 0, -1): (180, True),
    (0, 1, 1, 0): (270, True),
    (0, -1, -1, 0): (90, True),
}
# Of the file types of HEIF and AVIF, whose boxes hold pictures, moving ones too.
PICTURE_BRANDS = {"avif", "avis", "heic", "heix", "heim", "heis", "mif1", "msf1"}
_SOUNDS = {"soun"}
_PICTURES = {"vide", "auxv", "pict"}
OTHERWISE = -1  # turned by a matrix that is no quarter
_ENABLED = 1  # flags of a track header
_SELF_CONTAINED = 1  # flags of a data reference


class Track(NamedTuple):
    """A track; times are in seconds."""

    handler: str  # vide, soun, tmcd, meta, …
    codings: tuple[Coding, ...]  # of the sample entries that its samples refer to
    is_enabled: bool
    has_reference: bool  # to where its media are
    is_external: bool  # they are in another file
    seconds: float  # that its samples last
    media_header: float | None  # what mdhd says of that; None: that it is not known
    track_header: float | None  # what tkhd says of how long it is shown
    turned: int  # degrees clockwise
    is_mirrored: bool  # from left to right, before it is turned
    samples: Samples
    table: Tree  # the box stbl
    longest_gap: float  # between key frames
    last_sample: float  # how long it lasts
    shown: Shown

    @property
    def coding(self) -> Coding:
        """Return how the first samples are coded."""
        return self.codings[0] if self.codings else Coding("")

    @property
    def frame_rate(self) -> float:
        """Return the mean number of pictures a second."""
        return self.samples.total / self.seconds if self.seconds else 0.0


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


def pick_picture(tracks: Sequence[Track]) -> Track | None:
    """Return the first of pictures, rather one that is enabled and has any."""
    found = [track for track in tracks if track.handler == "vide"]
    return min(found, key=_is_idle, default=None)


def pick_sound(tracks: Sequence[Track]) -> Track | None:
    """Return the first of sound, rather one that is enabled, has any, and is AAC."""
    found = [track for track in tracks if track.handler == "soun"]
    return min(
        found,
        key=lambda track: (track.coding.aac is None, _is_idle(track)),
        default=None,
    )


def _is_idle(track: Track) -> tuple[bool, bool]:
    return not track.samples.total, not track.is_enabled


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
    needed = max((track.samples.end for track in played), default=0)
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
    media = [(box.body, box.end) for box in boxes if box.kind in ("mdat", "imda")]
    spans = []
    for track in tracks:
        if track.handler in ("vide", "soun") and not track.is_external:
            name = "pictures" if track.handler == "vide" else "sound"
            for start, end in track.samples.spans:
                if not any(at <= start and end <= stop for at, stop in media):
                    return [f"has {name} outside of its media (mdat)"]
                spans.append((start, end, name))
    reached, owner = 0, ""
    for start, end, name in sorted(spans):
        if start < reached and name != owner:
            return ["has sound where its pictures are"]
        if end > reached:
            reached, owner = end, name
    return []


def read_header(box: Tree | None) -> tuple[int, float | None]:
    """Return the units a second and the seconds of a movie or a medium (8.2.2)."""
    if box is None:
        raise MalformedError("has no header that tells its time")
    at, width = (20, 8) if box.number(0, 1) == 1 else (12, 4)
    timescale, units = box.number(at, 4), box.number(at + 4, width)
    if not timescale:
        raise MalformedError("has a header that counts time in units of nothing")
    if units == (1 << 8 * width) - 1:  # not known
        return timescale, None
    return timescale, units / timescale


def read_track(trak: Tree, movie_timescale: int) -> Track:
    """Return what a box trak says; MalformedError if it makes no sense."""
    media = trak.find("mdia")
    handler, table = trak.find("mdia", "hdlr"), trak.find("mdia", "minf", "stbl")
    header = trak.find("tkhd")
    if media is None or handler is None or table is None or header is None:
        raise MalformedError("has a track that lacks what every track has")
    kind = handler.text(8)
    _check_handler(kind, trak)
    timescale, media_header = read_header(media.find("mdhd"))
    samples = read_samples(table)
    codings = _read_codings(table, kind, samples)
    references = _read_references(trak.find("mdia", "minf", "dinf", "dref"))
    used = [references.get(coding.reference) for coding in codings]
    turned, is_mirrored = _read_turn(header)
    return Track(
        kind,
        codings,
        bool(header.number(3, 1) & _ENABLED),
        None not in used,
        False in used,
        samples.length / timescale,
        media_header,
        _read_length(header, movie_timescale),
        turned,
        is_mirrored,
        samples,
        table,
        samples.longest_gap / timescale,
        samples.last_delta / timescale,
        apply_edits(
            read_edits(trak.find("edts", "elst")),
            length=samples.shown,
            first=samples.first_shown,
            timescale=timescale,
            movie_timescale=movie_timescale,
        ),
    )


def _check_handler(kind: str, trak: Tree) -> None:
    """Raise MalformedError for sound or pictures that are called otherwise (8.4.5)."""
    for header, names in (("smhd", _SOUNDS), ("vmhd", _PICTURES)):
        if trak.find("mdia", "minf", header) and kind not in names:
            raise MalformedError(
                f"has a track with the header {header!r} whose handler is {kind!r}"
            )


def _read_codings(table: Tree, kind: str, samples: Samples) -> tuple[Coding, ...]:
    """Return the codings that samples refer to; all without samples."""
    description = table.find("stsd")
    codings = read_codings(description, kind) if description else []
    if not samples.entries or not samples.total:
        return tuple(codings)
    if min(samples.entries) < 1 or max(samples.entries) > len(codings):
        raise MalformedError(
            f"has samples of the sample entry {max(samples.entries)}, of "
            f"{len(codings)} that there are"
        )
    return tuple(codings[number - 1] for number in sorted(samples.entries))


def _read_references(dref: Tree | None) -> dict[int, bool]:
    """Return for each data reference whether it means this file (8.7.2)."""
    if dref is None:
        return {1: True}
    return {
        number: bool(child.number(3, 1) & _SELF_CONTAINED)
        for number, child in enumerate(dref.children(8), 1)
    }


def _read_length(header: Tree, timescale: int) -> float | None:
    """Return for how many seconds a track header says that it is shown (8.3.2)."""
    at, width = (28, 8) if header.number(0, 1) == 1 else (20, 4)
    units = header.number(at, width)
    return None if units == (1 << 8 * width) - 1 else units / timescale


def _read_turn(header: Tree) -> tuple[int, bool]:
    """Return by how many degrees a track header's matrix turns it, and if it mirrors.

    Source: 8.3.2 and 6.2.2.
    """
    at = 52 if header.number(0, 1) == 1 else 40
    signs = []
    for offset in (at, at + 4, at + 12, at + 16):
        number = header.number(offset, 4)
        signs.append((number > 0) - 2 * (number >> 31))
    return _TURNS.get(tuple(signs), (OTHERWISE, False))
