"""What setup.cfg lets in has an end, and what was tested lies within."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from tests import versions
from tests.versions import list_newer, list_required, list_tested

if TYPE_CHECKING:
    from packaging.requirements import Requirement

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
