"""Which tracks of a file HLS can play as they are, and why it can't. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.boxes import MalformedError, Tree
from server.library.mp4.codecs import APPLE_TAGS, Coding, read_codings
from server.library.mp4.edits import read_edits
from server.library.mp4.streams import (
    REORDERED,
    Stream,
    count_samples,
    read_stream,
)
from server.library.mp4.track import read_header, read_references
from server.library.mp4.unfit import Unfit

if TYPE_CHECKING:
    from collections.abc import Sequence

_PICTURES = {"avc1", "hvc1", "dvh1", "av01", "vp09"}
_MPEG4_AUDIO = 0x40  # objectTypeIndication (ISO/IEC 14496-1, table 5)
_AAC = {2, 5, 29, 42}  # audio object types: LC, HE, HE v2, xHE
_NORMAL = 1 << 16  # speed
_MOST_WAIT = 360_000  # seconds that a track may start late
_MOST_CHANGES = 100  # of the sample entry
_DROPPED = 4  # samples, at least


class Chosen(NamedTuple):
    """A track that is sent."""

    trak: Tree
    entries: tuple[Tree, ...]  # the sample entries that are meant
    codings: tuple[Coding, ...]  # of each
    stream: Stream  # which counts these entries from 1 on


class _Candidate(NamedTuple):
    trak: Tree
    handler: str
    table: Tree  # stbl
    entries: list[Tree]
    codings: list[Coding]
    samples: int
    is_enabled: bool


def choose_tracks(moov: Tree, size: int) -> list[Chosen]:
    """Return the picture and the sound that are sent, in a file of a size.

    MalformedError for boxes that make no sense; Unfit for what HLS can't play.
    """
    if moov.find("mvex"):
        raise Unfit("hls-fragmented", "is fragmented already", "fix")
    movie_timescale, _ = read_header(moov.find("mvhd"))
    found = [
        candidate
        for trak in moov.children()
        if trak.kind == "trak" and (candidate := _read_candidate(trak))
    ]
    chosen = [
        _choose(each, movie_timescale, size)
        for each in (_pick_picture(found), _pick_sound(found))
        if each
    ]
    if not chosen:
        raise Unfit("hls-malformed", "has neither pictures nor sound")
    return chosen


def _read_candidate(trak: Tree) -> _Candidate | None:
    """Return a track of pictures or sound, if it has any."""
    handler, table = trak.find("mdia", "hdlr"), trak.find("mdia", "minf", "stbl")
    header = trak.find("tkhd")
    kind = handler.text(8) if handler else ""
    if kind not in ("vide", "soun") or table is None or header is None:
        return None
    samples, description = count_samples(table), table.find("stsd")
    if not samples or description is None:
        return None
    return _Candidate(
        trak,
        kind,
        table,
        description.children(8),
        read_codings(description, kind),
        samples,
        bool(header.number(3, 1) & 1),
    )


def _pick_picture(found: Sequence[_Candidate]) -> _Candidate | None:
    """Return the picture that players show, as pick_picture of track.py does."""
    pictures = (each for each in found if each.handler == "vide")
    return min(
        pictures, key=lambda each: (each.samples < 2, not each.is_enabled), default=None
    )


def _pick_sound(found: Sequence[_Candidate]) -> _Candidate | None:
    """Return the sound that players play, as pick_sound of track.py does."""
    sounds = (each for each in found if each.handler == "soun")
    return min(
        sounds,
        key=lambda each: (
            not any(coding.aac for coding in each.codings),
            each.samples < 2,
            not each.is_enabled,
        ),
        default=None,
    )


def _choose(found: _Candidate, movie_timescale: int, size: int) -> Chosen:
    timescale, _ = read_header(found.trak.find("mdia", "mdhd"))
    stream = read_stream(found.table, found.handler, timescale, size)
    numbers = sorted({number for _, number in stream.entries})
    if numbers[0] < 1 or numbers[-1] > len(found.codings):
        raise MalformedError(f"has samples of the sample entry {numbers[-1]}")
    codings = tuple(found.codings[number - 1] for number in numbers)
    references = read_references(found.trak.find("mdia", "minf", "dinf", "dref"))
    for coding in codings:
        _check_coding(coding, found.handler)
        if not references.get(coding.reference, True):
            raise Unfit("hls-malformed", "has its media in another file")
    if len({APPLE_TAGS.get(coding.codec, coding.codec) for coding in codings}) > 1:
        raise Unfit("hls-entries", "changes its codec on the way", "transcode")
    if len(stream.entries) > _MOST_CHANGES:
        raise Unfit("hls-entries", "changes its coding all the time", "transcode")
    places = {number: place for place, number in enumerate(numbers, 1)}
    entries = tuple((first, places[number]) for first, number in stream.entries)
    stream = _apply_edits(stream._replace(entries=entries), found.trak, movie_timescale)
    used = tuple(found.entries[number - 1] for number in numbers)
    return Chosen(found.trak, used, codings, stream)


def _check_coding(coding: Coding, handler: str) -> None:
    """Raise Unfit for a coding that HLS hasn't, or that is told in samples only."""
    tag = APPLE_TAGS.get(coding.codec, coding.codec)
    if coding.encrypted:
        raise Unfit("hls-encrypted", "is encrypted")
    if handler == "soun":
        is_aac = coding.aac is not None and coding.aac.object_type in _AAC
        if tag != "mp4a" or coding.object_type != _MPEG4_AUDIO or not is_aac:
            reason = f"has sound ({tag}) that is no AAC of a kind that HLS has"
            raise Unfit("hls-codec", reason, "transcode")
    elif tag not in _PICTURES:
        reason = f"has pictures ({tag}) of a codec that HLS hasn't"
        raise Unfit("hls-codec", reason, "transcode")
    elif not coding.has_parameters and tag not in ("av01", "vp09"):
        reason = f"has the parameters of its pictures ({tag}) in the samples only"
        raise Unfit("hls-codec", reason, "fix")


