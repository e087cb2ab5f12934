"""What the pages load: all of it named, and kept for good under its version."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import pytest
import pytest_asyncio

from server import pages
from server.pages import hash_assets, read_assets
from tests.pages.test_home import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientSession

PAGES = {"/": "home", "/admin": "admin", "/practice": "practice"}
IMPORT = re.compile(r'^(?:import|export|\}).*"(\.[^"]+)";$', re.MULTILINE)


@pytest_asyncio.fixture
async def client(database_url: str) -> AsyncIterator[ClientSession]:
    async with serving(database_url, None) as client:
        yield client


async def list_named(client: ClientSession, page: str) -> list[str]:
    """Return the addresses of the assets that a page names."""
    async with client.get(page) as response:
        return re.findall(r'"(/assets/[^"]+)"', await response.text())


@pytest.mark.parametrize("page", PAGES)
async def test_page_names_the_files_of_its_folder(
    client: ClientSession, page: str
) -> None:
    start = f"/assets/{hash_assets()}/"
    named = {path.removeprefix(start) for path in await list_named(client, page)}
    of_page = {name for name in read_assets() if name.startswith(f"{PAGES[page]}/")}
    assert {name for name in named if "/" in name} == of_page - {"practice/worker.js"}
    assert "icon.svg" in named


@pytest.mark.parametrize("page", PAGES)
async def test_all_that_a_page_loads_may_be_kept(
    client: ClientSession, page: str
) -> None:
    named = await list_named(client, page)
    for address in named:
        async with client.get(address) as response:
            assert response.status == 200
            assert "immutable" in response.headers["Cache-Control"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            text = await response.text()
        if address.endswith(".js"):
            imported = {urljoin(address, path) for path in IMPORT.findall(text)}
            assert imported <= set(named)


def test_package_holds_every_file() -> None:
    setup = ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")
    patterns = setup["options.package_data"]["server.pages"].split(", ")
    folder = Path(pages.__file__).parent
    packed = {path for pattern in patterns for path in folder.glob(pattern)}
    assert packed == {
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }


def test_version_changes_with_each_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assets = read_assets()
    versions = {hash_assets()}
    for name, (content_type, body) in assets.items():
        changed = {**assets, name: pages.Asset(content_type, body + b" ")}
        monkeypatch.setattr(pages, "read_assets", lambda changed=changed: changed)
        versions.add(hash_assets.__wrapped__())
    assert len(versions) == len(assets) + 1


async def test_file_is_compressed_for_who_takes_that(client: ClientSession) -> None:
    name = "practice/player.js"
    sizes = {}
    for coding in ("gzip", "identity"):
        address = f"/assets/{hash_assets()}/{name}"
        async with client.get(address, headers={"Accept-Encoding": coding}) as response:
            assert response.headers.get("Content-Encoding", "identity") == coding
            assert response.headers["Vary"] == "Accept-Encoding"
            assert await response.read() == read_assets()[name].body
            sizes[coding] = int(response.headers["Content-Length"])
    assert sizes["gzip"] < sizes["identity"] / 2


async def test_file_of_another_version_is_not_kept(client: ClientSession) -> None:
    async with client.get("/assets/older/home/index.css") as response:
        assert response.status == 200
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.headers["Content-Type"] == "text/css; charset=utf-8"


@pytest.mark.parametrize(
    "name", ["home/index.html", "__init__.py", "..%2Froutes.py", "x", ""]
)
async def test_other_files_are_not_served(client: ClientSession, name: str) -> None:
    async with client.get(f"/assets/{hash_assets()}/{name}") as response:
        assert response.status == 404
        assert "error" in await response.json()
