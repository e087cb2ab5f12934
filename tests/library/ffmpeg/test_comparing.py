"""A result that is worse than its source is noticed, a good one is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import pytest

from server.library.clips.check import Limits
from server.library.clips.repair import open_media, transcode_clip
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import open_file
from tests.clips import Kind, make
from tests.library.ffmpeg.encoding import H264, make_pulse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOISE = Kind(frames=40, noise=True)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def compare(source: Path, made: Path, sandbox: Sandbox, fps: float = 30) -> str:
    with open_file(source) as file:
        reason: str = sandbox.run(
            "compare",
            *open_media(file),
            20,
            target=str(made),
            fps=fps,
            pictures=True,
        )
        return reason


@pytest.mark.long
@pytest.mark.parametrize("megabytes", [5, 0.06])
def test_good_result_is_no_worse(
    megabytes: float, tmp_path: Path, sandbox: Sandbox
) -> None:
    source, made = make(tmp_path / "a.mp4", NOISE), tmp_path / "b.mp4"
    with open_file(source) as file:
        limits = Limits(megabytes=megabytes)
        transcode_clip(open_media(file), made, limits, sandbox)
    assert compare(source, made, sandbox) == ""


def make_later(path: Path) -> Path:
    """Make the clip of make_pulse with the pictures of others, and late sound."""
    early = make_pulse(path.with_name("early.mp4"), "mp4")
    with av.open(str(early)) as source, av.open(str(path), "w") as out:
        copies = {s.index: out.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.size:
                if packet.stream.type == "audio" and packet.pts is not None:
                    packet.pts += 24_000
                    packet.dts = packet.pts
                packet.stream = copies[packet.stream.index]
                out.mux(packet)
    return path


WORSE: dict[str, tuple[Callable[[Path], Path], Callable[[Path], Path], str]] = {
    "fewer pictures": (
        lambda path: make(path, NOISE),
        lambda path: make(path, NOISE._replace(frames=39)),
        "it would have 39 pictures instead of 40",
    ),
    "other times": (
        lambda path: make(path, NOISE),
        lambda path: make(path, NOISE._replace(fps=20)),
        "its picture at 0.07 s would come at 0.10 s",
    ),
    "other pictures": (
        lambda path: make(path, NOISE),
        lambda path: make(path, NOISE._replace(noise=False)),
        "its picture at 0.00 s would look different",
    ),
    "no sound": (
        lambda path: make(path, NOISE),
        lambda path: make(path, NOISE._replace(audio=None)),
        "it would have no sound",
    ),
    "silence": (
        lambda path: make_pulse(path, "mp4"),
        lambda path: make(path, Kind(frames=45)),
        "its picture at",  # which is white in only one of them
    ),
    "late sound": (
        lambda path: make_pulse(path, "mp4"),
        make_later,
        "its sound would",
    ),
}


@pytest.mark.parametrize("name", WORSE)
def test_worse_result_is_noticed(name: str, tmp_path: Path, sandbox: Sandbox) -> None:
    make_source, make_worse, reason = WORSE[name]
    source = make_source(tmp_path / "a.mp4")
    made = make_worse(tmp_path / "b.mp4")
    assert compare(source, made, sandbox).startswith(reason)


def test_green_pictures_are_noticed(tmp_path: Path, sandbox: Sandbox) -> None:
    source = make_pulse(tmp_path / "a.mp4", "mp4", H264)
    made = tmp_path / "b.mp4"
    with av.open(str(source)) as container, av.open(str(made), "w") as out:
        video = out.add_stream("libx264", rate=30)
        video.width = video.height = 64
        audio = container.streams.audio[0]
        copied = out.add_stream_from_template(audio)
        for frame in container.decode(video=0):
            if 10 < (frame.time or 0) * 30 < 20:
                for plane in frame.planes:
                    plane.update(bytes(plane.buffer_size))
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        container.seek(0)
        for packet in container.demux(audio):
            if packet.size:
                packet.stream = copied
                out.mux(packet)
    assert (
        compare(source, made, sandbox) == "its picture at 0.37 s would look different"
    )


def test_what_is_no_clip_is_noticed(tmp_path: Path, sandbox: Sandbox) -> None:
    source = make(tmp_path / "a.mp4", NOISE)
    (tmp_path / "b.mp4").write_bytes(b"nothing")
    assert "cannot be read" in compare(source, tmp_path / "b.mp4", sandbox)
