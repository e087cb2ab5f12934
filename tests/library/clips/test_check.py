"""The verdict on good, broken and hostile files, each with what is expected by hand."""

from __future__ import annotations

import json
import os
import resource
from contextlib import closing, suppress
from random import Random
from struct import pack
from typing import TYPE_CHECKING

import psycopg2
import pytest

from server.cli import build_parser
from server.library.clips.check import FAULT, WARNING, Limits, find_worst
from server.library.clips.checking import check_files, check_media
from server.library.clips.repair import Media, open_media
from server.library.clips.rules import find_flaws
from server.library.ffmpeg.probe_result import ProbeResult
from server.library.ffmpeg.sandbox import Sandbox
from server.library.mp4.boxes import MalformedError, Tree, list_boxes
from server.library.mp4.movie import read_movie
from server.library.mp4.reorder import reorder
from tests.clips import GOOD, X265, Kind, box, make, patch
from tests.command import run
from tests.conftest import insert_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from server.library.clips.check import Flaw

PLAIN = Limits()
FINE: dict[str, Kind] = {
    "H.264 and AAC": GOOD,
    "silent": Kind(audio=None),
    "H.265 tagged hvc1": Kind("libx265", tag="hvc1", options=X265),
    "baseline": Kind(options=(("profile", "baseline"),)),
    "half a second late, a key frame each": Kind(gop=1, delay=2),
}
FLAWED: dict[str, tuple[Kind, set[str]]] = {
    "moov last": (Kind(movflags=""), {"warning moov-after-mdat"}),
    "hev1": (Kind("libx265", tag="hev1", options=X265), {"fault hev1-tag"}),
    "10 bits": (Kind(pixels="yuv420p10le"), {"fault bit-depth"}),
    "10 bits of H.265": (
        Kind("libx265", pixels="yuv420p10le", tag="hvc1", options=X265),
        {"warning bit-depth"},
    ),
    "HDR": (
        Kind("libx265", "yuv420p10le", tag="hvc1", options=X265, color_trc=16),
        {"warning bit-depth", "note hdr"},
    ),
    "4:2:2": (Kind(pixels="yuv422p"), {"fault chroma"}),
    "4:4:4": (Kind(pixels="yuv444p"), {"fault chroma"}),
    "grey": (Kind(pixels="gray"), {"warning chroma"}),
    "odd": (
        Kind(pixels="yuv444p", width=65, height=63),
        {"fault chroma", "fault odd-dimensions"},
    ),
    "level 6.2": (Kind(options=(("x264-params", "level=6.2"),)), {"fault level"}),
    "MPEG-4": (Kind("mpeg4"), {"fault codec"}),
    "VP9": (Kind("libvpx-vp9"), {"fault codec"}),
    "ProRes": (
        Kind("prores_ks", "yuv422p10le", format="mov"),
        {"fault codec", "warning not-mp4"},
    ),
    "QuickTime": (Kind(format="mov"), {"warning not-mp4"}),
    "WebM": (Kind("libvpx", format="webm", audio="libopus"), {"fault not-mp4"}),
    "Matroska": (Kind(format="matroska"), {"fault not-mp4"}),
    "AVI": (Kind("mpeg4", format="avi", audio=None), {"fault not-mp4"}),
    "MP3": (Kind(audio="libmp3lame"), {"note hls-codec", "warning audio-codec"}),
    "AC-3": (Kind(audio="ac3"), {"note hls-codec", "warning audio-codec"}),
    "Opus": (Kind(audio="libopus"), {"fault audio-codec"}),
    "PCM": (
        Kind(audio="pcm_s16le", format="mov"),
        {"note hls-codec", "warning audio-codec", "warning not-mp4"},
    ),
    "fragmented": (
        Kind(movflags="+frag_keyframe+empty_moov+default_base_moof"),
        {"fault fragmented"},
    ),
    "encrypted": (Kind(encrypted=True), {"fault encrypted"}),
    "timecode": (Kind(timecode=True), {"warning extra-track"}),
    "two pictures": (Kind(videos=2), {"warning several-video-tracks"}),
    "60 frames a second": (Kind(fps=60), {"warning over-frame-rate"}),
    "late": (Kind(delay=15), {"warning edit-list-shift"}),
    "few key frames": (
        Kind(frames=11, fps=5, gop=50, options=(("x264-params", "scenecut=0"),)),
        {"warning key-frame-interval"},
    ),
    "long": (Kind(frames=52, fps=5, gop=5), {"warning over-duration"}),
    "large picture": (
        Kind(width=1936, height=64, frames=2, audio=None),
        {"warning over-resolution"},
    ),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("check") / "good.mp4")


