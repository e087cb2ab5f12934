"""Our reader of boxes against two others: npm's mp4box, and FFmpeg."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

from server.library.mp4.movie import Movie, read_movie
from tests.clips import Kind, make
from tests.library.mp4.mutations import (
    change_boxes,
    compact_sizes,
    mutate,
    widen_offsets,
)
from tests.library.mp4.peers import Peer, Table, open_ffmpeg, sum_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.library.mp4.sample_tables import Samples
    from tests.library.mp4.mutations import Change

MP4BOX = "mp4box@2.4.1"  # of npm
MUTATED = 1_500  # files; a thousand take two seconds
LONG_MUTATED = 4_000

_B = (("x264-params", "scenecut=0:b-adapt=0:bframes=2"),)
_B265 = (("x265-params", "log-level=none:b-adapt=0:bframes=3"),)
_LONG = Kind(frames=40, gop=12, options=_B, movflags="")
_WHOLE = {
    "H.264": Kind(),
    "H.264 with B-frames": _LONG,
    "H.265 with B-frames": _LONG._replace(codec="libx265", tag="hvc1", options=_B265),
    "key frames only": Kind(gop=1),
    "no sound": Kind(audio=None),
    "negative shifts": _LONG._replace(movflags="+negative_cts_offsets"),
    "late": _LONG._replace(delay=15),
    "QuickTime": Kind(format="mov"),
    "timecode": Kind(timecode=True),
    "60 frames a second": _LONG._replace(fps=60),
}
_CHANGED: dict[str, tuple[Kind, Change]] = {
    "co64": (_LONG, widen_offsets),
    "stz2 of 16 bits": (_LONG, compact_sizes(16)),
    "stz2 of 8 bits": (_LONG, compact_sizes(8)),
}
_NAMES = [*_WHOLE, *_CHANGED]


@pytest.fixture(scope="module")
def mp4box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """Yield mp4box, installed for this run; skip if npm cannot."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("mp4box")
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))
    done = subprocess.run(
        ["npm", "install", *options, MP4BOX],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm cannot install {MP4BOX}: {done.stderr.strip()[-200:]}")
    shutil.copy(Path(__file__).with_name("mp4box.mjs"), folder)
    with Peer("node", "--max-old-space-size=512", "mp4box.mjs", folder=folder) as peer:
        yield peer


@pytest.fixture(scope="module")
def ffmpeg() -> Iterator[Peer]:
    """Yield FFmpeg."""
    with open_ffmpeg() as peer:
        yield peer


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return whole files, by what is special in them."""
    folder = tmp_path_factory.mktemp("differential")
    made = {
        name: make(folder / f"whole {number}.{kind.format}", kind)
        for number, (name, kind) in enumerate(_WHOLE.items())
    }
    for number, (name, (kind, change)) in enumerate(_CHANGED.items()):
        path = made[name] = make(folder / f"changed {number}.mp4", kind)
        data = change_boxes(path.read_bytes(), change)
        assert len(data) != path.stat().st_size
        path.write_bytes(data)
    return made


def read_ours(data: bytes) -> Movie | None:
    return read_movie(lambda start, length: data[start : start + length], len(data))


def sum_up_ours(movie: Movie) -> list[Table]:
    """Return what our reader says of pictures and sound, as of the others."""
    return [
        Table(
            track.handler,
            track.samples.total,
            track.samples.end,
            track.samples.first_shown,
            track.samples.length - track.samples.last_delta,
            list_keys(track.samples),
        )
        for track in movie.tracks
        if track.handler in ("vide", "soun")
    ]


def list_keys(samples: Samples) -> tuple[int, ...]:
    """Return the numbers of key frames, none if all are some."""
    is_all = samples.keys is None or len(samples.keys) == samples.total
    return () if is_all else tuple(n for n in samples.keys or () if n <= samples.total)


@pytest.mark.parametrize("name", _NAMES)
def test_whole_file_has_the_tables_that_others_read(
    name: str, clips: dict[str, Path], mp4box: Peer, ffmpeg: Peer
) -> None:
    path = clips[name]
    movie = read_ours(path.read_bytes())
    assert movie is not None
    assert movie.malformed == ()
    assert movie.missing == 0
    ours = sum_up_ours(movie)
    assert ours == sum_up(ffmpeg.ask(path)["tracks"])
    assert ours == sum_up(mp4box.ask(path))


def test_fragmented_file_is_one_for_all(
    tmp_path: Path, mp4box: Peer, ffmpeg: Peer
) -> None:
    path = make(
        tmp_path / "clip.mp4", _LONG._replace(movflags="frag_keyframe+empty_moov")
    )
    movie = read_ours(path.read_bytes())
    assert movie is not None
    assert movie.is_fragmented
    index = [table.total for table in sum_up(mp4box.ask(path))]
    assert [table.total for table in sum_up_ours(movie)] == index == [0, 0]
    assert [table.total for table in sum_up(ffmpeg.ask(path)["tracks"])] == [40, 64]


@pytest.mark.parametrize(
    "count", [MUTATED, pytest.param(LONG_MUTATED, marks=pytest.mark.long)]
)
@pytest.mark.parametrize("name", _NAMES)
def test_damaged_file_has_the_tables_on_which_others_agree(
    name: str,
    count: int,
    clips: dict[str, Path],
    tmp_path: Path,
    mp4box: Peer,
    ffmpeg: Peer,
) -> None:
    data = clips[name].read_bytes()
    path, compared = tmp_path / "clip.mp4", 0
    for seed in range(count // len(clips)):
        damaged = mutate(data, Random(f"{name} {seed}"))
        movie = read_ours(damaged)  # which raises nothing
        if movie is None or movie.malformed or movie.missing:
            continue
        if any(track.samples.contradictions for track in movie.tracks):
            continue  # a fault, of which each reader makes what it will
        path.write_bytes(damaged)
        tables = sum_up(mp4box.ask(path))
        answer = ffmpeg.ask(path)
        if tables and answer and tables == sum_up(answer["tracks"]):
            compared += 1
            assert sum_up_ours(movie) == tables, f"seed {name} {seed}"
    assert compared
