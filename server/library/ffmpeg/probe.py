"""Look into a media file with FFmpeg, by PyAV; only ever inside the sandbox."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
from av.stream import Disposition

from server.library.ffmpeg.probe_result import ProbeResult
from server.library.mp4.movie import PICTURE_BRANDS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.rational import AVRational
    from av.stream import Stream
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
_WHOLE_BYTES = 64 << 20  # up to here every sample is looked at, not only key frames


# PyAV 19 replaces what is no UTF-8 by itself, and no longer takes the argument.
_DECODING: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)


def open_container(source: Source) -> InputContainer:
    """Open what may be anything; without its name, which FFmpeg takes hints from."""
    container: InputContainer = av.open(
        source,
        "r",
        container_options={"format_whitelist": FORMATS},
        **_DECODING,
    )
    return container


def read_rational(
    value: AVRational | Fraction | None, default: Fraction = Fraction(1)
) -> Fraction:
    """Return a rational as Python's own kind, or default where the file has none."""
    return Fraction(value.numerator, value.denominator) if value else default


def probe(source: Source, *, whole: bool) -> ProbeResult:
    """Name the format, and decode a picture here and there.

    whole also looks at every sample of a file below 64 MiB.
    """
    try:
        with open_container(source) as container:
            found = _name_format(container)
            if found.is_picture:
                return found
            broken = _find_break(container, whole=whole and source.size < _WHOLE_BYTES)
            return found._replace(broken=broken)
    except (av.FFmpegError, OSError):
        return ProbeResult(broken="nothing in it makes sense to FFmpeg")


def _name_format(container: InputContainer) -> ProbeResult:
    name, brand = container.format.name, container.metadata.get("major_brand", "")
    picture = name.endswith("_pipe") or name in _PICTURES or brand in PICTURE_BRANDS
    seconds = container.duration / av.time_base if container.duration else None
    return ProbeResult(container.format.long_name, picture, seconds)


def find_video_stream(container: InputContainer) -> VideoStream | None:
    """Return the first moving picture; the cover of a song is not one."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def has_decoder(stream: Stream) -> bool:
    """Report whether FFmpeg knows the codec; PyAV's types say that it always does."""
    return getattr(stream, "codec_context", None) is not None


def _find_break(container: InputContainer, *, whole: bool) -> str:
    """Return why the pictures cannot be decoded, nothing if they can."""
    stream = find_video_stream(container)
    if stream is None:
        return "it has no moving picture"
    if not has_decoder(stream):
        return "FFmpeg does not know its codec"
    stream.codec_context.thread_count = 1
    seconds = (container.duration or 0) / av.time_base
    start = (container.start_time or 0) / av.time_base
    seen = set()  # key frames, which several moments may have in common
    try:
        for number in range(_SEEKS):
            moment = start + seconds * number / _SEEKS
            key = _find_key(stream, moment)
            if key is not None and key in seen:
                continue
            seen.add(key)
            if number:
                container.seek(int(moment * av.time_base))
            frame = next(container.decode(stream), None)
            if frame is None and not number:
                return "no picture is in it"
            if frame is not None and frame.is_corrupt:
                return f"the picture at {frame.time or 0:.1f} s is damaged"
            if not seconds:
                break
        return _find_bad_sample(container, stream) if whole else ""
    except (av.FFmpegError, OSError) as error:
        return f"FFmpeg says: {error.strerror or error}".lower()


def _find_key(stream: VideoStream, moment: float) -> int | None:
    """Return where in the index the key frame of a moment stands, if it does."""
    if not stream.time_base:
        return None
    key = stream.index_entries.search_timestamp(int(moment / stream.time_base))
    return key if key >= 0 else None


def _find_bad_sample(container: InputContainer, stream: VideoStream) -> str:
    """Return which sample does not consist of whole units, nothing if all do."""
    extra = stream.codec_context.extradata or b""
    place = {"h264": 4, "hevc": 21}.get(stream.codec_context.name)
    if place is None or len(extra) <= place or extra[0] != 1:
        return ""  # of another kind, or delimited by start codes
    width = (extra[place] & 3) + 1
    with suppress(av.FFmpegError):
        container.seek(0)
    for packet in container.demux(stream):
        if packet.size and not units_fit(bytes(packet), width):
            moment = float((packet.pts or 0) * packet.time_base)
            return f"the sample at {moment:.1f} s is none"
    return ""


def units_fit(sample: bytes, width: int) -> bool:
    """Report whether units with their lengths before them fill a sample."""
    at = 0
    while at < len(sample):
        size = int.from_bytes(sample[at : at + width], "big")
        if not size:
            return False
        at += width + size
    return at == len(sample)
