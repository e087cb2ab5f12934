"""Players of HLS over HTTP: FFmpeg's, and the one of a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.request import urlopen

import av
import pytest

from server.demo.samples import make_clip
from tests.browser import launching, wait_until
from tests.command import serving
from tests.conftest import _fresh, execute, insert_video
from tests.hls.virtual import read_packets
from tests.video.test_levels import insert_level

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.long

SECONDS = 12


class Film(NamedTuple):
    """A video with a level and captions, on a server."""

    address: str  # of the folder of its playlists
    data: bytes


@pytest.fixture(scope="module")
def film(
    cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Film]:
    folder: Path = tmp_path_factory.mktemp("players")
    for url in _fresh(cluster, template):
        yield from serve_film(url, folder)


def serve_film(url: str, folder: Path) -> Iterator[Film]:
    made = []
    for height, bit_rate in ((360, 900_000), (180, 300_000)):
        path, width = folder / f"{height}.mp4", height * 16 // 9
        make_clip(path, seconds=SECONDS, width=width, height=height, bit_rate=bit_rate)
        made.append(path.read_bytes())
    number = insert_video(url, "a.mp4", made[0])
    insert_level(url, number, 180, made[1])
    insert = "INSERT INTO captions (video_id, language, vtt) VALUES"
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\nHallo\n\n00:05.000 --> 00:06.000\nWelt\n"
    execute(url, f"{insert} ({number}, 'de', '{vtt}')")
    with serving(url) as server:
        yield Film(f"{server.address}v3/videos/{number}", made[0])


def test_ffmpeg_gets_the_packets_of_the_row(film: Film, tmp_path: Path) -> None:
    # FFmpeg 9.0 ends after the first range of a file, over HTTP, of its own files too.
    for name in ("hls1.m3u8", "hls1.mp4"):
        with urlopen(f"{film.address}/{name}") as answer:
            (tmp_path / name).write_bytes(answer.read())
    expected = read_packets(film.data)
    with av.open(str(tmp_path / "hls1.m3u8")) as container:
        streams = [container.streams.video[0], container.streams.audio[0]]
        got: dict[str, list[bytes]] = {"video": [], "audio": []}
        for packet in container.demux(streams):
            if packet.size:
                got[packet.stream.type].append(bytes(packet))
    for kind, packets in got.items():
        assert [len(each) for each in packets] == [each.size for each in expected[kind]]


def test_ffmpeg_chooses_and_seeks(film: Film) -> None:
    with av.open(f"{film.address}/master.m3u8") as container:
        heights = sorted({stream.height for stream in container.streams.video})
        assert heights == [180, 360]
        assert container.duration == pytest.approx(SECONDS * 1_000_000, abs=200_000)
    with av.open(f"{film.address}/hls1.m3u8") as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        for second in (8, 2, 10):
            container.seek(int(second / stream.time_base), stream=stream)
            frame = next(container.decode(stream))
            assert frame.time is not None
            assert second - 2.1 <= frame.time <= second + 0.1


def test_ffmpeg_plays_a_part(film: Film) -> None:
    with av.open(f"{film.address}/hls1.m3u8?start=4&end=8") as container:
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert len(times) == 4 * 30
    assert times[-1] - times[0] == pytest.approx(4 - 1 / 30, abs=0.01)


PLAY = """async address => {
    const video = document.createElement('video');
    const event = (name) => new Promise((resolve, reject) => {
        video.addEventListener(name, resolve, {once: true});
        video.addEventListener('error', () => reject(new Error(video.error.message)));
    });
    video.muted = true;
    document.body.append(video);
    const loaded = event('loadeddata');
    video.src = address;
    await loaded;
    const found = {duration: video.duration, seeks: []};
    for (const part of [0.7, 0.2]) {
        const sought = event('seeked');
        video.currentTime = video.duration * part;
        await sought;
        found.seeks.push([video.currentTime / video.duration, video.readyState]);
    }
    const again = event('seeked');
    video.currentTime = video.duration - 0.8;
    await again;
    const ended = event('ended');
    await video.play();
    await ended;
    found.height = video.videoHeight;
    window.found = found;
}"""


@pytest.mark.parametrize("name", ["master.m3u8", "hls1.m3u8", "hls1.mp4"])
def test_browser_plays_seeks_and_ends(film: Film, name: str) -> None:
    with launching() as browser:
        page = browser.new_page()
        page.goto(f"{film.address}/levels")  # of the same origin, without scripts
        kind = "application/vnd.apple.mpegurl" if "m3u8" in name else "video/mp4"
        can = page.evaluate(f"document.createElement('video').canPlayType('{kind}')")
        if not can:
            pytest.skip("this browser has no HLS of its own")
        page.evaluate(
            f"({PLAY})('{film.address}/{name}').catch(e => window.found = `${{e}}`)"
        )
        wait_until(page, "window.found !== undefined")
        found = page.evaluate("window.found")
        assert isinstance(found, dict), found
        assert found["duration"] == pytest.approx(SECONDS, abs=0.2)
        assert found["height"] in (180, 360)
        for (at, state), part in zip(found["seeks"], (0.7, 0.2), strict=True):
            assert (at, state >= 2) == (pytest.approx(part, abs=0.01), True)
