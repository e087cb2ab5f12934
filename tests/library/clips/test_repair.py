"""Repaired files play, hold what they held, and leave the original alone."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from struct import pack
from typing import TYPE_CHECKING, Any

import av
import pytest

from server.library.clips.check import FIX, TRANSCODE, Limits
from server.library.clips.checking import CheckReport, check_media
from server.library.clips.repair import (
    RepairError,
    fix_clip,
    open_media,
    plan_repair,
    transcode_clip,
    transcode_sound,
)
from server.library.ffmpeg.picture import fit_size, pick_height
from server.library.ffmpeg.probe_result import ProbeResult
from server.library.ffmpeg.sandbox import OverrunError, Sandbox
from server.library.ffmpeg.source import Source
from server.library.files import open_file
from server.library.mp4.boxes import MalformedError, list_boxes
from server.library.mp4.reorder import reorder
from tests.clips import X265, Kind, box, make, patch, read_frames
from tests.library.clips.test_check import MATRIX_OF_90, write_at
from tests.library.ffmpeg.encoding import make_late_sound
from tests.waiting import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.library.clips.repair import Media
    from server.library.mp4.boxes import Read

PLAIN = Limits()

FIXED = {
    "moov last": Kind(movflags=""),
    "hev1": Kind("libx265", tag="hev1", options=X265),
    "hev1 with moov last": Kind("libx265", tag="hev1", options=X265, movflags=""),
    "fragmented": Kind(movflags="+frag_keyframe+empty_moov+default_base_moof"),
    "fragmented hev1": Kind(
        "libx265", tag="hev1", options=X265, movflags="+frag_keyframe+empty_moov"
    ),
    "timecode": Kind(timecode=True),
    "timecode with moov last": Kind(timecode=True, movflags="", delay=2),
    "QuickTime": Kind(format="mov"),
    "QuickTime with timecode": Kind(format="mov", timecode=True, audio=None),
}
TRANSCODED = {
    "10 bits": Kind(pixels="yuv420p10le"),
    "4:4:4 and odd": Kind(pixels="yuv444p", width=65, height=63),
    "ProRes": Kind("prores_ks", "yuv422p10le", format="mov", audio="pcm_s16le"),
    "VP8 in WebM": Kind("libvpx", format="webm", audio="libopus"),
    "AVI without sound": Kind("mpeg4", format="avi", audio=None),
    "MP3": Kind(audio="libmp3lame"),
    "60 frames a second": Kind(fps=60),
    "few key frames": Kind(
        frames=11, fps=5, gop=50, options=(("x264-params", "scenecut=0"),)
    ),
    "large picture": Kind(width=2000, height=64, frames=2, audio=None),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("repair") / "good.mp4")


def judge(path: Path, sandbox: Sandbox) -> CheckReport:
    with open_file(path) as file:
        return check_media(open_media(file), sandbox, PLAIN)


def mend(path: Path, sandbox: Sandbox, limits: Limits = PLAIN) -> Path:
    """Return what becomes of a file, beside it."""
    before = path.read_bytes()
    target = path.with_name("mended.mp4")
    with open_file(path) as file:
        media = open_media(file)
        flaws = check_media(media, sandbox, limits).flaws
        if plan_repair(flaws, transcode=True) == FIX:
            fix_clip(media, flaws, target, sandbox)
        else:
            transcode_clip(media, target, limits, sandbox)
    assert path.read_bytes() == before
    return target


def describe(path: Path) -> list[tuple[object, ...]]:
    with av.open(str(path)) as container:
        return [
            (stream.codec_context.name, stream.profile, stream.pix_fmt)
            if isinstance(stream, av.VideoStream)
            else (stream.codec_context.name, stream.profile)
            for stream in container.streams
        ]


@pytest.mark.parametrize("kind", FIXED)
def test_fixed_clip_has_the_same_frames_and_no_flaw(
    kind: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make(tmp_path / "a.mp4", FIXED[kind])
    report = judge(path, sandbox)
    assert plan_repair(report.flaws, transcode=False) == FIX
    mended = mend(path, sandbox)
    assert judge(mended, sandbox).flaws == []
    assert read_frames(mended) == read_frames(path)


@pytest.mark.parametrize("kind", TRANSCODED)
def test_transcoded_clip_is_as_phones_like_it(
    kind: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make(tmp_path / "a.mp4", TRANSCODED[kind])
    assert plan_repair(judge(path, sandbox).flaws, transcode=True) == TRANSCODE
    mended = mend(path, sandbox)
    assert judge(mended, sandbox).flaws == []
    video, *sound = describe(mended)
    assert video == ("h264", "High", "yuv420p")
    assert sound == ([("aac", "LC")] if TRANSCODED[kind].audio else [])


def test_boxes_keep_their_media_byte_for_byte(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", Kind(movflags="", timecode=True))
    data = path.read_bytes()
    with open_file(path) as file:
        mended = b"".join(reorder(*open_media(file)))
    kinds = [
        one.kind for one in list_boxes(lambda at, n: mended[at : at + n], 0, 9**9)[:3]
    ]
    assert kinds[:2] == ["ftyp", "free"] or kinds[:2] == ["ftyp", "moov"]
    media = data[data.index(b"mdat") : data.index(b"moov") - 4]
    assert media in mended
    assert b"tmcd" in data
    assert b"tmcd" not in mended


def test_wide_offsets_are_moved_too(tmp_path: Path, sandbox: Sandbox) -> None:
    path = make(tmp_path / "a.mp4", Kind(movflags="", audio=None))
    data = path.read_bytes()
    start = data.index(b"stco") - 4
    size = int.from_bytes(data[start : start + 4], "big")
    places = data[start + 16 : start + size]
    wide = b"".join(bytes(4) + places[at : at + 4] for at in range(0, len(places), 4))
    data = (
        data[:start]
        + box(b"co64", data[start + 8 : start + 16], wide)
        + data[start + size :]
    )
    for kind in (b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        at = data.index(kind) - 4
        grown = int.from_bytes(data[at : at + 4], "big") + len(wide) - len(places)
        data = data[:at] + pack(">I", grown) + data[at + 4 :]
    wide_path = tmp_path / "wide.mp4"
    wide_path.write_bytes(data)
    mended = mend(wide_path, sandbox)
    assert judge(mended, sandbox).flaws == []
    assert read_frames(mended) == read_frames(path)


def test_half_a_file_is_not_reordered(good: Path) -> None:
    data = good.read_bytes()[:-1]
    with pytest.raises(MalformedError, match="is not whole"):
        list(reorder(lambda at, size: data[at : at + size], len(data)))


def test_picture_is_turned_upright(
    good: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    wide = make(tmp_path / "wide.mp4", Kind(width=96, height=64))
    path = patch(tmp_path / "a.mp4", wide, b"tkhd", write_at(40, MATRIX_OF_90))
    mended = mend(path, sandbox)
    assert judge(mended, sandbox).flaws == []
    with av.open(str(mended)) as container, av.open(str(wide)) as source:
        now = next(container.decode(video=0))
        was = next(source.decode(video=0))
        assert (now.width, now.height, now.rotation) == (64, 96, 0)
        # The bar stands at the left, and after a clockwise quarter lies at the top.
        assert was.to_ndarray()[32, 0] > 150 > was.to_ndarray()[32, 90]
        assert now.to_ndarray()[0, 32] > 150 > now.to_ndarray()[90, 32]


@pytest.mark.long
def test_clip_ends_below_its_limit(tmp_path: Path, sandbox: Sandbox) -> None:
    path = make(tmp_path / "a.mp4", Kind(frames=30, noise=True, width=128, height=128))
    limits = Limits(megabytes=0.05)
    assert path.stat().st_size > 200_000
    mended = mend(path, sandbox, limits)
    assert 20_000 < mended.stat().st_size <= 50_000
    with av.open(str(mended)) as container:
        assert container.streams.video[0].frames == 30


def test_clip_that_cannot_be_so_small_is_left(tmp_path: Path, sandbox: Sandbox) -> None:
    path = make(tmp_path / "a.mp4", Kind(frames=30, noise=True))
    with pytest.raises(RepairError, match="1 s do not fit into 9000 bytes"):
        mend(path, sandbox, Limits(megabytes=0.009))


def test_same_file_becomes_the_same_bytes(tmp_path: Path, sandbox: Sandbox) -> None:
    path = make(tmp_path / "a.mp4", Kind(pixels="yuv444p"))
    first = mend(path, sandbox).read_bytes()
    assert mend(path, sandbox).read_bytes() == first


@pytest.mark.parametrize(
    ("size", "limit", "fitted"),
    [
        ((64, 48), 1080, (64, 48)),
        ((65, 63), 1080, (64, 62)),
        ((3840, 2160), 1080, (1920, 1080)),
        ((1080, 1920), 1080, (1080, 1920)),
        ((2000, 100), 1080, (1920, 96)),
        ((1, 1), 1080, (2, 2)),
    ],
)
def test_size_is_even_and_within(
    size: tuple[int, int], limit: int, fitted: tuple[int, int]
) -> None:
    assert fit_size(*size, limit) == fitted


@pytest.mark.parametrize(
    ("bit_rate", "height"),
    [(None, 1080), (4_000_000, 1080), (800_000, 720), (400_000, 540), (9, 360)],
)
def test_picture_gets_smaller_with_fewer_bits(
    bit_rate: int | None, height: int
) -> None:
    assert pick_height((1920, 1080), 1080, Fraction(30), bit_rate) == height


def test_what_ffmpeg_cannot_read_is_not_repaired(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    (tmp_path / "a").write_bytes(b"nothing at all")
    with open_file(tmp_path / "a") as file:
        with pytest.raises(RepairError, match="invalid data"):
            transcode_clip(open_media(file), tmp_path / "b", PLAIN, sandbox)
        with pytest.raises(RepairError, match="not whole"):
            fix_clip(open_media(file), [], tmp_path / "b", sandbox)


def test_sound_alone_is_not_transcoded(good: Path, sandbox: Sandbox) -> None:
    song = good.with_name("song.mp4")
    with av.open(str(good)) as source, av.open(str(song), "w") as out:
        sound = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = sound
                out.mux(packet)
    with open_file(song) as file, pytest.raises(RepairError, match="no moving picture"):
        transcode_clip(open_media(file), song.with_name("b"), PLAIN, sandbox)


def test_repair_that_would_change_a_sample_is_refused(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make(tmp_path / "a.mp4", Kind(movflags=""))
    place = path.read_bytes().index(b"mdat") + 100
    with open_file(path) as file:
        media = open_media(file)
        damage = [0, 1, 0]  # when the media go into the new file, having been seen

        def read(start: int, length: int) -> bytes:
            part = bytearray(media.read(start, length))
            if start <= place < start + length and damage:
                part[place - start] ^= damage.pop(0)
            return bytes(part)

        flaws = judge(path, sandbox).flaws
        with pytest.raises(RepairError, match="would not stay the same"):
            fix_clip(media._replace(read=read), flaws, tmp_path / "b.mp4", sandbox)


def test_sandbox_ends_what_takes_too_long(good: Path) -> None:
    with Sandbox() as own, open_file(good) as file:
        media = open_media(file)

        def read(start: int, length: int) -> bytes:
            assert own._process
            own._process.wait(HANG_SECONDS)  # it would be done before the timer, else
            return media.read(start, length)

        with pytest.raises(OverrunError):
            own.run("probe", read, media.size, 0, whole=True)
        again = own.run("probe", *media, int(HANG_SECONDS), whole=True)
        assert not ProbeResult(*again).broken


def test_dead_sandbox_is_replaced(good: Path) -> None:
    with Sandbox() as own, open_file(good) as file:
        media = open_media(file)

        def read(start: int, length: int) -> bytes:
            assert own.process_id
            os.kill(own.process_id, signal.SIGKILL)
            return media.read(start, length)

        with pytest.raises(OverrunError):
            own.run("probe", read, media.size, 20, whole=True)
        assert not ProbeResult(*own.run("probe", *media, 20, whole=True)).broken


def test_overrun_is_a_reason_not_to_repair(good: Path, tmp_path: Path) -> None:
    with Sandbox() as own, open_file(good) as file:
        media = open_media(file)

        def read(start: int, length: int) -> bytes:
            if own.process_id:
                os.kill(own.process_id, signal.SIGKILL)
            return media.read(start, length)

        dying = media._replace(read=read)
        with pytest.raises(RepairError, match="more time or memory"):
            transcode_clip(dying, tmp_path / "b", PLAIN, own)
        with pytest.raises(RepairError, match="more time or memory"):
            fix_clip(dying, [], tmp_path / "c", own)
        report = check_media(dying, own, PLAIN)
        assert [flaw.code for flaw in report.flaws] == ["undecodable"]


def test_interrupted_sandbox_leaves_no_process(good: Path) -> None:
    own = Sandbox()
    found = []

    def read(start: int, length: int) -> bytes:
        found.append(own.process_id)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        own.run("probe", read, good.stat().st_size, 20, whole=True)
    with pytest.raises(ProcessLookupError):
        os.kill(found[0] or 0, 0)
    own.close()


CELL = """
from server.library.ffmpeg.child import limit_process
limit_process()
try:
    bytearray(3 << 30)