def judge(path: Path, sandbox: Sandbox, limits: Limits = PLAIN) -> list[Flaw]:
    [(_, flaws)] = check_files([path], sandbox, limits)
    for flaw in flaws:
        assert flaw.tell(str(path)).isprintable()
    return flaws


def name(flaws: list[Flaw]) -> set[str]:
    return {f"{flaw.severity} {flaw.code}" for flaw in flaws}


@pytest.mark.parametrize("kind", FINE)
def test_good_clip_has_no_flaw(kind: str, tmp_path: Path, sandbox: Sandbox) -> None:
    assert judge(make(tmp_path / "a.mp4", FINE[kind]), sandbox) == []


@pytest.mark.parametrize("kind", FLAWED)
def test_flaw_is_found(kind: str, tmp_path: Path, sandbox: Sandbox) -> None:
    made, expected = FLAWED[kind]
    assert name(judge(make(tmp_path / "a.mp4", made), sandbox)) == expected


def write_at(offset: int, value: bytes) -> Callable[[bytearray], None]:
    def change(body: bytearray) -> None:
        body[offset : offset + len(value)] = value

    return change


MATRIX_OF_90 = pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
MATRIX_OF_A_MIRROR = pack(">9i", -1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)

PATCHED = {
    "turned": (b"tkhd", 40, MATRIX_OF_90, "note rotated"),
    "mirrored": (b"tkhd", 40, MATRIX_OF_A_MIRROR, "warning mirrored"),
    "no key frame at first": (b"stss", 8, pack(">I", 3), "fault no-key-frame-at-start"),
    "cut start": (b"elst", 12, pack(">I", 3328), "warning edit-list-shift"),
    "double speed": (b"elst", 16, pack(">I", 1 << 17), "warning edit-list-shift"),
    "odd": (b"stsd", 40, pack(">HH", 63, 64), "fault odd-dimensions"),
    "avc3": (b"stsd", 12, b"avc3", "fault avc3-tag"),
    "unknown codec": (b"stsd", 12, b"zzzz", "fault codec"),
    "no time": (b"mdhd", 16, pack(">I", 0), "warning header-times"),
    "no samples": (b"stsz", 8, pack(">I", 0), "fault zero-duration"),
    "no picture": (b"hdlr", 8, b"meta", "fault no-video"),
    "no handler": (b"hdlr", 8, b"zzzz", "fault damaged"),
    # Tables that lie.
    "milliards of sizes": (b"stsz", 8, pack(">I", 2**32 - 1), "fault damaged"),
    "milliards of equal ones": (b"stsz", 4, pack(">II", 9, 2**32 - 1), "fault damaged"),
    "milliards of times": (b"stts", 4, pack(">I", 2**32 - 1), "fault damaged"),
    "milliards of chunks": (b"stco", 4, pack(">I", 2**32 - 1), "fault damaged"),
    "milliards of keys": (b"stss", 4, pack(">I", 2**32 - 1), "fault damaged"),
    "milliards of runs": (b"stsc", 4, pack(">I", 2**32 - 1), "fault damaged"),
    "milliards of edits": (b"elst", 4, pack(">I", 2**32 - 1), "fault damaged"),
    "milliards in a chunk": (b"stsc", 12, pack(">I", 2**32 - 1), "fault damaged"),
    "chunks out of order": (b"stsc", 8, pack(">I", 9), "fault damaged"),
    "chunk zero": (b"stsc", 8, pack(">I", 0), "fault damaged"),
    "samples nowhere": (b"stsc", 12, pack(">I", 0), "fault damaged"),
    "no timescale": (b"mvhd", 12, pack(">I", 0), "fault damaged"),
    "samples elsewhere": (b"stco", 8, pack(">I", 0), "fault damaged"),
    "samples beyond the end": (b"stco", 8, pack(">I", 2**31), "fault truncated"),
    "no description": (b"stsd", 8, pack(">I", 8) + b"avc1", "fault damaged"),
    "inside larger than outside": (b"trak", 0, pack(">I", 2**31), "fault damaged"),
    "inside too small": (b"trak", 0, pack(">I", 7), "fault damaged"),
    "parameters cut short": (b"avcC", 6, pack(">H", 2), "fault damaged"),
    "parameters all zero": (b"avcC", 9, bytes([100]) + bytes(20), "fault damaged"),
    "movie of unknown length": (b"mvhd", 16, b"\xff" * 4, ""),
    "no parameters": (b"avcC", 5, b"\xe0", "fault damaged"),
}


