from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest

from server.errors import Fault
from server.library.probe import Clip, probe, show_path
from server.library.samples import make_clip

if TYPE_CHECKING:
    from collections.abc import Callable

JUNK = {
    "empty": (b"", "is empty"),
    "a page": (b"<!doctype html><title>404</title>", "is not a video"),
    "noise": (bytes(range(256)) * 99, "is not a video"),
    "ffconcat": (b"ffconcat version 1.0\nfile clip.mp4\n", "is not a video"),
}


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


def test_clip_is_described(clip: Path) -> None:
    found = probe(clip)
    assert found._replace(duration_seconds=None) == Clip(
        "video/mp4", None, "h264", "aac", 64, 48
    )
    assert found.duration_seconds == pytest.approx(1, abs=0.05)


def test_silent_clip_has_no_audio_codec(clip: Path, tmp_path: Path) -> None:
    remux(clip, tmp_path / "a.mp4", "mp4", "v")
    assert probe(tmp_path / "a.mp4").audio_codec is None


def test_quicktime_is_known_by_its_brand(clip: Path, tmp_path: Path) -> None:
    remux(clip, tmp_path / "a.mp4", "mov")
    assert probe(tmp_path / "a.mp4").mime_type == "video/quicktime"


def test_quicktime_without_a_brand_is_known(clip: Path, tmp_path: Path) -> None:
    old = clip.read_bytes().replace(b"ftyp", b"free", 1)
    (tmp_path / "a.mov").write_bytes(old)
    assert probe(tmp_path / "a.mov").mime_type == "video/quicktime"


def test_webm_is_known_by_its_document_type(clip: Path, tmp_path: Path) -> None:
    transcode(clip, tmp_path / "a", "webm", "libvpx", "yuv420p")
    found = probe(tmp_path / "a")
    assert (found.mime_type, found.video_codec) == ("video/webm", "vp8")


@pytest.mark.parametrize(
    ("kind", "named"),
    [("matroska", "Matroska:"), ("mpegts", "MPEG-TS"), ("flv", "FLV")],
)
def test_other_containers_are_named(
    clip: Path, tmp_path: Path, kind: str, named: str
) -> None:
    remux(clip, tmp_path / "a.mp4", kind)
    with pytest.raises(Fault, match=f"a.mp4 is of the format {named}"):
        probe(tmp_path / "a.mp4")


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
    clip: Path,
    tmp_path: Path,
    kind: str,
    codec: str,
    pixels: str,
    capfd: pytest.CaptureFixture[str],
) -> None:
    transcode(clip, tmp_path / "a.mp4", kind, codec, pixels, frames=1)
    capfd.readouterr()
    with pytest.raises(Fault, match=r"a.mp4 is a picture, not a video: import an MP4"):
        probe(tmp_path / "a.mp4")
    assert capfd.readouterr() == ("", "")


def test_sound_alone_is_no_video(clip: Path, tmp_path: Path) -> None:
    remux(clip, tmp_path / "a.mp4", "mp4", "a")
    with pytest.raises(Fault, match="has no moving picture"):
        probe(tmp_path / "a.mp4")


def test_cover_of_a_song_is_no_video(clip: Path, tmp_path: Path) -> None:
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
    with pytest.raises(Fault, match="has no moving picture"):
        probe(song)


@pytest.mark.parametrize("kind", JUNK)
def test_junk_is_refused_without_noise(
    kind: str, clip: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content, reason = JUNK[kind]
    path = clip.with_name("junk.mp4")
    path.write_bytes(content)
    with pytest.raises(Fault, match=f"junk.mp4 {reason}"):
        probe(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("left", [40, 600, 2500])
def test_clip_cut_before_its_first_picture_is_refused(
    clip: Path, tmp_path: Path, left: int, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.mp4").write_bytes(clip.read_bytes()[:left])
    with pytest.raises(Fault, match=r"a.mp4 .*: import an MP4"):
        probe(tmp_path / "a.mp4")
    assert capfd.readouterr() == ("", "")


def test_clip_with_an_index_and_nothing_else_is_refused(
    clip: Path, tmp_path: Path
) -> None:
    index, _, _ = clip.read_bytes().partition(b"mdat")
    (tmp_path / "a.mp4").write_bytes(index + b"mdat")
    with pytest.raises(Fault, match="has no picture that can be decoded"):
        probe(tmp_path / "a.mp4")


def test_clip_of_an_unknown_codec_is_refused(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(clip.read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(Fault, match="is not a video"):
        probe(tmp_path / "a.mp4")


def test_clip_without_samples_is_refused(clip: Path, tmp_path: Path) -> None:
    with av.open(str(clip)) as source, av.open(str(tmp_path / "a.mp4"), "w") as out:
        out.add_stream_from_template(source.streams.video[0])
        out.start_encoding()
    with pytest.raises(Fault, match="has no moving picture"):
        probe(tmp_path / "a.mp4")


def test_odd_bytes_in_the_title_do_no_harm(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(
        clip.read_bytes().replace(b"Lavf", b"\xff\xfe\xe9f")
    )
    assert probe(tmp_path / "a.mp4").mime_type == "video/mp4"


def test_playlists_are_not_followed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/a.ts"
        (tmp_path / "a.mp4").write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{address}\n#EXT-X-ENDLIST\n"
        )
        with pytest.raises(Fault, match="is not a video"):
            probe(tmp_path / "a.mp4")
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
    clip: Path, tmp_path: Path, name: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(os.fsdecode(name))
    path.write_bytes(clip.read_bytes())
    assert probe(path) == probe(clip)


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
        probe(tmp_path / "a.mp4")


def test_impossible_name_is_refused() -> None:
    with pytest.raises(Fault, match=r"a\\x00b cannot be read .embedded null byte"):
        probe(Path("a\0b"))


def test_shown_path_is_one_printable_line() -> None:
    path = Path(os.fsdecode(b"a\nb\x1b\xff\xc3\xbc"))
    assert show_path(path) == r"a\nb\x1b\xff" + "ü"
