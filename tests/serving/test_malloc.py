"""When memory goes back to the kernel."""

from __future__ import annotations

import mmap

from server.serving.malloc import (
    BURST_BYTES,
    LOOKS,
    LOOKS_APART,
    Burst,
    measure_resident,
)

BEGIN = 50_000_000


def test_burst_is_seen_when_it_grows_no_more_and_for_a_minute_after() -> None:
    burst = Burst(BEGIN)
    sizes = [BEGIN + 1, BEGIN + BURST_BYTES, BEGIN + 2 * BURST_BYTES]
    assert [burst.has_left(size) for size in sizes] == [False] * 3
    assert burst.has_left(sizes[-1])
    burst.settle(sizes[-1])  # it was all needed just then
    seen = [burst.has_left(sizes[-1]) for _ in range(2 * LOOKS)]
    assert seen.count(True) == LOOKS // LOOKS_APART
    assert not any(seen[LOOKS:])


def test_memory_of_the_process_is_measured() -> None:
    before = measure_resident()
    with mmap.mmap(-1, 40_000_000) as held:
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
        assert measure_resident() - before > 20_000_000
