"""What /metrics tells of players: what they said with requests, and afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

from server.library.upkeep.first_frames import FIRST_FRAME_MS
from server.practice.play_counts import ERRORS
from server.telemetry.buckets import accumulate
from server.telemetry.cmcd import CLASSES, THROUGHPUTS
from server.telemetry.metrics import TOLD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from server.telemetry.metrics import Totals

_PLAYED = {
    "plays": "Plays that pages and apps told about afterwards",
    "stalls": "Times that these stood still to wait for video",
    "lost": "Reports of plays that were accepted and could not be written",
}
_TOLD = (
    "Requests whose player told of itself (CMCD)",
    "Such requests after the player's buffer had run empty",
    "Such requests that the player needed to start, to seek or to go on",
)


def collect_told(totals: Totals) -> Iterator[Metric]:
    """Yield what players told of themselves with requests (CMCD)."""
    for part, text in zip(TOLD, _TOLD, strict=True):
        family = CounterMetricFamily(f"bytereel_cmcd_{part}", text, labels=["bit_rate"])
        for rate in CLASSES:
            family.add_metric([rate], totals["told", part, rate])
        yield family
    measured = HistogramMetricFamily(
        "bytereel_cmcd_throughput_bits_per_second",
        "Throughput as players measured it",
        labels=["bit_rate"],
    )
    bounds = [1000 * bound for bound in THROUGHPUTS]
    for rate in CLASSES:
        counts, total = totals.histogram("throughput", rate)
        measured.add_metric([rate], accumulate(counts, bounds), 1000 * total)
    yield measured


def collect_playback(totals: Totals) -> Iterator[Metric]:
    """Yield what players told of plays afterwards."""
    for name, text in _PLAYED.items():
        count = totals["counters", f"playback_{name}"]
        yield CounterMetricFamily(f"bytereel_playback_{name}", text, count)
    yield CounterMetricFamily(
        "bytereel_playback_stalled_seconds",
        "Time that plays stood still to wait for video",
        totals["counters", "playback_stalled_ms"] / 1000,
    )
    errors = CounterMetricFamily(
        "bytereel_playback_errors", "Plays that failed", labels=["error"]
    )
    for error in ERRORS:
        count = totals["counters", f"playback_{error}_errors"]
        errors.add_metric([error], count)
    yield errors
    bounds = [bound / 1000 for bound in FIRST_FRAME_MS]
    counts = [totals["counters", f"first_frames_{n}"] for n in range(len(bounds) + 1)]
    yield HistogramMetricFamily(
        "bytereel_playback_first_frame_seconds",
        "Time from the wish to play until the first picture",
        accumulate(counts, bounds),
        totals["counters", "playback_first_frame_ms"] / 1000,
    )
