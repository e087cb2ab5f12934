"""What is copied into an MP4 stays the same, starts at zero and keeps step."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, Any

import av
import pytest

from server.library.clips.check import Limits
from server.library.clips.checking import check_media
from server.library.clips.repair import open_media
from server.library.ffmpeg.damage import START, Damage
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import open_file
from tests.clips import Kind, make, patch
from tests.library.clips.test_check import write_at
from tests.library.ffmpeg.encoding import (
    H264,
    H265,
    PULSE,
    cut_off,
    decode,
    find_pulse,
    list_sounds,
    list_times,
    make_cut,
    make_pulse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def copy(path: Path, sandbox: Sandbox, lost: Sequence[Damage] = ()) -> Path:
    """Return what remux makes of a clip, after looking that no more is lost."""
    target = path.with_name("copied.mp4")
    with open_file(path) as file:
        media = open_media(file)
        failure, damage = sandbox.run("remux", *media, 20, target=str(target))
        assert (failure, [Damage(*each) for each in damage]) == ("", list(lost))
        before = sandbox.run("digest", *media, 20, planned=True)
    with open_file(target) as file:
        assert sandbox.run("digest", *open_media(file), 20, planned=False) == before
        assert check_media(open_media(file), sandbox, Limits()).flaws == []
    return target


SOURCES: dict[str, dict[str, Any]] = {
    "matroska": {"kind": "matroska"},
    "matroska H.265": {"kind": "matroska", "video": H265},
    "matroska 44.1 kHz": {"kind": "matroska", "rate": 44_100},
    "mpegts": {"kind": "mpegts"},
    "mpegts H.265": {"kind": "mpegts", "video": H265},
    "mov": {"kind": "mov"},
    "mov H.265": {"kind": "mov", "video": H265},
    "avi": {"kind": "avi"},
    "flv": {"kind": "flv", "rate": 44_100},
    "3gp": {"kind": "3gp"},
    "fragments": {
        "kind": "mp4",
        "options": {"movflags": "+frag_keyframe+empty_moov+delay_moov"},
    },
    "24 a second": {"kind": "matroska", "fps": 24, "frames": 36},
}


@pytest.mark.parametrize("name", SOURCES)
def test_copy_has_the_same_pictures_and_sound(
    name: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make_pulse(tmp_path / "a", **SOURCES[name])
    copied = copy(path, sandbox)
    assert decode(copied) == decode(path)
    assert list_sounds(copied) == list_sounds(path)
    fps = SOURCES[name].get("fps", 30)
    times = list_times(copied)
    assert times == pytest.approx([n / fps for n in range(len(times))], abs=0.0011)
    seen, heard = find_pulse(copied)
    assert seen == pytest.approx(round(PULSE * fps) / fps, abs=0.0011)
    # AVI and streams do not tell what AAC needs to start (1,024 samples).
    assert heard == pytest.approx(PULSE, abs=0.05)
    with av.open(str(copied)) as container:
        tag = container.streams.video[0].codec_context.codec_tag
        assert tag == ("hvc1" if SOURCES[name].get("video") is H265 else "avc1")


def test_fragments_with_negative_shifts_stay_in_step(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """Times of display may be told as negative distances (14496-12, 8.8.8)."""
    flags = "+frag_keyframe+empty_moov+negative_cts_offsets"
    path = make_pulse(tmp_path / "a.mp4", "mp4", options={"movflags": flags})
    copied = copy(path, sandbox)
    assert decode(copied) == decode(path)
    assert list_sounds(copied) == list_sounds(path)
    seen, heard = find_pulse(copied)
    assert seen == pytest.approx(PULSE, abs=0.0011)
    assert heard == pytest.approx(find_pulse(path)[1], abs=0.0011)


def test_clock_that_wraps_goes_on(tmp_path: Path, sandbox: Sandbox) -> None:
    """The clock of MPEG-TS has 33 bits, of 1/90,000 s (ISO/IEC 13818-1, 2.4.3.7)."""
    path = make_pulse(
        tmp_path / "a.ts",
        "mpegts",
        options={"output_ts_offset": f"{2**33 / 90000 - 2:.3f}"},
    )
    copied = copy(path, sandbox)
    assert decode(copied) == decode(path)
    times = list_times(copied)
    assert times == pytest.approx([n / 30 for n in range(45)], abs=0.001)


def test_joined_recordings_go_on(tmp_path: Path, sandbox: Sandbox) -> None:
    path = make_pulse(tmp_path / "a.ts", "mpegts")
    path.write_bytes(path.read_bytes() * 2)
    copied = copy(path, sandbox)
    times = list_times(copied)
    assert len(times) == 90
    assert times == pytest.approx([n / 30 for n in range(90)], abs=0.04)


def test_recording_cut_between_key_frames_begins_with_one(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    whole = make_pulse(tmp_path / "whole.ts", "mpegts")
    path = cut_off(whole, tmp_path / "a.ts", 4)
    copied = copy(path, sandbox, [Damage(START, 11, 41, 0.0)])
    assert decode(copied) == decode(whole)[15:]
    seen, heard = find_pulse(copied)
    assert seen == pytest.approx(heard, abs=0.05)


@pytest.mark.parametrize("video", [H264, H265])
def test_parameters_inside_samples_are_moved_out(
    video: tuple[str, tuple[tuple[str, str], ...]], tmp_path: Path, sandbox: Sandbox
) -> None:
    """A sample entry avc3 or hev1 may have none (ISO/IEC 14496-15, 5.3.3, 8.3.3)."""
    stream = make_pulse(tmp_path / "a.ts", "mpegts", video)
    path = tmp_path / "a.mp4"
    is_h264 = video is H264
    with av.open(str(stream)) as source, av.open(str(path), "w") as out:
        copied: Any = out.add_stream_from_template(source.streams.video[0])
        copied.codec_context.codec_tag = "avc3" if is_h264 else "hev1"
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copied
                out.mux(packet)
    pictures = decode(path)
    if is_h264:
        patch(path, path, b"avcC", write_at(5, b"\xe0\x00"))  # no sets
    else:
        patch(path, path, b"hvcC", write_at(22, b"\x00"))
    target = path.with_name("copied.mp4")
    with open_file(path) as file:
        answer = sandbox.run("remux", *open_media(file), 20, target=str(target))
    assert answer == ["", []]
    assert decode(target) == pictures
    assert list_times(target)[0] == 0
    with open_file(target) as file:
        report = check_media(open_media(file), sandbox, Limits())
    assert report.flaws == []
    assert report.movie
    assert report.movie.tracks[0].coding.has_parameters


def test_key_frame_without_a_mark_is_marked(tmp_path: Path, sandbox: Sandbox) -> None:
    whole = make_pulse(
        tmp_path / "whole.mp4", "mp4", options={"movflags": "+faststart"}
    )
    path = patch(tmp_path / "a.mp4", whole, b"stss", write_at(8, pack(">I", 2)))
    copied = copy(path, sandbox)
    assert decode(copied) == decode(whole)


@pytest.mark.parametrize("number", [15, 30])
def test_cut_at_a_key_frame_is_applied(
    number: int, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make_cut(tmp_path, number)
    copied = copy(path, sandbox)
    assert decode(copied) == decode(tmp_path / "whole.mp4")[number:]
    seen, heard = find_pulse(copied) if number < 18 else (0, 0)
    assert seen == pytest.approx(heard, abs=0.05)


def test_cut_between_key_frames_stays_an_edit(tmp_path: Path, sandbox: Sandbox) -> None:
    path = make_cut(tmp_path, 20)
    copied = tmp_path / "copied.mp4"
    with open_file(path) as file:
        answer = sandbox.run("remux", *open_media(file), 20, target=str(copied))
    assert answer == ["", []]
    assert decode(copied) == decode(path) == decode(tmp_path / "whole.mp4")[20:]


def join_flv(first: bytes, second: bytes, shift: int) -> bytes:
    """Return one FLV of two; shift is added to the milliseconds of the second."""
    joined, at = bytearray(first), 13  # behind the header of the file
    while at < len(second):
        size = int.from_bytes(second[at + 1 : at + 4], "big") + 15
        tag = bytearray(second[at : at + size])
        moment = int.from_bytes(tag[7:8] + tag[4:7], "big") + shift
        whole = moment.to_bytes(4, "big")
        tag[4:7], tag[7:8] = whole[1:], whole[:1]
        joined += tag
        at += size
    return bytes(joined)


@pytest.mark.parametrize("form", ["flv", "mpegts"])
def test_parameters_that_change_inside_are_not_copied(
    form: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    """One sample entry could only hold those of one part."""
    narrow, wide = (
        make(
            tmp_path / f"{width}",
            Kind(format=form, width=width, frames=15, audio=None),
        ).read_bytes()
        for width in (64, 96)
    )
    path = tmp_path / "a"
    path.write_bytes(join_flv(narrow, wide, 500) if form == "flv" else narrow + wide)
    with open_file(path) as file:
        reason, _ = sandbox.run(
            "remux", *open_media(file), 20, target=str(tmp_path / "b.mp4")
        )
    assert reason == "its parameters change in the middle"
