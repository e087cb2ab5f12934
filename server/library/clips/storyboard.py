"""The WebVTT that says which tile of a storyboard shows which moments. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_SECONDS = 20.0
"""Clips of that length or less have no storyboard: a scrub bar shows them at once."""

COLUMNS = 10  # as library/ffmpeg/previews.py joins tiles


class Storyboard(NamedTuple):
    """The tiles of one image, row by row."""

    seconds: float  # of the clip
    width: int  # of a tile, in pixels
    height: int
    tiles: int
    step: float  # seconds that a tile stands for

    @property
    def size(self) -> tuple[int, int]:
        """Return the width and height of the image, in pixels."""
        columns = min(self.tiles, COLUMNS)
        return columns * self.width, -(-self.tiles // COLUMNS) * self.height


def render_cues(board: Storyboard, image: str) -> str:
    """Return WebVTT whose cues name a tile of the image each (Media Fragments, 4.2.2).

    image is its address as seen from that of the WebVTT.
    """
    return "\n\n".join(["WEBVTT", *_list_cues(board, image)]) + "\n"


def _list_cues(board: Storyboard, image: str) -> Iterator[str]:
    for number in range(board.tiles):
        row, column = divmod(number, COLUMNS)
        left, top = column * board.width, row * board.height
        begin = number * board.step
        end = board.seconds if number == board.tiles - 1 else begin + board.step
        yield (
            f"{render_time(begin)} --> {render_time(end)}\n"
            f"{image}#xywh={left},{top},{board.width},{board.height}"
        )


def render_time(seconds: float) -> str:
    """Return a WebVTT timestamp."""
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"
