"""How the practice page plays a clip: level, captions, what is told of it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from server.demo.samples import make_clip
from tests.browser import DESKTOP, SECONDS, launching, wait_until
from tests.command import serving
from tests.conftest import execute, insert_video
from tests.pages.test_practice_browser import (
    KEPT,
    VIDEO,
    Site,
    Word,
    add_learner,
    answer,
    check_access,
    open_context,
    open_cursor,
    open_page,
    open_practice,
    wait_for_word,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Request

CLIPS = 4
LONG = 24  # seconds
CAPTIONS = {"en": "Here is <i>a clock</i>", "zh-Hans": "这是一个钟", "ar": "هذه ساعة"}
SPEED = "Number(sessionStorage.getItem('bytereel:speed'))"  # kbit per second


@pytest.fixture(scope="module")
def site(
    cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Yield a server with clips that have a level each, under the next ids."""
    database = "practice_clips"
    execute(
        cluster.format(database="postgres"),
        f"CREATE DATABASE {database} TEMPLATE {template}",
    )
    url = cluster.format(database=database)
    folder = tmp_path_factory.mktemp("clips")
    make_clip(folder / "high.mp4", seconds=2, width=1280, height=720)
    make_clip(folder / "low.mp4", seconds=2, width=640, height=360)
    high, low = ((folder / f"{name}.mp4").read_bytes() for name in ("high", "low"))
    clips = [insert_video(url, f"clip_{number}.mp4", high) for number in range(CLIPS)]
    for clip in clips:
        level = insert_video(url, f"clip_{clip}-360.mp4", low)
        execute(
            url,
            f"UPDATE videos SET is_level = true WHERE id = {level};"
            f"INSERT INTO originals VALUES ({clip}, 1280, 720, 2000000, 30,"
            " 'avc1.64001f,mp4a.40.2');"
            f"INSERT INTO levels VALUES ({level}, {clip}, 640, 360, 500000, 30,"
            " 'avc1.64001e,mp4a.40.2')",
        )
    for language, text in CAPTIONS.items():
        for clip in clips[:2]:
            vtt = f"WEBVTT\n\n00:00.000 --> 00:59.000\n{text}\n"
            execute(url, f"INSERT INTO captions VALUES ({clip}, '{language}', '{vtt}')")
    make_clip(folder / "long.mp4", seconds=LONG, width=160, height=90, fps=10)
    long = (folder / "long.mp4").read_bytes()
    clips.append(insert_video(url, "long.mp4", long))
    execute(url, f"UPDATE videos SET duration_seconds = {LONG} WHERE id = {clips[-1]}")
    with serving(url, "--hls-seconds", str(LONG - 1)) as server:
        yield Site(server.address, url, clips)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launching() as browser:
        yield browser


def level_of(clip: int) -> int:
    return clip + CLIPS


def remember_speed(page: Page, kbit: int) -> None:
    """Have the page begin as after clips that came so fast."""
    page.add_init_script(
        "sessionStorage.getItem('bytereel:speed') || sessionStorage.setItem("
        f"'bytereel:speed', {kbit})"
    )


def wait_for_clip(page: Page, video: int) -> None:
    wait_until(page, f"{VIDEO}.currentSrc.includes('/videos/{video}.mp4')")
    wait_until(page, f"{VIDEO}.currentTime > 0")


@pytest.mark.parametrize(
    ("kbit", "scale", "save", "is_level"),
    [
        (50_000, 3, "off", False),
        (50_000, 1, "off", True),  # a phone's screen of few pixels
        (900, 3, "off", True),
        (50_000, 3, "on", True),
    ],
)
def test_level_suits_line_and_screen(
    browser: Browser, site: Site, *, kbit: int, scale: int, save: str, is_level: bool
) -> None:
    clip = site.clips[0]
    learner = add_learner(site, Word(clips=[clip]))
    with open_page(browser, device_scale_factor=scale) as page:
        page.set_extra_http_headers({"Save-Data": save})
        remember_speed(page, kbit)
        open_practice(page, site, learner)
        wait_for_clip(page, level_of(clip) if is_level else clip)
        name = f"Quality: {'360p' if is_level else '720p'}"
        assert page.get_by_role("button", name=name).is_visible()


