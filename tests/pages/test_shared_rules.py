"""Rules that the scripts have in common with the server, run in a browser."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from server.library.files import name_repaired
from server.library.report import show_bytes
from server.library.suffixes import VIDEO_SUFFIXES
from server.library.words.naming import word_candidates, word_key
from server.pages import read_assets
from tests.browser import launching
from tests.test_readme import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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

NAMING = "admin/naming.js"
NAMES = [
    *(
        "Straße",
        "STRASSE",
        "straẞe",
        "ſtraſſe",
        "ﬁsh",
        "İstanbul",
        "ısı",
        "ΟΔΟΣ",
        "οδοσ",
    ),
    *("Café", "Cafe\u0301", "ΐ", "ᾳ", "ǰ", "Å", "K", "漂亮的", "غروب", "예쁜", "🎉"),
    *(
        "ice cream",
        "Ice-Cream",
        "ice_cream",
        " ice \u00a0\t-_\u2010\u2011cream ",
        "-",
        "",
    ),
    *(
        "don't",
        "don’t",
        "7 up",
        "mp3",
        "a\x1cb",
        "a\x85b",
        "a\ufeffb",
        "a\u3000b",
        "a\0b",
    ),
]
FILES = [
    *(f"run_person{suffix}" for suffix in VIDEO_SUFFIXES),
    *(f"{name}{end}" for name in NAMES for end in (".mp4", "_1.MOV", "_b_c.webm", "")),
    *("ice_cream_cone.mp4", "_a__b_.m4v", "a.mp4.mp4", "a.MP4\n", ".mp4", "a.avi"),
    *("a.mp3", "a.m4a", "a.ogg", "a.gif", "a.txt", "a.tsx", "a.xts", "ats", "a.dat"),
    *("folder/run_person.mp4", "C:\\clips\\run.mp4", "a/", "a_A_a.mp4"),
]


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


def test_words_have_the_same_keys(page: Page) -> None:
    keys = run(page, NAMING, "wordKey", list(NAMES))
    assert dict(zip(NAMES, keys, strict=True)) == {
        name: word_key(name) for name in NAMES
    }


def test_files_are_for_the_same_words(page: Page) -> None:
    words = run(page, NAMING, "wordCandidates", list(FILES))
    assert dict(zip(FILES, words, strict=True)) == {
        name: word_candidates(name) for name in FILES
    }


def test_repaired_files_have_the_same_names(page: Page) -> None:
    names = ["v.ts", "v", ".mov", "..mov", "a..mov", "a.b.mkv", "a.", "a..", "a\nb.ts"]
    assert run(page, NAMING, "repairedName", list(names)) == [
        *map(name_repaired, names)
    ]


def test_page_and_readme_name_the_suffixes_of_the_server() -> None:
    page = (ROOT / "server/pages/admin/index.html").read_text(encoding="utf-8")
    [accepted] = re.findall(r'accept="video/\*,(.*?)"', page)
    assert accepted.split(",") == list(VIDEO_SUFFIXES)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [chapter] = re.findall(r"\*\*Folders\.\*\*.*?\)", readme, re.DOTALL)
    assert re.findall(r"`(.*?)`", chapter) == list(VIDEO_SUFFIXES)


@pytest.mark.long
def test_the_same_characters_are_one(page: Page) -> None:
    """Which stands for the others may differ: of Cherokee Python takes capitals."""
    words = [
        f"x{character}y"
        for character in map(chr, range(0x110000))
        if unicodedata.category(character) not in {"Cn", "Cs"}
    ]
    keys = run(page, NAMING, "wordKey", list(words))
    assert group(words, list(map(word_key, words))) == group(words, keys)


def group(words: list[str], keys: Sequence[object]) -> set[tuple[str, ...]]:
    """Return the words that have the same key."""
    groups = defaultdict(list)
    for word, key in zip(words, keys, strict=True):
        groups[key].append(word)
    return set(map(tuple, groups.values()))