def _apply_edits(stream: Stream, trak: Tree, movie_timescale: int) -> Stream:
    """Return a stream with what its edit list says (8.6.6)."""
    edits = read_edits(trak.find("edts", "elst"))
    if not edits:
        return stream
    shown = [edit for edit in edits if edit.start >= 0]
    place = next((n for n, edit in enumerate(edits) if edit.start >= 0), 0)
    if len(shown) != 1 or shown[0].rate != _NORMAL:
        reason = f"has {len(shown)} edits, of which HLS can show one at its own speed"
        raise Unfit("hls-edits", reason, "transcode")
    wait = sum(edit.duration for edit in edits[:place])
    start, scale = shown[0].start, stream.timescale
    if wait > _MOST_WAIT * movie_timescale or start >= 1 << 62:
        raise MalformedError("has an edit list (elst) beyond measure")
    delay = (2 * wait * scale + movie_timescale) // (2 * movie_timescale)
    stream = stream._replace(media_time=stream.media_time + start, delay=delay)
    if shown[0].duration:
        lasting = shown[0].duration * scale // movie_timescale
        stream = _drop_end(stream, stream.delay + lasting)
    if stream.after == stream.first or stream.end <= stream.delay:
        raise Unfit("hls-edits", "has an edit that shows nothing", "fix")
    return stream


def _drop_end(stream: Stream, end: int) -> Stream:
    """Return a stream without the samples that are shown only after its edit's end.

    A few may stay: writers round the end, and coders of sound fill their last frame.
    """
    after = stream.times.find(end + stream.media_time - stream.delay)
    for _ in range(REORDERED):
        if after == stream.first or stream.show(after - 1) < end:
            break
        after -= 1
    return stream if stream.after - after < _DROPPED else stream._replace(after=after)
