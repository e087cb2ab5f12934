"""Rules that the scripts have in common with the server, run in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.library.report import show_bytes
from server.pages import read_assets
from tests.browser import launching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page, Route

ADDRESS = "http://localhost/"
BYTES = {
    0: "0 B",
    999: "999 B",
    1000: "1 kB",
    1_125: "1.13 kB",
    1_150: "1.15 kB",
    999_499: "999 kB",
    999_500: "1 MB",
    10**6: "1 MB",
    1_073_740_000: "1.07 GB",
    1_500_000_000: "1.5 GB",
    10**12: "1 TB",
    999_500 * 10**9: "1 PB",
}


def answer(route: Route) -> None:
    """Answer with an asset, and with an empty page where there is none."""
    asset = read_assets().get(route.request.url.removeprefix(ADDRESS))
    if asset is None:
        route.fulfill(body="", content_type="text/html")
    else:
        route.fulfill(body=asset.body, content_type=asset.content_type)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """Yield a page that can import the scripts; there is no server."""
    with launching() as browser:
        page = browser.new_page()
        page.route(f"{ADDRESS}**", answer)
        page.goto(ADDRESS)
        yield page


def run(page: Page, script: str, function: str, values: list[object]) -> list[object]:
    """Return what a function of a script makes of each value."""
    found: list[object] = page.evaluate(
        "([script, name, values]) => import(script)"
        ".then(all => values.map(value => all[name](value)))",
        [f"/{script}", function, values],
    )
    return found


def test_bytes_are_shown_with_three_digits() -> None:
    assert {count: show_bytes(count) for count in BYTES} == BYTES


def test_bytes_are_shown_alike(page: Page) -> None:
    counts = {
        count
        for power in range(16)
        for digits in (*range(1, 10), 99, 995, 1004, 1005, 1125, 1135, 9994, 9995)
        for count in (10**power * digits - 1, 10**power * digits)
        if count < 2**53
    }
    ordered = sorted({*counts, *BYTES})
    shown = run(page, "numbers.js", "bytes", list(ordered))
    assert dict(zip(ordered, shown, strict=True)) == {
        count: show_bytes(count) for count in ordered
    }
