"""What a run saw: rounds of rows, their histograms, their file, their sums."""

from __future__ import annotations

import json
import math
from collections import Counter
from statistics import mean, median, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

VERSION = 1
FIRST_SECONDS = 1e-6  # where bucket 0 begins; all that is faster lies in it too
STEP = 1.01  # each bucket ends 1 % above where it begins
GIB, MIB = 2**30, 2**20
TINY_BYTES = 1024  # of a body; up to it CPU by the GiB says nothing
OURS = ("origin", "memory")  # paths that others are compared with
# Student's t, two-sided 95 %, by degrees of freedom; beyond the last it hardly changes.
T95 = (math.inf, 12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "max": 1.0}


class Round(NamedTuple):
    """One stretch of one row."""

    requests: int
    bytes: int  # of bodies, received
    seconds: float
    histogram: dict[int, int]  # latency bucket -> count
    server_cpu: float  # CPU seconds of the server's process tree
    database_cpu: float | None  # None where PostgreSQL's processes are not ours to see
    edge_cpu: float | None  # of nginx in front; None where there is none
    load_share: float  # the generator's share of its core
    peak_memory: int | None  # bytes, largest RSS sum of the server's tree
    origin_requests: int | None  # that reached the origin behind an edge
    yardstick: float | None  # requests/s of a bare fixed server, next to this stretch
    yardstick_cpu: float | None = None  # its CPU seconds a request


class Row(NamedTuple):
    """One scenario on one path, or by one peer."""

    scenario: str
    path: str
    peer: bool
    unit: str  # "requests/s" or "MiB/s"
    rate: float | None  # arrivals/s of an open loop, None for a closed one
    rounds: list[Round]


class Run(NamedTuple):
    """All of one `python -m bench`."""

    about: dict[str, object]  # commit, date, cpu, cores, versions, settings, ...
    rows: list[Row]
    left_out: dict[str, str]  # name -> why, and how to get it
    checks: list[str]


class Summary(NamedTuple):
    """One row in figures: medians over its rounds; latencies of all of them."""

    requests: float  # a second
    mib: float  # a second
    spread: float | None  # half from best to worst round, as a part of the median
    latency: dict[str, float]  # seconds; empty where none was taken
    server_cpu: float | None  # CPU seconds a GiB; None of tiny bodies
    database_cpu: float | None
    edge_cpu: float | None
    cpu: float | None  # CPU seconds of the server a request
    memory: int | None  # bytes, the largest of all rounds
    origin_requests: int | None  # in all rounds
    load: float  # the generator's share of its core


class Ratio(NamedTuple):
    """How many times one rate another is, and where 95 of 100 such runs would lie."""

    middle: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Return whether the two may as well be equal."""
        return self.low <= 1 <= self.high


def bucket(seconds: float) -> int:
    """Return the latency bucket, 0 for all below a microsecond."""
    if seconds <= FIRST_SECONDS:
        return 0
    return int(math.log(seconds / FIRST_SECONDS) / math.log(STEP))


def middle(bucket: int) -> float:
    """Return the seconds in the middle of a bucket: at most 0.5 % off."""
    return float(FIRST_SECONDS * STEP ** (bucket + 0.5))


def percentile(histogram: Mapping[int, int], q: float) -> float:
    """Return the seconds that a part q (0 to 1) of all took at most: nearest rank.

    Raises ValueError when nothing was counted.
    """
    rank = max(math.ceil(q * sum(histogram.values())), 1)
    for place in sorted(histogram):
        rank -= histogram[place]
        if rank <= 0:
            return middle(place)
    raise ValueError("An empty histogram has no percentiles.")


def merge(rounds: Iterable[Round]) -> Counter[int]:
    """Return the histogram of all rounds together."""
    total: Counter[int] = Counter()
    for one in rounds:
        total.update(one.histogram)
    return total


def measured_rate(one: Round, unit: str) -> float:
    """Return requests or MiB a second, as the unit says."""
    return (one.requests if unit == "requests/s" else one.bytes / MIB) / one.seconds


def summarize(row: Row) -> Summary:
    """Return the row's figures."""
    rates = [measured_rate(one, row.unit) for one in row.rounds]
    histogram = merge(row.rounds)
    return Summary(
        median(measured_rate(one, "requests/s") for one in row.rounds),
        median(measured_rate(one, "MiB/s") for one in row.rounds),
        find_spread(rates),
        {name: percentile(histogram, q) for name, q in QUANTILES.items() if histogram},
        find_cost(row.rounds, [one.server_cpu for one in row.rounds]),
        find_cost(row.rounds, [one.database_cpu for one in row.rounds]),
        find_cost(row.rounds, [one.edge_cpu for one in row.rounds]),
        find_median(
            one.server_cpu / one.requests for one in row.rounds if one.requests
        ),
        max((m for one in row.rounds if (m := one.peak_memory)), default=None),
        find_sum(one.origin_requests for one in row.rounds),
        median(one.load_share for one in row.rounds),
    )


