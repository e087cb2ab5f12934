"""Open a file and pick the tracks that are played; only ever inside the sandbox."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import av

from server.library.ffmpeg.probe import (
    FORMATS,
    find_video_stream,
    has_decoder,
    read_rational,
)
from server.library.ffmpeg.source import read_part
from server.library.mp4.boxes import MalformedError, Tree, list_boxes

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

    from server.library.ffmpeg.source import Source

# Browsers play these, the first the most widely.
_SOUNDS = ("aac", "mp3", "ac3", "eac3", "opus", "flac", "vorbis", "alac")
_MOST_EDITS = 100  # more are no work of a person, and FFmpeg takes minutes for them
# Between packets; with more ahead or back the clock was set anew.
_JUMP_SECONDS = 10
_BACK_SECONDS = Fraction(1, 2)
_PRIMING_SECONDS = Fraction(1, 20)
_PICTURE_FIELDS = 78  # bytes of an entry before its boxes
_DOLBY_VISION = ("dvcC", "dvvC", "dvwC")
_MOST_INDEX_BYTES = 32 << 20
_DECODING: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)


class Tracks(NamedTuple):
    """What is played of a file, and when it begins."""

    picture: VideoStream
    sound: AudioStream | None
    start: Fraction  # in seconds, on the clock of the file


def open_tracks(source: Source, *, edits: bool = True) -> InputContainer:
    """Open a file from its beginning, without edit lists that make no sense.

    Without edits none is heeded, so that all samples come.
    """
    options = {"format_whitelist": FORMATS}
    if not edits or count_edits(source) > _MOST_EDITS:
        options["ignore_editlist"] = "1"
    source.seek(0)
    container: InputContainer = av.open(
        source, "r", container_options=options, **_DECODING
    )
    return container


def list_traks(source: Source) -> list[Tree]:
    """Return the boxes of an MP4 about its tracks; none if they are malformed."""

    def read(offset: int, length: int) -> bytes:
        return read_part(source, offset, length)

    with suppress(MalformedError):
        for box in list_boxes(read, 0, source.size):
            if box.kind == "moov" and box.end - box.body <= _MOST_INDEX_BYTES:
                moov = Tree(read(box.body, box.end - box.body))
                return [each for each in moov.children() if each.kind == "trak"]
    return []


def count_edits(source: Source) -> int:
    """Return how many edits the longest edit list of an MP4 has (14496-12, 8.6.6)."""
    with suppress(MalformedError):
        lists = [trak.find("edts", "elst") for trak in list_traks(source)]
        return max((each.number(4, 4) for each in lists if each), default=0)
    return 0


class Aperture(NamedTuple):
    """The part of a picture that is meant to be seen, in pixels."""

    width: int
    height: int
    left: int
    top: int
    whole: tuple[int, int]  # width and height of which it is a part


def read_aperture(source: Source) -> Aperture | None:
    """Return the clean aperture of an MP4's pictures, if it has one (12.1.4)."""
    with suppress(MalformedError, ZeroDivisionError):
        for entry in list_entries(source):
            for box in entry.children(_PICTURE_FIELDS):
                if box.kind == "clap":
                    return _place(box, entry.number(24, 2), entry.number(26, 2))
    return None


def lacks_base_layer(source: Source) -> bool:
    """Report whether an MP4 is Dolby Vision that no other decoder shows right.

    Its configuration says so by a compatibility of 0 (Dolby Vision Streams Within the
    ISO Base Media File Format, 3.2).
    """
    with suppress(MalformedError):
        for entry in list_entries(source):
            for box in entry.children(_PICTURE_FIELDS):
                if box.kind in _DOLBY_VISION:
                    return box.number(4, 1) >> 4 == 0
    return False


def list_entries(source: Source) -> list[Tree]:
    """Return the first sample entry of each track of pictures in an MP4."""
    found = []
    for trak in list_traks(source):
        handler = trak.find("mdia", "hdlr")
        table = trak.find("mdia", "minf", "stbl", "stsd")
        if handler and table and handler.text(8) == "vide":
            found += table.children(8)[:1]
    return found


def _place(clap: Tree, width: int, height: int) -> Aperture | None:
    """Return the aperture, which tells how far its middle is from that of all."""
    numbers = [clap.number(at, 4) for at in range(0, 32, 4)]
    numbers = [each - (each >> 31 << 32) for each in numbers]
    clean = Fraction(*numbers[0:2]), Fraction(*numbers[2:4])
    shift = Fraction(*numbers[4:6]), Fraction(*numbers[6:8])
    wide, high = (int(side) for side in clean)
    left = round((width - clean[0]) / 2 + shift[0])
    top = round((height - clean[1]) / 2 + shift[1])
    fits = 0 <= left <= width - wide and 0 <= top <= height - high
    if not fits or min(wide, high) < 1 or (wide, high) == (width, height):
        return None
    return Aperture(wide, high, left, top, (width, height))


def pick_tracks(container: InputContainer) -> Tracks:
    """Return what is played; ValueError without pictures that FFmpeg can decode."""
    picture = find_video_stream(container)
    if picture is None:
        raise ValueError("it has no moving picture")
    if not has_decoder(picture):
        raise ValueError("FFmpeg does not know its codec")
    sound = pick_sound(container)
    if sound is None and container.streams.audio:
        raise ValueError("FFmpeg does not know the codec of its sound")
    seen, heard = tell_start(picture), tell_start(sound) if sound else None
    start = join_starts(seen, heard) if seen is not None else heard
    return Tracks(picture, sound, start or Fraction(0))


def join_starts(seen: Fraction, heard: Fraction | None) -> Fraction:
    """Return when a clip starts whose picture and sound start at these moments.

    Sound may start earlier by what AAC needs to start, and is not heard until then.
    """
    if heard is None or seen - _PRIMING_SECONDS <= heard <= seen:
        return seen
    return min(seen, heard)


def pick_sound(container: InputContainer) -> AudioStream | None:
    """Return the first track of sound that browsers play, or else that FFmpeg can."""
    sounds = [each for each in container.streams.audio if has_decoder(each)]
    played = [each for each in sounds if each.codec_context.name in _SOUNDS]
    return next(iter(played or sounds), None)


def tell_start(stream: Stream) -> Fraction | None:
    """Return when a track starts by its own account, in seconds."""
    if stream.start_time is None or not stream.time_base:
        return None
    return stream.start_time * read_rational(stream.time_base)


class Continuity:
    """Mends clocks that were set anew in the middle, as of joined recordings."""

    def __init__(self, container: InputContainer) -> None:
        self._jumps = "mpegts" in container.format.name
        self._shift = Fraction(0)
        self._ends: dict[int, Fraction] = {}

    def mend(self, packet: Packet[Any]) -> None:
        """Shift the times of a packet so that they go on from the one before."""
        base = packet.time_base
        if not self._jumps or packet.dts is None or not base:
            return
        told = packet.dts * read_rational(base)
        expected = self._ends.get(packet.stream.index)
        if expected is not None:
            ahead = told + self._shift - expected
            if ahead > _JUMP_SECONDS or ahead < -_BACK_SECONDS:
                self._shift = expected - told
        moved = round(self._shift / base)
        length = (packet.duration or 0) * read_rational(base)
        self._ends[packet.stream.index] = told + self._shift + length
        packet.dts += moved
        if packet.pts is not None:
            packet.pts += moved
