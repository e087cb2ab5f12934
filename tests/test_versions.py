"""What setup.cfg lets in has an end, and what was tested lies within."""

from __future__ import annotations

import re
from configparser import ConfigParser
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests import versions
from tests.versions import ROOT, list_locked, list_newer, list_required, list_tested

# Of these we use what is private, or what a minor may change.
MINOR = {"aiohttp", "psycopg2-binary", "ruff"}


@pytest.mark.parametrize("required", list_required(), ids=str)
def test_requirement_ends_at_the_next_version(required: Requirement) -> None:
    tested = list_tested()[required.name.lower()]
    newest = max(tested)
    assert all(required.specifier.contains(each) for each in tested)
    after = (
        Version(f"{newest.major}.{newest.minor + 1}")
        if required.name in MINOR
        else Version(f"{newest.major + 1}")
    )
    assert not required.specifier.contains(after)


def test_newer_than_tested_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "version", lambda name: "1" if name == "av" else "0")
    assert list_newer() == []
    monkeypatch.setattr(
        versions, "version", lambda name: "99.1" if name == "av" else "0"
    )
    (line,) = list_newer()
    assert line.startswith("av 99.1 is newer than tested (")


def list_needed(name: str) -> set[str]:
    """Return the packages that one needs, all the way down."""
    found: set[str] = set()
    ahead = [name]
    while ahead:
        for line in requires(ahead.pop()) or ():
            each = Requirement(line)
            needed = canonicalize_name(each.name)
            if each.marker is None or each.marker.evaluate({"extra": ""}):
                ahead += [needed] if needed not in found else []
                found.add(needed)
    return found


def test_image_installs_what_is_locked() -> None:
    locked, tested = list_locked(), list_tested()
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    names = {
        canonicalize_name(Requirement(line).name)
        for line in setup["options"]["install_requires"].split("\n")
        if line
    }
    assert names.union(*map(list_needed, names)) <= set(locked)
    assert set(locked) - set(tested) == {"setuptools"}  # which builds the wheel
    for name, (version, digests) in locked.items():
        assert digests, name
        assert name not in tested or version in tested[name]
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    steps = re.findall(r"\bpip (?:install|wheel) .*", text)
    safe = ("--require-hashes", "--no-index", "--no-build-isolation")
    assert len(steps) == 3
    for step in steps:
        assert any(flag in step for flag in safe), step


def test_lock_names_no_registry() -> None:
    text = (ROOT / ".ci" / "locked.txt").read_text()
    assert "://" not in text
    assert "index-url" not in text
