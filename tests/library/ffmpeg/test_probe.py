from __future__ import annotations

import os
import socket
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import pytest

from server.demo.samples import make_clip
from server.errors import Fault
from server.library.clips.check import Limits
from server.library.clips.checking import check_media
from server.library.clips.repair import open_media
from server.library.ffmpeg import probe
from server.library.ffmpeg.probe_result import ProbeResult
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import open_file, show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server.library.ffmpeg.source import Source


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    make_clip(path, seconds=1, width=64, height=48)
    return path


def remux(clip: Path, path: Path, kind: str, media: str = "av") -> None:
    with av.open(str(clip)) as source, av.open(str(path), "w", format=kind) as out:
        wanted = [stream for stream in source.streams if stream.type[0] in media]
        copies = {stream: out.add_stream_from_template(stream) for stream in wanted}
        for packet in source.demux(wanted):
            if packet.dts is not None:
                packet.stream = copies[packet.stream]
                out.mux(packet)


def transcode(
    clip: Path, path: Path, kind: str, codec: str, pixels: str, frames: int = 10
) -> None:
    with av.open(str(clip)) as source, av.open(str(path), "w", format=kind) as out:
        video = out.add_stream(codec, rate=30)
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 64, 48, pixels
        for _, frame in zip(range(frames), source.decode(video=0), strict=False):
            out.mux(video.encode(frame.reformat(format=pixels)))
        out.mux(video.encode(None))
    # SVT-AV1 gives the thread that opens it the highest priority in real time, if it is
    # root's, and all that comes of it would starve the other tests.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def look(path: Path, sandbox: Sandbox, *, whole: bool = True) -> ProbeResult:
    with open_file(path) as file:
        return ProbeResult(*sandbox.run("probe", *open_media(file), 20, whole=whole))


def tell(path: Path, sandbox: Sandbox) -> str:
    """Return the gravest flaw as a sentence."""
    with open_file(path) as file:
        return check_media(open_media(file), sandbox, Limits()).flaws[0].tell(path.name)


def test_clip_is_described(clip: Path, sandbox: Sandbox) -> None:
    found = look(clip, sandbox)
    assert found[:2] == ("QuickTime / MOV", False)
    assert (found.picture_codec, found.sound_codec) == ("h264", "aac")
    assert found.pictures > 0 < found.sounds
    assert (found.broken, found.bad_pictures, found.bad_sounds) == ("", 0, 0)
    assert found.seconds == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("kind", "named"),
    [("matroska", "Matroska"), ("mpegts", "MPEG-TS"), ("flv", "FLV")],
)
def test_other_containers_are_named(
    clip: Path, tmp_path: Path, kind: str, named: str, sandbox: Sandbox
) -> None:
    remux(clip, tmp_path / "a.mp4", kind)
    told = tell(tmp_path / "a.mp4", sandbox)
    assert told.startswith(f"a.mp4 is of the format {named}")
    assert told.endswith(": import it with --fix")


@pytest.mark.parametrize(
    ("kind", "codec", "pixels"),
    [
        ("image2", "png", "rgb24"),
        ("image2", "mjpeg", "yuvj420p"),
        ("image2", "bmp", "bgr24"),
        ("webp", "libwebp", "yuv420p"),
        ("gif", "gif", "rgb8"),
        ("avif", "libsvtav1", "yuv420p"),
    ],
)
def test_pictures_are_no_videos(
    clip: Path, tmp_path: Path, kind: str, codec: str, pixels: str, sandbox: Sandbox
) -> None:
    transcode(clip, tmp_path / "a.mp4", kind, codec, pixels, frames=1)
    assert tell(tmp_path / "a.mp4", sandbox) == (
        "a.mp4 is a picture, not a video: import an MP4 video"
    )


