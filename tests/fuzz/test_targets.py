"""Every kept input of every target, and some at random; python -m tests.fuzz does more.

An input is kept because a target once failed on it, or as it reaches what others don't.
"""

from __future__ import annotations

import re
import sys
import time
from itertools import takewhile

import pytest

from server.video import short
from tests.fuzz import targets
from tests.fuzz.__main__ import main
from tests.fuzz.coverage import choose, list_steps

SECONDS = 0.25  # of each target, in every run
LONG_SECONDS = 5
MOST_FILES = 80  # of a target
MOST_BYTES = 8192  # of an input


@pytest.mark.parametrize("name", targets.MODULES)
def test_kept_inputs_are_read_without_a_fault(name: str) -> None:
    target = targets.load(name)
    for file, data in targets.read_corpus(name).items():
        try:
            target(data)
        except Exception as error:
            pytest.fail(f"tests/fuzz/corpus/{name}/{file}: {error!r}")


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(SECONDS, id="short"),
        pytest.param(LONG_SECONDS, id="long", marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize("name", targets.MODULES)
def test_random_inputs_are_read_without_a_fault(name: str, seconds: float) -> None:
    target = targets.load(name)
    until = time.monotonic() + seconds
    inputs = targets.list_inputs(name, seed=1)
    for data in takewhile(lambda _: time.monotonic() < until, inputs):
        try:
            target(data)
        except Exception as error:
            pytest.fail(f"{error!r}: put this into tests/fuzz/corpus/{name}: {data!r}")


@pytest.mark.parametrize("name", targets.MODULES)
def test_corpus_is_small(name: str) -> None:
    kept = targets.read_corpus(name)
    assert 3 <= len(kept) <= MOST_FILES
    assert max(map(len, kept.values())) <= MOST_BYTES


def test_inputs_that_reach_nothing_new_are_not_kept() -> None:
    target = targets.load("ranges")
    one, several = b"bytes=0-9", b"bytes=0-9,20-29"
    assert list_steps(target, one) == list_steps(target, b"bytes=1-8")
    assert list(choose(target, [one], [b"bytes=1-8", several])) == [several]


@pytest.mark.parametrize("seconds", ["-1", "0", "1.5"])
def test_search_needs_time(
    seconds: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz", "ranges", "--seconds", seconds])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "is not a whole number above 0" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["head", "connection"])
def test_two_ways_that_differ_are_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short way once overlooked a header that aiohttp closes for."""
    overlooking = short._FIELD.pattern.replace(b"|proxy-connection", b"")
    monkeypatch.setattr(short, "_FIELD", re.compile(overlooking, re.IGNORECASE))
    data = b"GET /v3/videos/7 HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n"
    short.parse_head.cache_clear()
    with pytest.raises(AssertionError):
        targets.load(name)(data)
    monkeypatch.undo()
    short.parse_head.cache_clear()
    targets.load(name)(data)
