import functools
import random
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate, count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.reading.cache import ChunkCache, Key

CHUNK = bytes(64)  # stands for 64 KiB
CLIPS = 1000
CHUNKS = 48  # of one clip
LIMIT = CLIPS * CHUNKS * len(CHUNK) // 10
WARM = 40_000  # reads before counting begins


class PlainLru:
    """The baseline: what was used longest ago goes first."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit = limit_bytes // len(CHUNK)
        self.held: OrderedDict[Key, bytes] = OrderedDict()

    def get(self, key: Key) -> bytes | None:
        if key in self.held:
            self.held.move_to_end(key)
        return self.held.get(key)

    def put(self, key: Key, data: bytes) -> None:
        self.held[key] = data
        if len(self.held) > self.limit:
            self.held.popitem(last=False)


def read(cache: ChunkCache | PlainLru, key: Key) -> bool:
    hit = cache.get(key) is not None
    if not hit:
        cache.put(key, CHUNK)
    return hit


def view(chance: random.Random, ranked: list[int]) -> Iterator[Key]:
    weights = list(accumulate(1 / rank for rank in range(1, len(ranked) + 1)))
    while True:
        (clip,) = chance.choices(ranked, cum_weights=weights)
        start = 0 if chance.random() < 0.8 else chance.randrange(CHUNKS)
        for chunk in range(start, min(CHUNKS, start + chance.randint(4, CHUNKS))):
            yield clip, chunk


def list_reads(seed: int, length: int, ranked: list[int]) -> list[Key]:
    chance = random.Random(seed)
    viewers = [view(chance, ranked) for _ in range(12)]
    return [next(chance.choice(viewers)) for _ in range(length)]


def scan() -> Iterator[Key]:
    return (divmod(number % (CLIPS * CHUNKS), CHUNKS) for number in count())


def measure(
    cache: ChunkCache | PlainLru, reads: list[Key], every: int = 0, times: int = 1
) -> float:
    """Return the share of hits once warm, a download taking each chunk times times.

    It takes one chunk after every so many reads, from before counting begins.
    """
    hits = 0
    whole_library = scan()
    for number, key in enumerate(reads):
        hits += read(cache, key) and number >= WARM
        if every and number >= WARM // 2 and number % every == 0:
            scanned = next(whole_library)
            for _ in range(times):
                read(cache, scanned)
    return hits / (len(reads) - WARM)


READS = list_reads(1, 90_000, list(range(CLIPS)))


@functools.cache
def measure_alone() -> float:
    return measure(ChunkCache(LIMIT), READS)


@pytest.mark.long
@pytest.mark.parametrize(("every", "times"), [(4, 1), (1, 1), (1, 2)])
def test_download_of_the_library_costs_viewers_few_hits(every: int, times: int) -> None:
    beside = measure(ChunkCache(LIMIT), READS, every, times)
    assert beside > measure_alone() - 0.03
    assert beside > measure(PlainLru(LIMIT), READS, every, times) + 0.08


def test_viewers_alone_hit_more_often_than_with_lru() -> None:
    assert measure_alone() > measure(PlainLru(LIMIT), READS) + 0.04


def test_new_favourites_take_the_place_of_old_ones() -> None:
    cache = ChunkCache(LIMIT)
    before = measure(cache, READS)
    other = list_reads(2, 90_000, list(range(CLIPS))[::-1])
    assert measure(cache, other) > before - 0.04


def fill(cache: ChunkCache, numbers: range) -> None:
    for number in numbers:
        read(cache, ("filler", number))


def test_second_read_after_the_queue_outlives_a_download() -> None:
    cache = ChunkCache(100 * len(CHUNK))
    fill(cache, range(100))
    read(cache, ("fresh", 0))
    fill(cache, range(100, 220))
    assert not read(cache, ("fresh", 0))
    fill(cache, range(220, 10_000))
    assert cache.get(("fresh", 0)) == CHUNK


@pytest.mark.parametrize("reads_at_once", [1, 5])
def test_reads_at_once_do_not_outlive_a_download(reads_at_once: int) -> None:
    cache = ChunkCache(100 * len(CHUNK))
    fill(cache, range(100))
    for _ in range(reads_at_once):
        read(cache, ("fresh", 0))
    fill(cache, range(100, 220))
    assert cache.get(("fresh", 0)) is None


def test_what_left_long_ago_counts_as_new() -> None:
    cache = ChunkCache(100 * len(CHUNK))
    for start in (0, 1000, 2000):
        assert not read(cache, ("now and then", 0))
        fill(cache, range(start, start + 1000))


def test_hot_chunk_stays_hot_when_put_again() -> None:
    cache = ChunkCache(100 * len(CHUNK))
    fill(cache, range(100))
    for start in (100, 220):
        cache.put(("hot", 0), CHUNK)
        fill(cache, range(start, start + 120))
    cache.put(("hot", 0), CHUNK)
    fill(cache, range(1000, 10_000))
    assert cache.get(("hot", 0)) == CHUNK


def fill_ring(cache: ChunkCache, first: int) -> None:
    """Make half a cache of chunks hot, twice over."""
    for start in (first, first + 200):
        fill(cache, range(start, start + 105))
        fill(cache, range(start, start + 50))


def test_fresh_chunk_is_held_for_a_while_among_hot_ones() -> None:
    cache = ChunkCache(100 * len(CHUNK))
    fill_ring(cache, 0)
    read(cache, ("fresh", 0))
    fill(cache, range(1000, 1009))
    assert cache.get(("fresh", 0)) == CHUNK


def test_chunk_that_was_hot_leaves_when_others_are() -> None:
    cache = ChunkCache(100 * len(CHUNK))
    cache.put(("hot", 0), CHUNK)
    fill(cache, range(150))
    for _ in range(1000):
        read(cache, ("hot", 0))
    fill(cache, range(1000, 2000))
    assert cache.get(("hot", 0)) == CHUNK
    for first in range(2000, 4000, 400):
        fill_ring(cache, first)
    assert cache.get(("hot", 0)) is None


def test_video_out_of_use_leaves_nothing_behind() -> None:
    video = frozenset({"any that can be hashed"})
    gone = weakref.ref(video)
    cache = ChunkCache(100 * len(CHUNK))
    cache.put((video, 0), CHUNK)
    del video
    fill(cache, range(1000))
    assert gone() is None


def test_cache_of_nothing_keeps_nothing() -> None:
    cache = ChunkCache(0)
    cache.put(("video", 0), b"x")
    cache.put(("video", 1), b"")
    assert cache.get(("video", 0)) is cache.get(("video", 1)) is None
    assert (cache.hits, cache.misses, cache.held_bytes) == (0, 2, 0)


def test_value_too_large_is_not_kept_and_drops_the_former() -> None:
    cache = ChunkCache(100)
    cache.put(("video", 0), bytes(25))
    cache.put(("video", 1), bytes(25))
    cache.put(("video", 1), bytes(26))
    assert cache.get(("video", 0)) == bytes(25)
    assert cache.get(("video", 1)) is None
    assert (cache.held_bytes, cache.evictions) == (25, 0)


def test_cache_can_be_filled_to_the_last_byte() -> None:
    cache = ChunkCache(100)
    for start in range(4):
        cache.put(("video", start), bytes(25))
    assert (cache.held_bytes, cache.evictions) == (100, 0)


KEYS = st.tuples(st.sampled_from("abc"), st.integers(0, 5))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("get"), KEYS, st.just(0)),
        st.tuples(st.just("put"), KEYS, st.integers(0, 6)),
    ),
    max_size=200,
)


@given(st.integers(0, 24), STEPS)
def test_cache_agrees_with_a_plain_dict(
    limit: int, steps: list[tuple[str, Key, int]]
) -> None:
    cache = ChunkCache(limit)
    last: dict[Key, bytes] = {}
    gets = hits = 0
    for number, (step, key, size) in enumerate(steps):
        if step == "put":
            last[key] = bytes([number]) * size
            cache.put(key, last[key])
        else:
            found = cache.get(key)
            assert found is None or found == last.get(key)
            gets += 1
            hits += found is not None
        assert 0 <= cache.held_bytes <= limit
    assert (cache.hits, cache.misses) == (hits, gets - hits)
    held = {key: cache.get(key) for key in last}
    assert sum(len(data) for data in held.values() if data) == cache.held_bytes
    assert all(data in (None, last[key]) for key, data in held.items())


@given(st.integers(4, 24), st.lists(st.integers(1, 6), max_size=100))
def test_every_value_kept_is_held_or_was_evicted(limit: int, sizes: list[int]) -> None:
    cache = ChunkCache(limit)
    for start, size in enumerate(sizes):
        cache.put(("video", start), bytes(size))
        assert cache.held_bytes <= limit
    kept = sum(size <= limit // 4 for size in sizes)
    held = sum(cache.get(("video", start)) is not None for start in range(len(sizes)))
    assert kept == held + cache.evictions