def test_sound_alone_is_no_video(clip: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    remux(clip, tmp_path / "a.mp4", "mp4", "a")
    assert "has no moving picture" in tell(tmp_path / "a.mp4", sandbox)
    remux(clip, tmp_path / "a.aac", "adts", "a")
    assert tell(tmp_path / "a.aac", sandbox).endswith(": import an MP4 video")


def test_cover_of_a_song_is_no_video(
    clip: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    song = tmp_path / "a.mp4"
    with av.open(str(clip)) as source, av.open(str(song), "w") as out:
        sound = out.add_stream_from_template(source.streams.audio[0])
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = next(source.decode(video=0)).reformat(format="yuvj420p")
        packets = cover.encode(picture) + cover.encode(None)
        source.seek(0)
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = sound
                packets.append(packet)
        out.mux(packets)
    assert "has no moving picture" in tell(song, sandbox)


def test_clip_without_samples_is_refused(
    clip: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    with av.open(str(clip)) as source, av.open(str(tmp_path / "a.mp4"), "w") as out:
        out.add_stream_from_template(source.streams.video[0])
        out.start_encoding()
    assert "has no moving picture" in tell(tmp_path / "a.mp4", sandbox)


def test_odd_bytes_in_the_title_do_no_harm(
    clip: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    (tmp_path / "a.mp4").write_bytes(
        clip.read_bytes().replace(b"Lavf", b"\xff\xfe\xe9f")
    )
    assert look(tmp_path / "a.mp4", sandbox).broken == ""


def test_playlists_are_not_followed(tmp_path: Path, sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/a.ts"
        (tmp_path / "a.mp4").write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{address}\n#EXT-X-ENDLIST\n"
        )
        assert "is not a video" in tell(tmp_path / "a.mp4", sandbox)
        with pytest.raises(BlockingIOError):
            listening.accept()


@pytest.mark.parametrize(
    "name",
    [
        b"http:x.mp4",
        b"-x.mp4",
        b"concat:a|b",
        b"pipe:0",
        b"%03d.png",
        b"two\nlines.mp4",
        b"not utf-8 \xff.mp4",
        "ü 视频".encode(),
    ],
)
def test_odd_names_are_names_of_files(
    clip: Path,
    tmp_path: Path,
    name: bytes,
    monkeypatch: pytest.MonkeyPatch,
    sandbox: Sandbox,
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(os.fsdecode(name))
    path.write_bytes(clip.read_bytes())
    assert look(path, sandbox) == look(clip, sandbox)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: os.mkfifo(path), "is a device or pipe"),
        (lambda path: path.symlink_to(path), "cannot be read .Too many levels"),
    ],
)
def test_what_is_no_file_is_refused(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    make(tmp_path / "a.mp4")
    with pytest.raises(Fault, match=f"a.mp4 {reason}"):
        open_file(tmp_path / "a.mp4")


def test_impossible_name_is_refused() -> None:
    with pytest.raises(Fault, match=r"a\\x00b cannot be read .embedded null byte"):
        open_file(Path("a\0b"))


def test_shown_path_is_one_printable_line() -> None:
    path = Path(os.fsdecode(b"a\nb\x1b\xff\xc3\xbc"))
    assert show_path(path) == r"a\nb\x1b\xff" + "ü"


def damage_half(folder: Path) -> bytearray:
    make_clip(folder / "whole.mp4", seconds=4, width=64, height=48, fps=10)
    data = bytearray((folder / "whole.mp4").read_bytes())
    start = data.index(b"mdat") + 4
    half = start + (len(data) - start) // 2
    data[half:] = bytes(len(data) - half)
    return data


def test_one_look_decodes_at_several_places(
    clip: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    long = tmp_path / "long.mp4"
    long.write_bytes(damage_half(tmp_path))
    assert look(long, sandbox, whole=False).broken != ""
    assert look(clip, sandbox, whole=False).broken == ""


def test_what_is_not_decoded_in_time_is_not_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = damage_half(tmp_path)

    def look_here() -> str:
        return probe.probe(cast("Source", BytesIO(data)), whole=False).broken

    assert look_here() != ""
    monkeypatch.setattr(probe, "_DECODE_SECONDS", -1.0)
    assert look_here() == ""


def test_metadata_that_is_no_utf8_is_no_flaw(
    clip: Path, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = tmp_path / "titled.mp4"
    with av.open(str(clip)) as source, av.open(str(path), "w", format="mp4") as out:
        out.metadata["title"] = "tttttttt"
        (video,) = source.streams.video
        copy = out.add_stream_from_template(video)
        for packet in source.demux(video):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    data = path.read_bytes()
    assert data.count(b"tttttttt") == 1
    path.write_bytes(data.replace(b"tttttttt", b"\xff" * 8))
    assert not look(path, sandbox).broken
