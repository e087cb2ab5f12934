"""What we promise when processes are told to stop, hang, or die."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from tests.command import run as run_command
from tests.conftest import insert_video, open_folder
from tests.faults.load import Outcome, wait_until
from tests.faults.process import running
from tests.faults.promise import NOT_NOW, ONLY_RIGHT, asking_health, judging
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.process import Process, Serve

pytestmark = pytest.mark.long

LOST = frozenset({Outcome.CUT, Outcome.CLOSED})
STOP_SECONDS = 10  # README's, for what is being sent
SLACK_SECONDS = 2  # machines that test are busy
HANG_SECONDS = 60.0  # until a worker that hangs is replaced
SIGNALS = 20
EMBEDDED_BYTES = 3_000_000


@contextmanager
def stalled_downloads(process: Process) -> Iterator[asyncio.Task[None]]:
    """Hold answers that never end, as their client does not read."""

    async def hold() -> None:
        async with connect(process.port) as wire:
            await wire.ask("GET", f"/v3/videos/{max(process.videos)}")
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    yield task
    task.cancel()


@pytest.mark.parametrize("workers", [1, 2])
async def test_stop_ends_in_time(workers: int, serve: Serve) -> None:
    with serve("--workers", str(workers)) as process:
        await process.wait_until_ready()
        async with judging(process, LOST) as load:
            with stalled_downloads(process):
                await load.wait_for(10)
                began = monotonic()
                process.popen.send_signal(signal.SIGTERM)
                status = await process.wait_until_ended(STOP_SECONDS + SLACK_SECONDS)
                assert status == 0
                assert load.since(began)


@pytest.mark.parametrize("workers", [1, 2])
async def test_second_stop_ends_at_once(workers: int, serve: Serve) -> None:
    with serve("--workers", str(workers)) as process:
        await process.wait_until_ready()
        with stalled_downloads(process):
            await asyncio.sleep(0.3)
            process.popen.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)
            assert process.popen.poll() is None
            process.popen.send_signal(signal.SIGTERM)
            await process.wait_until_ended(SLACK_SECONDS)
            assert "Traceback" not in process.read_log()


@pytest.mark.parametrize("workers", [1, 2])
async def test_reloads_without_end_lose_nothing(workers: int, serve: Serve) -> None:
    with serve("--workers", str(workers)) as process:
        await process.wait_until_ready()
        async with judging(process, ONLY_RIGHT) as load, asking_health(process):
            for _ in range(SIGNALS):
                process.popen.send_signal(signal.SIGHUP)
                await asyncio.sleep(1 / SIGNALS)
            await load.measure_recovery(monotonic(), 5.0)
            await wait_until(lambda: len(process.server.workers) == workers, 20)
            assert process.popen.poll() is None


async def test_killed_worker_is_replaced(serve: Serve) -> None:
    with serve("--workers", "2") as process:
        await process.wait_until_ready()
        async with judging(process, LOST) as load:
            old = process.server.workers
            os.kill(min(old), signal.SIGKILL)
            await wait_until(lambda: len(process.server.workers - old) == 1, 5)
            await load.measure_recovery(monotonic(), 5.0)


async def test_hanging_worker_is_replaced(serve: Serve) -> None:
    hung = LOST | {Outcome.HUNG}
    with serve("--workers", "2") as process:
        await process.wait_until_ready()
        async with judging(process, hung) as load:
            old = process.server.workers
            os.kill(min(old), signal.SIGSTOP)
            await wait_until(
                lambda: min(old) not in process.server.workers, HANG_SECONDS
            )
            await load.measure_recovery(monotonic(), 5.0)
            assert len(process.server.workers) == 2


@contextmanager
def serving_embedded(data_dir: Path) -> Iterator[Process]:
    """Yield a server with a PostgreSQL of its own in that folder."""
    place = ("--data-dir", str(data_dir))
    run_command("migrate", *place)
    with running("", data_dir.parent, *place, "--cache-mb", "0") as process:
        try:
            yield process
        finally:
            process.popen.send_signal(signal.SIGTERM)
            process.popen.wait(30)


@pytest.mark.parametrize("name", ["data", "a,b 'c' %d"])
async def test_embedded_server_is_started_again(name: str) -> None:
    with ExitStack() as stack:
        data_dir = stack.enter_context(open_folder()) / name
        process = stack.enter_context(serving_embedded(data_dir))
        await process.wait_until_ready()
        url = (data_dir / "url").read_text()
        data = os.urandom(EMBEDDED_BYTES)
        process.videos = {insert_video(url, "clip.mp4", data): data}
        async with judging(process, NOT_NOW) as load, asking_health(process):
            pids = (data_dir / "cluster/postmaster.pid").read_text()
            os.kill(int(pids.split()[0]), signal.SIGKILL)
            await load.measure_recovery(monotonic(), 15.0)
