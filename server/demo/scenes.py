"""Small scenes that show a verb, to ask about; painted frame by frame. No I/O."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.demo.canvas import Canvas

    # A canvas, its width and height, and how much of the clip is over, from 0 to 1.
    Scene = Callable[[Canvas, int, int, float], None]

# Y, U, V
PAPER = (228, 122, 132)
SKY = (196, 148, 112)
EARTH = (96, 108, 136)
WATER = (108, 168, 100)
SUN = (200, 52, 158)
RED = (110, 104, 196)
BLUE = (84, 190, 108)
GRAY = (150, 128, 128)


def paint_rise(canvas: Canvas, width: int, height: int, at: float) -> None:
    """Let the sun come up behind the land."""
    radius = _even(height * 0.16)
    canvas.fill(0, 0, width, height, SKY)
    canvas.disc(width // 2 & ~1, _even(height * (0.82 - 0.5 * at)), radius, SUN)
    _paint_below(canvas, width, height, 0.66, EARTH)


def paint_sink(canvas: Canvas, width: int, height: int, at: float) -> None:
    """Let a ball go down into the water."""
    radius = _even(height * 0.14)
    canvas.fill(0, 0, width, height, SKY)
    canvas.disc(width // 2 & ~1, _even(height * (0.3 + 0.5 * at)), radius, RED)
    _paint_below(canvas, width, height, 0.56, WATER)


def paint_bounce(canvas: Canvas, width: int, height: int, at: float) -> None:
    """Let a ball jump from the ground again and again."""
    radius = _even(height * 0.12)
    canvas.fill(0, 0, width, height, PAPER)
    _paint_below(canvas, width, height, 0.86, EARTH)
    y = height * (0.86 - 0.6 * abs(math.sin(3 * math.pi * at))) - radius
    canvas.disc(width // 2 & ~1, _even(y), radius, RED)


def paint_shrink(canvas: Canvas, width: int, height: int, at: float) -> None:
    """Let a disc become small."""
    canvas.fill(0, 0, width, height, PAPER)
    radius = _even(height * (0.44 - 0.38 * at))
    canvas.disc(width // 2 & ~1, height // 2 & ~1, radius, BLUE)


def paint_blink(canvas: Canvas, width: int, height: int, at: float) -> None:
    """Let a lamp go on and off."""
    canvas.fill(0, 0, width, height, (36, 128, 128))
    lamp = SUN if int(at * 6) % 2 == 0 else (64, 124, 130)
    canvas.disc(width // 2 & ~1, height // 2 & ~1, _even(height * 0.24), lamp)


def paint_collide(canvas: Canvas, width: int, height: int, at: float) -> None:
    """Let two balls hit each other and part."""
    radius = _even(height * 0.14)
    canvas.fill(0, 0, width, height, PAPER)
    away = _even(radius + width * 0.34 * abs(1 - 2 * at))
    middle, y = width // 2 & ~1, height // 2 & ~1
    canvas.disc(middle - away, y, radius, RED)
    canvas.disc(middle + away, y, radius, BLUE)


def paint_follow(canvas: Canvas, width: int, height: int, at: float) -> None:
    """Let a small ball go behind a large one, wherever that goes."""
    canvas.fill(0, 0, width, height, PAPER)
    for late, share, color in ((0.0, 0.13, BLUE), (0.17, 0.07, RED)):
        step = at - late
        x = width * (0.34 + 0.52 * step)
        y = height * (0.5 + 0.24 * math.sin(2 * math.pi * step))
        canvas.disc(_even(x), _even(y), _even(height * share), color)


def paint_overtake(canvas: Canvas, width: int, height: int, at: float) -> None:
    """Let a fast car pass a slow one."""
    canvas.fill(0, 0, width, height, GRAY)
    canvas.fill(0, _even(height * 0.48), width, _even(height * 0.03), PAPER)
    long, high = _even(width * 0.16), _even(height * 0.2)
    slow, fast = 0.3 + 0.2 * at, 0.04 + 0.76 * at
    canvas.fill(_even(width * slow), _even(height * 0.2), long, high, BLUE)
    canvas.fill(_even(width * fast), _even(height * 0.6), long, high, RED)


def _paint_below(
    canvas: Canvas, width: int, height: int, share: float, color: tuple[int, int, int]
) -> None:
    top = _even(height * share)
    canvas.fill(0, top, width, height - top, color)


def _even(length: float) -> int:
    return int(length) & ~1
