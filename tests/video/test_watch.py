"""What a page is told of the bytes on their way, and how little of it is kept."""

from __future__ import annotations

import pytest

from server.video.watch import PENDING_MAX, News, Piece, Watch

VIEWER = "viewer-0001"


def subscribe(watch: Watch) -> News:
    news = watch.subscribe(VIEWER)
    assert news is not None
    return news


def test_watch_keeps_nothing_when_nobody_looks() -> None:
    assert Watch().begin(VIEWER, 5, 100, 206, "bytes=0-") is None


async def test_news_tell_a_run_as_far_as_it_got() -> None:
    watch = Watch()
    news = subscribe(watch)
    answer = watch.begin(VIEWER, 5, 100, 206, "bytes=20-")
    assert answer is not None
    assert await news.take() == [Piece(1, 5, 100, 206, "bytes=20-")]
    answer.sent(range(20, 30))
    answer.sent(range(30, 50))
    assert await news.take() == [Piece(1, 5, 100, 206, "bytes=20-", 20, 50)]


async def test_news_keep_runs_with_a_gap_apart() -> None:
    watch = Watch()
    news = subscribe(watch)
    answer = watch.begin(VIEWER, 5, 100, 206, "bytes=0-9,50-59")
    assert answer is not None
    answer.sent(range(10))
    answer.sent(range(50, 60))
    spans = [(piece.start, piece.stop) for piece in await news.take()]
    assert spans == [(0, 10), (50, 60)]


@pytest.mark.parametrize(
    ("complete", "state"), [(True, "complete"), (False, "aborted")]
)
async def test_news_tell_how_an_answer_ended(complete: bool, state: str) -> None:
    watch = Watch()
    news = subscribe(watch)
    answer = watch.begin(VIEWER, 5, 100, 200, "")
    assert answer is not None
    answer.sent(range(100))
    answer.end(complete)
    assert await news.take() == [Piece(1, 5, 100, 200, "", 0, 100, state)]


async def test_news_nobody_takes_stay_bounded() -> None:
    watch = Watch()
    news = subscribe(watch)
    for _ in range(PENDING_MAX + 10):
        watch.begin(VIEWER, 5, 100, 206, "bytes=0-" + "9" * 5000)
    pieces = await news.take()
    assert [pieces[0].answer, pieces[-1].answer] == [11, PENDING_MAX + 10]
    assert max(len(piece.asked) for piece in pieces) == 200


async def test_news_come_no_more_after_leaving() -> None:
    watch = Watch()
    news = subscribe(watch)
    answer = watch.begin(VIEWER, 5, 100, 206, "")
    assert answer is not None
    await news.take()
    watch.leave(VIEWER, news)
    answer.sent(range(10))
    news.finish()
    assert await news.take() == []


async def test_page_that_comes_back_takes_over() -> None:
    watch = Watch()
    older = subscribe(watch)
    newer = subscribe(watch)
    assert older.over
    watch.leave(VIEWER, older)  # as the older stream does on its way out
    assert watch.begin(VIEWER, 5, 100, 206, "") is not None
    assert len(await newer.take()) == 1
