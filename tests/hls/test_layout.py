"""The virtual file has the samples of the row, byte by byte, whatever its structure."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import av
import pytest

from server.library.mp4.boxes import Tree
from tests.clips import X265, Kind, make
from tests.hls.virtual import Packet, build, join, plan, read_packets
from tests.hls.written import WRITTEN

if TYPE_CHECKING:
    from pathlib import Path

REORDERED = (("x264-params", "bframes=3:b-adapt=0"),)
ENCODED = {
    "H.264": Kind(frames=150, gop=60),
    "H.264 with B-frames": Kind(frames=300, gop=60, options=REORDERED),
    "H.264 with signed shifts": Kind(
        frames=150, gop=30, options=REORDERED, movflags="+negative_cts_offsets"
    ),
    "late pictures": Kind(frames=150, gop=30, options=REORDERED, delay=15),
    "MOV": Kind(frames=150, gop=30, format="mov", timecode=True),
    "one picture": Kind(frames=1),
}


def check(data: bytes, row: dict[str, list[Packet]] | None = None) -> None:
    """Assert that the virtual file has the packets of the row."""
    row, virtual = row or read_packets(data), read_packets(build(data))
    assert row.keys() == virtual.keys()
    for kind, packets in row.items():
        assert virtual[kind] == packets, kind


@pytest.mark.parametrize("data", WRITTEN.values(), ids=WRITTEN)
def test_samples_are_those_of_the_row(data: bytes) -> None:
    check(data)


@pytest.mark.parametrize("kind", ENCODED.values(), ids=ENCODED)
def test_encoded_samples_are_those_of_the_row(kind: Kind, tmp_path: Path) -> None:
    check(make(tmp_path / "clip", kind).read_bytes())


@pytest.mark.skipif("libx265" not in av.codecs_available, reason="needs libx265")
@pytest.mark.parametrize("tag", [None, "hvc1"])
def test_hevc_is_tagged_as_apple_wants_it(tag: str | None, tmp_path: Path) -> None:
    kind = Kind(
        "libx265", frames=90, gop=30, width=128, height=128, options=X265, tag=tag
    )
    data = make(tmp_path / "clip", kind).read_bytes()
    check(data)
    assert b"hev1" not in build(data)
    assert plan(data).description.codecs.startswith("hvc1.1.6.L30.")


@pytest.mark.parametrize("data", WRITTEN.values(), ids=WRITTEN)
def test_media_are_sent_once_and_without_holes(data: bytes) -> None:
    layout = plan(data)
    spans = [
        piece for piece in layout.pieces(0, layout.size - 1) if isinstance(piece, range)
    ]
    sent = sum(map(len, spans))
    assert sent == sum(
        packet.size for each in read_packets(data).values() for packet in each
    )
    assert len({at for span in spans for at in span}) == sent


@pytest.mark.parametrize("name", ["holes", "pictures, then sound", "sound only"])
def test_pieces_of_any_range_are_its_bytes(name: str) -> None:
    data, random = WRITTEN[name], Random(1)
    layout, whole = plan(data), build(data)
    borders = [0, layout.init_size, *layout.starts, layout.size]
    for _ in range(300):
        first = min(
            max(random.choice(borders) + random.randint(-40, 40), 0), layout.size - 1
        )
        last = random.choice([first, random.randint(first, layout.size - 1)])
        pieces = layout.pieces(first, last)
        assert join(data, pieces) == whole[first : last + 1]
        assert all(pieces)


@pytest.mark.parametrize(("first", "last"), [(-1, 5), (5, 4), (0, 1 << 20)])
def test_range_outside_of_the_file_is_refused(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="are none"):
        plan(WRITTEN["holes"]).pieces(first, last)


@pytest.mark.parametrize("data", WRITTEN.values(), ids=WRITTEN)
def test_file_is_init_section_and_fragments(data: bytes) -> None:
    layout, whole = plan(data), build(data)
    boxes = Tree(whole).children()
    kinds = [box.kind for box in boxes]
    count = len(layout.heads)
    assert kinds == ["ftyp", "moov", *["moof", "mdat"] * count]
    assert sum(len(box.data) + 8 for box in boxes[:2]) == layout.init_size
    sizes = [len(box.data) + 8 for box in boxes[2:]]
    starts = [layout.init_size]
    for head, media in zip(sizes[::2], sizes[1::2], strict=True):
        starts.append(starts[-1] + head + media)
    assert starts == list(layout.starts)


def test_heads_are_short_where_chunks_are_long() -> None:
    short, long = (
        plan(WRITTEN["a chunk for each sample"]),
        plan(WRITTEN["chunks of 0.5 s"]),
    )
    assert sum(long.heads) * 2.5 < sum(short.heads)


def test_each_fragment_has_one_sample_entry() -> None:
    layout = plan(WRITTEN["two sample entries"])
    assert list(layout.borders[0]) == [0, 60, 90, 150]
    told = [
        Tree(layout.render_head(n)[:-8]).find("moof", "traf", "tfhd") for n in range(3)
    ]
    assert [each.number(1, 3) & 2 for each in told if each] == [0, 2, 0]


def test_first_picture_can_be_cut_out() -> None:
    data = WRITTEN["pictures out of order"]
    layout, whole = plan(data), build(data)
    packets = read_packets(data)["video"]
    for number, size in enumerate(layout.pictures):
        start = layout.starts[number]
        cut = whole[: layout.init_size] + whole[start : start + size]
        found = read_packets(cut)["video"]
        assert found[0] == packets[layout.borders[0][number]]


def test_weight_is_a_small_part_of_the_row() -> None:
    layout = plan(WRITTEN["a chunk for each sample"])
    assert 4096 < layout.weight < 20_000
