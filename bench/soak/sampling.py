"""What a server and its PostgreSQL use, read from /proc and from the database."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


def list_family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents: dict[int, int] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with suppress(OSError):
                rest = (place / "stat").read_text().rpartition(")")[2]
                parents[int(place.name)] = int(rest.split()[1])
    return [one for one in [*parents] if pid in _list_ancestors(one, parents)]


def _list_ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid:
        yield pid
        pid = parents.get(pid, 0)


def measure_server(pid: int) -> dict[str, float]:
    """Return memory, descriptors and threads of a server's processes, all together."""
    family = list_family(pid)
    return {
        "memory MiB": sum(map(read_memory, family)),
        "descriptors": sum(map(count_descriptors, family)),
        "threads": sum(map(count_threads, family)),
    }


def read_memory(pid: int) -> float:
    """Return the resident MiB of a process, 0 of one that has ended."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MIB
    return 0.0


def read_own_memory(pid: int) -> float:
    """Return the resident MiB that a process does not share, as backends do."""
    with suppress(OSError):
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
        return (int(resident) - int(shared)) * PAGE_MIB
    return 0.0


def count_descriptors(pid: int) -> int:
    """Return how many descriptors a process has open."""
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))
    return 0


def count_threads(pid: int) -> int:
    """Return how many threads a process has."""
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/task"))
    return 0


class Tasks:
    """How many tasks the processes of bench.soak.watched have."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def take(self) -> dict[str, float]:
        """Return what was told since it was asked last; nothing the first time."""
        told = 0
        for path in [*self.folder.iterdir()]:
            with suppress(ValueError, OSError):
                told += int(path.read_text())
            path.unlink(missing_ok=True)
        return {"tasks": told} if told else {}

    def ask(self, pid: int) -> None:
        """Let the processes tell."""
        for one in list_family(pid):
            if catches(one, signal.SIGUSR2):
                with suppress(ProcessLookupError):
                    os.kill(one, signal.SIGUSR2)


def catches(pid: int, number: int) -> bool:
    """Report whether a process handles a signal, which would else end it."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def sum_up(latencies: Sequence[float]) -> dict[str, float]:
    """Return p50 and p99 in milliseconds, nothing of too few."""
    if len(latencies) < 20:
        return {}
    cuts = quantiles(latencies, n=100)
    return {"p50 ms": cuts[49] * 1000, "p99 ms": cuts[98] * 1000}
