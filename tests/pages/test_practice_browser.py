"""The practice page in a real browser, with a real server behind it."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import psycopg2
import pytest
from axe_playwright_python.sync_playwright import Axe

from server.demo.samples import make_clip
from server.library.clips.thumbnail import make_thumbnails
from server.library.report import show_bytes
from tests.browser import (
    DESKTOP,
    PHONE,
    SECONDS,
    launching,
    note_complaints,
    wait_until,
)
from tests.command import serving
from tests.conftest import execute, insert_video

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser, BrowserContext, Page

_languages = count(1)

# What the console says of answers that a test has fail, and of workers it forbids.
EXPECTED = "net::ERR|status of 503|Worker registration blocked"
LAN = "reel.test"  # not this machine, as far as the browser knows, and not https
VIDEO = "document.querySelector('[data-player=definition] video')"
VERDICT = "document.querySelector('footer').dataset.verdict"
CHOICES = ["漂亮的", "丑陋的", "普通的", "特殊的"]
KEPT = """caches.open('bytereel-clips-1').then(cache => cache.keys())
    .then(keys => keys.map(key => key.url))"""
SHIFTS = """new Promise(resolve => new PerformanceObserver(list => resolve(
    list.getEntries().filter(each => !each.hadRecentInput)
        .reduce((sum, each) => sum + each.value, 0)
)).observe({type: 'layout-shift', buffered: true}) || setTimeout(resolve, 300, 0))"""


class Site(NamedTuple):
    """A server, its database, and clips in it."""

    address: str
    database_url: str
    clips: list[int]

    def practice(self, learner: str) -> str:
        return f"{self.address}practice?user_id={learner}"


class Word(NamedTuple):
    """A word with its definition and its one question."""

    word: str = "beautiful"
    text: str = "漂亮的，美丽的"
    clips: Sequence[int] = ()
    question: str | None = "What does this mean?"
    question_clips: Sequence[int] = ()
    choices: Sequence[str] = CHOICES
    right: str = "A"


@pytest.fixture(scope="module")
def site(
    cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Yield a server as a person starts it, with eight short clips."""
    execute(
        cluster.format(database="postgres"),
        f"CREATE DATABASE practice TEMPLATE {template}",
    )
    url = cluster.format(database="practice")
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    make_clip(path, seconds=1.5, width=160, height=90)
    data = path.read_bytes()
    clips = [insert_video(url, f"clip_{number}.mp4", data) for number in range(8)]
    [pictured] = make_thumbnails(url, [str(clips[0])])  # and the others are not
    assert pictured.status == "made"
    with serving(url) as server:
        yield Site(server.address, url, clips)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launching(f"--host-resolver-rules=MAP {LAN} 127.0.0.1") as browser:
        yield browser


