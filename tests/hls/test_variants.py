"""The master playlist lists the levels and captions that there are, and no others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

from server.demo.samples import make_clip
from server.hls.playlists import Variant
from server.hls.variants import choose_variants, move_variant
from tests.conftest import execute, insert_video
from tests.hls.written import WRITTEN
from tests.video.test_levels import insert_level
from tests.wire import connect

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Served

OWN = Variant(
    "hls1.m3u8", "i.m3u8", 3000, 2000, 90, "avc1.64001F,mp4a.40.2", (8, 6), 30
)
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\nHallo\n"


class Clips(NamedTuple):
    """A clip in three sizes, the smallest without HLS."""

    large: bytes
    middle: bytes
    small: bytes


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder: Path = tmp_path_factory.mktemp("variants")
    made = []
    for height, bit_rate in ((360, 900_000), (180, 300_000)):
        path = folder / f"{height}.mp4"
        make_clip(
            path, seconds=4, width=height * 16 // 9, height=height, bit_rate=bit_rate
        )
        made.append(path.read_bytes())
    large, middle = made
    return Clips(large, middle, b"no video" * 20)


def list_addresses(master: str) -> tuple[list[str], list[str]]:
    """Return the addresses of media playlists, in order, and those in attributes."""
    lines = master.splitlines()
    media = [line for line in lines if not line.startswith("#")]
    return media, re.findall(r'URI="([^"]+)"', master)


async def ask(served: Served, path: str) -> tuple[int, str]:
    async with connect(served.port) as wire:
        head, body = await wire.get(path)
        return head.status, body.decode()


def caption(url: str, video: int, language: str) -> None:
    insert = "INSERT INTO captions (video_id, language, vtt) VALUES"
    execute(url, f"{insert} ({video}, '{language}', '{VTT}')")


def test_levels_of_other_kinds_are_left_out() -> None:
    small = OWN._replace(uri="s", average_bandwidth=500)
    middle = OWN._replace(uri="m", average_bandwidth=900, codecs="hvc1.1.6,mp4a.40.5")
    silent = OWN._replace(uri="x", average_bandwidth=400, codecs="avc1.64001F")
    sound = OWN._replace(
        uri="y", average_bandwidth=60, codecs="mp4a.40.2", frame_rate=0
    )
    larger = OWN._replace(uri="z", average_bandwidth=2000)
    levels = [middle, silent, sound, larger, small]
    assert [each.uri for each in choose_variants(OWN, levels)] == ["s", "m", OWN.uri]


def test_playlists_of_a_level_are_named_from_its_original() -> None:
    moved = move_variant(OWN, "../7/")
    assert (moved.uri, moved.iframes_uri) == ("../7/hls1.m3u8", "../7/i.m3u8")
    assert move_variant(OWN._replace(iframes_uri=""), "../7/").iframes_uri == ""


async def test_master_has_levels_and_captions(served: Served, clips: Clips) -> None:
    url = served.database_url
    video = insert_video(url, "a.mp4", clips.large)
    level = insert_level(url, video, 180, clips.middle)
    insert_level(url, video, 120, clips.small)
    caption(url, video, "de")
    caption(url, video, "pt-BR")
    base = f"/v3/videos/{video}/"
    status, master = await ask(served, f"{base}master.m3u8")
    media, others = list_addresses(master)
    assert status == 200
    assert media == [f"../{level}/hls1.m3u8", "hls1.m3u8"]
    assert others == [
        *("captions/de.m3u8", "captions/pt-BR.m3u8"),
        *(f"../{level}/hls1-iframes.m3u8", "hls1-iframes.m3u8"),
    ]
    assert re.findall(r"RESOLUTION=(\d+x\d+),F", master) == ["320x180", "640x360"]
    assert master.count('SUBTITLES="subtitles"') == 2
    assert 'NAME="Português (BR)",LANGUAGE="pt-BR"' in master
    for address in (*media, *others):
        status, text = await ask(served, f"{base}{address}".replace(f"{video}/../", ""))
        assert (status, text[:8]) == (200, "#EXTM3U\n"), address


async def test_part_is_that_of_the_video_alone(served: Served, clips: Clips) -> None:
    url = served.database_url
    video = insert_video(url, "a.mp4", clips.large)
    insert_level(url, video, 180, clips.middle)
    caption(url, video, "de")
    _, master = await ask(served, f"/v3/videos/{video}/master.m3u8?start=2")
    media, others = list_addresses(master)
    assert media == ["hls1.m3u8?start=2"]  # levels may be cut at other times
    assert others[0] == "captions/de.m3u8"  # they tell of the whole time


async def test_part_is_that_of_a_level_where_the_video_has_no_hls(
    served: Served, clips: Clips
) -> None:
    url = served.database_url
    video = insert_video(url, "a.mp4", clips.small)
    level = insert_level(url, video, 180, clips.middle)
    _, master = await ask(served, f"/v3/videos/{video}/master.m3u8?start=2")
    assert list_addresses(master)[0] == [f"../{level}/hls1.m3u8?start=2"]


async def test_level_has_a_master_of_its_own(served: Served, clips: Clips) -> None:
    video = insert_video(served.database_url, "a.mp4", clips.large)
    level = insert_level(served.database_url, video, 180, clips.middle)
    status, master = await ask(served, f"/v3/videos/{level}/master.m3u8")
    assert (status, list_addresses(master)[0]) == (200, ["hls1.m3u8"])


async def test_levels_stand_in_for_an_unfit_video(served: Served, clips: Clips) -> None:
    video = insert_video(served.database_url, "a.mp4", clips.small)
    path = f"/v3/videos/{video}/master.m3u8"
    status, text = await ask(served, path)
    assert (status, '"code"' in text) == (404, True)
    level = insert_level(served.database_url, video, 180, clips.middle)
    status, master = await ask(served, path)
    assert (status, list_addresses(master)[0]) == (200, [f"../{level}/hls1.m3u8"])


async def test_sound_alone_is_listed_alone(served: Served, clips: Clips) -> None:
    video = insert_video(served.database_url, "a.mp4", WRITTEN["sound only"])
    insert_level(served.database_url, video, 180, clips.middle)
    _, master = await ask(served, f"/v3/videos/{video}/master.m3u8")
    assert list_addresses(master)[0] == ["hls1.m3u8"]


async def test_what_was_deleted_is_listed_no_more(served: Served, clips: Clips) -> None:
    url = served.database_url
    video = insert_video(url, "a.mp4", clips.large)
    level = insert_level(url, video, 180, clips.middle)
    caption(url, video, "de")
    path = f"/v3/videos/{video}/master.m3u8"
    _, before = await ask(served, path)
    execute(url, "DELETE FROM captions")
    execute(url, f"DELETE FROM videos WHERE id = {level}")
    _, after = await ask(served, path)
    assert (f"../{level}/" in before, "SUBTITLES" in before) == (True, True)
    assert (f"../{level}/" in after, "SUBTITLES" in after) == (False, False)


async def test_database_of_others_needs_no_such_tables(
    served: Served, clips: Clips
) -> None:
    video = insert_video(served.database_url, "a.mp4", clips.large)
    execute(served.database_url, "DROP TABLE levels, originals, captions CASCADE")
    status, master = await ask(served, f"/v3/videos/{video}/master.m3u8")
    assert (status, list_addresses(master)[0]) == (200, ["hls1.m3u8"])
