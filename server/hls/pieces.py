"""What segments consist of, kept for those who ask for the same. No I/O.

A head takes about as long to render as a segment takes to send, so it is made once for
all viewers. Only ranges inside one fragment are kept, as players ask for them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from server.hls.layout import Layout

    Pieces = list[bytes | range]

_PIECE_BYTES = 100  # of memory that a piece takes, besides its own bytes
LIMIT_BYTES = 4_000_000


class PieceCache:
    """Pieces of ranges that were asked for lately, bounded in bytes."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self._kept: OrderedDict[Hashable, tuple[Pieces, int]] = OrderedDict()

    def find(
        self, key: Hashable, layout: Layout, span: range
    ) -> Iterable[bytes | range]:
        """Return what a range of a virtual file consists of; key names the file."""
        kept = self._kept.get((key, span))
        if kept is not None:
            self._kept.move_to_end((key, span))
            return kept[0]
        found = layout.iter_pieces(span.start, span.stop - 1)
        starts = layout.starts
        after = bisect_right(starts, span.start)
        if span.start < starts[0] or span.stop > starts[after]:
            return found
        pieces = list(found)
        self._keep((key, span), pieces)
        return pieces

    def _keep(self, key: Hashable, pieces: Pieces) -> None:
        own = (len(piece) for piece in pieces if isinstance(piece, bytes))
        weight = _PIECE_BYTES * (1 + len(pieces)) + sum(own)
        self._kept[key] = pieces, weight
        self.held_bytes += weight
        while self.held_bytes > self.limit_bytes:
            _, (_, least) = self._kept.popitem(last=False)
            self.held_bytes -= least
