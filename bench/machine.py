"""What a run was taken on: the commit, the machine, the versions."""

from __future__ import annotations

import os
import platform
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.load.generator import ROOT
from server.postgres.plain import connect

PACKAGES = (
    *("aiohttp", "aiopg", "psycopg2-binary", "uvloop"),
    *("asyncpg", "fastapi", "flask", "gunicorn", "starlette", "uvicorn"),
)


def describe_machine(database_url: str) -> dict[str, object]:
    """Return what a reader of the result must know of its place and time."""
    return {
        **describe_commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": find_cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "versions": {**find_versions(), **find_servers(database_url)},
    }


def describe_commit() -> dict[str, object]:
    """Return the commit of this checkout, and whether it was changed since."""
    status = ask("git", "-C", f"{ROOT}", "status", "--porcelain")
    return {
        "commit": ask("git", "-C", f"{ROOT}", "rev-parse", "HEAD") or "unknown",
        "dirty": bool(status),
    }


def ask(*command: str) -> str:
    """Return what a command says; '' where it can't be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return (done.stdout + done.stderr).strip()


def find_cpu() -> str:
    """Return the processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def find_versions() -> dict[str, str]:
    """Return the versions of the packages that take part."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def find_servers(database_url: str) -> dict[str, str]:
    """Return the versions of what is no Python package."""
    found = {"kernel": platform.release().partition("-")[0]}
    if nginx := ask("nginx", "-v"):
        found["nginx"] = nginx.rpartition("/")[2]
    if database_url:
        with closing(connect(database_url)) as connection:
            number, patch = divmod(connection.info.server_version, 10000)
            found["postgresql"] = f"{number}.{patch}"
    return found
