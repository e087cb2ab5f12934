"""The practice page and its worker as the server answers them, and the way to them."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import pytest
import pytest_asyncio

from server.pages import read_assets
from server.pages.home import render_index
from server.video.watch import Watch
from tests.pages.test_home import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientSession


LEARNER = "550e8400-e29b-41d4-a716-446655440000"


@pytest_asyncio.fixture
async def client(database_url: str) -> AsyncIterator[ClientSession]:
    async with serving(database_url, None) as client:
        yield client


async def test_page_is_asked_for_each_time(client: ClientSession) -> None:
    async with client.get(f"/practice?user_id={LEARNER}") as response:
        page = await response.text()
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-cache"
    assert LEARNER not in page  # so that one kept copy serves every learner
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?! type=.module. src=)|<style|style=|\son\w+=", page)


@pytest.mark.parametrize(
    ("header", "shown"), [("on", "yes"), ("ON", "yes"), ("off", "no"), (None, "no")]
)
async def test_page_knows_that_data_are_saved(
    client: ClientSession, header: str | None, shown: str
) -> None:
    headers = {} if header is None else {"Save-Data": header}
    async with client.get("/practice", headers=headers) as response:
        assert f'data-save="{shown}"' in await response.text()


async def test_worker_may_serve_the_page_and_is_fresh(client: ClientSession) -> None:
    async with client.get("/worker.js") as response:
        assert response.status == 200
        assert response.content_type == "text/javascript"
        assert response.headers["Cache-Control"] == "no-cache"
        assert await response.read() == read_assets()["practice/worker.js"].body


def test_first_page_offers_learners() -> None:
    page = render_index([], [(LEARNER, 1), ("0" * 8, 12)], live=True)
    assert f'href="/practice?user_id={LEARNER}"' in page
    assert "1 word due<" in page
    assert "12 words due<" in page


@pytest.mark.long
@pytest.mark.parametrize(("watch", "offered"), [(Watch(), True), (None, False)])
async def test_first_page_of_the_demo_alone_lists_them(
    database_url: str, watch: Watch | None, offered: bool
) -> None:
    with (
        closing(psycopg2.connect(database_url)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "INSERT INTO saved_words"
            " (user_id, word, learning_language, native_language)"
            " VALUES (%s, 'run', 'en', 'zh')",
            (LEARNER,),
        )
    async with serving(database_url, watch) as client, client.get("/") as response:
        assert (LEARNER in await response.text()) is offered