@contextmanager
def open_context(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    width, height = options.pop("size", PHONE)
    options.setdefault("service_workers", "block")  # most tests are quicker so
    viewport = {"width": width, "height": height}
    context = browser.new_context(viewport=viewport, **options)  # type: ignore[arg-type]
    try:
        yield context
    finally:
        context.close()


@contextmanager
def open_page(browser: Browser, **options: Any) -> Iterator[Page]:
    """Yield a page that must not complain; a breach of its policy is an error too."""
    with open_context(browser, **options) as context:
        page = context.new_page()
        complaints = note_complaints(page, EXPECTED)
        yield page
    assert complaints == []


@contextmanager
def open_cursor(site: Site) -> Iterator[Any]:
    with (
        closing(psycopg2.connect(site.database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        yield cursor


def add_learner(site: Site, *words: Word) -> str:
    """Return a new learner to whom these words are due, in this order."""
    learner, language = str(uuid4()), f"language-{next(_languages)}"
    with open_cursor(site) as cursor:
        for number, word in enumerate(words):
            add_word(cursor, learner, language, number, word)
    return learner


def add_word(cursor: Any, learner: str, language: str, number: int, word: Word) -> None:
    cursor.execute(
        "INSERT INTO saved_words"
        " (user_id, word, learning_language, native_language, next_review_date)"
        " VALUES (%s, %s, %s, 'zh', now() - %s * interval '1 minute')",
        (learner, word.word, language, 1000 - number),
    )
    cursor.execute(
        "INSERT INTO definitions"
        " (word, definition_text, learning_language, native_language, video_id)"
        " VALUES (%s, %s, %s, 'zh', %s) RETURNING id",
        (word.word, word.text, language, next(iter(word.clips), None)),
    )
    (definition,) = cursor.fetchone()
    for position, clip in enumerate(word.clips[1:]):
        cursor.execute(
            "INSERT INTO definition_videos VALUES (%s, %s, %s)",
            (definition, position, clip),
        )
    if word.question is not None:
        choices = [
            {"id": letter, "text": text}
            for letter, text in zip("ABCD", word.choices, strict=True)
        ]
        cursor.execute(
            "INSERT INTO test_questions"
            " (definition_id, question_text, choices, correct_answer, video_id)"
            " VALUES (%s, %s, %s, %s, %s)",
            (
                definition,
                word.question,
                json.dumps(choices),
                word.right,
                next(iter(word.question_clips), None),
            ),
        )


def list_reviews(site: Site, learner: str) -> list[tuple[str, str]]:
    """Return the answers that have come, with what would have been right."""
    with open_cursor(site) as cursor:
        cursor.execute(
            "SELECT answer, correct_answer FROM practice_reviews"
            " WHERE user_id = %s ORDER BY received_at",
            (learner,),
        )
        return [(answer, right) for answer, right in cursor.fetchall()]


def wait_for_reviews(site: Site, page: Page, learner: str, number: int) -> None:
    for _ in range(SECONDS * 10):
        if len(list_reviews(site, learner)) >= number:
            break
        page.wait_for_timeout(100)
    page.wait_for_timeout(200)  # for one that comes twice
    assert len(list_reviews(site, learner)) == number


def open_practice(page: Page, site: Site, learner: str) -> None:
    page.goto(site.practice(learner))
    wait_until(page, "document.body.dataset.view !== 'loading'")


def wait_for_word(page: Page, word: str) -> None:
    wait_until(page, f"document.querySelector('[data-word]').textContent === {word!r}")


def answer(page: Page, key: str) -> str:
    """Choose and submit by keyboard; return the verdict."""
    page.keyboard.press(key)
    page.keyboard.press("Enter")
    wait_until(page, f"{VERDICT} !== 'none'")
    return str(page.evaluate(VERDICT))


def watch_clips(context: BrowserContext) -> list[tuple[str, str]]:
    """Return a list that grows with each clip asked for: its id and range, or ""."""
    asked: list[tuple[str, str]] = []
    context.on(
        "request",
        lambda request: (
            asked.append(
                (
                    request.url.rpartition("/")[2].removesuffix(".mp4"),
                    request.headers.get("range", ""),
                )
            )
            if request.url.endswith(".mp4")
            else None
        ),
    )
    return asked


def check_access(page: Page) -> None:
    """Find no serious barrier, and enough contrast in the dark too."""
    page.emulate_media(color_scheme="light")
    found = Axe().run(page).response["violations"]
    page.emulate_media(color_scheme="dark")
    found += page.evaluate("axe.run({runOnly: ['color-contrast']})")["violations"]
    assert [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ] == []


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_session_from_first_word_to_last(
    browser: Browser, site: Site, size: tuple[int, int]
) -> None:
    one, two, *_ = site.clips
    learner = add_learner(
        site,
        Word(clips=[one], question_clips=[one]),
        Word("run", "跑，奔跑", [two], right="B"),
        Word("happy", "高兴的"),
    )
    statuses: list[int] = []
    with open_page(browser, size=size, service_workers="allow") as page:
        page.on(
            "response",
            lambda response: (
                statuses.append(response.status)
                if response.request.resource_type == "media"
                else None
            ),
        )
        open_practice(page, site, learner)
        wait_until(page, f"{VIDEO}.currentTime > 0 && {VIDEO}.muted")
        assert page.locator("video:visible").count() == 1  # the question has the same
        assert page.locator("footer button").is_disabled()
        page.locator(".choice").nth(0).click()
        page.get_by_role("button", name="Submit").click()
        wait_until(page, f"{VERDICT} === 'right'")
        right = page.locator(".choice[data-mark=right] .text")
        assert right.inner_text() == CHOICES[0]
        assert "Comes back in 10 minutes." in page.locator("footer").inner_text()
        page.get_by_role("button", name="Continue").click()
        wait_for_word(page, "run")
        assert answer(page, "1") == "wrong"
        assert f"The answer: {CHOICES[1]}" in page.locator("footer").inner_text()
        page.keyboard.press("Enter")
        wait_for_word(page, "happy")
        assert page.locator("[data-meaning]").inner_text() == "高兴的"
        assert page.locator("video:visible").count() == 0
        assert answer(page, "1") == "right"
        page.keyboard.press("Enter")
        assert page.get_by_role("heading", level=1).inner_text() == "2 of 3 right"
        assert page.locator("[data-results] li").count() == 3
        assert page.locator("time").count() == 3
        assert page.evaluate(SHIFTS) < 0.05
        page.get_by_role("button", name="More words").click()
        page.get_by_text("Nothing to practise now").wait_for()
        assert "The next one comes back in" in page.locator("main").inner_text()
    assert set(statuses) == {206}
    assert list_reviews(site, learner) == [("A", "A"), ("A", "B"), ("A", "A")]


def test_keyboard_alone_plays_seeks_and_answers(browser: Browser, site: Site) -> None:
    learner = add_learner(site, Word(clips=site.clips[:1]), Word("run"))
    with open_page(browser, size=DESKTOP) as page:
        open_practice(page, site, learner)
        assert page.evaluate("document.activeElement.textContent") == "beautiful"
        wait_until(page, f"{VIDEO}.currentTime > 0")
        page.keyboard.press(" ")
        wait_until(page, f"{VIDEO}.paused")
        page.keyboard.press(" ")
        wait_until(page, f"{VIDEO}.ended")
        page.keyboard.press(" ")
        wait_until(page, f"!{VIDEO}.ended && {VIDEO}.currentTime < 1.2")
        page.get_by_role("slider").fill("1.2")
        wait_until(page, f"!{VIDEO}.seeking && {VIDEO}.currentTime >= 1.2")
        page.keyboard.press("Home")
        wait_until(page, f"{VIDEO}.currentTime < 1.1")
        page.locator("[data-word]").focus()
        page.keyboard.press("Enter")  # nothing is chosen yet
        page.keyboard.press("9")
        assert page.evaluate(VERDICT) == "none"
        page.keyboard.press("3")
        page.keyboard.press("ArrowUp")
        assert page.locator("input:checked").get_attribute("value") == "B"
        assert answer(page, "1") == "right"
        page.keyboard.press(" ")  # the focused button
        wait_for_word(page, "run")


def test_more_clips_are_a_carousel(browser: Browser, site: Site) -> None:
    one, two, three, *_ = site.clips
    learner = add_learner(site, Word(clips=[one, two], question_clips=[three]))
    with open_page(browser) as page:
        posters: dict[str, int] = {}
        page.on(
            "response",
            lambda response: (
                posters.update({response.url.split("/")[-2]: response.status})
                if "/thumbnail" in response.url
                else None
            ),
        )
        open_practice(page, site, learner)
        assert page.get_by_text("Clip 1 of 2").is_visible()
        page.get_by_role("button", name="Next clip").click()
        wait_until(page, f"{VIDEO}.currentSrc.endsWith('/{two}.mp4')")
        wait_until(page, f"{VIDEO}.currentTime > 0")
        assert page.get_by_text("Clip 2 of 2").is_visible()
        # The question's own clip waits for the end of the definition's.
        question = VIDEO.replace("definition", "question")
        assert page.evaluate(f"{question}.paused")
        wait_until(page, f"{question}.currentTime > 0")
        assert posters == {str(one): 200, str(two): 204, str(three): 204}


def list_views(site: Site, clip: int) -> list[tuple[int, int, int, int]]:
    with open_cursor(site) as cursor:
        cursor.execute(
            "SELECT started, quarter, half, completed FROM video_views"
            " WHERE video_id = %s",
            (clip,),
        )
        return [tuple(row) for row in cursor.fetchall()]


def test_what_was_watched_is_counted(browser: Browser, site: Site) -> None:
    end, whole = site.clips[6:8]  # which no other test plays
    learner = add_learner(site, Word(clips=[end, whole]))
    with open_page(browser, reduced_motion="reduce") as page:
        open_practice(page, site, learner)
        wait_until(page, f"{VIDEO}.readyState >= 2")
        page.get_by_role("slider").fill("1.2")
        page.get_by_role("button", name="Play", exact=True).click()
        wait_until(page, f"{VIDEO}.ended")
        page.get_by_role("button", name="Next clip").click()
        wait_until(page, f"{VIDEO}.readyState >= 2 && !{VIDEO}.ended")
        page.get_by_role("button", name="Play", exact=True).click()
        wait_until(page, f"{VIDEO}.ended")
        page.get_by_role("button", name="Replay").click()  # which is the same showing
        wait_until(page, f"!{VIDEO}.ended && {VIDEO}.currentTime > 0.8")
        page.goto("about:blank")  # with the page its numbers go out
        for _ in range(SECONDS * 10):
            if list_views(site, whole):
                break
            page.wait_for_timeout(100)
    assert list_views(site, whole) == [(1, 1, 1, 1)]
    assert list_views(site, end) == [(1, 0, 0, 0)]


def test_next_three_words_are_fetched_ahead(browser: Browser, site: Site) -> None:
    words = [Word(f"word {clip}", clips=[clip]) for clip in site.clips[:6]]
    learner = add_learner(site, *words)
    with open_page(browser) as page:
        asked = watch_clips(page.context)
        priorities: list[str] = []
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.on(
            "Network.requestWillBeSent",
            lambda event: (
                priorities.append(event["request"]["initialPriority"])
                if event["type"] == "Fetch" and ".mp4" in event["request"]["url"]
                else None
            ),
        )
        open_practice(page, site, learner)
        wait_until(page, f"{KEPT}.then(kept => kept.length === 3)")
        page.wait_for_timeout(200)  # for a fourth
        ahead = [int(clip) for clip, span in asked if span == ""]
        assert ahead == site.clips[1:4]
        assert priorities == ["Low"] * 3
        answer(page, "1")
        page.keyboard.press("Enter")
        wait_until(page, f"{KEPT}.then(kept => kept.length === 4)")


SAVING = "Object.defineProperty(navigator, 'connection', {value: %s})"


def test_nothing_is_fetched_ahead_to_save_data(browser: Browser, site: Site) -> None:
    words = [Word(f"word {clip}", clips=[clip]) for clip in site.clips[:2]]
    learner = add_learner(site, *words)
    with open_context(browser) as context:
        asked = watch_clips(context)
        for headers, script in (
            ({"Save-Data": "on"}, ""),
            ({}, SAVING % "{saveData: true}"),
            ({}, SAVING % "{effectiveType: '2g'}"),
        ):
            page = context.new_page()
            page.set_extra_http_headers(headers)
            page.add_init_script(script)
            open_practice(page, site, learner)
            wait_until(page, f"{VIDEO}.readyState === 4")
            page.get_by_role("button", name="Options").click()
            assert page.get_by_text("Clips are not fetched ahead").is_visible()
        page.wait_for_timeout(200)  # for what must not come
    assert {int(clip) for clip, _ in asked} == {site.clips[0]}


def test_kept_clips_stay_within_the_limit(browser: Browser, site: Site) -> None:
    # A box of nothing behind the pictures makes them large (ISO/IEC 14496-12, 8.1.2).
    size = 7_000_000
    with open_cursor(site) as cursor:
        cursor.execute(
            "INSERT INTO videos (filename, video_data)"
            " SELECT 'large_' || number || '.mp4',"
            "        video_data || int4send(%s) || 'free' || repeat('0', %s)::bytea"
            "   FROM videos, generate_series(1, 4) AS number WHERE id = %s"
            " RETURNING id, octet_length(video_data)",
            (size + 8, size, site.clips[0]),
        )
        large, sizes = zip(*cursor.fetchall(), strict=True)
    words = [Word(f"word {clip}", clips=[clip]) for clip in [site.clips[0], *large]]
    learner = add_learner(site, *words)
    with open_page(browser) as page:
        open_practice(page, site, learner)
        wait_until(page, f"{KEPT}.then(kept => kept.length === 3)")
        page.get_by_role("button", name="Options").click()
        page.get_by_text(
            f"3 clips kept: {show_bytes(3 * sizes[0])} of at most 100 MB."
        ).wait_for()
        page.get_by_label("Keep at most").select_option("20 MB")
        page.get_by_role("button", name="Close").click()
        for _ in range(2):
            answer(page, "1")
            page.keyboard.press("Enter")
        # The first has gone: of the others there is room for two.
        wait_until(
            page,
            f"{KEPT}.then(kept => kept.some(url => url.endsWith('/{large[3]}.mp4')))",
        )
        kept = [int(url.rpartition("/")[2][:-4]) for url in page.evaluate(KEPT)]
        assert kept == list(large[2:])
        page.get_by_role("button", name="Options").click()
        page.get_by_text(
            f"2 clips kept: {show_bytes(2 * sizes[0])} of at most 20 MB."
        ).wait_for()
        page.get_by_role("button", name="Delete kept clips").click()
        page.get_by_text("0 clips kept: 0 B").wait_for()
        assert page.evaluate(KEPT) == []


def test_session_goes_on_without_network(browser: Browser, site: Site) -> None:
    words = [Word(f"word {clip}", clips=[clip]) for clip in site.clips[:4]]
    learner = add_learner(site, *words)
    with open_page(browser, service_workers="allow") as page:
        open_practice(page, site, learner)
        wait_until(page, f"{KEPT}.then(kept => kept.length === 3)")
        wait_until(page, "navigator.serviceWorker.controller !== null")
        page.context.set_offline(True)
        page.get_by_text("Offline", exact=True).wait_for()
        assert answer(page, "1") == "right"  # as the batch tells
        page.keyboard.press("Enter")
        wait_until(page, f"{VIDEO}.currentTime > 0.3")
        page.get_by_role("slider").first.fill("1.2")
        wait_until(page, f"!{VIDEO}.seeking && {VIDEO}.currentTime >= 1.2")
        assert answer(page, "2") == "wrong"
        page.reload()
        wait_for_word(page, words[2].word)
        wait_until(page, f"{VIDEO}.currentTime > 0")
        page.get_by_text("Offline · 2 answers to send").wait_for()
        for _ in range(2):
            answer(page, "1")
            page.keyboard.press("Enter")
        assert "2 answers wait on this device" in page.locator("main").inner_text()
        page.get_by_role("button", name="More words").click()
        page.get_by_text("You are offline", exact=True).wait_for()
        page.context.set_offline(False)
        wait_for_reviews(site, page, learner, 4)
        page.get_by_text("Nothing to practise now").wait_for()
    answers = [("A", "A"), ("B", "A"), ("A", "A"), ("A", "A")]
    assert list_reviews(site, learner) == answers


def test_two_learners_in_two_tabs_lose_nothing(browser: Browser, site: Site) -> None:
    learners = [add_learner(site, Word(), Word("run")) for _ in range(2)]
    with open_context(browser, service_workers="allow") as context:
        pages = [context.new_page() for _ in learners]
        for page, learner in zip(pages, learners, strict=True):
            open_practice(page, site, learner)
        context.set_offline(True)
        for page in pages:
            answer(page, "1")
        context.set_offline(False)
        for page, learner in zip(pages, learners, strict=True):
            wait_for_reviews(site, page, learner, 1)
            page.get_by_text("Comes back in").wait_for()


def test_answer_is_told_though_the_server_is_slow(browser: Browser, site: Site) -> None:
    learner = add_learner(site, Word())
    with open_page(browser) as page:
        page.route(
            "**/v3/reviews",
            lambda route: route.fulfill(status=503, json={"error": "Later."}),
        )
        open_practice(page, site, learner)
        assert answer(page, "1") == "right"
        page.get_by_text("1 answer to send").wait_for()
        page.unroute("**/v3/reviews")
        page.reload()  # it is sent before new words are asked for
        page.get_by_text("Nothing to practise now").wait_for()
    assert list_reviews(site, learner) == [("A", "A")]


def test_text_stands_in_for_a_clip(browser: Browser, site: Site) -> None:
    learner = add_learner(site, Word(clips=site.clips[:1]))
    with open_page(browser) as page:
        page.route("**/v3/videos/*", lambda route: route.abort())
        open_practice(page, site, learner)
        page.locator("[data-text]:visible", has_text="漂亮的，美丽的").wait_for()
        page.unroute("**/v3/videos/*")
        page.get_by_role("button", name="Try again").click()
        wait_until(page, f"{VIDEO}.currentTime > 0")
        assert page.get_by_role("button", name="Try again").is_hidden()


def test_page_works_where_storage_is_refused(browser: Browser, site: Site) -> None:
    refused = (
        "Object.defineProperty(window, '%s', {get() { throw new Error('refused'); }});"
    )
    learner = add_learner(site, Word(), Word("run"))
    with open_page(browser) as page:
        page.add_init_script(
            refused % "localStorage"
            + "caches.open = async () => { throw new Error(); };"
        )
        open_practice(page, site, learner)
        assert answer(page, "1") == "right"
        page.context.set_offline(True)
        page.keyboard.press("Enter")
        assert answer(page, "1") == "right"
        page.get_by_text("keep this page open").wait_for()
        page.context.set_offline(False)
        wait_for_reviews(site, page, learner, 2)


def test_page_works_at_an_address_without_https(browser: Browser, site: Site) -> None:
    words = [Word(f"word {clip}", clips=[clip]) for clip in site.clips[:2]]
    learner = add_learner(site, *words)
    with open_page(browser) as page:
        asked = watch_clips(page.context)
        page.goto(site.practice(learner).replace("127.0.0.1", LAN))
        wait_until(page, f"{VIDEO}.currentTime > 0")
        assert page.evaluate("navigator.serviceWorker === undefined")
        assert answer(page, "1") == "right"
        page.get_by_role("button", name="Options").click()
        page.get_by_text("This browser keeps none: that needs an https").wait_for()
        page.get_by_role("button", name="Close").click()
        page.get_by_role("button", name="Continue").click()
        wait_until(page, f"{VIDEO}.currentTime > 0")
    assert (str(site.clips[1]), "") in asked  # the browser's own cache has it now
    assert list_reviews(site, learner) == [("A", "A")]


def test_two_tabs_of_a_learner_share_the_words(browser: Browser, site: Site) -> None:
    learner = add_learner(site, Word("one"), Word("two"), Word("three"))
    with open_context(browser) as context:
        first, second = context.new_page(), context.new_page()
        for page in (first, second):
            open_practice(page, site, learner)
        answer(first, "1")
        first.keyboard.press("Enter")
        wait_for_word(first, "two")
        answer(first, "1")
        answer(second, "1")  # it showed the first word already
        second.keyboard.press("Enter")
        wait_for_word(second, "three")


def test_page_without_words_says_why(browser: Browser, site: Site) -> None:
    with open_page(browser) as page:
        for query, said in (
            ("", "Who is practising?"),
            ("?user_id=test", "This link is not complete"),
            (f"?user_id={uuid4()}", "Nothing to practise now"),
        ):
            page.goto(f"{site.address}practice{query}")
            page.get_by_role("heading", name=said).wait_for()


def test_page_says_that_the_server_is_away(browser: Browser, site: Site) -> None:
    learner = add_learner(site, Word())
    with open_page(browser) as page:
        page.route("**/v3/next*", lambda route: route.abort())
        open_practice(page, site, learner)
        assert page.get_by_role(
            "heading", name="The server can’t be reached"
        ).is_visible()
        page.unroute("**/v3/next*")
        page.get_by_role("button", name="Try again").click()
        wait_for_word(page, "beautiful")


def test_texts_keep_their_direction_and_the_page_its_width(
    browser: Browser, site: Site
) -> None:
    learner = add_learner(
        site,
        Word(
            "شروق",
            "طلوع الشمس",
            question="ما معنى هذه الكلمة؟",
            choices=["غروب", "شروق", "ليل", "بحر"],
        ),
        Word("a" * 80, "definition " * 300, choices=["b" * 90, "c " * 90, "d", "e"]),
    )
    root = "document.documentElement"
    with open_page(browser) as page:
        open_practice(page, site, learner)
        for selector in ("[data-word]", "[data-meaning]", "[data-question]", ".choice"):
            place = f"document.querySelector('{selector}')"
            assert page.evaluate(f"getComputedStyle({place}).direction") == "rtl"
        assert page.locator("[data-word]").get_attribute("lang") == "ar"
        answer(page, "2")
        page.keyboard.press("Enter")
        wait_for_word(page, "a" * 80)
        assert page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0
        assert page.locator("footer button").bounding_box()["y"] < 844  # type: ignore[index]
        page.locator(".choice").last.click()
        page.locator("footer button").click()
        wait_until(page, f"{VERDICT} === 'wrong'")


def test_clip_waits_where_motion_is_reduced(browser: Browser, site: Site) -> None:
    learner = add_learner(site, Word(clips=site.clips[:1]))
    with open_page(browser, reduced_motion="reduce") as page:
        open_practice(page, site, learner)
        wait_until(page, f"{VIDEO}.readyState >= 2")
        assert page.evaluate(f"{VIDEO}.paused")
        page.keyboard.press(" ")
        wait_until(page, f"{VIDEO}.currentTime > 0.1")


def test_page_is_accessible(browser: Browser, site: Site) -> None:
    learner = add_learner(
        site,
        Word("long", "definition " * 300),
        Word(clips=site.clips[:2], question_clips=site.clips[2:3]),
    )
    with open_page(browser) as page:
        open_practice(page, site, learner)
        answer(page, "2")
        check_access(page)
        page.keyboard.press("Enter")
        wait_until(page, f"{VIDEO}.currentTime > 0")
        check_access(page)
        answer(page, "1")
        page.keyboard.press("Enter")
        check_access(page)
        page.get_by_role("button", name="Options").click()
        check_access(page)
        page.get_by_role("button", name="Close").click()
        page.get_by_role("button", name="More words").click()
        page.get_by_text("Nothing to practise now").wait_for()
        check_access(page)


# Each row by RFC 9110, 14.1.2 and 14.2; a clip of ten bytes.
@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-1", [0, 2]),
        ("bytes=0-", [0, 10]),
        ("bytes=4-99", [4, 10]),
        ("bytes=-3", [7, 10]),
        ("bytes=-99", [0, 10]),
        ("bytes=10-", [10, 10]),
        ("bytes=-0", [10, 10]),
        ("bytes=3-2", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        (None, None),
    ],
)
def test_worker_fits_a_range(
    bench: Page, asked: str | None, span: list[int] | None
) -> None:
    assert bench.evaluate("asked => fitRange(asked, 10)", asked) == span


@pytest.fixture(scope="module")
def bench(browser: Browser, site: Site) -> Iterator[Page]:
    """Yield a page on which functions of the worker and of the words can be called."""
    with open_context(browser) as context:
        page = context.new_page()
        page.goto(f"{site.address}healthz")
        page.add_script_tag(url=f"{site.address}worker.js")
        words = "import('/assets/x/practice/words.js')"
        page.evaluate(f"{words}.then(all => {{ Object.assign(window, all) }})")
        yield page


def test_worker_answers_from_a_kept_clip(bench: Page) -> None:
    ask = """async asked => {
        const kept = new Response('0123456789', {headers: {ETag: '"a"'}});
        const answer = await answerRange(kept, asked);
        const names = ['Content-Range', 'Content-Length', 'ETag'];
        const given = names.map(name => answer.headers.get(name));
        return [answer.status, await answer.text(), ...given];
    }"""
    part = [206, "234", "bytes 2-4/10", "3", '"a"']
    assert bench.evaluate(ask, "bytes=2-4") == part
    assert bench.evaluate(ask, "bytes=20-")[:3] == [416, "", "bytes */10"]
    assert bench.evaluate(ask, None)[:2] == [200, "0123456789"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "in a moment"),
        (44, "in a moment"),
        (60, "in 1 minute"),
        (599, "in 10 minutes"),
        (3600, "in 1 hour"),
        (86_400, "tomorrow"),
        (10 * 86_400, "in 10 days"),
    ],
)
def test_words_tell_how_far_off_a_date_is(bench: Page, seconds: int, said: str) -> None:
    assert bench.evaluate("at => fromNow(at, 0)", seconds * 1000) == said


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("漂亮的，美丽的", "zh"),
        ("美しい", "ja"),
        ("예쁜", "ko"),
        ("جميل", "ar"),
        ("יפה", "he"),
        ("beautiful", ""),
        ("", ""),
    ],
)
def test_script_tells_the_language(bench: Page, text: str, language: str) -> None:
    assert bench.evaluate("text => languageOf(text)", text) == language


def test_clips_ahead_are_those_of_the_next_words(bench: Page) -> None:
    # (saved word, definition's clips, question's clips); a word may have definitions
    entries = [
        {
            "saved_word_id": word,
            "definition": {"video_id": clips[0], "video_ids": clips},
            "questions": [{"video_id": asked, "choices": ["A"]}],
        }
        for word, clips, asked in [
            (1, [10], 10),
            (1, [11], None),
            (2, [20, 21], 22),
            (3, [10], 30),
            (4, [40], 40),
        ]
    ]
    ahead = "([entries, words]) => clipsAhead(entries, 0, words).map(({id}) => id)"
    assert bench.evaluate(ahead, [entries, 2]) == [11, 20, 21, 22, 10, 30]
    assert bench.evaluate(ahead, [entries, 0]) == [11]
