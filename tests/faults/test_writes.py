"""What we promise of views while PostgreSQL takes none: what was accepted is kept."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.conftest import open_folder
from tests.faults.breakage import FAST, changed, stopped
from tests.faults.database import READ_ONLY, ROLE, Victim
from tests.faults.hostile import POST
from tests.faults.load import wait_until
from tests.faults.process import running
from tests.faults.promise import NOT_NOW, cases, judging
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.faults.process import Process
    from tests.faults.promise import Fault, Lab

POSTS = 5
WRITTEN_SECONDS = 30.0
COUNT = "SELECT coalesce(sum(started), 0)::integer FROM video_views"
DISK_MB = 200

FAULTS: dict[str, Fault] = {
    "read only": partial(changed, by=READ_ONLY[0], back=READ_ONLY[1], reconnects=True),
    "stopped": partial(stopped, how=FAST),
    "rights revoked": partial(
        changed,
        by=f"REVOKE ALL ON video_views FROM {ROLE}",
        back=f"GRANT ALL ON video_views TO {ROLE}",
    ),
}


async def post_view(process: Process) -> int:
    """Return the status of the answer to a view that has begun."""
    view = {"video_id": min(process.videos), "reached": "started"}
    body = json.dumps({"views": [view]}).encode()
    fields = f"Content-Length: {len(body)}"
    async with connect(process.port) as wire:
        await wire.send(POST.format(fields=fields).encode() + body)
        return (await wire.head()).status


async def post_views(process: Process) -> int:
    """Return how many were accepted; the others were told "not now"."""
    statuses = [await post_view(process) for _ in range(POSTS)]
    assert set(statuses) <= {204, 503}
    return statuses.count(204)


@pytest.mark.long
@pytest.mark.parametrize("fault", cases(FAULTS, FAULTS.keys() - {"read only"}))
async def test_accepted_views_are_written(fault: Fault, lab: Lab) -> None:
    ask = lab.backend.victim.ask
    logged, before = lab.process.logged, ask(COUNT)
    async with fault(lab.backend):
        accepted = await post_views(lab.process)
        await asyncio.sleep(1.5)  # until it was tried to write them
    await wait_until(lambda: ask(COUNT) - before == accepted, WRITTEN_SECONDS)
    assert await post_view(lab.process) == 204
    await wait_until(lambda: ask(COUNT) - before == accepted + 1, WRITTEN_SECONDS)
    assert "Traceback" not in lab.process.read_log(logged)


@contextmanager
def small_disk() -> Iterator[Path]:
    """Yield a folder on a disk of its own, which a test can fill; skip without."""
    with open_folder() as folder:
        options = f"size={DISK_MB}m,mode=777"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, check=False).returncode:
            pytest.skip("needs the right to mount")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@asynccontextmanager
async def full(folder: Path) -> AsyncIterator[None]:
    """Leave no byte of the disk free."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(65536)):
                pass
        except OSError:
            pass
    yield
    ballast.unlink()


@pytest.mark.long
async def test_full_disk_stops_no_reads(folder: Path) -> None:
    with (
        small_disk() as disk,
        Victim.running(disk) as victim,
        running(
            victim.role_url, folder, "--cache-mb", "0", videos=victim.videos
        ) as process,
    ):
        await process.wait_until_ready()
        async with judging(process, NOT_NOW) as load:
            async with full(disk):
                accepted = await post_views(process)
                await asyncio.sleep(3)
            await asyncio.to_thread(victim.ensure_well)
            await load.measure_recovery(monotonic(), 10.0)
        await wait_until(lambda: victim.ask(COUNT) == accepted, WRITTEN_SECONDS)