except MemoryError:
    print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is not enforced")
def test_memory_of_the_sandbox_is_bounded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CELL],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout == "refused\n"


def test_good_clip_needs_no_repair(good: Path, sandbox: Sandbox) -> None:
    assert plan_repair(judge(good, sandbox).flaws, transcode=True) is None


def test_source_reads_like_a_file() -> None:
    asked, answers = io.BytesIO(), io.BytesIO(pack(">I", 3) + b"abc")
    source = Source(asked, answers, 10)
    assert (source.seek(-3, io.SEEK_END), source.tell()) == (7, 7)
    assert source.read(99) == b"abc"
    assert (source.read(1), source.seek(-5, io.SEEK_CUR), source.seek(-1)) == (
        b"",
        5,
        0,
    )
    assert asked.getvalue() == pack(">QI", 7, 3)


def test_clip_without_sound_of_a_kind_mp4_takes_is_not_fixed(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make(tmp_path / "a.mov", Kind("qtrle", "rgb24", format="mov", audio=None))
    with open_file(path) as file:
        media = open_media(file)
        flaws = check_media(media, sandbox, PLAIN).flaws
        assert plan_repair(flaws, transcode=False) is None
        with pytest.raises(RepairError):
            fix_clip(media, flaws, tmp_path / "b.mp4", sandbox)


class SwappingSandbox(Sandbox):
    """Compares with another clip than the one that was encoded."""

    def __init__(self, other: Media) -> None:
        super().__init__()
        self._other = other

    def run(
        self, name: str, read: Read, size: int, seconds: int, **values: object
    ) -> Any:
        """Do a job, if it is to compare then about the other clip."""
        if name == "compare":
            read, size = self._other
        return super().run(name, read, size, seconds, **values)


def test_result_unlike_its_source_is_refused(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4", Kind(frames=20, noise=True))
    other = make(tmp_path / "b.mp4", Kind(frames=20))
    with (
        open_file(source) as file,
        open_file(other) as unlike,
        SwappingSandbox(open_media(unlike)) as own,
        pytest.raises(RepairError, match=r"its picture at 0.00 s would look different"),
    ):
        transcode_clip(open_media(file), tmp_path / "c.mp4", PLAIN, own)


def test_sound_unlike_its_source_is_refused(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mp4", Kind(frames=60, audio="libmp3lame"))
    other = make_late_sound(tmp_path / "b.mp4")
    with (
        open_file(source) as file,
        open_file(other) as unlike,
        SwappingSandbox(open_media(unlike)) as own,
        pytest.raises(RepairError, match="its sound would"),
    ):
        transcode_sound(open_media(file), tmp_path / "c.mp4", PLAIN, own)
