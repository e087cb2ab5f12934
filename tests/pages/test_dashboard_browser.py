"""The live view of the admin page in a real browser, before a server under load."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe

from server.admin import history
from tests.api.test_openapi import serving
from tests.browser import DESKTOP, PHONE, launching, note_complaints, wait_until
from tests.conftest import execute, insert_video

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

TOKEN = "token-of-the-dashboard"
STEP_SECONDS = 0.5
AGAIN_MS = 10_000
# What the console says of a server that cannot be reached, and of a video there is not.
EXPECTED = "net::ERR|status of 404"


class Site(NamedTuple):
    """A server, its database and its one clip."""

    address: str
    database: str
    postgres: str
    video: int


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launching() as browser:
        yield browser


@pytest.fixture
def site(
    cluster: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """Yield a server that has just started, and keeps points of half a second."""
    monkeypatch.setattr(history, "STEP_SECONDS", STEP_SECONDS)
    video = insert_video(database_url, "a.mp4", b"a" * 40_000)
    name = database_url.rpartition("/")[2].partition("?")[0]
    with serving(database_url, admin_token=TOKEN) as address:
        yield Site(address, name, cluster.format(database="postgres"), video)


@contextmanager
def open_live(browser: Browser, site: Site, size: tuple[int, int]) -> Iterator[Page]:
    """Yield the view, with a clock that can be put forward."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height})
    context.add_init_script(f"sessionStorage['bytereel:admin-token'] = '{TOKEN}'")
    page = context.new_page()
    complaints = note_complaints(page, EXPECTED)
    page.clock.install()
    try:
        page.goto(f"{site.address}/admin?view=live")
        page.get_by_text("Numbers gather since").wait_for()  # asks every ten seconds
        yield page
    finally:
        context.close()
    assert complaints == []


def ask_again(page: Page) -> Any:
    """Return what the server told the page, once that is shown."""
    with page.expect_response("**/v3/admin/history") as answered:
        page.clock.fast_forward(AGAIN_MS)
    told = answered.value.json()
    requests = sum(point["requests"] for point in told["points"])
    wait_until(page, f"{text('errors')}.includes('of {requests:,} request')")
    return told


def text(card: str) -> str:
    return f"document.querySelector('[data-card={card}]').innerText"


def figure(page: Page, card: str) -> str:
    return page.locator(f"[data-card={card}] .figure strong").inner_text()


def entries(page: Page, card: str) -> list[str]:
    return page.locator(f"[data-card={card}] .legend b").all_inner_texts()


def load(page: Page, site: Site) -> None:
    for _ in range(6):
        headers = {"Range": "bytes=0-99"}
        page.request.get(f"{site.address}/v3/videos/{site.video}", headers=headers)
    page.request.get(f"{site.address}/v3/videos/{site.video + 1}")


def play(page: Page, site: Site) -> None:
    started = {"video_id": site.video, "reached": "started"}
    completed = {"video_id": site.video, "reached": "completed"}
    views = {"views": [started] * 4 + [completed]}
    sent = page.request.post(f"{site.address}/v3/views", data=views)
    assert sent.status == 204


def find_milliseconds(shown: str) -> float:
    if shown == "under 0.1 ms":
        return 0.05
    number, unit = shown.split()
    return float(number) * {"ms": 1, "s": 1000}[unit]


def build_history(waits: dict[int, list[float]]) -> dict[str, Any]:
    """Return an hour in which videos were asked for in some of its seconds."""
    points = [
        {
            "at": 10 * number,
            "requests": 2,
            "client_errors": 0,
            "server_errors": 1,
            "video_requests": 1 if 10 * number in waits else 0,
            "video_bytes": 500,
            "first_byte_ms": waits.get(10 * number, [None] * 3),
            "plays": 1 if number < 31 else 0,
        }
        for number in range(1, 361)
    ]
    return {
        "step_seconds": 10,
        "points": points,
        "edge_ratio": 0.5,
        "mean_bytes": 1000,
        "table_bytes": None,
        "days": [],
    }


