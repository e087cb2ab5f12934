"""The first page of the demo in a real browser."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from server.demo.samples import SAMPLES
from tests.browser import (
    DESKTOP,
    PHONE,
    SECONDS,
    launching,
    note_complaints,
    wait_until,
)
from tests.command import starting
from tests.conftest import open_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

VIDEO = "document.querySelector('video')"
SPANS = "document.querySelector('.strip').dataset.spans"
# How bright the strip is at these shares of the file, 0 to 255.
LIGHT = """shares => {
    const canvas = document.querySelector('.strip');
    const pad = 6 * canvas.width / canvas.clientWidth;
    const row = canvas.getContext('2d').getImageData(
        pad, canvas.height / 2, canvas.width - 2 * pad, 1);
    return shares.map(share => Math.max(
        ...row.data.slice(4 * Math.floor(share * row.width)).slice(0, 3)));
}"""


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    """Yield the address of the demo, started as a person starts it."""
    with open_folder() as folder:
        where = ("--port", "0", "--data-dir", f"{folder}/data")
        with starting("", "demo", *where) as server:
            yield server.address
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(SECONDS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launching() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Yield a page that must not complain; a breach of its policy is an error too."""
    width, height = DESKTOP
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    complaints = note_complaints(page)
    yield page
    context.close()
    assert complaints == []


def wait_for_quiet(page: Page) -> None:
    """Wait until the player has begun to fetch and takes no more for now."""
    wait_until(page, f"JSON.parse({SPANS}).length > 0")
    before: list[tuple[int, int]] = []
    while before != (before := spans(page)):
        page.wait_for_timeout(700)


def open_clip(page: Page, address: str, filename: str) -> int:
    """Show a clip by its address and return its size."""
    page.goto(address)
    link = page.locator(".clip", has=page.get_by_text(filename, exact=True))
    page.goto(address + str(link.get_attribute("href")))
    wait_until(page, f"{VIDEO}.readyState >= 1")
    # On a busy machine the page plays before its live view has come, unwatched.
    while not page.evaluate(f"{VIDEO}.src.includes('viewer=')"):
        page.reload()
        wait_until(page, f"{VIDEO}.readyState >= 1")
    assert page.locator("#playing").inner_text() == filename
    return int(link.get_attribute("data-size") or 0)


def play(page: Page, start: float = 0) -> None:
    """Play from a share of the clip on, until it has got ahead."""
    place = page.evaluate(f"{VIDEO}.currentTime = {start} * {VIDEO}.duration")
    page.evaluate(f"{VIDEO}.play()")
    wait_until(page, f"!{VIDEO}.seeking && {VIDEO}.currentTime > {place} + 0.3")


def longest() -> str:
    return max(SAMPLES, key=lambda sample: sample.seconds).filename


def spans(page: Page) -> list[tuple[int, int]]:
    return [(start, stop) for start, stop in json.loads(page.evaluate(SPANS))]


def test_page_lists_the_clips(page: Page, demo: str) -> None:
    page.goto(demo)
    names = page.locator(".clip .name").all_inner_texts()
    assert sorted(names) == sorted(sample.filename for sample in SAMPLES)
    picture = page.locator(".clip[aria-current] img")
    picture.scroll_into_view_if_needed()
    wait_until(page, "document.querySelector('[aria-current] img').naturalWidth > 0")
    assert picture.evaluate(f"picture => picture.src === {VIDEO}.poster")


def test_seek_plays_on_and_lights_only_what_it_needs(page: Page, demo: str) -> None:
    answers: list[tuple[int, str]] = []
    page.on(
        "response",
        lambda response: (
            answers.append((response.status, response.headers["content-range"]))
            if ".mp4" in response.url
            else None
        ),
    )
    size = open_clip(page, demo, longest())
    # The player has what it wants for a start, and not half of a clip of this size.
    wait_for_quiet(page)
    assert not any(start <= 0.5 * size < stop for start, stop in spans(page))
    play(page, 0.7)
    assert {status for status, _ in answers} == {206}
    assert len({content_range for _, content_range in answers}) >= 2

    wait_until(page, f"JSON.parse({SPANS}).some(([_, stop]) => stop > {0.71 * size})")
    assert any(start < 0.74 * size and 0.7 * size < stop for start, stop in spans(page))
    assert not any(start <= 0.5 * size < stop for start, stop in spans(page))
    page.evaluate(f"{VIDEO}.pause()")
    page.wait_for_timeout(100)  # a picture more
    first, gap = page.evaluate(LIGHT, [0.005, 0.5])
    assert first > 100 > gap
    assert page.locator("[data-log] .status").first.inner_text() == "206"
    assert page.locator("[data-count=lit]").inner_text().endswith("MB")


def test_clip_with_its_index_at_the_end_plays(page: Page, demo: str) -> None:
    (filename,) = (sample.filename for sample in SAMPLES if not sample.faststart)
    open_clip(page, demo, filename)
    play(page)


def test_clip_stays_picked_over_back_and_reload(page: Page, demo: str) -> None:
    page.goto(demo)
    links = page.locator(".clip")
    links.nth(1).click()
    links.nth(2).click()
    wait_until(page, f"{VIDEO}.currentTime > 0")
    page.go_back()
    current = page.locator(".clip[aria-current]")
    assert current.get_attribute("href") == links.nth(1).get_attribute("href")
    page.reload()
    wait_until(page, f"{VIDEO}.readyState >= 1")
    assert current.get_attribute("href") == links.nth(1).get_attribute("href")


def test_clip_is_picked_by_keyboard(page: Page, demo: str) -> None:
    page.goto(demo)
    last = page.locator(".clip").last
    last.focus()
    page.keyboard.press("Enter")
    wait_until(page, f"{VIDEO}.currentTime > 0")
    assert last.get_attribute("aria-current") == "true"


def test_clip_plays_without_the_live_view(browser: Browser, demo: str) -> None:
    page = browser.new_page()  # that the stream can't be had is said in the console
    page.route("**/reads*", lambda route: route.abort())
    page.goto(demo)
    wait_until(page, f"{VIDEO}.readyState >= 1")
    play(page)
    assert page.locator("[data-lost]").is_visible()
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_page_never_scrolls_sideways(
    page: Page, demo: str, size: tuple[int, int], scheme: Any
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme=scheme)
    page.goto(demo)
    wait_until(page, f"{VIDEO}.readyState >= 1")
    page.evaluate(
        "document.querySelectorAll('.name, #playing')"
        ".forEach(name => { name.textContent = 'a'.repeat(255); })"
    )
    root = "document.documentElement"
    assert page.evaluate(f"{root}.scrollWidth - {root}.clientWidth") == 0
