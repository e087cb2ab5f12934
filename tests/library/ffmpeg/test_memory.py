"""All processes for FFmpeg together stay within what memory there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.admin import jobs as admin_jobs
from server.admin.jobs import HEAVY_MAX, Jobs
from server.library.clips.check import Limits
from server.library.clips.checking import check_media
from server.library.clips.repair import open_media
from server.library.ffmpeg.memory import (
    LEAST_BYTES,
    MEMORY_BYTES,
    count_fitting,
    measure_budget,
    share_budget,
)
from server.library.ffmpeg.sandbox import Sandbox
from server.library.imports import files
from server.library.imports.command import bound_jobs
from server.library.imports.files import import_paths
from tests.clips import make

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

GIB = 1 << 30
MEMINFO = "MemTotal: 16777216 kB\nMemFree: 1024 kB\nMemAvailable: 8388608 kB\n"
V2 = "sys/fs/cgroup/system.slice/clips.service/"
V1 = "sys/fs/cgroup/memory/docker/1234/"


def write(root: Path, contents: Mapping[str, str]) -> Path:
    for name, text in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("contents", "left"),
    [
        ({}, 8 * GIB),
        (
            {
                "proc/self/cgroup": "0::/system.slice/clips.service\n",
                f"{V2}memory.max": "max\n",
                f"{V2}memory.current": f"{GIB}\n",
                f"{V2}memory.stat": "anon 5\ninactive_file 5\n",
            },
            8 * GIB,
        ),
        (
            {
                "proc/self/cgroup": "0::/system.slice/clips.service\n",
                f"{V2}memory.max": f"{4 * GIB}\n",
                f"{V2}memory.current": f"{3 * GIB}\n",
                f"{V2}memory.stat": f"anon 5\ninactive_file {GIB}\n",
                # The slice around it has less.
                f"{V2}../memory.max": f"{3 * GIB}\n",
                f"{V2}../memory.current": f"{2 * GIB}\n",
                f"{V2}../memory.stat": "inactive_file 0\n",
            },
            GIB,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu:/x\n4:memory:/docker/1234\n0::/\n",
                f"{V1}memory.limit_in_bytes": f"{2 * GIB}\n",
                f"{V1}memory.usage_in_bytes": f"{GIB}\n",
                f"{V1}memory.stat": f"inactive_file 7\ntotal_inactive_file {GIB}\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "1\n",
                "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 0\n",
            },
            2 * GIB,
        ),
        (
            # A container that sees its own group as the outermost.
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.max": f"{GIB}\n",
                "sys/fs/cgroup/memory.current": f"{2 * GIB}\n",
                "sys/fs/cgroup/memory.stat": "inactive_file 0\n",
            },
            0,
        ),
    ],
)
def test_budget_is_of_what_machine_and_container_have_left(
    tmp_path: Path, contents: dict[str, str], left: int
) -> None:
    write(tmp_path, {"proc/meminfo": MEMINFO} | contents)
    assert measure_budget(tmp_path) == left * 3 // 4


def test_system_that_does_not_tell_bounds_nothing(tmp_path: Path) -> None:
    assert measure_budget(tmp_path) is None
    assert count_fitting(None, GIB, 64) == 64
    assert share_budget(None, 64) == MEMORY_BYTES


def test_this_machine_tells() -> None:
    assert 0 < (measure_budget() or 0) < 1 << 50


def test_shares_stay_within_the_budget() -> None:
    for budget in range(LEAST_BYTES, 80 * GIB, GIB // 3):
        for wanted in (1, 2, 3, 17, 64):
            fitting = count_fitting(budget, LEAST_BYTES, wanted)
            share = share_budget(budget, fitting)
            assert 1 <= fitting <= wanted
            assert LEAST_BYTES <= share <= MEMORY_BYTES
            assert fitting * share <= budget
    assert count_fitting(0, LEAST_BYTES, 64) == 1
    assert share_budget(0, 1) == LEAST_BYTES


def test_more_jobs_than_fit_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert bound_jobs(8, 64 * GIB) == 8
    assert bound_jobs(8, None) == 8
    assert capsys.readouterr().err == ""
    assert bound_jobs(64, 4 * GIB) == 8
    assert capsys.readouterr().err == (
        "warning: --jobs 64 needs 34.4 GB of memory, and FFmpeg can have 4.29 GB now: "
        "files at once: 8\n"
    )


def read_limit(sandbox: Sandbox, clip: Path) -> int:
    """Return the bytes of memory that its process may take, once it works."""
    with clip.open("rb") as file:
        check_media(open_media(file), sandbox, Limits())
    limits = Path(f"/proc/{sandbox.process_id}/limits").read_text()
    [most] = re.findall(r"Max address space +(\d+) +\1 +bytes", limits)
    return int(most)


def test_process_is_limited(tmp_path: Path) -> None:
    clip = make(tmp_path / "a.mp4")
    with Sandbox(LEAST_BYTES) as sandbox, Sandbox() as alone:
        assert read_limit(sandbox, clip) == LEAST_BYTES
        assert LEAST_BYTES <= read_limit(alone, clip) <= MEMORY_BYTES


@pytest.mark.long
def test_importers_share_the_budget(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []

    class Noted(Sandbox):
        def __init__(self, memory_bytes: int) -> None:
            super().__init__(memory_bytes)
            given.append(memory_bytes)

    for name in ("a.mp4", "b.mp4", "c.mp4"):
        make(tmp_path / name)
    monkeypatch.setattr(files, "Sandbox", Noted)
    monkeypatch.setattr(files, "measure_budget", lambda: 3 * GIB)
    done = list(import_paths(database_url, [tmp_path], jobs=64))
    assert [each.status for each in done] == ["imported"] * 3
    assert given == [GIB] * 3


@pytest.mark.parametrize(
    ("budget", "workers", "share"),
    [(64 * GIB, 4, 2 * GIB), (8 * GIB, 4, GIB), (2 * GIB, 4, LEAST_BYTES), (0, 1, 0)],
)
def test_admins_of_all_workers_share_the_budget(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    budget: int,
    workers: int,
    share: int,
) -> None:
    clip = make(tmp_path / "a.mp4")
    monkeypatch.setattr(admin_jobs, "measure_budget", lambda: budget)
    jobs: Any = Jobs("", workers)
    with jobs.open_sandbox() as sandbox:
        each = read_limit(sandbox, clip)
    heavy = jobs._heavy._value
    jobs.close()
    assert each == max(share, LEAST_BYTES)
    assert 1 <= heavy <= HEAVY_MAX
    assert workers * heavy * each <= max(budget, LEAST_BYTES)
