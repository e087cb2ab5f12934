"""A real browser, where one is installed."""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",  # it can't be had as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
]
SECONDS = 30  # for one step; only a hang takes so long
PHONE = (390, 844)
DESKTOP = (1440, 900)


@contextmanager
def launching(*flags: str) -> Iterator[Browser]:
    """Yield a browser; skip the test where there is none, but fail it in CI."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        reason = f"none of {', '.join(BROWSERS)} is installed"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*FLAGS, *flags]
        )
        yield browser
        browser.close()


def wait_until(page: Page, expression: str) -> None:
    """Wait for an expression to hold; the page's policy forbids the browser's own."""
    end = time.monotonic() + SECONDS
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never held: {expression}"
        page.wait_for_timeout(50)


def note_complaints(page: Page, expected: str = "(?!)") -> list[str]:
    """Return what grows by each error and warning that is not expected."""
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        bad = message.type in ("error", "warning")
        text = f"{message.text} {message.location['url']}"
        if bad and not re.search(expected, text):
            complaints.append(text)

    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", note)
    return complaints
