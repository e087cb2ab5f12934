"""Clips as the field writes them: tables, headers, sound and key frames that lie."""

from __future__ import annotations

import re
from pathlib import Path
from struct import pack
from typing import TYPE_CHECKING, Any

import av
import pytest

from server.library.clips.check import FAULT, Limits
from server.library.clips.checking import check_media
from server.library.clips.codes import CODES
from server.library.clips.repair import fix_clip, open_media
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import open_file
from server.library.mp4.reorder import reorder
from server.library.mp4.unfit import UNFIT_CODES
from tests.clips import X265, Kind, box, make, read_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server.library.clips.checking import CheckReport

    Change = Callable[[bytearray], object]

SECOND = Kind(frames=30, gop=10)
FRAME = 512  # the time of a picture, in units of its media
MONO_CONFIG, STEREO_CONFIG = b"\x11\x88\x56\xe5\x00", b"\x11\x90\x56\xe5\x00"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a clip of a second, with a key frame every third of it."""
    path = tmp_path_factory.mktemp("rules") / "second.mp4"
    options = (("x264-params", "scenecut=0:bframes=0"),)
    return make(path, SECOND._replace(options=options)).read_bytes()


def find(data: bytes | bytearray, kind: bytes, number: int = 0) -> int:
    """Return where the body of a box begins, the first or a later one of its kind."""
    at = -1
    for _ in range(number + 1):
        at = data.index(kind, at + 1)
    return at + 4


def write(
    kind: bytes, offset: int, value: bytes, number: int = 0
) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        at = find(data, kind, number) + offset
        data[at : at + len(value)] = value

    return change


def add(kind: bytes, offset: int, by: int, number: int = 0) -> Change:
    """Return what adds to a number of four bytes."""

    def change(data: bytearray) -> None:
        at = find(data, kind, number) + offset
        old = int.from_bytes(data[at : at + 4], "big")
        data[at : at + 4] = (old + by).to_bytes(4, "big")

    return change


def replace(old: bytes, new: bytes) -> Change:
    def change(data: bytearray) -> None:
        assert old in data
        data[:] = data.replace(old, new)

    return change


def all_of(*changes: Change) -> Change:
    def change(data: bytearray) -> None:
        for one in changes:
            one(data)

    return change


def append(tail: bytes) -> Change:
    def change(data: bytearray) -> None:
        data += tail

    return change


def drop_table(kind: bytes) -> Change:
    return replace(kind, b"free")


def judge(path: Path, sandbox: Sandbox) -> CheckReport:
    with open_file(path) as file:
        return check_media(open_media(file), sandbox, Limits())


def tell(report: CheckReport) -> list[str]:
    return [f"{flaw.severity} {flaw.code} {flaw.repair}" for flaw in report.flaws]


# What boxes alone mend: each becomes a clip without a flaw, picture by picture equal.
MENDED: dict[str, tuple[Change, list[str]]] = {
    "the movie lasts for ever": (
        write(b"mvhd", 16, pack(">I", 2**32 - 2)),
        ["warning header-times fix"],
    ),
    "the movie is over at once": (
        write(b"mvhd", 16, pack(">I", 100)),
        ["warning header-times fix"],
    ),
    "media in the movie's units": (
        write(b"mdhd", 16, pack(">I", 1000)),
        ["warning header-times fix"],
    ),
    "a track for ever": (
        write(b"tkhd", 20, pack(">I", 2**31)),
        ["warning header-times fix"],
    ),
    "an edit for ever": (
        all_of(write(b"elst", 8, pack(">I", 2**31)), add(b"tkhd", 20, 5_000_000)),
        ["warning header-times fix"],
    ),
    "a picture of no size": (
        write(b"avc1", 24, bytes(4), 1),
        ["fault picture-size fix"],
    ),
    "a picture of another size": (
        write(b"avc1", 24, pack(">HH", 640, 480), 1),
        ["warning picture-size fix"],
    ),
    "no file": (write(b"avc1", 6, bytes(2), 1), ["fault data-reference fix"]),
    "both tracks disabled": (
        all_of(write(b"tkhd", 3, b"\0"), write(b"tkhd", 3, b"\0", 1)),
        ["fault track-disabled fix"] * 2,
    ),
    "a tag behind": (append(b"TAGsong".ljust(128)), ["warning tail fix"]),
    "the end of a form": (append(b"\r\n------WebKit--\r\n"), ["warning tail fix"]),
    "half a box behind": (append(pack(">I", 3) + b"free"), ["warning tail fix"]),
    "a box without an end behind": (
        append(pack(">I", 9000) + b"free"),
        ["warning overlong-box fix"],
    ),
    "more times than samples": (
        write(b"stts", 8, pack(">I", 2**32 - 1)),
        ["fault sample-tables fix"],
    ),
    "fewer times than samples": (
        write(b"stts", 8, pack(">I", 12)),
        ["fault sample-tables fix"],
    ),
    "an edit behind the end": (
        write(b"elst", 12, pack(">I", 900_000)),
        ["fault edit-list-empty fix"],
    ),
    "an edit of no length": (
        write(b"elst", 8, bytes(4)),
        ["fault edit-list-empty fix"],
    ),
    "nothing but an empty edit": (
        write(b"elst", 12, b"\xff" * 4),
        ["fault edit-list-empty fix"],
    ),
    "no file of those that are none": (
        write(b"dref", 4, bytes(4)),
        ["fault data-reference fix"],
    ),
    "key frames marked that are none": (
        write(b"stss", 8, pack(">III", 1, 5, 21)),
        ["fault key-frame-marks fix"],
    ),
    "all marked": (drop_table(b"stss"), ["fault key-frame-marks fix"]),
    "key frames not marked": (
        write(b"stss", 8, pack(">III", 1, 1, 1)),
        ["fault sample-tables fix", "warning key-frame-marks fix"],
    ),
    "the first not marked": (
        write(b"stss", 4, pack(">III", 2, 11, 21)),
        ["fault no-key-frame-at-start fix", "warning key-frame-marks fix"],
    ),
}


@pytest.mark.parametrize("kind", MENDED)
def test_boxes_are_mended_and_pictures_stay(
    kind: str, second: bytes, tmp_path: Path, sandbox: Sandbox
) -> None:
    change, expected = MENDED[kind]
    data = bytearray(second)
    change(data)
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    report = judge(path, sandbox)
    assert tell(report) == expected
    assert report.movie is not None
    assert report.movie.seconds == pytest.approx(1, abs=0.05)
    mended = tmp_path / "b.mp4"
    with open_file(path) as file:
        assert fix_clip(open_media(file), report.flaws, mended, sandbox) == ()
    assert tell(judge(mended, sandbox)) == []
    (tmp_path / "good.mp4").write_bytes(second)
    assert read_frames(mended) == read_frames(tmp_path / "good.mp4")


def shift_sound(data: bytearray) -> None:
    at = find(data, b"stco", 1)
    for number in range(int.from_bytes(data[at + 4 : at + 8], "big")):
        add(b"stco", 8 + 4 * number, -40, 1)(data)


def empty_samples(data: bytearray) -> None:
    write(b"stsz", 12, bytes(4 * 4))(data)


CONTRADICTING: dict[str, tuple[Change, str, str]] = {
    "fewer sizes than times and chunks": (
        write(b"stsz", 8, pack(">I", 20)),
        "fault sample-times None",
        "the table of sizes (stsz) counts 20 samples, those of times and chunks 30",
    ),
    "samples without a byte": (
        empty_samples,
        "fault sample-tables None",
        "has 4 of 30 samples of pictures without a byte (stsz)",
    ),
    "no time at all": (
        write(b"stts", 12, bytes(4)),
        "fault zero-duration None",
        "has a length of zero",
    ),
    "negative times": (
        write(b"stts", 12, pack(">i", -512)),
        "fault zero-duration None",
        "has a length of zero",
    ),
    "more in chunks than there are": (
        add(b"stsc", 12, 5),
        "fault chunk-table fix",
        "the table of chunks (stsc) counts",
    ),
    "an entry that is not there": (
        write(b"stsc", 16, pack(">I", 7)),
        "fault damaged None",
        "], of 1 that there are, counted from 1",
    ),
    "sound where the pictures are": (
        shift_sound,
        "fault damaged None",
        "has sound ",
    ),
    "media in another file": (
        write(b"url ", 3, b"\0"),
        "fault external-media None",
        "in another file (dref)",
    ),
    "one channel called two": (
        replace(MONO_CONFIG, STEREO_CONFIG),
        "fault audio-config transcode",
        "configured for two channels, and one channel in",
    ),
    "AAC without its configuration": (
        replace(b"\x05\x80\x80\x80\x05" + MONO_CONFIG, b"\x0f\x80\x80\x80\x05     "),
        "fault audio-config transcode",
        "without its configuration",
    ),
}


@pytest.mark.parametrize("kind", CONTRADICTING)
def test_tables_that_contradict_are_told(
    kind: str, second: bytes, tmp_path: Path, sandbox: Sandbox
) -> None:
    change, expected, sentence = CONTRADICTING[kind]
    data = bytearray(second)
    change(data)
    (tmp_path / "a.mp4").write_bytes(data)
    report = judge(tmp_path / "a.mp4", sandbox)
    assert expected in tell(report)
    assert any(sentence in flaw.sentence for flaw in report.flaws)


@pytest.mark.parametrize("before", [b"", box(b"free", bytes(99)), box(b"uuid", b"x")])
@pytest.mark.parametrize("kind", [b"free", b"skip", b"uuid", b"meta", b"udta"])
def test_what_is_cut_off_before_its_index_is_a_fault(
    before: bytes, kind: bytes, second: bytes, tmp_path: Path, sandbox: Sandbox
) -> None:
    start = second[: second.index(b"moov") - 4]
    path = tmp_path / "a.mp4"
    path.write_bytes(before + start + pack(">I", 9_000_000) + kind + bytes(500))
    assert "fault truncated None" in tell(judge(path, sandbox))


def test_thousands_of_pictures_a_second_are_written_out(
    second: bytes, tmp_path: Path, sandbox: Sandbox
) -> None:
    data = bytearray(second)
    write(b"stts", 12, pack(">I", 1))(data)
    (tmp_path / "a.mp4").write_bytes(data)
    told = [flaw.sentence for flaw in judge(tmp_path / "a.mp4", sandbox).flaws]
    assert "has 15,360 frames a second, above 30" in told


def test_leading_boxes_are_no_reason_to_refuse(
    second: bytes, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "a.mp4"
    at = second.index(b"moov") - 4
    padding = box(b"free", bytes(1000))
    data = bytearray(second[:at] + padding + second[at:])
    for track in range(2):
        place = find(data, b"stco", track)
        for number in range(int.from_bytes(data[place + 4 : place + 8], "big")):
            add(b"stco", 8 + 4 * number, len(padding), track)(data)
    path.write_bytes(data)
    assert tell(judge(path, sandbox)) == []


@pytest.mark.long
def test_damage_is_told_beside_other_faults(tmp_path: Path, sandbox: Sandbox) -> None:
    kind = Kind(frames=30, width=320, height=240, noise=True, audio="libopus")
    data = bytearray(make(tmp_path / "a.mp4", kind).read_bytes())
    at = data.index(b"mdat") + 30_000
    data[at : at + 200] = bytes(200)
    (tmp_path / "a.mp4").write_bytes(data)
    report = judge(tmp_path / "a.mp4", sandbox)
    codes = {flaw.code for flaw in report.flaws if flaw.severity == FAULT}
    assert {"audio-codec", "damaged-pictures"} <= codes
    told = next(flaw for flaw in report.flaws if flaw.code == "damaged-pictures")
    assert "of 30 " in told.sentence


@pytest.mark.parametrize("garbage", [b"\xa5", b"\x25"])  # begins a pair of channels
def test_damaged_sound_is_a_fault(
    garbage: bytes, second: bytes, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(second)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        place, size = packets[20].pos, packets[20].size
    assert place is not None
    data = bytearray(second)
    data[place : place + size] = garbage * size
    path.write_bytes(data)
    assert tell(judge(path, sandbox)) == ["fault damaged-sound None"]


def test_clip_that_begins_between_key_frames_is_a_fault(
    second: bytes, tmp_path: Path, sandbox: Sandbox
) -> None:
    path, cut = tmp_path / "a.mp4", tmp_path / "b.mp4"
    path.write_bytes(second)
    with av.open(str(path)) as source, av.open(str(cut), "w", format="mp4") as out:
        copy = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size and number >= 5:
                packet.stream, packet.is_keyframe = copy, number == 5
                out.mux(packet)
    expected = "fault no-key-frame-at-start transcode"
    assert expected in tell(judge(cut, sandbox))


def test_open_groups_of_h265_are_no_fault(tmp_path: Path, sandbox: Sandbox) -> None:
    options = (("x265-params", "log-level=none:open-gop=1:keyint=8:bframes=3"),)
    kind = Kind("libx265", frames=30, tag="hvc1", options=options)
    assert tell(judge(make(tmp_path / "a.mp4", kind), sandbox)) == []


def test_interlaced_clip_is_told(tmp_path: Path, sandbox: Sandbox) -> None:
    kind = Kind(height=96, options=(("x264-params", "tff=1"), ("flags", "+ildct+ilme")))
    found = tell(judge(make(tmp_path / "a.mp4", kind), sandbox))
    assert "warning interlaced transcode" in found


def add_to_entry(data: bytearray, kind: bytes, added: bytes) -> None:
    """Put a box into the entry of pictures; the index is last, so nothing moves."""
    path = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", kind]
    start = data.rindex(b"moov")
    for step in path:
        at = data.index(step, start) - 4
        size = int.from_bytes(data[at : at + 4], "big")
        data[at : at + 4] = (size + len(added)).to_bytes(4, "big")
        start = at + 8
    end = at + size
    data[end:end] = added


ADDED = {
    "clean aperture": (
        box(b"clap", pack(">8I", 48, 1, 48, 1, 0, 1, 0, 1)),
        "warning clean-aperture transcode",
    ),
    "clean aperture larger than the picture": (
        box(b"clap", pack(">8I", 3000, 1, 48, 1, 0, 1, 0, 1)),
        "fault clean-aperture fix",
    ),
    "Dolby Vision without a base layer": (
        box(b"dvcC", bytes([1, 0, 5 << 1, 0, 0]), bytes(19)),
        "fault dolby-vision None",
    ),
}


@pytest.mark.parametrize("kind", ADDED)
def test_what_an_entry_says_is_told(
    kind: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    added, expected = ADDED[kind]
    path = make(
        tmp_path / "a.mp4", Kind("libx265", tag="hvc1", options=X265, movflags="")
    )
    data = bytearray(path.read_bytes())
    add_to_entry(data, b"hvc1", added)
    path.write_bytes(data)
    assert expected in tell(judge(path, sandbox))


def test_profile_that_phones_lack_is_told(tmp_path: Path, sandbox: Sandbox) -> None:
    path = make(tmp_path / "a.mp4", Kind(options=(("profile", "baseline"),)))
    data = bytearray(path.read_bytes())
    write(b"avcC", 9, bytes([88]))(data)
    path.write_bytes(data)
    assert "fault profile transcode" in tell(judge(path, sandbox))


def test_second_sound_is_left_out(tmp_path: Path, sandbox: Sandbox) -> None:
    path, both = make(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    with av.open(str(path)) as source, av.open(str(both), "w", format="mp4") as out:
        video, audio = source.streams.video[0], source.streams.audio[0]
        copies = [out.add_stream_from_template(each) for each in (video, audio, audio)]
        for packet in source.demux(video, audio):
            if packet.size and packet.stream is video:
                packet.stream = copies[0]
                out.mux(packet)
            elif packet.size:
                again = av.Packet(bytes(packet))
                again.pts, again.dts, again.time_base = (
                    packet.pts,
                    packet.dts,
                    packet.time_base,
                )
                packet.stream, again.stream = copies[1], copies[2]
                out.mux(packet)
                out.mux(again)
    data = bytearray(both.read_bytes())
    write(b"mp4a", -4, b"apac", 1)(data)
    both.write_bytes(data)
    report = judge(both, sandbox)
    assert "warning several-audio-tracks fix" in tell(report)
    assert not any(flaw.severity == FAULT for flaw in report.flaws)
    mended = tmp_path / "c.mp4"
    with open_file(both) as file:
        mended.write_bytes(b"".join(reorder(*open_media(file))))
    assert tell(judge(mended, sandbox)) == []
    assert read_frames(mended) == read_frames(path)


@pytest.mark.long
def test_long_edit_list_is_told_at_once_and_dropped(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make(tmp_path / "a.mp4", Kind(movflags="", audio=None))
    data = bytearray(path.read_bytes())
    entries = pack(">IIHH", 1000, 0, 1, 0) * 200_000
    start = data.rindex(b"moov")
    old = data.index(b"elst", start) - 4
    size = int.from_bytes(data[old : old + 4], "big")
    new = box(b"elst", bytes(4), pack(">I", 200_000), entries)
    for step in (b"moov", b"trak", b"edts"):
        at = data.index(step, start - 4) - 4
        grown = int.from_bytes(data[at : at + 4], "big") + len(new) - size
        data[at : at + 4] = grown.to_bytes(4, "big")
    data[old : old + size] = new
    path.write_bytes(data)
    assert "fault edit-list-length fix" in tell(judge(path, sandbox))
    with open_file(path) as file:
        (tmp_path / "b.mp4").write_bytes(b"".join(reorder(*open_media(file))))
    assert tell(judge(tmp_path / "b.mp4", sandbox)) == []


def test_every_code_is_explained() -> None:
    root = Path(__file__).parents[3]
    folder = root / "server/library/clips"
    told = set(re.findall(r"`([a-z0-9-]+)`", (folder / "README.md").read_text()))
    code = "".join(path.read_text() for path in folder.glob("*.py"))
    used = re.findall(r'(?:Flaw|repairable)\(\s*"([a-z0-9-]+)"', code)
    assert len(used) > 40
    assert {*used, "avc3-tag", "hev1-tag", "damaged-sound"} <= set(CODES) <= told
    for known in CODES:
        is_elsewhere = known == "not-repaired" or known in UNFIT_CODES
        assert code.count(f'"{known}"') > 1 or is_elsewhere, known


def test_pictures_in_another_order_are_told(tmp_path: Path, sandbox: Sandbox) -> None:
    options = (("x264-params", "scenecut=0:b-adapt=0:bframes=2"),)
    path = make(tmp_path / "a.mp4", SECOND._replace(options=options))
    data = bytearray(path.read_bytes())
    drop_table(b"ctts")(data)
    path.write_bytes(data)
    report = judge(path, sandbox)
    assert "fault sample-times None" in tell(report)  # not even by encoding
    assert "in another order" in report.flaws[0].sentence


def test_sound_of_another_rate_than_configured_is_told(
    second: bytes, tmp_path: Path, sandbox: Sandbox
) -> None:
    data = bytearray(second)
    write(b"stts", 12, pack(">I", 512), 1)(data)
    (tmp_path / "a.mp4").write_bytes(data)
    report = judge(tmp_path / "a.mp4", sandbox)
    assert "fault sample-times None" in tell(report)
    assert "a frame of sound lasts 10.7 ms" in report.flaws[0].sentence


def test_sample_of_a_day_is_told(
    second: bytes, tmp_path: Path, sandbox: Sandbox
) -> None:
    data = bytearray(second)
    write(b"stts", 12, pack(">I", 1 << 31 - 1))(data)
    (tmp_path / "a.mp4").write_bytes(data)
    assert "fault sample-times None" in tell(judge(tmp_path / "a.mp4", sandbox))


def test_half_a_matroska_file_is_cut_short(tmp_path: Path, sandbox: Sandbox) -> None:
    kind = Kind(frames=90, format="matroska", noise=True)
    path = make(tmp_path / "a.mkv", kind)
    assert tell(judge(path, sandbox)) == ["fault not-mp4 fix"]
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "fault truncated None" in tell(judge(path, sandbox))


def test_clean_aperture_that_is_none_is_dropped(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make(tmp_path / "a.mp4", Kind(movflags=""))
    data = bytearray(path.read_bytes())
    add_to_entry(data, b"avc1", box(b"clap", bytes(32)))
    path.write_bytes(data)
    assert "fault clean-aperture fix" in tell(judge(path, sandbox))
    with open_file(path) as file:
        (tmp_path / "b.mp4").write_bytes(b"".join(reorder(*open_media(file))))
    assert tell(judge(tmp_path / "b.mp4", sandbox)) == []
    assert read_frames(tmp_path / "b.mp4") == read_frames(path)


@pytest.mark.parametrize("number", [0, 7, 19])
@pytest.mark.parametrize("value", [bytes(200), bytes(range(200))])
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_damaged_picture_is_a_fault(
    codec: str, value: bytes, number: int, tmp_path: Path, sandbox: Sandbox
) -> None:
    options = X265 if codec == "libx265" else ()
    tag = "hvc1" if codec == "libx265" else None
    kind = Kind(codec, frames=20, noise=True, gop=10, audio=None, tag=tag)
    kind = kind._replace(options=options)
    path = make(tmp_path / "a.mp4", kind)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        place = packets[number].pos
    assert place is not None
    data = bytearray(path.read_bytes())
    data[place + 6 : place + 206] = value
    path.write_bytes(data)
    assert "fault damaged-pictures None" in tell(judge(path, sandbox))


def test_index_of_fragments_is_of_no_use_without_them(
    second: bytes, tmp_path: Path, sandbox: Sandbox
) -> None:
    entry = pack(">III", 99_999_999, 1000, 1 << 31)
    sidx = box(b"sidx", bytes(4), pack(">IIIIHH", 1, 1000, 0, 0, 0, 1), entry)
    path = tmp_path / "a.mp4"
    path.write_bytes(second + sidx)
    assert tell(judge(path, sandbox)) == []


def test_size_that_changes_in_the_middle_is_told(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    plain = (("x264-params", "repeat-headers=1:bframes=0"),)
    paths = [
        make(tmp_path / f"{side}.mp4", Kind(width=side, audio=None, options=plain))
        for side in (64, 96)
    ]
    both = tmp_path / "both.mp4"
    with av.open(str(both), "w", format="mp4") as out:
        copy: Any = None
        for number, path in enumerate(paths):
            with av.open(str(path)) as source:
                copy = copy or out.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.size and packet.pts is not None:
                        packet.pts += number * 10 * FRAME
                        packet.dts = packet.pts
                        packet.stream = copy
                        out.mux(packet)
    assert "fault sample-entries transcode" in tell(judge(both, sandbox))


def test_first_sample_of_zeros_is_damage(
    second: bytes, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(second)
    with av.open(str(path)) as container:
        packet = next(container.demux(video=0))
    assert packet.pos is not None
    data = bytearray(second)
    data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    path.write_bytes(data)
    assert "fault damaged-pictures None" in tell(judge(path, sandbox))
