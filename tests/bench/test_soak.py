"""The soak: what it calls growth, what it excuses, and that the server passes it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from bench.__main__ import main
from bench.load.generator import ROOT
from bench.soak import run, tally
from bench.soak.clients import check_status, compare
from bench.soak.faults import Faults
from bench.soak.judge import ALLOWED, FEWEST, Sample, explain, judge, render
from bench.soak.run import (
    Outcome,
    break_things,
    describe,
    list_complaints,
    open_results,
    repeat,
    save,
)
from bench.soak.sampling import Tasks, catches, list_family, measure_server, sum_up
from bench.soak.stand import find_tracebacks
from bench.soak.tally import Refused, Tally, Wrong

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOG = """WARNING server: nothing
Traceback (most recent call last):
  File "a.py", line 1, in b
    c()
ValueError: one
INFO server: Traceback is a word
ERROR server: it failed
Traceback (most recent call last):
  File "d.py", line 2, in e
KeyError
"""
COUNT = 100  # samples
LONG_MINUTES = 3


def sample(value_at: Callable[[float], float], measure: str) -> list[Sample]:
    """Return samples of a run in which a measure goes as a function of the share."""
    noise = Random(1)
    return [
        Sample(at, {measure: value_at(at / COUNT) + noise.uniform(-1, 1)})
        for at in range(1, COUNT + 1)
    ]


@pytest.mark.parametrize("measure", ALLOWED)
def test_steady_growth_is_too_much(measure: str) -> None:
    first = 50.0
    slope = 20 * first + 3 * ALLOWED[measure].amount
    (growth,) = judge(sample(lambda share: first + slope * share, measure))
    assert growth.is_too_much
    assert explain(growth).startswith(f"{measure} grew from ")


@pytest.mark.parametrize("measure", ALLOWED)
@pytest.mark.parametrize(
    "value_at",
    [
        lambda share: 50.0,
        lambda share: min(share * 400, 100.0),  # it fills up in the first quarter
        lambda share: 1000.0 if 0.80 < share < 0.85 else 50.0,  # a moment
        lambda share: 90.0 - 50 * share,
    ],
    ids=["level", "filling", "moment", "less"],
)
def test_what_levels_off_does_not_grow(
    measure: str, value_at: Callable[[float], float]
) -> None:
    (growth,) = judge(sample(value_at, measure))
    assert not growth.is_too_much


def test_what_was_not_seen_is_not_judged() -> None:
    assert judge([Sample(at, {"tasks": 1}) for at in range(FEWEST - 1)]) == []
    samples = [Sample(at, {"tasks": 1} if at < 30 else {}) for at in range(COUNT)]
    assert judge(samples) == []


def test_run_that_grows_or_is_wrong_fails() -> None:
    leaking = sample(lambda share: 100 + 200 * share, "memory MiB")
    seen = Outcome(Tally(), leaking, judge(leaking))
    (complaint,) = list_complaints(seen)
    assert complaint.startswith("memory MiB grew from ")
    assert "| memory MiB | " in render(seen.growth)
    for _ in range(30):
        seen.tally.note_wrong("range", Wrong("other bytes"))
    complaints = list_complaints(seen)
    assert complaints[0] == "a wrong answer: range: Wrong: other bytes"
    assert complaints[20:] == ["10 more wrong answers", complaint]
    assert ", 30 wrong, " in describe(seen.tally)
    seen = seen._replace(tally=Tally(), growth=[], tracebacks=find_tracebacks(LOG))
    assert list_complaints(seen) == [
        "a traceback in the server's log: ValueError: one",
        "a traceback in the server's log: KeyError",
    ]
    (complaint,) = list_complaints(Outcome(Tally(), [], []))
    assert "too few to judge" in complaint


async def ask(answer: Callable[[], None], seen: Tally) -> None:
    """Let a client repeat what it asks for some moments."""

    async def step() -> None:
        await asyncio.sleep(0)
        answer()

    client = asyncio.create_task(repeat("range", step, 0.001, seen, Random(1)))
    await asyncio.sleep(0.1)
    client.cancel()
    await asyncio.gather(client, return_exceptions=True)


async def test_missing_answers_are_excused_only_after_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = Tally()
    await ask(lambda: compare(b"a", b"a", "it"), seen)
    assert seen.right["range"] > 1
    seen.excuse("backends killed")
    await ask(lambda: check_status(503, 200, "it"), seen)
    assert (seen.excused["range"], seen.wrong) == (1, [])
    await ask(lambda: check_status(500, 200, "it"), seen)
    await ask(lambda: compare(b"b", b"a", "it"), seen)
    assert len(seen.wrong) > 2, "no fault excuses these"
    monkeypatch.setattr(tally, "GRACE_SECONDS", 0)
    late = Tally()
    late.excuse("backends killed")
    assert late.excuses(begun=time.monotonic() - 60), "a slow reader sees it later"
    await ask(lambda: check_status(503, 200, "it"), late)
    assert len(late.wrong) == 1
    with pytest.raises(Refused):
        check_status(503, 200, "it")


def test_processes_are_measured_with_their_children() -> None:
    sleeping = "import subprocess; subprocess.run(['sleep', '60'])"
    with subprocess.Popen([sys.executable, "-c", sleeping]) as process:
        try:
            until = time.monotonic() + 20
            while len(list_family(process.pid)) < 2 and time.monotonic() < until:
                time.sleep(0.01)
            family = list_family(process.pid)
            measured = measure_server(process.pid)
        finally:
            for pid in list_family(process.pid):
                os.kill(pid, 9)
    assert len(family) == 2
    assert measured["memory MiB"] > 1
    assert measured["descriptors"] >= 6
    assert measured["threads"] >= 2


def test_latencies_are_summed_up() -> None:
    assert sum_up([1.0] * 10) == {}
    seen = sum_up([0.001] * 99 + [1.0])
    assert seen["p50 ms"] == pytest.approx(1)
    assert seen["p99 ms"] > 500


def test_tasks_are_told_only_by_who_catches_the_signal(tmp_path: Path) -> None:
    tasks = Tasks(tmp_path)
    assert not catches(os.getpid(), 12)
    tasks.ask(os.getpid())  # which would end us
    assert tasks.take() == {}
    (tmp_path / "1").write_text("5")
    (tmp_path / "2").write_text("6")
    assert tasks.take() == {"tasks": 11}
    assert tasks.take() == {}


def test_soak_needs_time(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["soak", "--minutes", "0"])
    assert "is not a number above 0" in capsys.readouterr().err


def test_results_that_cannot_be_written_are_told_before_the_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    began = time.monotonic()
    assert main(["soak", "--json", "/nonexistent/x"]) == 1
    assert time.monotonic() - began < 5
    said = capsys.readouterr().err
    assert said == (
        "bench: cannot write /nonexistent/x (No such file or directory): choose "
        "another --json\n"
    )


def test_results_take_the_place_of_older_ones(tmp_path: Path) -> None:
    path = tmp_path / "soak.json"
    path.write_text("older" * 1000)
    with open_results(path) as file:
        assert path.read_text().startswith("older"), "the run may yet fail"
        save(file, {"seed": 1}, Outcome(Tally(), [], []))
    assert json.loads(path.read_text())["about"] == {"seed": 1}


async def test_fault_that_cannot_be_brought_about_is_told_and_others_follow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "FAULT_SECONDS", 0.01)
    seen = Tally()
    faults = Faults(1, 1, "", "/", seen, Random(1))
    brought = 0

    async def fail(*_: float) -> None:
        nonlocal brought
        brought += 1
        await asyncio.sleep(0)
        raise ProcessLookupError

    monkeypatch.setattr(faults, "bring", fail)
    breaking = asyncio.create_task(break_things(faults, 60, Random(1)))
    await asyncio.sleep(0.2)
    breaking.cancel()
    assert brought > 1
    assert seen.wrong_count >= brought - 1, "the last was cut off"
    assert seen.wrong[0].startswith("breaking: ProcessLookupError")


@pytest.mark.long
def test_nothing_grows_under_load_and_faults(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "soak", f"--minutes={LONG_MINUTES}"]
    done = subprocess.run(
        [*command, f"--json={tmp_path / 'soak.json'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "soak.json").read_text())
    assert min(told["right"].values()) > 0, "each kind of client was answered"
    assert len(told["right"]) == 12
    assert "tracebacks" not in done.stderr
    assert {one["measure"] for one in told["growth"]} == {*ALLOWED}
