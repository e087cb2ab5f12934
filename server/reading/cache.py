"""Chunks of videos in memory, bounded in bytes. No I/O.

New chunks pass through a short queue, first in, first out; uses in there count for
nothing, since one download may touch a chunk several times on its way. A chunk asked
for again soon after it left the queue joins the main ring, which no download can flush.
The ring gives the least used a turn to leave: a clock with counters, as in S3-FIFO
(Yang et al., SOSP 2023); queue and ghost are those of 2Q (Johnson, Shasha, VLDB 1994).
"""

from collections import OrderedDict
from collections.abc import Hashable

Key = tuple[Hashable, int]  # a video, and where in it the chunk starts

_QUEUE_SHARE = 10  # the queue may fill a tenth of the cache, more while there is room
_VALUE_SHARE = 4  # one value may fill a quarter of it
_MOST_USES = 2  # rounds of the ring a chunk survives without being used again


class _Kept:
    """A chunk in the ring."""

    __slots__ = ("data", "uses")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.uses = 0


class ChunkCache:
    """Keeps what is used often and lately; every step is O(1), evicting amortized."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes  # of chunks; keys and queues come on top
        self.held_bytes = 0
        self.hits = 0
        self.misses = 0
        self.evictions = 0
        self._queue: OrderedDict[Key, bytes] = OrderedDict()
        self._queue_bytes = 0
        self._ring: OrderedDict[Key, _Kept] = OrderedDict()
        self._ghost: OrderedDict[Key, None] = OrderedDict()  # left the queue

    def get(self, key: Key) -> bytes | None:
        """Return a chunk if it is held, and count the use."""
        kept = self._ring.get(key)
        if kept is not None:
            self.hits += 1
            if kept.uses < _MOST_USES:
                kept.uses += 1
            return kept.data
        data = self._queue.get(key)
        if data is None:
            self.misses += 1
        else:
            self.hits += 1
        return data

    def put(self, key: Key, data: bytes) -> None:
        """Keep data, unless it is empty or too large a share of the cache."""
        known = key in self._ring or key in self._ghost
        self._drop(key)
        size = len(data)
        if not 0 < size <= self.limit_bytes // _VALUE_SHARE:
            return
        while self.held_bytes + size > self.limit_bytes:
            self._evict()
        self._ghost.pop(key, None)
        if known:
            self._ring[key] = _Kept(data)
        else:
            self._queue[key] = data
            self._queue_bytes += size
        self.held_bytes += size

    def _evict(self) -> None:
        """Drop one chunk; the queue's turn if it has more than its share."""
        self.evictions += 1
        if not self._ring or self._queue_bytes > self.limit_bytes // _QUEUE_SHARE:
            key = next(iter(self._queue))
            self._ghost[key] = None
        else:
            key = self._find_least_used()
        self._drop(key)
        while len(self._ghost) > len(self._queue) + len(self._ring):
            self._ghost.popitem(last=False)

    def _find_least_used(self) -> Key:
        """Turn the ring to a chunk that was not used since its last turn.

        Every turn takes back one use, so all turns together are no more than hits.
        """
        while True:
            key, kept = next(iter(self._ring.items()))
            if not kept.uses:
                return key
            kept.uses -= 1
            self._ring.move_to_end(key)

    def _drop(self, key: Key) -> None:
        """Let go of a chunk, if it is held."""
        if key in self._ring:
            size = len(self._ring.pop(key).data)
        elif key in self._queue:
            size = len(self._queue.pop(key))
            self._queue_bytes -= size
        else:
            return
        self.held_bytes -= size
