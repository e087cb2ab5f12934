"""What the scripts of the practice page decide, run in a browser without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.library.clips.storyboard import Storyboard, render_cues
from tests.browser import launching
from tests.pages.test_shared_rules import ADDRESS, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

# (id, side, kbit per second), the fewest bits first
LADDER = [(21, 360, 600), (22, 720, 1800), (2, 1080, 6000)]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Yield a page that can import the scripts."""
    with launching() as browser:
        page = browser.new_page()
        page.route(f"{ADDRESS}**", answer)
        page.goto(ADDRESS)
        yield page


def call(page: Page, script: str, function: str, *values: object) -> Any:
    """Return what a function of a script of the page makes of these values."""
    return page.evaluate(
        "([script, name, values]) => import(script).then(all => all[name](...values))",
        [f"/practice/{script}", function, values],
    )


def choose(page: Page, **situation: object) -> int:
    ladder = [
        {"id": id_, "side": side, "width": side * 16 / 9, "height": side, "kbit": kbit}
        for id_, side, kbit in LADDER
    ]
    chosen: int = call(page, "levels.js", "chooseLevel", ladder, situation)["id"]
    return chosen


PHONE = {"width": 780, "height": 439}  # twice the pixels of CSS
TELEVISION = {"width": 3840, "height": 2160}


@pytest.mark.parametrize(
    ("situation", "level"),
    [
        ({"kbit": 50_000, "box": TELEVISION}, 2),
        ({"kbit": 50_000, "box": PHONE}, 22),
        ({"kbit": 50_000, "box": {"width": 400, "height": 225}}, 21),
        ({"kbit": 50_000, "box": {"width": 700, "height": 394}}, 21),  # 91 % of it
        ({"kbit": 50_000, "box": {"width": 4000, "height": 200}}, 21),  # by its height
        ({"kbit": 50_000, "box": {"width": 0, "height": 0}}, 2),
        ({"kbit": 2250, "box": TELEVISION}, 22),
        ({"kbit": 2249, "box": TELEVISION}, 21),
        ({"kbit": 10, "box": TELEVISION}, 21),
        ({"box": TELEVISION}, 22),  # of a line that nothing is known of
        ({"kbit": 50_000, "box": TELEVISION, "sparing": True}, 21),
        ({"kbit": 10, "kept": [22], "box": TELEVISION}, 22),
        ({"kbit": 50_000, "kept": [21, 22], "box": TELEVISION}, 22),
        ({"kbit": 10, "kept": [2], "sparing": True}, 2),  # nothing more is sent
        ({"kbit": 10, "kept": [21], "wanted": 720}, 22),
        ({"kbit": 10, "kept": [21], "wanted": 720, "online": False}, 21),
        ({"wanted": 720, "online": False}, 22),
        ({"kbit": 10, "wanted": 4320}, 2),
        ({"kbit": 10, "wanted": 719, "sparing": True}, 21),
        ({"kbit": 50_000, "wanted": 144}, 21),
    ],
)
def test_level_is_chosen(page: Page, situation: dict[str, Any], level: int) -> None:
    assert choose(page, **situation) == level


def test_ladder_has_the_clip_itself(page: Page) -> None:
    level = {
        "id": 7,
        "original_id": 5,
        "width": 360,
        "height": 640,
        "bit_rate": 500_000,
        "codecs": "avc1.64001e",
    }
    ladder = call(page, "levels.js", "ladderOf", {"id": 5, "levels": [level]})
    assert [(each["id"], each["side"]) for each in ladder] == [(7, 360), (5, None)]
    # How many bits the clip itself has is not known, so a level plays more surely.
    situation = {"kbit": 50_000, "box": TELEVISION}
    assert call(page, "levels.js", "chooseLevel", ladder, situation)["id"] == 7
    [alone] = call(page, "levels.js", "ladderOf", {"id": 5})
    assert alone["id"] == 5
    assert call(page, "levels.js", "chooseLevel", [alone], {"kbit": 1})["id"] == 5


def test_speed_falls_at_once_and_rises_late(page: Page) -> None:
    def measure(known: float | None, *speeds: int) -> float:
        for speed in speeds:
            known = call(page, "levels.js", "weighSpeed", known, speed)
        assert known is not None
        return known

    assert measure(None, 8000) == 8000
    assert measure(8000, 8000) == pytest.approx(8000)
    assert measure(50_000, 800) < 1600
    assert measure(800, 50_000) < 1600
    assert measure(800, *[8000] * 8) > 7500


@pytest.mark.parametrize(
    ("offered", "preferred", "language"),
    [
        (["de", "en", "zh-Hans"], ["zh-CN", "en"], "zh-Hans"),
        (["pt-BR", "pt"], ["pt"], "pt"),
        (["de", "en-GB", "en"], ["fr", "EN-gb"], "en-GB"),
        (["de", "en"], ["fr"], "de"),
        (["de"], [], "de"),
    ],
)
def test_captions_are_picked_by_what_a_person_reads(
    page: Page, offered: list[str], preferred: list[str], language: str
) -> None:
    captions = [{"language": tag} for tag in offered]
    assert call(page, "captions.js", "pickLanguage", captions, preferred) == language


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        (2, "", "network"),
        (3, "PIPELINE_ERROR_DECODE", "decode"),
        (4, "MEDIA_ELEMENT_ERROR: Format error", "network"),  # Chromium, of a 404
        (4, "404: Not Found", "network"),  # Firefox
        (4, "DEMUXER_ERROR_COULD_NOT_OPEN: FFmpegDemuxer: open failed", "unsupported"),
        (4, "NS_ERROR_DOM_MEDIA_METADATA_ERR (0x806e0006)", "unsupported"),
        (4, "", "network"),
    ],
)
def test_error_is_named(page: Page, code: int, message: str, error: str) -> None:
    given = {"code": code, "message": message}
    assert call(page, "playback.js", "nameError", given) == error


def test_storyboard_is_read_as_it_is_written(page: Page) -> None:
    text = render_cues(Storyboard(3700.5, 160, 90, 12, 310), "storyboard.jpg?v=1")
    tiles = call(page, "storyboard.js", "readStoryboard", text)
    assert len(tiles) == 12
    assert tiles[0] == {
        "begin": 0,
        "end": 310,
        "image": "storyboard.jpg?v=1",
        "x": 0,
        "y": 0,
        "width": 160,
        "height": 90,
    }
    assert (tiles[11]["x"], tiles[11]["y"], tiles[11]["end"]) == (160, 90, 3700.5)
    for moment, place in ((0, 0), (309.9, 0), (310, 1), (3700.4, 11), (9999, 11)):
        found = call(page, "storyboard.js", "tileAt", tiles, moment)
        assert found == tiles[place]
    assert call(page, "storyboard.js", "readStoryboard", "WEBVTT\n\nNOTE a\n") == []
    assert call(page, "storyboard.js", "tileAt", [], 1) is None
