"""How much memory the processes for FFmpeg may take together.

What the machine or the container has left is shared out before they begin: each gets a
limit of address space, which is more than it really uses. To encode 1080p takes 640 MiB
of it, 4K of 10 bits 790 MiB.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY_BYTES = 2 << 30  # of one process, at most
USUAL_BYTES = 1 << 30  # enough for the clips of phones
LEAST_BYTES = 512 << 20  # enough to check them, and to encode small ones
_ROOT = Path("/")
# The limit, what is used, and what of that can be had back: of cgroups 2 and 1.
_CGROUPS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def measure_budget(root: Path = _ROOT) -> int | None:
    """Return the bytes that FFmpeg may take: three quarters of what is left now.

    The rest is for us and for PostgreSQL. None where the system does not tell.
    """
    left = [*_list_machine(root), *_list_groups(root)]
    return max(min(left), 0) * 3 // 4 if left else None


def count_fitting(budget: int | None, each: int, most: int) -> int:
    """Return how many processes of so many bytes each a budget has room for.

    At least one, and not more than most.
    """
    return most if budget is None else max(min(budget // each, most), 1)


def share_budget(budget: int | None, processes: int) -> int:
    """Return the bytes that each of so many processes may take."""
    if budget is None:
        return MEMORY_BYTES
    return max(min(budget // processes, MEMORY_BYTES), LEAST_BYTES)


def _list_machine(root: Path) -> Iterator[int]:
    with suppress(OSError):
        found = re.search(
            r"MemAvailable:\s+(\d+) kB", (root / "proc/meminfo").read_text()
        )
        if found:
            yield int(found[1]) << 10


def _list_groups(root: Path) -> Iterator[int]:
    """Yield what each control group that we are in has left, up to the outermost."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            top = root / "sys/fs/cgroup" / controllers
            group = Path(path.strip("/"))
            for part in (group, *group.parents):
                yield from _list_group(top / part)


def _list_group(folder: Path) -> Iterator[int]:
    for limit, used, cached in _CGROUPS:
        with suppress(OSError, ValueError):  # there is none, or it says max
            left = int((folder / limit).read_text()) - int((folder / used).read_text())
            stat = (folder / "memory.stat").read_text()
            found = re.search(rf"^{cached} (\d+)$", stat, re.MULTILINE)
            yield left + int(found[1] if found else 0)
