"""One PostgreSQL and one server a run, which live through all faults."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.faults.database import ROLE, Victim
from tests.faults.link import linked
from tests.faults.process import Process, pick_port, running
from tests.faults.promise import Backend, Lab

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.faults.process import Serve

SERVE = ("--cache-mb", "1", "--admin-token", "only-for-the-tests-here")


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Yield a folder that PostgreSQL's account may write to."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        yield Path(name)


@pytest.fixture(scope="session")
def victim(folder: Path) -> Iterator[Victim]:
    """Yield the PostgreSQL, as the last fault left it."""
    with Victim.running(folder) as victim:
        yield victim


@pytest.fixture(scope="session")
def link_port() -> int:
    """Return where the network before the PostgreSQL is, in each test anew."""
    return pick_port()


def url_of(link_port: int) -> str:
    """Return the database's URL for a server that goes by the link."""
    return f"postgresql://{ROLE}@127.0.0.1:{link_port}/postgres?sslmode=disable"


@pytest.fixture(scope="session")
def revive(
    folder: Path, victim: Victim, link_port: int
) -> Iterator[Callable[[], Process]]:
    """Yield what returns the server, started again if a fault ended it."""
    with ExitStack() as stack:
        living: list[Process] = []

        def start() -> Process:
            if not living or living[-1].popen.poll() is not None:
                process = running(
                    url_of(link_port), folder, *SERVE, videos=victim.videos
                )
                living.append(stack.enter_context(process))
            return living[-1]

        yield start


@pytest.fixture
def serve(folder: Path, victim: Victim) -> Serve:
    """Return what starts a server of its own, with no link to the PostgreSQL between.

    It takes arguments of the command, and what running() takes.
    """
    victim.ensure_well()
    return partial(running, victim.role_url, folder, videos=victim.videos)


@pytest_asyncio.fixture
async def backend(victim: Victim, link_port: int) -> AsyncIterator[Backend]:
    """Yield the PostgreSQL and the way to it, both well."""
    await asyncio.to_thread(victim.ensure_well)
    async with linked(str(victim.folder), victim.port, link_port) as link:
        yield Backend(victim, link)


@pytest_asyncio.fixture
async def lab(backend: Backend, revive: Callable[[], Process]) -> Lab:
    """Return all of it, well."""
    process = revive()
    await process.wait_until_ready()
    return Lab(process, backend)