def test_level_can_be_chosen_and_is_remembered(browser: Browser, site: Site) -> None:
    one, two, three, *_ = site.clips
    learner = add_learner(
        site, *(Word(f"word {clip}", clips=[clip]) for clip in (one, two, three))
    )
    with open_page(browser, size=DESKTOP, device_scale_factor=2) as page:
        remember_speed(page, 50_000)
        open_practice(page, site, learner)
        wait_for_clip(page, one)
        page.get_by_role("button", name="Quality: 720p").click()
        quality = page.get_by_label("Quality", exact=True)
        assert page.evaluate("document.activeElement.id") == "quality"
        assert quality.locator("option").all_inner_texts() == [
            "Automatic",
            "720p",
            "360p",
        ]
        assert page.get_by_text("The line carries about").is_visible()
        check_access(page)
        quality.select_option("360p")
        wait_for_clip(page, level_of(one))
        assert page.get_by_text("At most 360p, on any line.").is_visible()
        page.get_by_role("button", name="Close").click()
        page.reload()
        wait_for_clip(page, level_of(one))
        answer(page, "1")
        page.keyboard.press("Enter")
        wait_for_clip(page, level_of(two))
        page.get_by_role("button", name="Options").click()
        assert page.get_by_label("Quality", exact=True).input_value() == "360"


def test_chosen_level_is_what_is_kept(browser: Browser, site: Site) -> None:
    one, two, *_ = site.clips
    learner = add_learner(
        site, *(Word(f"word {clip}", clips=[clip]) for clip in (one, two))
    )
    is_second = f"url => url.endsWith('/{level_of(two)}.mp4')"
    with open_page(browser, service_workers="allow") as page:
        remember_speed(page, 900)
        open_practice(page, site, learner)
        wait_until(page, f"{KEPT}.then(kept => kept.some({is_second}))")
        wait_until(page, "navigator.serviceWorker.controller !== null")
        page.evaluate("sessionStorage.setItem('bytereel:speed', '')")
        page.context.set_offline(True)
        page.reload()
        wait_for_word(page, f"word {one}")
        answer(page, "1")
        page.keyboard.press("Enter")
        wait_for_clip(page, level_of(two))


def test_slow_line_is_measured(browser: Browser, site: Site) -> None:
    words = [Word(f"word {clip}", clips=[clip]) for clip in site.clips[:CLIPS]]
    learner = add_learner(site, *words)
    with open_context(browser, size=DESKTOP, device_scale_factor=2) as context:
        page = context.new_page()
        remember_speed(page, 50_000)
        network = context.new_cdp_session(page)
        line = {"offline": False, "latency": 20, "uploadThroughput": -1}
        network.send("Network.enable")
        network.send(
            "Network.emulateNetworkConditions", {**line, "downloadThroughput": 100_000}
        )
        open_practice(page, site, learner)
        wait_until(page, f"{SPEED} < 2_000")
        for word in words[1:]:
            answer(page, "1")
            page.keyboard.press("Enter")
            wait_for_word(page, word.word)
        wait_for_clip(page, level_of(site.clips[CLIPS - 1]))


def test_least_level_comes_where_another_does_not(browser: Browser, site: Site) -> None:
    clip = site.clips[0]
    learner = add_learner(site, Word(clips=[clip]))
    with open_context(browser, size=DESKTOP, device_scale_factor=2) as context:
        page = context.new_page()
        page.route(f"**/v3/videos/{clip}.mp4", lambda _: None)  # it is never answered
        remember_speed(page, 50_000)
        open_practice(page, site, learner)
        wait_for_clip(page, level_of(clip))


def wait_for_captions(page: Page, *texts: str) -> None:
    lines = "[...document.querySelectorAll('[data-player=definition] [data-cues] p')]"
    wanted = json.dumps("|".join(texts))
    wait_until(page, f"{lines}.map(line => line.textContent).join('|') === {wanted}")


def test_captions_are_off_until_they_are_wanted(browser: Browser, site: Site) -> None:
    learner = add_learner(site, Word(clips=site.clips[1:3]))
    with open_page(browser, locale="zh-CN") as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        open_practice(page, site, learner)
        wait_until(page, f"{VIDEO}.currentTime > 0")
        assert not any(url.endswith(".vtt") for url in asked)
        button = page.get_by_role("button", name="Captions")
        assert button.get_attribute("aria-pressed") == "false"
        button.click()  # the language of the browser
        wait_for_captions(page, "这是一个钟")
        assert button.get_attribute("aria-pressed") == "true"
        page.get_by_role("button", name="Next clip").click()  # which has none
        wait_for_captions(page)
        assert button.is_hidden()
        page.get_by_role("button", name="Next clip").click()
        wait_for_captions(page, "这是一个钟")
        button.click()
        wait_for_captions(page)
        assert button.get_attribute("aria-pressed") == "false"


