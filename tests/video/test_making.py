"""What is remembered of previews that are in no table, and how much of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.library.clips.previews import MadePreview, NoPreview, PreviewKey
from server.postgres.budget import begin_budget
from server.postgres.pool import DatabaseAway
from server.video import making
from server.video.making import MakerBusy, PreviewMaker, Remembered
from tests.clips import GOOD, make
from tests.conftest import insert_video

if TYPE_CHECKING:
    from pathlib import Path


def build(size: int) -> MadePreview:
    return MadePreview("image/jpeg", 1, 1, bytes(size))


def test_oldest_answers_give_way() -> None:
    known = Remembered()
    for n in range(5):
        known.add(PreviewKey(n, "frame"), build(1_000_000))
    assert known.find(PreviewKey(0, "frame")) is None
    assert known.find(PreviewKey(1, "frame")) is not None
    for n in range(10, 2000):
        known.add(PreviewKey(n, "frame"), NoPreview("none"))
    assert known.find(PreviewKey(4, "frame")) is None
    assert isinstance(known.find(PreviewKey(1999, "frame")), NoPreview)


def test_answers_grow_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "REMEMBERED_SECONDS", -1.0)
    known = Remembered()
    known.add(PreviewKey(1, "frame"), NoPreview("none"))
    assert known.find(PreviewKey(1, "frame")) is None


async def test_who_waits_too_long_is_told_and_gets_it_later(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make(tmp_path / "a", GOOD).read_bytes()
    key = PreviewKey(insert_video(database_url, "a.mp4", data), "frame")
    maker = PreviewMaker(database_url)
    with monkeypatch.context() as patch:
        patch.setattr(making, "ANSWER_SECONDS", 0.0)
        with pytest.raises(MakerBusy, match="being made"):
            await maker.make(key, len(data))
    assert (await maker.make(key, len(data))).mime_type == "image/jpeg"
    await maker.close()


async def test_nobody_waits_longer_than_the_rest_of_the_answer_may(
    database_url: str, tmp_path: Path
) -> None:
    data = make(tmp_path / "a", GOOD).read_bytes()
    key = PreviewKey(insert_video(database_url, "a.mp4", data), "frame")
    maker = PreviewMaker(database_url)
    begin_budget(0.0)
    with pytest.raises(MakerBusy, match="being made"):
        await maker.make(key, len(data))
    await maker.close()


async def test_line_of_those_who_wait_is_bounded(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "WAITING_MAX", 0)
    maker = PreviewMaker(database_url)
    with pytest.raises(MakerBusy, match="Many previews"):
        await maker.make(PreviewKey(1, "frame"), 1)
    await maker.close()


async def test_database_that_is_away_is_told() -> None:
    maker = PreviewMaker("postgresql://127.0.0.1:9/none")
    with pytest.raises(DatabaseAway):
        await maker.make(PreviewKey(1, "frame"), 1)
    await maker.close()
    with pytest.raises(MakerBusy):
        await maker.make(PreviewKey(1, "frame"), 1)
