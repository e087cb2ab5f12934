"""Two runs: is a row better or worse than it was, or is the difference noise?

tests/bench/test_compare.py simulates 200 pairs of runs with 30 rows of 3 rounds on a
quiet, a shared and a crowded machine. A row was called worse in 2, 3 and 0 % of pairs
of the same commit, and in 100, 97 and 55 % of pairs with 20 % more time a request. On a
real machine, overbooked threefold, it was 0 of 26 equal pairs and 6 of 34 slower ones.

A row is worse if every view of it (as measured, and divided by the yardstick that ran
next to it) is worse by more than FLOOR, by more than half of what the yardstick itself
moved, and by more than chance explains over all rows together (Bonferroni).
"""

from __future__ import annotations

import math
from statistics import NormalDist, mean, median, stdev, variance
from typing import TYPE_CHECKING, NamedTuple

from bench.results import measured_rate, percentile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.results import Round, Row, Run

    Key = tuple[str, str, str]  # scenario, path, unit

FLOOR = (
    0.12  # as a logarithm: what runs of the same commit differ by on a quiet machine
)
SLACK = 0.5  # relative error of the correction by the yardstick
CHANCE = 0.02  # of any false alarm in a comparison, by chance alone
BORROWED = 4  # degrees of freedom that a row's noise has from all rows
MEDIAN = 1.25  # the standard error of a median, in those of a mean
DECIDING = ("cpu", "cores", "python", "platform", "versions", "settings", "seconds")
ALL = "all of ours"
CPU_SECONDS = 0.1  # that a stretch takes at least: the kernel counts in steps of 0.01
ROWS = 3  # that a change of all takes at least


class Change(NamedTuple):
    """What became of one figure of a row; logarithms, above 0 is worse."""

    size: float  # the smallest of all views; 0 where they disagree
    needed: float  # to be more than noise


class Verdict(NamedTuple):
    """What became of a row."""

    scenario: str
    path: str
    peer: bool
    word: str  # better, worse, noise, or which run alone has it
    changes: dict[str, Change]  # of "rate" or "median", and "CPU"


class View(NamedTuple):
    """One figure of one row, seen in one way: logarithms by round, more is worse."""

    key: Key
    figure: str
    ruled: bool  # divided by the yardstick
    old: list[float]
    new: list[float]
    moved: float  # how far the yardstick went


def compare(old: Run, new: Run) -> list[Verdict]:
    """Return a verdict for each row of either run, and one for all of ours together."""
    before, after = ({key_of(row): row for row in run.rows} for run in (old, new))
    both = [key for key in after if key in before]
    views = [view for key in both for view in list_views(before[key], after[key])]
    changes: dict[Key, dict[str, Change]] = {key: {} for key in both}
    for (key, figure), change in weigh_rows(views).items():
        changes[key][figure] = change
    verdicts = [
        Verdict(key[0], key[1], after[key].peer, find_word(some.values()), some)
        for key, some in changes.items()
    ]
    together = weigh_together([view for view in views if is_ours(after[view.key])])
    if together:
        verdicts.append(Verdict("", ALL, False, find_word(together.values()), together))
    for rows, others, word in (
        (before, after, "only old"),
        (after, before, "only new"),
    ):
        verdicts += [
            Verdict(row.scenario, row.path, row.peer, word, {})
            for key, row in rows.items()
            if key not in others
        ]
    return verdicts


def is_ours(row: Row) -> bool:
    """Report whether our server alone answers: no peer, and no edge in front."""
    return not row.peer and all(one.edge_cpu is None for one in row.rounds)


def key_of(row: Row) -> tuple[str, str, str]:
    """Return what tells rows apart."""
    return row.scenario, row.path, row.unit