def test_captions_in_two_languages_are_remembered(browser: Browser, site: Site) -> None:
    learner = add_learner(site, Word(clips=site.clips[:1]))
    with open_page(browser) as page:
        open_practice(page, site, learner)
        page.get_by_role("button", name="Options").click()
        first = page.locator("#captions")
        second = page.get_by_label("Second language of captions")
        assert second.is_hidden()
        labels = first.locator("option").all_inner_texts()
        assert sorted(labels) == sorted(["Off", "English", "简体中文", "العربية"])
        first.select_option("ar")
        assert "العربية" not in second.locator("option").all_inner_texts()
        second.select_option("English")
        wait_for_captions(page, "هذه ساعة", "Here is a clock")
        check_access(page)
        page.reload()
        wait_for_captions(page, "هذه ساعة", "Here is a clock")
        line = page.locator("[data-player=definition] [data-cues] p")
        assert line.nth(0).get_attribute("lang") == "ar"
        assert line.nth(0).evaluate("line => getComputedStyle(line).direction") == "rtl"
        assert line.nth(1).locator("i").inner_text() == "a clock"
        page.get_by_role("button", name="Options").click()
        first.select_option("Off")
        wait_for_captions(page)
        page.get_by_role("button", name="Close").click()
        page.get_by_role("button", name="Captions").click()  # the ones from before
        wait_for_captions(page, "هذه ساعة", "Here is a clock")


def test_captions_are_kept_with_their_clips(browser: Browser, site: Site) -> None:
    one, two, three, *_ = site.clips
    words = [Word(f"word {clip}", clips=[clip]) for clip in (two, one, three)]
    learner = add_learner(site, *words)
    with open_page(browser, service_workers="allow") as page:
        page.add_init_script(
            "localStorage.setItem('bytereel:captions',"
            """ '{"shown": true, "languages": ["zh-Hans"]}')"""
        )
        open_practice(page, site, learner)
        wait_for_captions(page, "这是一个钟")
        wait_until(page, f"{KEPT}.then(kept => kept.length === 3)")
        wait_until(page, "navigator.serviceWorker.controller !== null")
        page.get_by_role("button", name="Options").click()
        page.get_by_text("2 clips kept").wait_for()
        page.get_by_role("button", name="Close").click()
        page.context.set_offline(True)
        answer(page, "1")
        page.keyboard.press("Enter")
        wait_for_word(page, f"word {one}")
        wait_for_captions(page, "这是一个钟")


def note_plays(page: Page) -> list[dict[str, Any]]:
    """Return what grows by each play that the page tells of."""
    plays: list[dict[str, Any]] = []

    def note(request: Request) -> None:
        if request.url.endswith("/v3/playback"):
            plays.extend(json.loads(request.post_data or "")["plays"])

    page.on("request", note)
    return plays


