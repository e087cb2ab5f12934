"""Encoded pictures look as players show their source."""

from __future__ import annotations

from base64 import b64decode
from fractions import Fraction
from struct import pack
from typing import TYPE_CHECKING, Any

import av
import pytest

from server.library.clips.repair import RepairError, open_media
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import open_file
from tests.clips import X265, Kind, box, make, paint, patch
from tests.library.clips.test_check import write_at
from tests.library.ffmpeg.encoding import (
    encode,
    join,
    read_pictures,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


ONE = 1 << 16


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


MATRICES = {
    "mirror": (-1, 0, 0, 1),
    "flip": (1, 0, 0, -1),
    "quarter": (0, 1, -1, 0),
    "half": (-1, 0, 0, -1),
    "three quarters": (0, -1, 1, 0),
    "transpose": (0, 1, 1, 0),
    "the other transpose": (0, -1, -1, 0),
}


@pytest.mark.parametrize("name", MATRICES)
def test_clip_comes_out_as_its_thumbnail_shows_it(
    name: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    a, b, c, d = (ONE * number for number in MATRICES[name])
    wide = make(tmp_path / "wide.mp4", Kind(width=96, height=64, frames=2))
    matrix = pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path = patch(tmp_path / "a.mp4", wide, b"tkhd", write_at(40, matrix))
    with open_file(path) as file:
        media = open_media(file)
        width, height, image = sandbox.run("thumbnail", *media, 20, most=1 << 20)
    (tmp_path / "a.jpeg").write_bytes(b64decode(image))
    [shown] = read_pictures(tmp_path / "a.jpeg")
    encoded = encode(path, sandbox)
    picture = read_pictures(encoded)[0]
    assert picture.shape[1] == width
    expected, found = (each[:height, :width].astype(int) for each in (shown, picture))
    low, high = expected.min(), expected.max()
    expected = (expected - low) / (high - low)  # JPEG has the full range
    found = (found - found.min()) / (found.max() - found.min())
    assert abs(expected - found).mean() < 0.04
    for flipped in (found[::-1], found[:, ::-1]):  # the bar is at one of its sides
        assert abs(expected - found).mean() <= abs(expected - flipped).mean()


@pytest.mark.long
@pytest.mark.parametrize("transfer", [16, pytest.param(18, marks=pytest.mark.long)])
def test_hdr_becomes_sdr(transfer: int, tmp_path: Path, sandbox: Sandbox) -> None:
    kind = Kind(
        "libx265",
        "yuv420p10le",
        tag="hvc1",
        options=X265,
        color_trc=transfer,
        frames=6,
        audio=None,
    )
    encoded = encode(make(tmp_path / "a.mp4", kind), sandbox)
    with av.open(str(encoded)) as container:
        context = container.streams.video[0].codec_context
        assert context.name == "h264"
        colour = context.color_primaries, context.color_trc, context.colorspace
        assert tuple(map(int, colour)) == (1, 1, 1)
        frame = next(container.decode(video=0))
    before = read_pictures(tmp_path / "a.mp4")[0] / 4  # of 10 bits
    ground, bar = (before[:64, at].mean() for at in (30, 0))
    light = frame.to_ndarray()[:64, :64]
    mapped_ground, mapped_bar = (light[:, at].mean() for at in (30, 0))
    # Another matrix alone takes 11 from the bar; mapping takes 39 in HLG, 53 in PQ.
    assert mapped_bar < bar - 25
    assert mapped_ground < ground
    assert mapped_bar - mapped_ground > (bar - ground) / 2


def test_interlaced_pictures_are_woven(tmp_path: Path, sandbox: Sandbox) -> None:
    """Every second line comes from a fiftieth of a second later."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 128, 96, "yuv420p"
        video.options = {"x264-params": "tff=1", "crf": "10"}
        for number in range(12):
            upper, lower = (
                paint(128, 96, 2 * number + late).reformat(format="yuv420p")
                for late in range(2)
            )
            lines = upper.to_ndarray()
            lines[1:96:2] = lower.to_ndarray()[1:96:2]
            frame = av.VideoFrame.from_ndarray(lines, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))

    def comb(picture: Any) -> float:
        light = picture[:96].astype(int)
        return float(abs(light[1:95:2] - light[0:94:2]).mean())

    before = read_pictures(path)
    after = read_pictures(encode(path, sandbox))
    assert len(after) == len(before) == 12
    assert max(map(comb, after)) < min(map(comb, before)) / 2


def test_clean_aperture_is_what_is_left(tmp_path: Path, sandbox: Sandbox) -> None:
    """A box clap says which part is meant to be seen (14496-12, 12.1.4)."""
    wide = make(tmp_path / "wide.mp4", Kind(width=96, height=64, frames=2))
    data = wide.read_bytes()
    aperture = box(b"clap", pack(">8I", 64, 1, 48, 1, 0, 1, 0, 1))
    path = tmp_path / "a.mp4"
    path.write_bytes(grow(data, b"avcC", aperture))
    picture = read_pictures(encode(path, sandbox))[0]
    assert picture.shape == (48 * 3 // 2, 64)


def grow(data: bytes, before: bytes, added: bytes) -> bytes:
    """Return an MP4, its index first, with a box put before another of a sample entry.

    Chunk offsets are moved.
    """
    at = data.index(before) - 4
    data = data[:at] + added + data[at:]
    for kind in (b"avc1", b"stsd", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        start = data.index(kind, data.index(b"moov")) - 4
        size = int.from_bytes(data[start : start + 4], "big") + len(added)
        data = data[:start] + pack(">I", size) + data[start + 4 :]
    moved = bytearray(data)
    start = 0
    while (start := data.find(b"stco", start + 1)) > 0:
        count = int.from_bytes(data[start + 8 : start + 12], "big")
        for place in range(start + 12, start + 12 + 4 * count, 4):
            offset = int.from_bytes(data[place : place + 4], "big") + len(added)
            moved[place : place + 4] = pack(">I", offset)
    return bytes(moved)


def test_pictures_of_another_size_are_fitted(tmp_path: Path, sandbox: Sandbox) -> None:
    kinds = [
        Kind(format="mpegts", width=128, height=72, frames=30, audio=None),
        Kind(format="mpegts", width=72, height=72, frames=30, audio=None),
    ]
    path = join(tmp_path / "a.ts", kinds)
    pictures = read_pictures(encode(path, sandbox))
    assert {picture.shape for picture in pictures} == {(108, 128)}
    assert pictures[5][:72, :20].mean() > 80
    assert pictures[-5][:72, :20].mean() < 20  # a bar beside it
    assert pictures[-5][:72, 30:100].mean() > 80


@pytest.mark.parametrize("compatibility", [0, 4])
def test_dolby_vision_needs_a_base_layer(
    compatibility: int, tmp_path: Path, sandbox: Sandbox
) -> None:
    plain = make(tmp_path / "plain.mp4", Kind(frames=2))
    profile = 5 if compatibility == 0 else 8
    layers = bytes([1, 0, profile << 1, 1 << 3 | 5, compatibility << 4])
    path = tmp_path / "a.mp4"
    configuration = box(b"dvcC", layers + bytes(19))
    path.write_bytes(grow(plain.read_bytes(), b"avcC", configuration))
    if compatibility:
        assert len(read_pictures(encode(path, sandbox))) == 2
    else:
        with pytest.raises(RepairError, match="Dolby Vision without a base layer"):
            encode(path, sandbox)
