"""Pieces are made once for all who ask for the same part of a fragment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.demo.samples import make_clip
from server.hls.pieces import PieceCache
from tests.hls.virtual import plan

if TYPE_CHECKING:
    from pathlib import Path

    from server.hls.layout import Layout


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    path: Path = tmp_path_factory.mktemp("hls") / "clip.mp4"
    make_clip(path, seconds=8, faststart=True, bit_rate=500_000)
    return plan(path.read_bytes())


def test_segment_is_kept(layout: Layout) -> None:
    cache = PieceCache()
    first, second, third, *_ = layout.starts
    for span in (range(first, second), range(second, third - 9)):
        found = cache.find(1, layout, span)
        assert list(found) == layout.pieces(span.start, span.stop - 1)
        assert cache.find(1, layout, span) is found
        assert cache.find(2, layout, span) is not found


def test_ranges_of_several_fragments_are_made_as_they_are_due(layout: Layout) -> None:
    cache = PieceCache()
    first, second, *_ = layout.starts
    for span in (range(layout.size), range(first - 1, second), range(second + 1)):
        found = cache.find(1, layout, span)
        assert not isinstance(found, list)
        assert list(found) == layout.pieces(span.start, span.stop - 1)
    assert cache.held_bytes == 0


def test_least_used_leave(layout: Layout) -> None:
    spans = [range(start, start + 9000) for start in layout.starts[:3]]
    probe = PieceCache()
    for span in spans[:2]:
        probe.find(1, layout, span)
    cache = PieceCache(probe.held_bytes + 50)
    kept = [cache.find(1, layout, span) for span in spans[:2]]
    assert cache.find(1, layout, spans[0]) is kept[0]
    cache.find(1, layout, spans[2])
    assert cache.held_bytes <= cache.limit_bytes
    assert cache.find(1, layout, spans[0]) is kept[0]
    assert cache.find(1, layout, spans[1]) is not kept[1]
