"""hls.js as a server that has it gives it, and what plays by it."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession

from server.app import build_app
from server.demo.samples import make_clip
from server.errors import Fault
from server.pages.hls_js import read_hls_js
from server.pages.practice import HLS_JS_HEADERS
from server.serving.listen import answering, bind
from tests.browser import launching, wait_until
from tests.command import run, serving
from tests.conftest import execute, insert_video
from tests.pages.test_practice_browser import (
    VIDEO,
    Site,
    Word,
    add_learner,
    open_page,
    open_practice,
)

if TYPE_CHECKING:
    from pathlib import Path

HLS_JS = "hls.js@1.7.4"  # of npm
UNABLE = """const can = HTMLMediaElement.prototype.canPlayType;
HTMLMediaElement.prototype.canPlayType = function (type) {
    return /mpegurl/.test(type) ? '' : can.call(this, type);
}"""


def make_package(folder: Path) -> Path:
    (folder / "dist").mkdir()
    (folder / "LICENSE").write_text("Copyright */ Apache")
    (folder / "dist" / "hls.light.min.mjs").write_text("export default 1")
    return folder


async def test_script_is_served_with_its_licence(
    database_url: str, tmp_path: Path
) -> None:
    hls_js = read_hls_js(make_package(tmp_path))
    app = build_app(database_url, hls_js=hls_js)
    with bind("127.0.0.1", 0) as listening:
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with answering(app, listening), ClientSession(base) as client:
            async with client.get("/practice") as page:
                assert f'data-hls="{hls_js.address}"' in await page.text()
                name = "Content-Security-Policy"
                assert page.headers[name] == HLS_JS_HEADERS[name]
                assert "; media-src blob: 'self'; " in page.headers[name]
            for coding in ("gzip", "identity"):
                headers = {"Accept-Encoding": coding}
                async with client.get(hls_js.address, headers=headers) as script:
                    text = await script.text()
                    assert script.headers.get("Content-Encoding", "identity") == coding
                    assert "immutable" in script.headers["Cache-Control"]
                    assert script.content_type == "text/javascript"
                assert text.startswith("/*! hls.js\n\nCopyright * / Apache\n*/\n")
                assert text.endswith("export default 1")
            async with client.get("/hls.js/older.mjs") as older:
                assert older.status == 404
    assert gzip.decompress(hls_js.packed) == hls_js.plain


def test_folder_without_the_package_is_named(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(Fault, match="run `npm install"):
        read_hls_js(tmp_path)
    flags = ("--hls-js", str(tmp_path), "--port", "0")
    said = run("serve", *flags, status=1, url=database_url)
    assert said.count("\n") == 1
    assert str(tmp_path) in said


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of hls.js, installed for this run; skip if npm cannot."""
    if not shutil.which("npm"):
        pytest.skip("needs npm")
    folder = tmp_path_factory.mktemp("hls")
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))
    done = subprocess.run(
        ["npm", "install", *options, HLS_JS],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm cannot install {HLS_JS}: {done.stderr.strip()[-200:]}")
    return folder / "node_modules" / "hls.js"


@pytest.mark.long
@pytest.mark.parametrize("refused", [False, True])
def test_browser_without_hls_of_its_own_plays_by_the_script(
    database_url: str, tmp_path: Path, package: Path, *, refused: bool
) -> None:
    path = tmp_path / "long.mp4"
    make_clip(path, seconds=24, width=160, height=90, fps=10)
    clips = [
        insert_video(database_url, f"{name}.mp4", path.read_bytes()) for name in "ab"
    ]
    execute(database_url, "UPDATE videos SET duration_seconds = 24")
    flags = ("--hls-seconds", "20", "--hls-js", str(package))
    with serving(database_url, *flags) as server, launching() as browser:
        site = Site(server.address, database_url, clips)
        learner = add_learner(site, Word(clips=clips))
        with open_page(browser) as page:
            page.add_init_script(UNABLE)
            if refused:
                page.route(
                    "**/master.m3u8", lambda route: route.fulfill(status=503, body="")
                )
            open_practice(page, site, learner)
            for clip in clips:
                wait_until(page, f"{VIDEO}.currentTime > 0.2 && !{VIDEO}.seeking")
                source = page.evaluate(f"{VIDEO}.currentSrc")
                assert source.startswith("blob:") != refused
                assert source.endswith(f"/{clip}.mp4") == refused
                page.get_by_role("slider").first.fill("20")
                wait_until(page, f"!{VIDEO}.seeking && {VIDEO}.currentTime >= 20")
                page.get_by_role("button", name="Next clip").click()
                wait_until(page, f"{VIDEO}.currentTime < 15")
