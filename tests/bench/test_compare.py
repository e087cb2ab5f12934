from __future__ import annotations

import math
import random
from typing import NamedTuple

import pytest

from bench.compare import ALL, compare, find_worse, list_doubts, render_verdicts
from bench.results import Round, Row, Run, bucket

ROWS = 24


class Noise(NamedTuple):
    """Standard deviations of logarithms."""

    own: float  # of each stretch
    common: float  # of a moment, on row and yardstick alike
    row: float  # of a row in a run
    run: float  # of a run, on row and yardstick alike


NONE = Noise(0, 0, 0, 0)
QUIET = Noise(0.04, 0.02, 0.025, 0.03)
SHARED = Noise(0.06, 0.06, 0.03, 0.08)
CROWDED = Noise(0.1, 0.25, 0.05, 0.25)


def invent(
    source: random.Random,
    noise: Noise,
    *,
    slower: float = 1.0,
    rows: int = ROWS,
    rounds: int = 3,
) -> Run:
    """Return a run; some rows feel a busy machine more than the yardstick does.

    A stretch in twenty is hit by something else besides.
    """
    shift = source.gauss(0, noise.run)
    found = []
    for number in range(rows):
        base = random.Random(number)
        usual, feels = base.uniform(1000, 20000), base.uniform(0.7, 1.3)
        speed, cost = source.gauss(0, noise.row), source.gauss(0, noise.row)
        stretches = []
        for _ in range(rounds):
            machine = shift + source.gauss(0, noise.common)
            hit = abs(source.gauss(0, 0.3)) if source.random() < 0.05 else 0.0
            noisy = feels * machine + speed + source.gauss(0, noise.own)
            rate = usual / slower * math.exp(noisy - hit * (noise != NONE))
            dear = cost - feels * machine * 0.3 + source.gauss(0, noise.own)
            cpu = slower / usual * math.exp(dear)
            rule = 30000 * math.exp(machine + source.gauss(0, noise.own))
            stretches.append(build_round(rate, cpu, rule))
        found.append(Row(f"s{number}", "origin", False, "requests/s", None, stretches))
    return Run({}, found, {}, [])


def build_round(rate: float, cpu: float, rule: float | None) -> Round:
    requests = int(2 * rate)
    histogram = {bucket(16 / rate): requests}
    return Round(
        requests, requests, 2.0, histogram, cpu * requests, None, None, 0.5, None, None,
        rule,
    )  # fmt: skip


def row(
    scenario: str,
    *rates: float,
    rule: float | None = 30000,
    peer: bool = False,
    open_loop: float | None = None,
) -> Row:
    rounds = [build_round(rate, 1 / rate, rule) for rate in rates]
    return Row(scenario, "origin", peer, "requests/s", open_loop, rounds)


def run(*rows: Row, **about: object) -> Run:
    return Run(about, list(rows), {}, [])


def words(old: Run, new: Run) -> list[str]:
    return [verdict.word for verdict in compare(old, new)]


STEADY = row("a", 1000, 1010, 990)


@pytest.mark.parametrize(
    ("new", "word"),
    [
        (row("a", 800, 810, 790), "worse"),
        (row("a", 1250, 1260, 1270), "better"),
        (row("a", 970, 980, 960), "noise"),
        # another machine, or this one throttled: the yardstick says the same
        (row("a", 800, 810, 790, rule=24000), "noise"),
        # the yardstick alone moved
        (row("a", 1000, 1010, 990, rule=40000), "noise"),
        # all over the place
        (row("a", 1500, 800, 300), "noise"),
    ],
)
def test_row_is_judged_against_its_noise(new: Row, word: str) -> None:
    assert words(run(STEADY), run(new)) == [word]


def test_rates_are_compared_where_no_yardstick_ran() -> None:
    old, new = row("a", 100, 101, 99, rule=None), row("a", 80, 81, 79, rule=None)
    assert words(run(old), run(new)) == ["worse"]