def find_spread(rates: Sequence[float]) -> float | None:
    """Return half the distance of best and worst; None of one round, or of nothing."""
    if len(rates) < 2 or not median(rates):
        return None
    return (max(rates) - min(rates)) / 2 / median(rates)


def find_cost(rounds: Sequence[Round], cpu: Sequence[float | None]) -> float | None:
    """Return the median of CPU seconds a GiB; None where unknown, or of tiny bodies."""
    pairs = zip(rounds, cpu, strict=True)
    return find_median(
        spent * GIB / one.bytes
        for one, spent in pairs
        if spent is not None and one.bytes > TINY_BYTES * one.requests
    )


def find_median(values: Iterable[float]) -> float | None:
    """Return the median; None of nothing."""
    known = list(values)
    return median(known) if known else None


def find_sum(values: Iterable[int | None]) -> int | None:
    """Return the sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def find_ratio(rounds: Sequence[Round], base: Sequence[Round], unit: str) -> Ratio:
    """Return how many times the base's rate it is.

    Rounds are paired: they stand next to each other in time, so what slows a whole
    round down cancels.
    """
    pairs = zip(rounds, base, strict=False)
    rates = [(measured_rate(a, unit), measured_rate(b, unit)) for a, b in pairs]
    logs = [math.log(a / b) for a, b in rates if a and b]
    if not logs:
        return Ratio(math.nan, 0, math.inf)
    if len(logs) == 1:
        return Ratio(math.exp(logs[0]), 0, math.inf)
    reach = T95[min(len(logs) - 1, len(T95) - 1)] * stdev(logs) / math.sqrt(len(logs))
    ends = (median(logs), mean(logs) - reach, mean(logs) + reach)
    return Ratio(*map(math.exp, ends))


def find_base(run: Run, row: Row, path: str = "origin") -> Row | None:
    """Return the row of the same scenario and unit on another path, if there is one."""
    for other in run.rows:
        if (other.scenario, other.path, other.unit) == (row.scenario, path, row.unit):
            return other
    return None


def save(run: Run, path: Path) -> None:
    """Write the run with the figures of each row, a line a row."""
    rows = [
        json.dumps(
            {
                **row._asdict(),
                "rounds": [one._asdict() for one in row.rounds],
                "summary": summarize(row)._asdict(),
                "ratios": describe_ratios(run, row),
            }
        )
        for row in run.rows
    ]
    head = {
        "bytereel_bench": VERSION,
        "about": run.about,
        "left_out": run.left_out,
        "checks": run.checks,
    }
    text = json.dumps(head, indent=1, ensure_ascii=False, default=str)
    listed = ",\n  ".join(rows)
    path.write_text(f'{text[:-2]},\n "rows": [\n  {listed}\n ]\n}}\n', "utf-8")


def describe_ratios(run: Run, row: Row) -> dict[str, dict[str, float]]:
    """Return the ratios to our own paths; where nothing bounds one, only its middle."""
    found = {}
    for path in OURS:
        base = find_base(run, row, path)
        if base is not None and base is not row:
            ratio = find_ratio(row.rounds, base.rounds, row.unit)._asdict()
            found[path] = {k: v for k, v in ratio.items() if math.isfinite(v)}
    return found


def load(path: Path) -> Run:
    """Return the run that was saved.

    Raises Fault on a file that is none, or of another version.
    """
    document = read_document(path, "bytereel_bench", VERSION)
    try:
        rows = [parse_row(row) for row in document["rows"]]
        return Run(
            document["about"], rows, document["left_out"], list(document["checks"])
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Fault(
            f"{path} is incomplete ({error!r}): write it again with --json"
        ) from error


def read_document(path: Path, kind: str, version: int) -> dict[str, Any]:
    """Return a file's JSON object. Raises Fault when it is not of kind and version."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Fault(
            f"{path} cannot be read as JSON ({error}): name a file that"
            " `python -m bench --json` wrote"
        ) from error
    found = document.get(kind) if isinstance(document, dict) else None
    if found is None:
        raise Fault(f"{path} has no {kind!r}: name a file that bench wrote")
    if found != version:
        raise Fault(
            f"{path} has version {found}, not {version}: run the benchmark again"
        )
    return dict(document)


def parse_row(row: dict[str, Any]) -> Row:
    """Return the row that an object stands for. Raises KeyError and the like."""
    rounds = [
        Round(
            **one | {"histogram": {int(k): int(n) for k, n in one["histogram"].items()}}
        )
        for one in row["rounds"]
    ]
    fields = {name: row[name] for name in Row._fields}
    return Row(**fields | {"rounds": rounds})
