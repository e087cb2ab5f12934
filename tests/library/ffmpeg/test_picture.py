"""Each picture keeps its own time, as far as the limit allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import pytest

from server.library.clips.repair import open_media
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import open_file
from tests.clips import Kind, make
from tests.library.ffmpeg.encoding import (
    encode,
    list_moments,
    make_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def test_pictures_keep_their_own_times(tmp_path: Path, sandbox: Sandbox) -> None:
    moments = [n / 30 for n in range(31)] + [4.0, 4 + 1 / 30, 4.1]
    path = make_at(tmp_path / "a.mp4", moments, last=2.4)
    encoded = encode(path, sandbox)
    assert list_moments(encoded) == pytest.approx([*moments, 6.5], abs=0.001)
    with av.open(str(encoded)) as container:
        keys = [float(f.time or 0) for f in container.decode(video=0) if f.key_frame]
    assert {0, 1, 4} <= {round(key, 3) for key in keys}


def test_pictures_of_mkv_keep_their_rounded_times(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make(tmp_path / "a.mkv", Kind(format="matroska", frames=90))
    moments = list_moments(encode(path, sandbox))
    assert len(moments) == 91
    assert moments == pytest.approx([n / 30 for n in range(91)], abs=0.002)


@pytest.mark.parametrize(
    ("fps", "count", "kept"), [(60, 61, 31), (50, 50, 30), (120, 121, 31), (30, 9, 9)]
)
def test_only_pictures_above_the_limit_are_left_out(
    fps: int, count: int, kept: int, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make(tmp_path / "a.mp4", Kind(fps=fps, frames=count, audio=None))
    *moments, end = list_moments(encode(path, sandbox))
    assert len(moments) == kept
    assert {round(moment * fps, 2) % 1 for moment in moments} == {0}
    assert count / fps <= end <= count / fps + 1 / 30
    assert kept / end <= 30.31


def test_late_picture_is_shown_from_the_start(tmp_path: Path, sandbox: Sandbox) -> None:
    path = make(tmp_path / "a.mp4", Kind(delay=15))
    moments = list_moments(encode(path, sandbox))
    assert moments[:2] == pytest.approx([0, 16 / 30], abs=0.001)
    assert moments[-1] == pytest.approx(25 / 30, abs=0.001)


@pytest.mark.parametrize("count", range(5, 15))
def test_last_picture_is_not_cut_off_behind_an_early_pause(
    count: int, tmp_path: Path, sandbox: Sandbox
) -> None:
    """Whether it is decoded last or some B-frame is, which follows from the count."""
    moments = [0, *(n / 30 for n in range(2, count))]
    encoded = encode(make_at(tmp_path / "a.mp4", moments), sandbox)
    assert list_moments(encoded)[:-1] == pytest.approx(moments, abs=0.001)
    with av.open(str(encoded)) as container:
        assert container.duration == pytest.approx(count / 30 * 1e6, abs=5_000)


@pytest.mark.long
@pytest.mark.parametrize("kilobytes", range(90, 190, 20))
def test_attempt_that_was_given_up_is_no_result(
    kilobytes: int, tmp_path: Path, sandbox: Sandbox
) -> None:
    # More pictures than x264 looks ahead, or all would come only at the end.
    kind = Kind(frames=120, noise=True, audio=None)
    source, target = make(tmp_path / "a.mp4", kind), tmp_path / "b.mp4"
    limit = (kilobytes * 1000, 1080, 30)
    with open_file(source) as file:
        failure, damage = sandbox.run(
            "transcode", *open_media(file), 60, target=str(target), limit=limit
        )
    assert (failure, damage) == ("", [])
    assert len(list_moments(target)) == 121
    assert target.stat().st_size <= kilobytes * 1000
