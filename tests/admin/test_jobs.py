"""Jobs that PostgreSQL keeps waiting: each is refused in time, no thread is lost."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from server.admin import jobs as jobs_module
from server.admin.jobs import CUT_OFF, THREADS, Jobs
from server.api.errors import Refused
from server.api.troubles import AWAY
from server.postgres.budget import begin_budget
from server.postgres.plain import connect
from server.postgres.refusals import opening
from tests.admin.client import TOKEN, Admin
from tests.api.test_openapi import serving
from tests.breakable import HANG_SECONDS, breakable
from tests.conftest import insert_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS = 1.0  # of an answer
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def ask(url: str, statement: str) -> object:
    with opening(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


async def run(jobs: Jobs, url: str, statement: str) -> object:
    """Return what a job returns for whom the answer waits SECONDS."""
    begin_budget(SECONDS)
    async with asyncio.timeout(HANG_SECONDS):
        return await jobs.run(ask, url, statement)


async def test_silent_database_takes_no_threads(database_url: str) -> None:
    jobs = Jobs(database_url)
    async with breakable(database_url) as proxy:

        def stall_and_ask() -> object:
            with opening(proxy.url) as connection, connection.cursor() as cursor:
                loop.call_soon_threadsafe(proxy.stall)
                cursor.execute("SELECT pg_sleep(0.5)")  # whose end never comes
                return cursor.fetchall()

        async def refuse(job: Callable[[], object]) -> Refused:
            begin_budget(SECONDS)
            async with asyncio.timeout(HANG_SECONDS):
                with pytest.raises(Refused) as caught:
                    await jobs.run(job)
            return caught.value

        loop = asyncio.get_running_loop()
        refused = await asyncio.gather(
            *(asyncio.create_task(refuse(stall_and_ask)) for _ in range(THREADS))
        )
    assert {(each.status, each.sentence) for each in refused} == {(503, CUT_OFF)}
    async with asyncio.timeout(HANG_SECONDS):
        assert await jobs.run(ask, database_url, "SELECT 1") == [(1,)]
    await asyncio.to_thread(jobs.close)


async def test_what_waits_for_a_thread_is_refused_in_time(database_url: str) -> None:
    jobs = Jobs(database_url)
    free = asyncio.Event()
    loop = asyncio.get_running_loop()
    begun: list[int] = []

    def wait() -> None:
        asyncio.run_coroutine_threadsafe(free.wait(), loop).result(HANG_SECONDS)

    tasks = [asyncio.create_task(jobs.run(wait)) for _ in range(THREADS)]
    await asyncio.sleep(0)
    begin_budget(SECONDS)
    async with asyncio.timeout(HANG_SECONDS):
        with pytest.raises(Refused, match="in time"):
            await jobs.run(begun.append, 1)
    free.set()
    await asyncio.gather(*tasks)
    await asyncio.to_thread(jobs.close)
    assert begun == []


async def test_stop_breaks_short_jobs_too(database_url: str) -> None:
    jobs = Jobs(database_url)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def sleep() -> None:
        with opening(database_url) as connection, connection.cursor() as cursor:
            loop.call_soon_threadsafe(begun.set)
            cursor.execute("SELECT pg_sleep(600)")

    task = asyncio.create_task(jobs.run(sleep))
    async with asyncio.timeout(HANG_SECONDS):
        await begun.wait()
        jobs.break_off()
        with pytest.raises(Refused, match="stopping"):
            await task
        await asyncio.to_thread(jobs.close)


async def test_unreachable_database_is_told_without_its_address() -> None:
    jobs = Jobs(NOWHERE)
    with pytest.raises(Refused) as caught:
        await run(jobs, NOWHERE, "SELECT 1")
    assert (caught.value.status, caught.value.sentence) == (503, AWAY)
    await asyncio.to_thread(jobs.close)


async def test_our_mistake_is_no_503(database_url: str) -> None:
    jobs = Jobs(database_url)
    with pytest.raises(psycopg2.errors.SyntaxError):
        await run(jobs, database_url, "SELEKT 1")
    await asyncio.to_thread(jobs.close)


@pytest.mark.long
def test_locked_table_is_told_as_in_other_routes(
    database_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    number = insert_video(database_url, "a.mp4", b"abc")
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(jobs_module, "LOCK_SECONDS", 0.2)
    with serving(database_url, admin_token=TOKEN, spool=tmp_path) as address:
        admin = Admin(int(address.rsplit(":", 1)[1].strip("/")), database_url, tmp_path)
        with closing(psycopg2.connect(database_url)) as other:
            other.cursor().execute("LOCK videos IN ACCESS EXCLUSIVE MODE")
            answer = admin.ask("DELETE", f"/v3/admin/videos/{number}")
        assert answer.status == 503
        assert answer.error == (
            "The database is busy with that table now; try again in a moment."
        )
        assert answer.headers["Retry-After"] == "1"
        assert admin.ask("DELETE", f"/v3/admin/videos/{number}").status == 200
    assert [m for m in caplog.messages if "DELETE /v3/admin/videos/" in m]


def test_plain_connection_notices_a_peer_that_has_gone(database_url: str) -> None:
    url = make_dsn(database_url, keepalives_count=9)
    with closing(connect(url)) as connection:
        options = connection.info.dsn_parameters
    assert options["keepalives_idle"] == "30"
    assert options["keepalives_count"] == "9"  # as its URL says
    assert options["tcp_user_timeout"] == "60000"