def check_access(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    found = Axe().run(page).response["violations"]
    assert [each for each in found if each["impact"] in ("serious", "critical")] == []


def test_figures_are_those_of_the_history(browser: Browser, site: Site) -> None:
    with open_live(browser, site, DESKTOP) as page:
        assert [figure(page, card) for card in ("speed", "edge", "plays")] == ["–"] * 3
        page.get_by_text("No video was asked for yet").wait_for()
        load(page, site)
        play(page, site)
        check_access(page, "dark")
        told = ask_again(page)
        while told["days"][-1]["completed"] < 1 or (
            sum(point["client_errors"] for point in told["points"]) < 1
        ):
            told = ask_again(page)

        last = [each for each in told["points"] if each["video_requests"]][-1]
        for shown, known in zip(
            entries(page, "speed"), last["first_byte_ms"], strict=True
        ):
            assert find_milliseconds(shown) == pytest.approx(known, rel=0.06, abs=0.1)
        # Four plays of 40,000 bytes, of which 600 and an error came from here.
        assert told["edge_ratio"] == pytest.approx(0.996, abs=0.001)
        assert figure(page, "edge") == "100 %"
        assert figure(page, "size") == f"{told['table_bytes'] / 1000:.0f} kB"
        assert entries(page, "size") == ["40 kB"]
        assert figure(page, "errors") == "0 %"
        assert "(1)" in entries(page, "errors")[0]
        assert figure(page, "plays") == "25 %"
        assert entries(page, "plays") == ["4", "1"]
        spoken = page.get_by_role("img", name="Engagement: 4 plays in 28 days, 1 to")
        assert spoken.count() == 1
        page.locator("[data-card=plays] summary").click()
        row = page.locator("[data-card=plays] tbody tr").first
        assert row.locator("td").all_inner_texts() == ["4", "1"]
        page.locator("[data-card=plays] .plot").hover(position={"x": 5, "y": 9})
        assert "0 plays" in page.locator("[data-card=plays] .reading").inner_text()
        check_access(page, "light")


def test_view_rests_unseen_and_goes_on_after_errors(
    browser: Browser, site: Site
) -> None:
    with open_live(browser, site, PHONE) as page:
        load(page, site)
        ask_again(page)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        see = "Object.defineProperty(document, 'hidden', {value: %s, writable: true})"
        page.evaluate(see % "true")
        page.clock.fast_forward(6 * AGAIN_MS)
        page.wait_for_timeout(200)
        assert asked == []
        page.evaluate("document.hidden = false")
        with page.expect_response("**/v3/admin/history"):
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

        page.context.set_offline(True)
        page.clock.fast_forward(AGAIN_MS)
        wrong = page.get_by_text("You are offline. Asks again every 10 seconds.")
        wrong.wait_for()
        assert figure(page, "errors") == "0 %"
        page.context.set_offline(False)
        wrong.wait_for(state="detached")

        execute(site.postgres, f"ALTER DATABASE {site.database} ALLOW_CONNECTIONS off")
        execute(
            site.postgres,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{site.database}'",
        )
        page.clock.fast_forward(AGAIN_MS)
        page.get_by_text("The database does not tell.").first.wait_for()
        assert figure(page, "errors") == "0 %"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_charts_have_gaps_and_fitting_axes(browser: Browser, site: Site) -> None:
    waits: dict[int, list[float]] = {
        1800: [1, 2, 3],
        1810: [1, 2, 100],
        3600: [0.01, 10, 30_000],
    }
    told = build_history(waits)
    told_young = {**told, "points": told["points"][-30:]}
    with open_live(browser, site, PHONE) as page:
        page.evaluate(
            "import('/assets/x/admin/readings.js')"
            ".then(all => { window.readings = all })"
        )
        young, *_ = page.evaluate("told => readings.readCards(told)", told_young)
        speed, edge, size, errors, plays = page.evaluate(
            "told => readings.readCards(told)", told
        )
        shown = page.evaluate(
            "list => list.map(readings.duration)",
            [0.1, 0.3849, 9.94, 9.96, 999.4, 999.6, 12_345, 30_000],
        )
    assert shown == [
        *("under 0.1 ms", "0.38 ms", "9.9 ms", "10 ms", "999 ms", "1 s", "12 s"),
        "30 s or more",
    ]
    assert young["times"] == ["5 min ago", "2.5 min", "now"]
    assert speed["times"] == ["60 min ago", "30 min", "now"]
    p50, _, p99 = speed["lines"]
    assert [[place["x"] for place in run] for run in p50["runs"]] == [
        [pytest.approx(0.5), pytest.approx(0.5 + 10 / 3600)],
        [1],
    ]
    assert p50["runs"][0][0]["y"] == pytest.approx(1 / 6)  # 0.1 ms to 100 s
    assert p50["runs"][1][0]["y"] == 0
    assert [tick["text"] for tick in speed["scale"]] == [
        *("0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s")
    ]
    assert max(place["y"] for run in p99["runs"] for place in run) < 1
    assert [bar["y"] for bar in edge["bars"]] == [0.5]
    assert [tick["text"] for tick in errors["scale"]] == ["0", "30 %", "60 %"]
    assert [len(run) for run in errors["lines"][1]["runs"]] == [60]
    assert size["note"] == plays["note"] == "The database does not tell."