def test_open_loop_is_judged_by_its_median_latency() -> None:
    old, new = (row("a", *r, open_loop=40.0) for r in ((100, 101), (80, 81)))
    (verdict,) = compare(run(old), run(new))
    assert verdict.word == "worse"
    assert set(verdict.changes) == {"median", "CPU"}
    assert verdict.changes["median"].size == pytest.approx(math.log(1.25), abs=0.02)


def test_processor_time_too_short_to_count_is_not_judged() -> None:
    rounds = [one._replace(server_cpu=0.05) for one in STEADY.rounds]
    (verdict,) = compare(run(STEADY), run(STEADY._replace(rounds=rounds)))
    assert set(verdict.changes) == {"rate"}


def test_processor_time_is_measured_by_that_of_the_yardstick() -> None:
    old = [one._replace(yardstick_cpu=3e-5) for one in STEADY.rounds]
    new = [
        one._replace(yardstick_cpu=3.9e-5, server_cpu=1.3 * one.server_cpu)
        for one in old
    ]
    rows = [STEADY._replace(rounds=rounds) for rounds in (old, new)]
    assert words(run(rows[0]), run(rows[1])) == ["noise"]


def test_rows_without_requests_are_noise() -> None:
    empty = STEADY._replace(rounds=[build_round(0.1, 1, 30000)])
    assert words(run(empty), run(STEADY)) == ["noise"]


def test_row_of_one_run_is_named() -> None:
    assert words(run(STEADY, row("b", 1)), run(STEADY, row("c", 1))) == [
        "noise",
        "only old",
        "only new",
    ]


def test_peer_that_is_worse_stops_nothing() -> None:
    old, new = row("a", 1000, 1010, peer=True), row("a", 700, 710, peer=True)
    verdicts = compare(run(old), run(new))
    assert [one.word for one in verdicts] == ["worse"]
    assert find_worse(verdicts) == []
    mended = compare(run(old._replace(peer=False)), run(new._replace(peer=False)))
    assert find_worse(mended) == mended


def test_all_rows_together_have_a_verdict() -> None:
    source = random.Random(1)
    verdicts = compare(invent(source, NONE), invent(source, NONE, slower=1.2))
    assert (verdicts[-1].path, verdicts[-1].word) == (ALL, "worse")
    assert len(verdicts) == ROWS + 1


def test_rows_behind_an_edge_are_not_in_the_verdict_of_all() -> None:
    source = random.Random(1)
    old, new = invent(source, NONE), invent(source, NONE, slower=1.2)
    for one in (old, new):
        one.rows[3:] = [
            row._replace(rounds=[r._replace(edge_cpu=0.5) for r in row.rounds])
            for row in old.rows[3:]
        ]
    (*_, together) = compare(old, new)
    assert (together.path, together.word) == (ALL, "worse")


def test_nothing_to_compare_gives_no_verdict() -> None:
    assert compare(run(), run()) == []


def test_verdicts_are_lines_with_the_doubts_below() -> None:
    old, new = run(STEADY, cores=2, cpu="x"), run(row("a", 800, 810), cores=4, cpu="x")
    text = render_verdicts(compare(old, new), list_doubts(old, new)).splitlines()
    assert text[0].split()[:4] == ["worse", "a", "origin", "rate"]
    assert "rate +2" in text[0]
    assert text[1:] == ["The comparison is doubtful: cores was 2 and is 4."]


@pytest.mark.long
@pytest.mark.parametrize(
    ("noise", "alarms", "finds"),
    [
        pytest.param(QUIET, 0.075, 0.95, marks=pytest.mark.long),
        (SHARED, 0.075, 0.85),
        pytest.param(CROWDED, 0.05, 0.35, marks=pytest.mark.long),
    ],
    ids=["quiet", "shared", "crowded"],
)
def test_slowdown_of_a_fifth_is_found_and_none_is_invented(
    noise: Noise, alarms: float, finds: float
) -> None:
    source, pairs = random.Random(7), 30
    same = slow = 0
    for _ in range(pairs):
        old, again = invent(source, noise), invent(source, noise)
        same += bool(find_worse(compare(old, again)))
        slow += bool(find_worse(compare(old, invent(source, noise, slower=1.2))))
    assert same / pairs <= alarms
    assert slow / pairs >= finds
