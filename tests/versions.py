"""The versions of the libraries: which setup.cfg allows, which were tested."""

from __future__ import annotations

import re
from configparser import ConfigParser
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def list_required() -> list[Requirement]:
    """Return what setup.cfg asks for, extras too; not what is our own."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = setup["options"]["install_requires"].split("\n")
    for extra in setup["options.extras_require"].values():
        lines += extra.split("\n")
    required = [Requirement(line) for line in lines if line]
    return [each for each in required if each.name != "bytereel"]


def list_tested() -> dict[str, list[Version]]:
    """Return the versions in .ci/tested.txt, those of every Python."""
    tested: dict[str, list[Version]] = {}
    for line in (ROOT / ".ci" / "tested.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            (pinned,) = requirement.specifier
            name = canonicalize_name(requirement.name)
            tested.setdefault(name, []).append(Version(pinned.version))
    return tested


def list_locked() -> dict[str, tuple[Version, set[str]]]:
    """Return the versions in .ci/locked.txt for this Python, each with its digests."""
    text = (ROOT / ".ci" / "locked.txt").read_text().replace("\\\n", "")
    locked: dict[str, tuple[Version, set[str]]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line.partition(" --hash")[0])
            (pinned,) = requirement.specifier
            if requirement.marker is None or requirement.marker.evaluate():
                digests = set(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", line))
                name = canonicalize_name(requirement.name)
                locked[name] = (Version(pinned.version), digests)
    return locked


def list_newer() -> list[str]:
    """Return a line for each installed library that is newer than tested."""
    newer = []
    for name, versions in list_tested().items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue
        if Version(installed) > max(versions):
            newer.append(f"{name} {installed} is newer than tested ({max(versions)})")
    return newer