def find_worse(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Return what should stop a change; peers do not, since we can't fix them."""
    return [one for one in verdicts if one.word == "worse" and not one.peer]


def list_views(old: Row, new: Row) -> Iterator[View]:
    """Yield every figure that both have, as measured and divided by the yardstick."""
    olds, news = ([r for r in row.rounds if r.requests] for row in (old, new))
    if not olds or not news:
        return
    timed = "rate" if old.rate is None and new.rate is None else "median"
    both = (olds, news)
    rules, costs = (
        [[log_of(getattr(one, name)) for one in some] for some in both]
        for name in ("yardstick", "yardstick_cpu")
    )
    moved = max(abs(median(b) - median(a)) for a, b in (rules, costs))
    for figure, read in ((timed, TIMED[timed]), ("CPU", read_cpu)):
        a, b = ([log_of(read(one, new.unit)) for one in some] for some in both)
        if not all(a + b):
            continue
        yield View(key_of(new), figure, False, a, b, moved)
        if all(rules[0] + rules[1]):
            by_cpu = figure == "CPU" and all(costs[0] + costs[1])
            steps = costs if by_cpu else rules
            sign = -1 if by_cpu else 1
            ruled = [
                [value + sign * step for value, step in zip(*some, strict=True)]
                for some in zip((a, b), steps, strict=True)
            ]
            yield View(key_of(new), figure, True, ruled[0], ruled[1], moved)


def log_of(value: float | None) -> float:
    """Return the logarithm; 0 of what is not known or nothing."""
    return math.log(value) if value else 0.0


def read_cpu(one: Round, unit: str) -> float:
    """Return CPU seconds of the server a request; 0 of too few to count."""
    return one.server_cpu / one.requests if one.server_cpu >= CPU_SECONDS else 0.0


def read_slowness(one: Round, unit: str) -> float:
    """Return seconds a request, or a MiB."""
    return 1 / (measured_rate(one, unit) or math.inf)


def read_median(one: Round, unit: str) -> float:
    """Return the median latency in seconds."""
    return percentile(one.histogram, 0.5) if one.histogram else 0.0


TIMED = {"rate": read_slowness, "median": read_median}


def weigh_rows(views: Sequence[View]) -> dict[tuple[Key, str], Change]:
    """Return the change of each figure of each row."""
    usual = median(map(noise_of, views)) if views else 0.0
    tests = len({(view.key, view.figure) for view in views})
    found: dict[tuple[Key, str], list[Change]] = {}
    for view in views:
        freedom = len(view.old) + len(view.new) - 2
        noise = (freedom * noise_of(view) + BORROWED * usual) / (freedom + BORROWED)
        error = MEDIAN * math.sqrt(noise * (1 / len(view.old) + 1 / len(view.new)))
        change = Change(shift_of(view), find_needed(error, view.moved, tests))
        found.setdefault((view.key, view.figure), []).append(change)
    return {key: agree(changes) for key, changes in found.items()}


def weigh_together(views: Sequence[View]) -> dict[str, Change]:
    """Return each figure's median change over all rows.

    Chance averages out over the rows; what the machine did to all of them does not.
    """
    found: dict[str, list[Change]] = {}
    for figure, ruled in dict.fromkeys((view.figure, view.ruled) for view in views):
        some = [view for view in views if (view.figure, view.ruled) == (figure, ruled)]
        shifts = list(map(shift_of, some))
        if len(shifts) < ROWS:
            continue
        error = MEDIAN * stdev(shifts) / math.sqrt(len(shifts))
        needed = find_needed(error, median(view.moved for view in some), 1)
        found.setdefault(figure, []).append(Change(median(shifts), needed))
    return {figure: agree(changes) for figure, changes in found.items()}


def shift_of(view: View) -> float:
    """Return how much worse the new median is."""
    return median(view.new) - median(view.old)


def noise_of(view: View) -> float:
    """Return the variance inside the runs; 0 where each has only one round."""
    parts = [some for some in (view.old, view.new) if len(some) > 1]
    return mean(map(variance, parts)) if parts else 0.0


def find_needed(error: float, moved: float, tests: int) -> float:
    """Return the change above which it is more than noise."""
    strict = NormalDist().inv_cdf(1 - CHANCE / tests)
    return max(strict * error, FLOOR, SLACK * moved)


def agree(changes: Sequence[Change]) -> Change:
    """Return what remains of a change under all views: the smallest, or nothing."""
    sizes = [change.size for change in changes]
    needed = max(change.needed for change in changes)
    if min(sizes) < 0 < max(sizes):
        return Change(0.0, needed)
    return Change(min(sizes, key=abs), needed)


def find_word(changes: Iterable[Change]) -> str:
    """Return the verdict; one figure that is worse outweighs others."""
    known = list(changes)
    if any(change.size > change.needed for change in known):
        return "worse"
    if any(-change.size > change.needed for change in known):
        return "better"
    return "noise"


def list_doubts(old: Run, new: Run) -> list[str]:
    """Return a sentence for each condition that was not the same."""
    return [
        f"The comparison is doubtful: {name} was {old.about.get(name)!r}"
        f" and is {new.about.get(name)!r}."
        for name in DECIDING
        if old.about.get(name) != new.about.get(name)
    ]


def render_verdicts(verdicts: Sequence[Verdict], doubts: Sequence[str] = ()) -> str:
    """Return a line a row: the verdict, and what each figure became."""
    lines = []
    for one in verdicts:
        name = f"{one.scenario} {one.path}{' *' if one.peer else ''}".strip()
        figures = [
            f"{figure} {percent(change.size)} (noise to {percent(change.needed)})"
            for figure, change in one.changes.items()
        ]
        lines.append(f"{one.word:9}{name:40}{', '.join(figures)}".rstrip())
    return "\n".join([*lines, *doubts])


def percent(change: float) -> str:
    """Return a logarithm as percent more or less."""
    return f"{math.expm1(change):+.0%}"
