"""The cues of a storyboard."""

from __future__ import annotations

import pytest

from server.library.clips.storyboard import Storyboard, render_cues, render_time


def test_each_tile_has_a_cue() -> None:
    board = Storyboard(23.5, 160, 90, 12, 2)
    text = render_cues(board, "storyboard.jpg?v=1")
    head, *cues = text.split("\n\n")
    assert head == "WEBVTT"
    assert len(cues) == 12
    assert cues[0] == (
        "00:00:00.000 --> 00:00:02.000\nstoryboard.jpg?v=1#xywh=0,0,160,90"
    )
    assert cues[9].endswith("#xywh=1440,0,160,90")
    assert cues[11] == (
        "00:00:22.000 --> 00:00:23.500\nstoryboard.jpg?v=1#xywh=160,90,160,90\n"
    )
    assert board.size == (1600, 180)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "00:00:00.000"),
        (59.9996, "00:01:00.000"),
        (3599.5, "00:59:59.500"),
        (36_000.001, "10:00:00.001"),
    ],
)
def test_time_is_written_as_webvtt_wants_it(seconds: float, text: str) -> None:
    assert render_time(seconds) == text
