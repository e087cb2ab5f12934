"""For each line of input, the path of a file, write as JSON what FFmpeg makes of it.

That is its tracks with their samples, those of pictures and sound, and why it cannot be
decoded, if it cannot. A process of its own, for FFmpeg may crash.
"""

from __future__ import annotations

import hashlib
import json
import resource
import sys
from typing import TYPE_CHECKING, Any

import av

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

MEMORY_BYTES = 2 << 30
# PyAV 19 replaces what is no UTF-8 by itself, and no longer takes the argument.
DECODING: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)
HANDLERS = {"video": "vide", "audio": "soun"}


def read_tracks(path: str) -> list[dict[str, Any]] | None:
    """Return each track with its samples, without what an edit list does to them."""
    options = {"ignore_editlist": "1"}
    try:
        with av.open(path, format="mov", options=options, **DECODING) as container:
            streams = pick_streams(container)
            tracks: dict[int, dict[str, Any]] = {
                stream.index: {
                    "handler": HANDLERS[stream.type],
                    "samples": [],
                    "digests": [],
                }
                for stream in streams
            }
            for packet in container.demux(streams):
                if packet.size:
                    track = tracks[packet.stream_index]
                    track["samples"].append(describe(packet))
                    digest = hashlib.sha256(bytes(packet)).hexdigest()
                    track["digests"].append(digest)
    except (av.FFmpegError, OSError, ValueError):
        return None
    return list(tracks.values())


def pick_streams(container: InputContainer) -> list[Stream]:
    """Return pictures and sound whose codecs FFmpeg knows."""
    return [
        stream
        for stream in container.streams
        if stream.type in HANDLERS and getattr(stream, "codec_context", None)
    ]


def describe(packet: Packet[Stream]) -> list[int]:
    """Return place, size, times and whether it is a key; ValueError without times."""
    place, dts, pts, duration = packet.pos, packet.dts, packet.pts, packet.duration
    if place is None or dts is None or pts is None or duration is None:
        raise ValueError("a sample without times")
    return [place, packet.size, dts, pts, duration, packet.is_keyframe]


def find_break(path: str) -> str:
    """Return why pictures and sound cannot be decoded; empty if they can."""
    try:
        with av.open(path, format="mov", **DECODING) as container:
            streams = pick_streams(container)
            if not any(stream.type == "video" for stream in streams):
                return "there is no picture"
            for frame in container.decode(streams):
                if isinstance(frame, av.VideoFrame) and frame.is_corrupt:
                    return f"the picture at {frame.time} s is damaged"
    except (av.FFmpegError, OSError, ValueError) as error:
        return str(error)
    return ""


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for line in sys.stdin:
        path = line.rstrip("\n")
        found = {"tracks": read_tracks(path), "broken": find_break(path)}
        print(json.dumps(found), flush=True)
