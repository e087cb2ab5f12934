"""Look into a media file with FFmpeg, by PyAV; only ever inside the sandbox."""

from __future__ import annotations

from fractions import Fraction
from time import process_time
from typing import TYPE_CHECKING, Any

import av
from av.stream import Disposition

from server.library.ffmpeg.probe_result import ProbeResult
from server.library.mp4.movie import PICTURE_BRANDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.rational import AVRational
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from server.library.ffmpeg.source import Source

# FFmpeg opens these and no other formats: playlists, slide shows and the like would
# have it read other files and addresses.
FORMATS = (
    "mov,matroska,avi,flv,mpegts,mpeg,asf,ogg,mp3,wav,flac,aac,gif,apng,"
    "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe"
)
_PICTURES = ("gif", "apng")
_SEEKS = 8
_WHOLE_BYTES = 64 << 20  # up to here all is decoded, not only here and there
_DECODE_SECONDS = 12.0  # of computing; what is not decoded by then is not

# PyAV 19 replaces what is no UTF-8 by itself, and no longer takes the argument.
_DECODING: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)


def open_container(source: Source, *, edits: bool = True) -> InputContainer:
    """Open what may be anything; without its name, which FFmpeg takes hints from.

    Without edits the edit lists of an MP4 are not heeded: long ones take minutes.
    """
    options = {"format_whitelist": FORMATS}
    container: InputContainer = av.open(
        source,
        "r",
        container_options=options if edits else options | {"ignore_editlist": "1"},
        **_DECODING,
    )
    return container


def read_rational(
    value: AVRational | Fraction | None, default: Fraction = Fraction(1)
) -> Fraction:
    """Return a rational as Python's own kind, or default where the file has none."""
    return Fraction(value.numerator, value.denominator) if value else default


def probe(
    source: Source, *, whole: bool, sound: int | None = None, edits: bool = True
) -> ProbeResult:
    """Name the format, and decode a picture here and there.

    whole decodes all pictures and sound of a file below 64 MiB, as far as there is
    time. sound is which of its tracks is meant, counting all tracks; the first of sound
    without it. edits is as in open_container.
    """
    try:
        with open_container(source, edits=edits) as container:
            found = _name_format(container)
            if found.is_picture:
                return found
            whole = whole and source.size < _WHOLE_BYTES
            if not whole:
                return found._replace(broken=_find_break(container))
            return _decode_all(container, found, sound)
    except (av.FFmpegError, OSError):
        return ProbeResult(broken="nothing in it makes sense to FFmpeg")


def _name_format(container: InputContainer) -> ProbeResult:
    name, brand = container.format.name, container.metadata.get("major_brand", "")
    picture = name.endswith("_pipe") or name in _PICTURES or brand in PICTURE_BRANDS
    seconds = container.duration / av.time_base if container.duration else None
    return ProbeResult(container.format.long_name, picture, seconds)


def find_video_stream(container: InputContainer) -> VideoStream | None:
    """Return the first moving picture; the cover of a song or a clip is not one."""
    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    return min(moving, key=_is_cover, default=None)


def _is_cover(stream: VideoStream) -> bool:
    return stream.frames == 1


def has_decoder(stream: Stream) -> bool:
    """Report whether FFmpeg knows the codec; PyAV's types say that it always does."""
    return getattr(stream, "codec_context", None) is not None


def find_sound_stream(
    container: InputContainer, number: int | None = None
) -> AudioStream | None:
    """Return the sound with a number among all streams, or else the first."""
    found = container.streams.audio
    for stream in found:
        if stream.index == number:
            return stream
    return found[0] if found else None


def _find_break(container: InputContainer) -> str:
    """Return why pictures here and there cannot be decoded, nothing if they can."""
    stream = find_video_stream(container)
    if stream is None:
        return "it has no moving picture"
    if not has_decoder(stream):
        return "FFmpeg does not know its codec"
    stream.codec_context.thread_count = 1
    seconds = (container.duration or 0) / av.time_base
    start = (container.start_time or 0) / av.time_base
    seen = set()  # key frames, which several moments may have in common
    until = process_time() + _DECODE_SECONDS
    try:
        for number in range(_SEEKS):
            moment = start + seconds * number / _SEEKS
            key = _find_key(stream, moment)
            if key is not None and key in seen:
                continue
            seen.add(key)
            if number:
                container.seek(int(moment * av.time_base))
            frame = _decode_next(container, stream, until)
            if process_time() > until:
                break
            if frame is None and not number:
                return "no picture is in it"
            if frame is not None and frame.is_corrupt:
                return f"the picture at {frame.time or 0:.1f} s is damaged"
            if not seconds:
                break
    except (av.FFmpegError, OSError) as error:
        return f"FFmpeg says: {error.strerror or error}".lower()
    return ""


