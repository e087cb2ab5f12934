"""The admin page in a real browser, with a real server behind it."""

from __future__ import annotations

import base64
import json
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe

from server.demo.samples import make_clip
from server.library.clips.check import LOSE
from tests.browser import (
    DESKTOP,
    PHONE,
    SECONDS,
    launching,
    note_complaints,
    wait_until,
)
from tests.clips import Kind, make
from tests.command import serving
from tests.conftest import execute, insert_video

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

Scheme = Literal["light", "dark"]

TOKEN = "token-of-the-test"
# What the console says of answers that a test has fail.
EXPECTED = "net::ERR|status of (400|401|403|404|409|429|503)"
# A JPEG of one grey pixel.
PIXEL = (
    "/9j/2wBDAAgEBAQEBAUFBQUFBQYGBgYGBgYGBgYGBgYHBwcICAgHBwcGBgcHCAgICAkJCQgICAgJ"
    "CQoKCgwMCwsODg4RERT/xABKAAEAAAAAAAAAAAAAAAAAAAAAAQEAAAAAAAAAAAAAAAAAAAAAEAEA"
    "AAAAAAAAAAAAAAAAAAAAEQEAAAAAAAAAAAAAAAAAAAAA/8AAEQgACAAIAwEiAAIRAAMRAP/aAAwD"
    "AQACEQMRAD8AAA//2Q=="
)
VIDEO = "document.querySelector('video')"
FRAGMENTED = Kind(
    width=160, height=90, frames=60, gop=15, movflags="frag_keyframe+empty_moov"
)
HOSTILE = [
    "<img src=x onerror=alert(1)>.mp4",
    "\"';alert(1)//${1}`.mp4",
    "\u202egnp.4pm\u2066\u200f.mp4",
    "غروب‎ 漂亮的.mp4",
    "a" * 251 + ".mp4",
]


class Site(NamedTuple):
    """A server, its database, and files to upload."""

    address: str
    database_url: str
    folder: Path

    @property
    def admin(self) -> str:
        return f"{self.address}admin"


