"""Look into a media file, with FFmpeg by PyAV, and refuse what is no video."""

from __future__ import annotations

import os
import stat
from types import SimpleNamespace
from typing import TYPE_CHECKING, NamedTuple

import av
from av.stream import Disposition

from server.errors import Fault

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

    from av.container import InputContainer
    from av.video.stream import VideoStream

# FFmpeg opens these and no other formats: playlists, slide shows and the like would
# have it read other files and addresses. Beyond the first two they only get a name.
_FORMATS = (
    "mov,matroska,avi,flv,mpegts,mpeg,asf,ogg,mp3,wav,flac,aac,gif,apng,"
    "png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe"
)
_PICTURE_BRANDS = {"avif", "avis", "heic", "heix", "heim", "heis", "mif1", "msf1"}
_REMEDY = "import an MP4, QuickTime or WebM video"


class Clip(NamedTuple):
    """What a video file says of itself."""

    mime_type: str
    duration_seconds: float | None  # None if the file does not tell
    video_codec: str
    audio_codec: str | None
    width: int  # pixels, as is height
    height: int


def probe(path: Path) -> Clip:
    """Return what the video in path is; Fault if it is none that can be shown."""
    with open_file(path) as file:
        return probe_file(file, show_path(path))


def show_path(path: Path) -> str:
    """Return path for a sentence: on one line, whatever bytes the name is made of."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode()
        for sign in text
    )


def open_file(path: Path) -> BufferedReader:
    """Open path for reading; Fault if it is not a file with something in it."""
    shown = show_path(path)
    try:
        file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - it is returned
    except FileNotFoundError:
        raise Fault(f"{shown} does not exist: check the path") from None
    except IsADirectoryError:
        raise Fault(f"{shown} is a folder, not a file: {_REMEDY}") from None
    except (OSError, ValueError) as error:
        raise unreadable(shown, error) from None
    found = os.fstat(file.fileno())
    if stat.S_ISREG(found.st_mode) and found.st_size:
        return file
    file.close()
    kind = "empty" if stat.S_ISREG(found.st_mode) else "a device or pipe, not a file"
    raise Fault(f"{shown} is {kind}: {_REMEDY}")


def unreadable(shown: str, error: Exception) -> Fault:
    """Return the Fault for a file that the system will not read."""
    reason = getattr(error, "strerror", None) or error
    return Fault(f"{shown} cannot be read ({reason}): mend that and import it again")


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for a writer, as a named pipe would."""
    return os.open(path, flags | os.O_NONBLOCK)


def probe_file(file: BufferedReader, shown: str) -> Clip:
    """Return what the video in an open file is; shown names it in a Fault."""
    # Without its name, which FFmpeg would take hints from.
    source = SimpleNamespace(read=file.read, seek=file.seek, tell=file.tell)
    try:
        with av.open(
            source,
            "r",
            container_options={"format_whitelist": _FORMATS},
            metadata_errors="replace",
        ) as container:
            return _read_clip(container, file, shown)
    except (av.FFmpegError, OSError):
        raise Fault(
            f"{shown} is not a video, or is damaged or cut short: {_REMEDY}"
        ) from None


def _read_clip(container: InputContainer, file: BufferedReader, shown: str) -> Clip:
    mime_type = _name_type(container, file, shown)
    stream = _find_video(container, shown)
    frame = next(container.decode(stream), None)
    if frame is None:
        raise Fault(f"{shown} has no picture that can be decoded: {_REMEDY}")
    sound = next(iter(container.streams.audio), None)
    return Clip(
        mime_type,
        container.duration / av.time_base if container.duration else None,
        stream.codec_context.codec.canonical_name,
        sound.codec_context.codec.canonical_name if sound else None,
        frame.width,
        frame.height,
    )


def _name_type(container: InputContainer, file: BufferedReader, shown: str) -> str:
    """Return the MIME type of an accepted container."""
    name, brand = container.format.name, container.metadata.get("major_brand", "qt")
    if name.endswith("_pipe") or name in ("gif", "apng") or brand in _PICTURE_BRANDS:
        raise Fault(f"{shown} is a picture, not a video: {_REMEDY}")
    if name.startswith("mov"):  # before there was a brand, there was QuickTime
        return "video/quicktime" if brand.strip() == "qt" else "video/mp4"
    if name.startswith("matroska") and _is_webm(file):
        return "video/webm"
    kind = container.format.long_name.removesuffix(" / WebM")
    raise Fault(f"{shown} is of the format {kind}: {_REMEDY}")


def _is_webm(file: BufferedReader) -> bool:
    """Report whether the EBML header, which is short, has the document type webm."""
    position = file.tell()
    file.seek(0)
    head = file.read(64)
    file.seek(position)
    return b"webm" in head


def _find_video(container: InputContainer, shown: str) -> VideoStream:
    """Return the first moving picture; the cover of a song is not one."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise Fault(f"{shown} has no moving picture: {_REMEDY}")
