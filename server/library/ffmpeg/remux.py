"""Copy samples into a new MP4 without encoding; only ever inside the sandbox."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import av

from server.library.ffmpeg.probe import has_decoder, open_container
from server.library.ffmpeg.transcode import OPTIONS, explain

if TYPE_CHECKING:
    from av.stream import Stream

    from server.library.ffmpeg.source import Source


def digest(source: Source) -> list[list[str]]:
    """Return kind, codec and digest of the samples of each track that is played."""
    with open_container(source) as container:
        streams = [s for s in container.streams if s.type in ("video", "audio")]
        sums = {stream.index: hashlib.sha256() for stream in streams}
        for packet in container.demux(streams):
            if packet.size:
                sums[packet.stream.index].update(bytes(packet))
        return [
            [stream.type, _name_codec(stream), sums[stream.index].hexdigest()]
            for stream in streams
        ]


def _name_codec(stream: Stream) -> str:
    return stream.codec_context.name if has_decoder(stream) else ""


def remux(source: Source, target: str) -> str:
    """Copy pictures and sound into a new MP4; return why that failed, or nothing."""
    try:
        with (
            open_container(source) as container,
            av.open(target, "w", format="mp4", options=OPTIONS) as out,
        ):
            wanted = [s for s in container.streams if s.type in ("video", "audio")]
            copies = {s.index: out.add_stream_from_template(s) for s in wanted}
            for stream in wanted:
                if _name_codec(stream) == "hevc":
                    copies[stream.index].codec_context.codec_tag = "hvc1"
            for packet in container.demux(wanted):
                if packet.dts is not None:
                    packet.stream = copies[packet.stream.index]
                    out.mux(packet)
    except (av.FFmpegError, OSError, ValueError) as error:
        return explain(error)
    return ""
