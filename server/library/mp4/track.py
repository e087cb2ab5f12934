"""What a track of an MP4 file says of itself. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.boxes import MalformedError, Tree
from server.library.mp4.codecs import Coding, read_codings
from server.library.mp4.edits import Shown, apply_edits, read_edits
from server.library.mp4.sample_tables import Samples, read_samples

if TYPE_CHECKING:
    from collections.abc import Sequence

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
# Handlers of tracks that may well have a header of sound or of pictures.
_OTHERS = {"auxv", "pict", "meta", "hint", "text", "tmcd", "sbtl", "subt", "subp"}
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
    common_sample: float  # how long most last
    shown: Shown

    @property
    def coding(self) -> Coding:
        """Return how the first samples are coded."""
        return self.codings[0] if self.codings else Coding("")

    @property
    def frame_rate(self) -> float:
        """Return the mean number of pictures a second."""
        return self.samples.total / self.seconds if self.seconds else 0.0


def pick_picture(tracks: Sequence[Track]) -> Track | None:
    """Return the first of pictures, rather one that is enabled and no mere cover."""
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
    return track.samples.total < 2, not track.is_enabled


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
    samples = read_samples(table, timescale)
    codings = _read_codings(table, kind, samples)
    references = read_references(trak.find("mdia", "minf", "dinf", "dref"))
    used = [references.get(coding.reference) for coding in codings]
    turned, is_mirrored = read_turn(header)
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
        samples.common_delta / timescale,
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
    for header, name in (("smhd", "soun"), ("vmhd", "vide")):
        if trak.find("mdia", "minf", header) and kind not in _OTHERS | {name}:
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
            f"has samples of the sample entries {sorted(samples.entries)}, of "
            f"{len(codings)} that there are, counted from 1"
        )
    return tuple(codings[number - 1] for number in sorted(samples.entries))


def read_references(dref: Tree | None) -> dict[int, bool]:
    """Return for each data reference whether it means this file (8.7.2)."""
    if dref is None:
        return {1: True}
    return {
        number: bool(child.number(3, 1) & _SELF_CONTAINED)
        for number, child in enumerate(dref.children(8)[: dref.number(4, 4)], 1)
    }


def _read_length(header: Tree, timescale: int) -> float | None:
    """Return for how many seconds a track header says that it is shown (8.3.2)."""
    at, width = (28, 8) if header.number(0, 1) == 1 else (20, 4)
    units = header.number(at, width)
    return None if units == (1 << 8 * width) - 1 else units / timescale


def read_turn(header: Tree) -> tuple[int, bool]:
    """Return by how many degrees a track header's matrix turns it, and if it mirrors.

    Source: 8.3.2 and 6.2.2.
    """
    at = 52 if header.number(0, 1) == 1 else 40
    signs = []
    for offset in (at, at + 4, at + 12, at + 16):
        number = header.number(offset, 4)
        signs.append((number > 0) - 2 * (number >> 31))
    return _TURNS.get(tuple(signs), (OTHERWISE, False))