def _decode_next(
    container: InputContainer, stream: VideoStream, until: float
) -> VideoFrame | None:
    """Return the next picture; None behind the last, or where the time is up."""
    for packet in container.demux(stream):
        if frames := packet.decode():
            return frames[0]
        if process_time() > until:
            break
    return None


def _find_key(stream: VideoStream, moment: float) -> int | None:
    """Return where in the index the key frame of a moment stands, if it does."""
    if not stream.time_base:
        return None
    key = stream.index_entries.search_timestamp(int(moment / stream.time_base))
    return key if key >= 0 else None


class _Track:
    """Decodes the packets of a track, and counts those that are damaged."""

    def __init__(self, stream: VideoStream | AudioStream) -> None:
        self.stream = stream
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"err_detect": "explode"}
        self.total = self.bad = self.disordered = 0
        self.first = 0.0
        self.begin: float | None = None  # of what was decoded; end likewise
        self.end = 0.0
        self._latest: int | None = None
        self.is_interlaced = False

    def decode(self, packet: Packet[Any]) -> None:
        """Decode a packet; an empty one ends the track."""
        self.total += bool(packet.size)
        moment = float((packet.pts or packet.dts or 0) * (packet.time_base or 0))
        try:
            frames = packet.decode()
        except (av.FFmpegError, ValueError):
            self._note(moment)
            return
        for frame in frames:
            if frame.time is not None:
                if self.begin is None or frame.time < self.begin:
                    self.begin = frame.time
                self.end = max(self.end, frame.time)
            if frame.is_corrupt:
                self._note(frame.time or moment)
            if isinstance(frame, av.VideoFrame):
                self._look(frame)

    def _look(self, frame: VideoFrame) -> None:
        self.is_interlaced |= frame.interlaced_frame
        if frame.pts is not None and self._latest is not None:
            self.disordered += frame.pts <= self._latest
        self._latest = frame.pts if frame.pts is not None else self._latest

    def _note(self, moment: float) -> None:
        if not self.bad:
            self.first = max(moment, 0.0)
        self.bad += 1


def _decode_all(
    container: InputContainer, found: ProbeResult, number: int | None
) -> ProbeResult:
    """Add what comes of decoding pictures and sound."""
    picture = find_video_stream(container)
    if picture is None:
        return found._replace(broken="it has no moving picture")
    if not has_decoder(picture):
        return found._replace(broken="FFmpeg does not know its codec")
    sound = find_sound_stream(container, number)
    tracks = {picture.index: _Track(picture)}
    if sound is not None and has_decoder(sound):
        tracks[sound.index] = _Track(sound)
    broken, is_all, until = "", True, process_time() + _DECODE_SECONDS
    try:
        for packet in container.demux([track.stream for track in tracks.values()]):
            tracks[packet.stream.index].decode(packet)
            if process_time() > until:
                is_all = False
                break
    except (av.FFmpegError, OSError) as error:
        broken = f"FFmpeg says: {error.strerror or error}".lower()
    seen = tracks[picture.index]
    if not seen.total and not broken:
        broken = "no picture is in it"
    heard = tracks.get(sound.index) if sound is not None else None
    return found._replace(
        broken=broken,
        picture_codec=picture.codec_context.codec.canonical_name,
        pictures=seen.total,
        bad_pictures=min(seen.bad, seen.total),
        bad_picture=seen.first,
        span=_measure(tracks.values()) if is_all else None,
        disordered=seen.disordered,
        is_interlaced=seen.is_interlaced,
        transfer=int(picture.codec_context.color_trc or 0),
        **_tell_sound(heard),
    )


def _measure(tracks: Iterable[_Track]) -> float:
    """Return the seconds from the first picture or sound to the last."""
    told = [(track.begin, track.end) for track in tracks if track.begin is not None]
    begin = min((begin for begin, _ in told if begin is not None), default=0.0)
    return max((end for _, end in told), default=0.0) - begin


def _tell_sound(heard: _Track | None) -> dict[str, Any]:
    if heard is None:
        return {}
    return {
        "sound_codec": heard.stream.codec_context.codec.canonical_name,
        "sounds": heard.total,
        "bad_sounds": min(heard.bad, heard.total),
        "bad_sound": heard.first,
    }