def hide(page: Page, *, hidden: bool = True) -> None:
    """Have the page find that it was put aside, which headless browsers never do."""
    page.evaluate(
        """state => {
            Object.defineProperty(document, 'visibilityState',
                {value: state, configurable: true});
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        "hidden" if hidden else "visible",
    )


def wait_for_plays(page: Page, plays: list[dict[str, Any]], count: int) -> None:
    for _ in range(SECONDS * 10):
        if len(plays) >= count:
            break
        page.wait_for_timeout(100)
    page.wait_for_timeout(300)  # for one that comes twice
    assert len(plays) == count


def test_page_tells_how_clips_played(browser: Browser, site: Site) -> None:
    one, two, three, *_ = site.clips
    learner = add_learner(site, Word(clips=[one, two, three]))
    with open_page(browser) as page:
        plays = note_plays(page)
        remember_speed(page, 900)
        page.route(f"**/v3/videos/{level_of(two)}.mp4", lambda route: route.abort())
        open_practice(page, site, learner)
        wait_until(page, f"{VIDEO}.ended")
        page.get_by_role("button", name="Next clip").click()
        retry = page.get_by_role("button", name="Try again")
        retry.wait_for()
        page.unroute(f"**/v3/videos/{level_of(two)}.mp4")
        retry.click()
        wait_until(page, f"{VIDEO}.currentTime > 0.5")
        hide(page)
        wait_for_plays(page, plays, 3)
        hide(page, hidden=False)
        hide(page)
        wait_for_plays(page, plays, 3)
    first, failed, again = plays
    assert set(first) == {
        *("video_id", "level", "first_frame_ms", "stalls", "stalled_ms", "watched_ms"),
        *("kbit_per_s", "network", "error"),
    }
    assert (first["video_id"], first["level"], first["error"]) == (one, 360, None)
    assert first["first_frame_ms"] > 0
    assert first["kbit_per_s"] > 0
    assert first["network"] == "4g"
    assert first["watched_ms"] > 1000
    assert (failed["video_id"], failed["error"]) == (two, "network")
    assert failed["first_frame_ms"] is None
    assert failed["watched_ms"] == failed["stalls"] == 0
    assert (again["video_id"], again["error"]) == (two, None)
    wait_for_error(site, two, 360)


def wait_for_error(site: Site, clip: int, level: int) -> None:
    """Wait until the server has counted that a clip could not be fetched, once."""
    end = time.monotonic() + SECONDS
    found = None
    while found != (1, True):
        assert time.monotonic() < end, found
        time.sleep(0.2)
        with open_cursor(site) as cursor:
            cursor.execute(
                "SELECT sum(network_errors)::int, sum(plays) > 1 FROM playback"
                " WHERE video_id = %s AND level = %s",
                (clip, level),
            )
            found = cursor.fetchone()


def test_older_server_need_not_take_what_is_told(browser: Browser, site: Site) -> None:
    learner = add_learner(site, Word(clips=site.clips[2:3]), Word("run"))
    errors: list[object] = []
    with open_context(browser) as context:
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(error))
        context.route("**/v3/playback", lambda route: route.fulfill(status=404))
        plays = note_plays(page)
        open_practice(page, site, learner)
        wait_until(page, f"{VIDEO}.currentTime > 0")
        hide(page)
        wait_for_plays(page, plays, 1)
        assert answer(page, "1") == "right"
        page.keyboard.press("Enter")
        wait_for_word(page, "run")
    assert errors == []


def test_long_clip_is_played_as_hls(browser: Browser, site: Site) -> None:
    short, long = site.clips[0], site.clips[CLIPS]
    learner = add_learner(site, Word(clips=[long, short]))
    with open_page(browser) as page:
        remember_speed(page, 900)
        open_practice(page, site, learner)
        wait_until(page, f"{VIDEO}.currentSrc.endsWith('/{long}/master.m3u8')")
        wait_until(page, f"{VIDEO}.currentTime > 0.2")
        page.get_by_role("slider").first.fill("20")
        wait_until(page, f"!{VIDEO}.seeking && {VIDEO}.currentTime >= 20")
        page.get_by_role("button", name="Next clip").click()
        wait_for_clip(page, level_of(short))


@pytest.mark.parametrize("able", [True, False])
def test_clip_that_hls_cannot_play_is_played_as_a_file(
    browser: Browser, site: Site, *, able: bool
) -> None:
    clip = site.clips[CLIPS]
    learner = add_learner(site, Word(clips=[clip]))
    with open_context(browser) as context:
        page = context.new_page()
        if able:  # by its type; the playlist is refused, as of a video that is unfit
            page.route("**/master.m3u8", lambda route: route.fulfill(status=404))
        else:
            page.add_init_script(
                "const can = HTMLMediaElement.prototype.canPlayType;"
                "HTMLMediaElement.prototype.canPlayType = function (type) {"
                " return /mpegurl/.test(type) ? '' : can.call(this, type); }"
            )
        open_practice(page, site, learner)
        wait_for_clip(page, clip)


def test_bar_of_a_long_clip_shows_its_moments(browser: Browser, site: Site) -> None:
    short, long = site.clips[0], site.clips[CLIPS]
    learner = add_learner(site, Word(clips=[long, short]))
    preview = "document.querySelector('[data-player=definition] [data-preview]')"
    tile = f"{preview}.firstElementChild.style.backgroundPosition"
    with open_page(browser) as page:
        boards: list[str] = []
        page.on(
            "request",
            lambda request: boards.append(request.url.rpartition("/")[2]),
        )
        open_practice(page, site, learner)
        wait_until(page, f"{VIDEO}.duration > 20")
        bar = page.get_by_role("slider").first
        box = bar.bounding_box()
        assert box is not None
        row = box["y"] + box["height"] / 2
        assert "storyboard.vtt" not in boards  # nobody is at the bar

        def point(share: float) -> None:
            page.mouse.move(box["x"] + box["width"] * share, row)

        for _ in range(SECONDS * 10):  # it is made meanwhile
            point(0.9)
            point(0.1)
            if not page.evaluate(f"{preview}.hidden"):
                break
            page.wait_for_timeout(100)
        assert page.evaluate(tile) == "-160px 0px"
        point(0.5)
        assert page.evaluate(tile) == "-960px 0px"
        assert page.locator("[data-preview] span").first.inner_text() == "0:12"
        shown = page.locator("[data-preview]").first.bounding_box()
        assert shown is not None
        assert shown["x"] >= 0
        assert shown["x"] + shown["width"] <= 390
        page.mouse.move(10, 10)
        assert page.evaluate(f"{preview}.hidden")
        page.get_by_role("button", name="Next clip").click()
        wait_until(page, f"{VIDEO}.duration < 20")
        point(0.5)
        page.wait_for_timeout(200)  # for what must not come
        assert page.evaluate(f"{preview}.hidden")
    assert any(name.startswith("storyboard.jpg") for name in boards)