@pytest.mark.parametrize("kind", PATCHED)
def test_changed_clip_is_judged(
    kind: str, good: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    where, offset, value, expected = PATCHED[kind]
    path = patch(tmp_path / "a.mp4", good, where, write_at(offset, value))
    found = [f"{flaw.severity} {flaw.code}" for flaw in judge(path, sandbox)]
    assert "".join(found[:1]) == expected


@pytest.mark.parametrize("part", [0.02, 0.1, 0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("first", ["moov first", "moov last"])
def test_clip_cut_short_is_truncated(
    part: float, first: str, good: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "a.mp4"
    whole = make(path, Kind(movflags="")) if first == "moov last" else good
    data = whole.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    assert name(judge(path, sandbox)) >= {"fault truncated"}


def test_one_byte_less_is_truncated(
    good: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(good.read_bytes()[:-1])
    assert name(judge(path, sandbox)) == {"fault truncated"}


def test_padding_at_the_end_is_no_flaw(
    good: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(good.read_bytes() + bytes(1000))
    assert judge(path, sandbox) == []


@pytest.mark.parametrize(
    ("part", "code"), [(0.5, "undecodable"), (0.8, "damaged-pictures")]
)
def test_download_that_stopped_is_damaged(
    part: float, code: str, good: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    data = good.read_bytes()
    start = data.index(b"mdat") + 4
    kept = start + int((len(data) - start) * part)
    (tmp_path / "a.mp4").write_bytes(data[:kept] + bytes(len(data) - kept))
    assert name(judge(tmp_path / "a.mp4", sandbox)) == {
        f"fault {code}",
        "fault damaged-sound",
    }


FTYP = box(b"ftyp", b"isom", bytes(4), b"isom")


def nest(kind: bytes, depth: int) -> bytes:
    data = b""
    for _ in range(depth):
        data = box(kind, data)
    return data


HOSTILE: dict[str, tuple[bytes, str]] = {
    "a page": (b"<!doctype html><title>404</title>", "not-mp4"),
    "noise": (bytes(range(256)) * 99, "not-mp4"),
    "zeros": (bytes(5000), "not-mp4"),
    "a letter": (b"x", "not-mp4"),
    "a playlist": (b"#EXTM3U\n#EXTINF:5,\nfile:///etc/passwd\n", "not-mp4"),
    "a concat list": (b"ffconcat version 1.0\nfile a.mp4\n", "not-mp4"),
    "only a brand": (FTYP, "truncated"),
    "an empty box": (FTYP + pack(">I", 1) + b"moov", "damaged"),
    "a box of 2^63 bytes": (FTYP + b"\0\0\0\1moov" + pack(">Q", 1 << 63), "truncated"),
    "a box of 2^64 bytes": (FTYP + b"\0\0\0\1moov" + b"\xff" * 8, "truncated"),
    "a wide box of nothing": (FTYP + b"\0\0\0\1mdat" + bytes(8), "damaged"),
    "deep nesting": (FTYP + nest(b"moov", 5000), "damaged"),
    "deep tracks": (FTYP + box(b"moov", nest(b"trak", 5000)), "damaged"),
    "a million boxes": (FTYP + box(b"free") * 1_000_000, "damaged"),
    "a million tracks": (FTYP + box(b"moov", box(b"trak") * 1_000_000), "damaged"),
    "an index of 40 MB": (FTYP + box(b"moov", bytes(40 << 20)), "damaged"),
    "an index of nothing": (FTYP + box(b"moov"), "damaged"),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_file_gets_one_verdict(
    kind: str, tmp_path: Path, sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    data, expected = HOSTILE[kind]
    (tmp_path / "a.mp4").write_bytes(data)
    assert name(judge(tmp_path / "a.mp4", sandbox)) == {f"fault {expected}"}
    assert capfd.readouterr() == ("", "")


def add_names(path: Path, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "empty":
        path.touch()


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop", "empty", "missing"])
def test_what_is_no_file_is_unreadable(
    kind: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    add_names(tmp_path / "a.mp4", kind)
    assert name(judge(tmp_path / "a.mp4", sandbox)) == {"fault unreadable"}


def test_limits_are_settable(good: Path, sandbox: Sandbox) -> None:
    tight = Limits(seconds=0.2, megabytes=0.001, height=32, fps=24)
    assert name(judge(good, sandbox, tight)) == {
        "warning over-duration",
        "warning over-size",
        "warning over-resolution",
        "warning over-frame-rate",
    }
    wide = Limits(seconds=60, fps=60)
    path = make(good.with_name("wide.mp4"), Kind(frames=52, fps=5, gop=5))
    assert judge(path, sandbox, wide) == []


def test_worst_flaw_is_first(tmp_path: Path, sandbox: Sandbox) -> None:
    made, _ = FLAWED["ProRes"]
    flaws = judge(make(tmp_path / "a.mov", made), sandbox)
    assert [flaw.severity for flaw in flaws] == [FAULT, WARNING]
    assert (find_worst(flaws), find_worst(flaws[1:]), find_worst([])) == (
        FAULT,
        WARNING,
        None,
    )


def test_video_is_read_by_parts(good: Path, sandbox: Sandbox) -> None:
    data = good.read_bytes() + box(b"free", bytes(9_000_000))
    lengths = []

    def read(start: int, length: int) -> bytes:
        part = data[start : start + length]
        lengths.append(len(part))
        return part

    report = check_media(Media(read, len(data)), sandbox, Limits(), whole=False)
    assert name(report.flaws) == {"warning over-size"}
    assert sum(lengths) < 1_000_000


def test_empty_samples_get_one_verdict(good: Path, sandbox: Sandbox) -> None:
    def empty(body: bytearray) -> None:
        body[12:] = bytes(len(body) - 12)

    path = patch(good.with_name("empty.mp4"), good, b"stsz", empty)
    with path.open("rb") as file:
        for whole in (True, False):
            report = check_media(open_media(file), sandbox, PLAIN, whole=whole)
            found = name(report.flaws)
            assert "fault sample-tables" in found, whole
            assert "fault undecodable" not in found, whole


def test_boxes_are_read_as_far_as_they_go() -> None:
    data = box(b"ftyp", b"isom") + box(b"mdat", b"12345")[:-2] + b""
    found = list_boxes(lambda at, size: data[at : at + size], 0, len(data))
    assert [(one.kind, one.start, one.end) for one in found] == [
        ("ftyp", 0, 12),
        ("mdat", 12, 25),
    ]
    open_end = b"\0\0\0\0mdat" + bytes(8)
    [last] = list_boxes(lambda at, size: open_end[at : at + size], 0, 16)
    assert (last.body, last.end) == (8, 16)


def test_too_short_box_is_malformed() -> None:
    with pytest.raises(MalformedError, match="'abcd' that is too short"):
        Tree(b"123", "abcd").number(0, 4)


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        (["good"], 0),
        (["good", "hdr"], 3),
        (["good", "late", "hev1"], 1),
    ],
)
def test_exit_status_tells_of_the_worst(
    kinds: list[str], status: int, tmp_path: Path
) -> None:
    made = {
        "good": GOOD,
        "hdr": FLAWED["HDR"][0],
        "late": FLAWED["moov last"][0],
        "hev1": FLAWED["hev1"][0],
    }
    for kind in kinds:
        make(tmp_path / f"{kind}.mp4", made[kind])
    text = run("check", str(tmp_path), status=status)
    lines = text.splitlines()
    assert f"fine: {tmp_path}/good.mp4" in lines
    assert len(lines) == {0: 1, 3: 3, 1: 3}[status]


def test_flaws_are_told_as_objects(tmp_path: Path) -> None:
    late = make(tmp_path / "late.mp4", Kind(movflags=""))
    text = run("check", "--json", str(late), str(tmp_path / "no.mp4"), status=1)
    first, second = map(json.loads, text.splitlines())
    assert first == {
        "name": str(late),
        "code": "moov-after-mdat",
        "severity": "warning",
        "sentence": "has its index (moov) behind the media, so it starts late",
        "remedy": "import it with --fix",
        "repair": "fix",
    }
    assert second == {
        "name": str(tmp_path / "no.mp4"),
        "code": "unreadable",
        "severity": "fault",
        "sentence": "does not exist",
        "remedy": "check the path",
        "repair": None,
    }


def test_videos_of_the_table_are_checked(
    database_url: str, good: Path, tmp_path: Path
) -> None:
    late = make(tmp_path / "late.mp4", Kind(movflags="", frames=11))
    first = insert_video(database_url, "good 视频.mp4", good.read_bytes())
    second = insert_video(database_url, "late.mp4", late.read_bytes())
    text = run("check", str(first), "late.mp4", "99", url=database_url, status=1)
    assert text.splitlines() == [
        f"fine: video {first} (good 视频.mp4)",
        f"warning moov-after-mdat: video {second} (late.mp4) has its index (moov) "
        f"behind the media, so it starts late: bytereel replace {second} --fix",
        "fault unreadable: 99 is neither a file nor a video: check the name",
    ]


def test_database_that_cannot_be_asked_gets_a_sentence(database_url: str) -> None:
    with (
        closing(psycopg2.connect(database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("DROP TABLE videos CASCADE")
    text = run("check", "5", url=database_url, status=1)
    assert text.startswith("bytereel: cannot look up videos in the database")


@pytest.mark.parametrize("value", ["0", "-1", "x", "nan", "1e9"])
def test_wrong_limit_is_refused(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["check", f"--max-mb={value}", "a.mp4"])
    assert "--max-mb" in capsys.readouterr().err


def test_folder_without_videos_is_unreadable(tmp_path: Path) -> None:
    assert "unreadable" in run("check", str(tmp_path), status=1)


def test_many_files_are_checked_in_bounded_memory(good: Path, sandbox: Sandbox) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    flaws = [flaws for _, flaws in check_files([good] * 100, sandbox, Limits())]
    assert flaws == [[]] * 100
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 20_000  # KiB


def test_failing_disk_is_told(
    good: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", fail)
        [flaw] = judge(good, sandbox)
    assert (flaw.code, flaw.sentence) == ("unreadable", "cannot be read (broken)")


def fail(*arguments: object) -> bytes:
    raise OSError(5, "broken")


def test_damaged_index_never_raises(good: Path) -> None:
    whole, chance = good.read_bytes(), Random(6)
    start = whole.index(b"moov") - 4
    stop = whole.index(b"mdat")
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 2, 8))):
            at = chance.randrange(start, stop)
            data[at : at + 4] = chance.choice(
                (b"\xff" * 4, bytes(4), b"\0\0\0\1", chance.randbytes(4))
            )

        def read(at: int, length: int, data: bytes = bytes(data)) -> bytes:
            return data[at : at + length]

        movie = read_movie(read, len(data))
        for flaw in find_flaws(movie, ProbeResult(), PLAIN):
            assert flaw.tell("a").isprintable()
        with suppress(MalformedError):
            assert b"".join(reorder(read, len(data)))