@pytest.fixture(scope="module")
def site(
    cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Yield a server as a person starts it, with words but no clips."""
    execute(
        cluster.format(database="postgres"),
        f"CREATE DATABASE admin TEMPLATE {template}",
    )
    url = cluster.format(database="admin")
    execute(
        url,
        "INSERT INTO definitions"
        " (word, definition_text, learning_language, native_language) VALUES"
        " ('beautiful', '漂亮的', 'en', 'zh'), ('beautiful', 'جميل', 'en', 'ar'),"
        " ('beauty', '美', 'en', 'zh'), ('run', '跑', 'en', 'zh'),"
        " ('Straße', '街', 'de', 'zh'), ('ice cream', '冰', 'en', 'zh'),"
        " ('don’t', '不', 'en', 'zh')",
    )
    folder = tmp_path_factory.mktemp("clips")
    make_clip(folder / "run_person.mp4", seconds=1.5, width=160, height=90)
    make(folder / "beautiful_sunset.mp4", FRAGMENTED)
    with serving(url, "--admin-token", TOKEN) as server:
        yield Site(server.address, url, folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launching() as browser:
        yield browser


@contextmanager
def open_page(
    browser: Browser, size: tuple[int, int] = DESKTOP, token: str = TOKEN
) -> Iterator[Page]:
    """Yield a page that must not complain, signed in where there is a token."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height})
    if token:
        keep = f"sessionStorage['bytereel:admin-token'] = {json.dumps(token)}"
        context.add_init_script(
            f"if (!sessionStorage.begun) {{ sessionStorage.begun = 1; {keep} }}"
        )
    page = context.new_page()
    complaints = note_complaints(page, EXPECTED)
    page.on("dialog", lambda dialog: dialog.dismiss())  # none is expected to be told
    try:
        yield page
    finally:
        context.close()
    assert complaints == []


def sign_in(page: Page, token: str) -> None:
    page.get_by_label("Admin token").fill(token)
    page.keyboard.press("Enter")


def add_clips(site: Site, names: list[str]) -> list[int]:
    data = (site.folder / "run_person.mp4").read_bytes()
    return [insert_video(site.database_url, name, data) for name in names]


def drop(page: Page, files: dict[str, bytes]) -> None:
    """Drop files on the page as a file manager does."""
    page.evaluate(
        """files => {
            const dataTransfer = new DataTransfer();
            for (const [name, text] of Object.entries(files)) {
                const octets = Uint8Array.from(atob(text), each => each.charCodeAt(0));
                dataTransfer.items.add(new File([octets], name));
            }
            for (const type of ['dragenter', 'dragover', 'drop']) {
                document.body.dispatchEvent(new DragEvent(
                    type, {dataTransfer, bubbles: true, cancelable: true}));
            }
        }""",
        {name: base64.b64encode(data).decode() for name, data in files.items()},
    )


def check_access(page: Page, scheme: Scheme, within: str | None = None) -> None:
    """Find no serious barrier; the views take turns in light and dark colours."""
    page.emulate_media(color_scheme=scheme)
    found = Axe().run(page, within).response["violations"]
    assert [
        (each["id"], [node["html"] for node in each["nodes"]])
        for each in found
        if each["impact"] in ("serious", "critical")
    ] == []


def test_word_is_proposed_in_each_way_to_write_it(browser: Browser, site: Site) -> None:
    words = {
        "run_person.mp4": "run",
        "runner.mp4": None,
        "STRASSE_1.mp4": "Straße",
        "straße.mov": "Straße",
        "Ice-Cream_cone.mp4": "ice cream",
        "ice_cream.mp4": "ice cream",
        "don't_1.mp4": "don’t",
    }
    with open_page(browser) as page:
        page.goto(site.admin)
        found = page.evaluate(
            "names => import('/assets/x/admin/word-field.js')"
            ".then(({ proposeWord }) => Promise.all(names.map(proposeWord)))",
            list(words),
        )
    assert [each and each["word"] for each in found] == list(words.values())


def test_remedy_names_a_button_that_is_there(browser: Browser, site: Site) -> None:
    remedies = {  # by the repair of a flaw, and the one that is offered for the file
        ("fix", "fix"): "“Repair and save” mends it.",
        ("fix", "transcode"): "“Convert and save” mends it.",
        ("transcode", "transcode"): "“Convert and save” mends it.",
        ("transcode", "fix"): (
            "Repairing does not mend this; “Convert and save” does."
        ),
        ("fix", None): "This alone could be repaired.",
        (None, "fix"): "Do it.",
        ("fix", "none"): "Upload it again and choose “Repair and save”.",
        (
            "transcode",
            "none",
        ): "Upload the original again and choose “Convert and save”.",
    }
    with open_page(browser) as page:
        page.goto(site.admin)
        found = page.evaluate(
            "cases => import('/assets/x/admin/words.js').then(({ flawRemedy }) =>"
            " cases.map(([repair, offered]) =>"
            " flawRemedy({ code: 'x', remedy: 'do it', repair }, offered)))",
            list(remedies),
        )
        damage = page.evaluate(
            "remedy => import('/assets/x/admin/words.js').then(({ flawRemedy }) =>"
            " ['fix', null, 'none'].map((offered) => flawRemedy("
            "{ code: 'damaged-sound', remedy, repair: null }, offered)))",
            LOSE,
        )
    assert found == list(remedies.values())
    for told in damage:
        assert "--" not in told
        assert "on the server" in told


def test_walk_from_upload_to_deletion(browser: Browser, site: Site) -> None:
    with open_page(browser, token="") as page:
        page.goto(site.admin)
        check_access(page, "dark")
        sign_in(page, "not-the-right-token")
        page.get_by_text("This is not the server’s admin token.").wait_for()
        sign_in(page, TOKEN)
        page.get_by_role("heading", name="Clips", exact=True).wait_for()
        page.get_by_role("link", name="Upload clips").first.click()
        path = site.folder / "beautiful_sunset.mp4"
        page.locator("[data-files]").set_input_files(path)
        card = page.locator(".queue > li")
        card.get_by_text("fragmented").wait_for()
        assert card.get_by_text("“Repair and save” mends it.").is_visible()
        assert card.get_by_role("button", name="Save", exact=True).count() == 0
        card.get_by_text("Proposed by the file’s name.").wait_for()
        check_access(page, "dark")
        card.get_by_label("File name").fill("beautiful_evening.mp4")
        card.get_by_role("button", name="Repair and save").click()
        card.get_by_text("Repaired and saved").wait_for()
        assert card.get_by_text("2 definitions of “beautiful”").is_visible()
        card.get_by_role("link", name="Open it").click()

        page.get_by_role("heading", name="beautiful_evening.mp4").wait_for()
        wait_until(page, f"{VIDEO}.readyState >= 1")
        page.evaluate(f"{VIDEO}.currentTime = 1.4")
        wait_until(page, f"!{VIDEO}.seeking && {VIDEO}.currentTime >= 1.4")
        source = page.evaluate(f"{VIDEO}.currentSrc")
        page.get_by_role("button", name="Check this clip").click()
        page.locator("[data-checked]", has_text="It plays").wait_for()
        page.get_by_role(
            "button", name="Unlink from beautiful, English for speakers of Arabic"
        ).click()
        page.get_by_text(
            "Unlinked from “beautiful” (English for speakers of Arabic)."
        ).wait_for()
        assert page.locator("[data-links] > li").count() == 1
        page.get_by_role("button", name="Undo").click()
        page.get_by_text(
            "Linked to “beautiful” (English for speakers of Arabic) again."
        ).wait_for()

        page.get_by_role("link", name="Back to the clips").click()
        row = page.locator("[data-rows] a", has_text="beautiful_evening.mp4")
        row.get_by_text("2 links").wait_for()
        check_access(page, "light")
        row.click()
        page.get_by_role("button", name="Delete this clip").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("2 definitions and questions").wait_for()
        assert dialog.get_by_text("is left without any clip").count() == 2
        check_access(page, "light", "dialog")
        dialog.get_by_role("button", name="Delete", exact=True).click()
        page.get_by_text("was deleted and taken from 2").wait_for()
        end = time.monotonic() + 5
        while page.request.get(source).status != 404:
            assert time.monotonic() < end
        number = source.rpartition("/")[2].removesuffix(".mp4")
        page.goto(f"{site.admin}?video={number}")
        page.get_by_text("This clip is not on the server").wait_for()
        page.get_by_role("link", name="Show all clips").click()
        page.get_by_role("heading", name="No clips yet").wait_for()


def test_dropped_files_are_a_queue(browser: Browser, site: Site) -> None:
    good = (site.folder / "run_person.mp4").read_bytes()
    with open_page(browser, PHONE) as page:
        page.goto(site.admin)
        page.get_by_role("heading", name="No clips yet").wait_for()
        network = page.context.new_cdp_session(page)
        slow = {"offline": False, "latency": 0, "downloadThroughput": -1}
        network.send(
            "Network.emulateNetworkConditions", {**slow, "uploadThroughput": 100_000}
        )
        drop(
            page,
            {"no\nfilm.mp4": bytes(2_000_000), "run_person.mp4": good, "b.mp4": b""},
        )
        cards = page.locator(".queue > li")
        cards.nth(2).get_by_text("This file is empty").wait_for()
        wait_until(page, "document.querySelector('progress').value > 0.05")
        cards.first.get_by_role("button", name="Cancel").click()
        cards.first.get_by_text("You stopped this upload.").wait_for()
        network.send(
            "Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1}
        )
        cards.first.get_by_role("button", name="Try again").click()
        cards.first.get_by_text("cannot be repaired here.").wait_for()
        assert cards.first.get_by_role("button").all_inner_texts() == ["Discard"]
        cards.first.get_by_role("button", name="Discard").click()

        asked: list[str] = []
        page.on("dialog", lambda dialog: asked.append(dialog.type))
        cards.first.get_by_label("File name").wait_for()
        page.close(run_before_unload=True)
        for _ in range(SECONDS * 10):
            if asked:
                break
            page.wait_for_timeout(100)
        assert asked == ["beforeunload"]
        cards.first.get_by_role("button", name="Save", exact=True).click()
        cards.first.get_by_text("Linked: 1 definition of “run”").wait_for()

        # The same once more is known, and the same name with other bytes is renamed.
        other = (site.folder / "beautiful_sunset.mp4").read_bytes()
        drop(page, {"run_person.mp4": good})
        cards.nth(2).get_by_text("This file is in the library already").wait_for()
        drop(page, {"run_person.mp4": other})
        name = cards.nth(3).get_by_label("File name")
        name.wait_for()
        assert name.input_value() == "run_person_2.mp4"
        name.fill("run_person.mp4")
        cards.nth(3).get_by_role("button", name="Repair and save").click()
        cards.nth(3).get_by_text("Another clip has this name.").wait_for()
        assert cards.nth(3).get_by_text("fragmented").is_visible()
        assert name.input_value() == "run_person.mp4"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_keyboard_alone_does_it_all(browser: Browser, site: Site) -> None:
    add_clips(site, ["keyboard.mp4"])
    focused = "document.activeElement.textContent.trim()"

    def tab_to(text: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(focused).startswith(text):
                return
        raise AssertionError(text)

    with open_page(browser, token="") as page:
        page.goto(site.admin)
        page.keyboard.type(TOKEN)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Clips", exact=True).wait_for()
        tab_to("Upload clips")
        page.keyboard.press("Tab")
        page.keyboard.type("keyboa")
        wait_until(page, "location.search === '?search=keyboa'")
        wait_until(page, "document.querySelectorAll('[data-rows] > li').length === 1")
        tab_to("keyboard.mp4")
        page.keyboard.press("Enter")
        page.get_by_text("No word shows this clip yet.").wait_for()
        for _ in range(30):
            if page.evaluate("document.activeElement.role") == "combobox":
                break
            page.keyboard.press("Tab")
        page.keyboard.type("Beau")
        page.get_by_role("option").first.wait_for()
        assert page.get_by_role("option").count() == 4
        check_access(page, "light")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        page.get_by_text("Chosen: beauty, English for speakers of Chinese.").wait_for()
        page.keyboard.press("Enter")
        page.get_by_text("Linked: 1 definition of “beauty” shows it now.").wait_for()
        page.keyboard.press("Shift+Tab")
        assert page.evaluate(focused) == "Unlink"
        page.keyboard.press("Enter")
        page.get_by_text("Unlinked from “beauty”").wait_for()
        assert page.evaluate(focused) == "Undo"
        tab_to("Delete this clip")
        page.keyboard.press("Enter")
        page.get_by_text("No word shows it").wait_for()
        page.keyboard.press("Escape")
        assert page.evaluate(focused).startswith("Delete this clip")
        page.keyboard.press("Enter")
        page.get_by_text("No word shows it").wait_for()
        assert page.evaluate(focused) == "Keep it"
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.get_by_text("was deleted.").wait_for()


def test_list_keeps_its_state_in_the_address(browser: Browser, site: Site) -> None:
    execute(
        site.database_url,
        "INSERT INTO videos (filename, video_data)"
        " SELECT 'many_' || n || '.mp4', 'x' FROM generate_series(1, 120) AS n",
    )
    first = "document.querySelector('[data-rows] .name').textContent"
    with open_page(browser) as page:
        page.goto(site.admin)
        page.get_by_label("Search file names").fill("MANY_")
        page.get_by_text("1 to 50 of 120 clips").wait_for()
        page.get_by_label("Sort").select_option("Name")
        wait_until(page, f"{first} === 'many_1.mp4'")
        page.get_by_role("button", name="Next").click()
        page.get_by_text("51 to 100 of 120 clips").wait_for()
        assert page.locator("[data-rows] > li").count() == 50
        before = page.evaluate(first)
        page.locator("[data-rows] a").nth(30).click()
        page.get_by_text("does not play this clip").wait_for()
        page.reload()
        page.get_by_role("link", name="Back to the clips").click()
        page.get_by_text("51 to 100 of 120 clips").wait_for()
        assert page.evaluate(first) == before
        assert page.get_by_label("Search file names").input_value() == "MANY_"
        page.get_by_label("Page", exact=True).fill("3")
        page.keyboard.press("Enter")
        page.get_by_text("101 to 120 of 120 clips").wait_for()
        assert TOKEN not in page.url
    execute(site.database_url, "DELETE FROM videos WHERE filename LIKE 'many%'")


def test_clip_moves_while_it_is_looked_at(browser: Browser, site: Site) -> None:
    data = (site.folder / "run_person.mp4").read_bytes()
    number = insert_video(site.database_url, "moving.mp4", data)
    execute(
        site.database_url,
        "INSERT INTO thumbnails (video_id, mime_type, width, height, image)"
        f" VALUES ({number}, 'image/jpeg', 1, 1, decode('{PIXEL}', 'base64'))",
    )
    picture = f"document.querySelector('a[data-id=\"{number}\"] img').src"
    with open_page(browser) as page:
        page.goto(f"{site.admin}?search=moving")
        link = page.locator(f'a[data-id="{number}"]')
        link.hover()
        wait_until(page, f"{picture}.endsWith('/preview.webp')")
        page.mouse.move(0, 0)
        wait_until(page, f"{picture}.endsWith('/thumbnail')")
        page.keyboard.press("Tab")  # so that what is focused shows it
        link.focus()
        wait_until(page, f"{picture}.endsWith('/preview.webp')")
        page.evaluate("document.activeElement.blur()")
        wait_until(page, f"{picture}.endsWith('/thumbnail')")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.emulate_media(reduced_motion="reduce")
        link.hover()
        page.wait_for_timeout(600)  # three times as long as it would take
        assert page.evaluate(picture).endswith("/thumbnail")
        assert asked == []
    execute(site.database_url, f"DELETE FROM videos WHERE id = {number}")


def test_list_shows_clips_by_what_a_check_found(browser: Browser, site: Site) -> None:
    number = insert_video(site.database_url, "flawed.mp4", b"x")
    flaws = '[{"code": "codec", "severity": "fault"}]'
    execute(
        site.database_url,
        "INSERT INTO checks (video_id, rules, size_bytes, flaws)"
        f" VALUES ({number}, '1', 1, '{flaws}')",
    )
    with open_page(browser) as page:
        page.goto(site.admin)
        page.get_by_label("Show", exact=True).select_option("With a fault")
        page.get_by_text("1 clip", exact=True).wait_for()
        assert page.locator("[data-rows] .name").all_text_contents() == ["flawed.mp4"]
        assert page.url.endswith("filter=fault")
        page.get_by_label("Show", exact=True).select_option("With a warning")
        page.get_by_text("No clip with a warning").wait_for()
    execute(site.database_url, "DELETE FROM videos WHERE filename = 'flawed.mp4'")


def test_hostile_names_are_only_shown(browser: Browser, site: Site) -> None:
    add_clips(site, HOSTILE)
    names = (
        "[...document.querySelectorAll('[data-rows] .name')].map(n => n.textContent)"
    )
    fits = "document.documentElement.scrollWidth <= innerWidth"
    with open_page(browser, PHONE) as page:
        page.goto(f"{site.admin}?sort=name")
        page.locator("[data-rows] a").first.wait_for()
        assert set(HOSTILE) <= set(page.evaluate(names))
        for width, height in (DESKTOP, PHONE):
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate(fits)
        for name in HOSTILE[::2]:
            page.locator("[data-rows] a", has_text=name).click()
            page.get_by_role("button", name="Delete this clip").click()
            wait_until(page, "document.querySelector('dialog').open")
            title = page.locator("dialog h2").text_content()
            assert title == f"Delete “{name}”?"
            assert page.evaluate(fits)
            page.keyboard.press("Escape")
            page.go_back()
    execute(site.database_url, "DELETE FROM videos")


def test_levels_are_cancelled_and_made_again(browser: Browser, site: Site) -> None:
    [video] = add_clips(site, ["leveled.mp4"])
    execute(
        site.database_url,
        f"INSERT INTO encodings (video_id, height, state, progress, reason) VALUES"
        f" ({video}, 144, 'encoding', 0.4, NULL), ({video}, 240, 'queued', 0, NULL),"
        f" ({video}, 360, 'not-kept', 0, 'it would not be <b>smaller')",
    )
    with open_page(browser) as page:
        page.goto(f"{site.admin}?video={video}")
        levels = page.locator("[data-levels] li")
        levels.filter(has_text="144p is being made: 40 %").wait_for()
        levels.filter(has_text="240p waits to be made").wait_for()
        levels.filter(has_text="360p was not kept: it would not be <b>").wait_for()
        check_access(page, "light")
        page.get_by_role("button", name="Cancel what is not made").click()
        page.get_by_text("2 levels cancelled.").wait_for()
        page.get_by_role("button", name="Make them again").click()
        page.get_by_text(re.compile(r"[3-9] levels queued")).wait_for()
        execute(  # as an encoder would; the page looks by itself
            site.database_url, "UPDATE encodings SET state = 'failed', reason = 'no'"
        )
        levels.filter(has_text="240p failed: no").wait_for()
    execute(site.database_url, "DELETE FROM videos")


def test_playback_is_shown_by_network_and_clip(browser: Browser, site: Site) -> None:
    [video] = add_clips(site, ["<b>slow.mp4"])
    with open_page(browser) as page:
        page.goto(f"{site.admin}?view=overview")
        page.locator(".tile", has_text="no player has told").wait_for()
        execute(
            site.database_url,
            "INSERT INTO playback SELECT (now() AT TIME ZONE 'UTC')::date,"
            f" {video}, 0, '4g', 4, 6, 100, 900, 500, 0, 0, 1, 0, 0, '{{0,4}}'",
        )
        page.get_by_role("button", name="Refresh").click()
        pictures = page.locator(".tile", has_text="First picture")
        pictures.get_by_text("0.13 s", exact=True).wait_for()
        pictures.get_by_text("0.13 s, 1.5 stalls a play").wait_for()
        stalls = page.locator(".tile", has_text="Of the time of playing")
        stalls.get_by_text("6 in 4 plays, 1 failed").wait_for()
        check_access(page, "dark")
        stalls.get_by_role("link", name="<b>slow.mp4").click()
        page.get_by_role("heading", name="<b>slow.mp4").wait_for()
    execute(site.database_url, "DELETE FROM videos")


def guess(page: Page, address: str) -> None:
    """Guess the token as often as the server bears."""
    for _ in range(5):
        wrong = {"Authorization": "Bearer another"}
        page.request.get(f"{address}v3/admin/overview", headers=wrong)


def test_session_that_ends_goes_on_where_it_was(browser: Browser, site: Site) -> None:
    with open_page(browser, token="that-was-right-before") as page:
        page.goto(f"{site.admin}?view=overview")
        page.get_by_text("The server’s token was changed.").wait_for()
        sign_in(page, TOKEN)
        page.locator(".tile", has_text="PostgreSQL").wait_for()
        check_access(page, "dark")
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("Admin token").wait_for()
        page.go_back()
        page.get_by_label("Admin token").wait_for()


def test_each_trouble_has_a_sentence_and_a_way_on(
    browser: Browser, site: Site, cluster: str
) -> None:
    postgres = cluster.format(database="postgres")
    with open_page(browser, token="") as page:
        again = page.get_by_role("button", name="Try again")
        with serving(site.database_url, "--admin-token", TOKEN) as server:
            page.goto(f"{server.address}admin?search=run")
            sign_in(page, TOKEN)
            page.get_by_role("heading", name="No file name").wait_for()
            execute(postgres, "ALTER DATABASE admin ALLOW_CONNECTIONS false")
            execute(
                postgres,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = 'admin'",
            )
            page.get_by_label("Sort").select_option("Name")
            page.get_by_text("database can't be reached").wait_for()
            execute(postgres, "ALTER DATABASE admin ALLOW_CONNECTIONS true")
            again.click()
            again.wait_for(state="hidden")
            guess(page, server.address)
            page.get_by_role("link", name="Overview").click()
            page.get_by_text("lets nobody in from here for").wait_for()
            other = page.context.new_page()
            other.goto(f"{server.address}admin")
            sign_in(other, TOKEN)
            button = other.get_by_role("button", name=re.compile(r"in \d+ s"))
            button.wait_for()
            assert button.get_attribute("aria-disabled") == "true"
        again.click()
        page.get_by_text("The server does not answer.").wait_for()
        with serving(site.database_url, "--port", str(server.port)):
            again.click()
            page.get_by_role("heading", name="Administration is").wait_for()
            page.reload()
            page.get_by_role("heading", name="Administration is").wait_for()
            assert "BYTEREEL_ADMIN_TOKEN=" in page.locator("main").inner_text()
            check_access(page, "light")


VTT = "WEBVTT\n\n00:00:00.100 --> 00:00:01.000\nRun <b>fast</b>!\n"
CUES = f"[...{VIDEO}.textTracks].map(each => each.language)"


def test_captions_are_added_edited_and_removed(browser: Browser, site: Site) -> None:
    video_id = insert_video(site.database_url, "captioned.mp4", b"abc")
    srt = site.folder / "captioned.pt-BR.srt"
    srt.write_bytes("1\r\n00:00:00,100 --> 00:00:01,000\r\nCorra!\r\n".encode("utf-16"))
    with open_page(browser) as page:
        page.goto(f"{site.admin}?video={video_id}")
        page.get_by_text("This clip has no captions yet.").wait_for()
        page.get_by_role("button", name="Save captions").click()
        page.get_by_text("Type the language, such as en or pt-BR.").wait_for()
        page.locator("[data-caption-file]").set_input_files(srt)
        save = page.get_by_role("button", name="Save captions")
        save.click()
        page.get_by_text("Saved: Português (BR), 1 cue.").wait_for()
        assert page.evaluate(CUES) == ["pt-BR"]

        page.get_by_label("Language").fill("en")
        page.get_by_label("Text", exact=True).fill(VTT.replace("0.100", "5.000"))
        save.click()
        page.get_by_text("Line 3 of the text ends at 00:00:01.000").wait_for()
        page.get_by_label("Text", exact=True).fill(VTT + "<script>alert(1)</script>")
        save.click()
        page.get_by_text("Saved: English, 1 cue.").wait_for()
        check_access(page, "light")

        page.get_by_role("button", name="Edit the captions in English, en").click()
        wait_until(page, "document.querySelector('[data-language]').value === 'en'")
        text = page.get_by_label("Text", exact=True)
        assert text.input_value() == f"{VTT}alert(1)\n"
        text.fill(VTT)
        save.click()
        page.get_by_text("Saved: English, 1 cue.").wait_for()
        served = page.request.get(f"{site.address}v3/videos/{video_id}/captions/en.vtt")
        assert served.text() == VTT

        page.get_by_role("button", name="Remove the captions in English, en").click()
        page.get_by_text("Removed the captions in English.").wait_for()
        assert page.evaluate(CUES) == ["pt-BR"]
        page.get_by_role("button", name="Undo").click()
        page.get_by_text("The captions in English are back.").wait_for()
        assert page.evaluate(CUES) == ["en", "pt-BR"]
