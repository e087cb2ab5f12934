"""A virtual file, put together, and what a demuxer finds in it."""

from __future__ import annotations

import io
from hashlib import md5
from typing import Any, NamedTuple

import av

from server.hls.index import find_index
from server.hls.layout import Layout, plan_layout


class Packet(NamedTuple):
    """A sample as a demuxer tells of it; times are in units of its track."""

    pts: int | None
    dts: int | None
    size: int
    md5: str
    is_key: bool


def find_moov(data: bytes) -> bytes:
    """Return the body of the index of a file."""
    steps = find_index(len(data))
    try:
        span = next(steps)
        while True:
            span = steps.send(data[span.start : span.stop])
    except StopIteration as done:
        return data[done.value.start : done.value.stop]


def plan(data: bytes) -> Layout:
    """Return the layout of a file."""
    return plan_layout(find_moov(data), len(data))


def join(data: bytes, pieces: list[bytes | range]) -> bytes:
    """Return the bytes that pieces stand for."""
    return b"".join(
        piece if isinstance(piece, bytes) else data[piece.start : piece.stop]
        for piece in pieces
    )


def build(data: bytes) -> bytes:
    """Return the whole virtual file of a file."""
    layout = plan(data)
    return join(data, layout.pieces(0, layout.size - 1))


def read_packets(data: bytes) -> dict[str, list[Packet]]:
    """Return the packets of the picture and the sound."""
    found: dict[str, list[Packet]] = {}
    av.logging.set_level(av.logging.PANIC)  # what the writer wrote is no picture
    with av.open(io.BytesIO(data), "r") as container:
        streams: Any = [
            each[0]
            for each in (container.streams.video, container.streams.audio)
            if each
        ]
        for packet in container.demux(streams):
            if packet.size:
                told = md5(bytes(packet), usedforsecurity=False).hexdigest()
                found.setdefault(packet.stream.type, []).append(
                    Packet(
                        packet.pts, packet.dts, packet.size, told, packet.is_keyframe
                    )
                )
    return found
