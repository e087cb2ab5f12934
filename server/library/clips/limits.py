"""The limits of a good clip, as options of a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.library.clips.check import Limits

if TYPE_CHECKING:
    import argparse


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add what a good clip does not go beyond."""
    least = Limits()
    for flag, number, text in (
        ("--max-seconds", least.seconds, "length above which a clip gets a warning"),
        ("--max-mb", least.megabytes, "megabytes above which it does"),
        ("--max-height", least.height, "pixels of the shorter side, likewise"),
        ("--max-fps", least.fps, "frames a second, likewise"),
    ):
        parser.add_argument(
            flag,
            type=positive,
            default=number,
            metavar="N",
            help=f"{text} [{number:g}]",
        )


def positive(text: str) -> float:
    """Return a number above 0 and below a million; ValueError for all else."""
    number = float(text)
    if not 0 < number < 1e6:
        raise ValueError
    return number


def read_limits(options: argparse.Namespace) -> Limits:
    """Return the limits that were asked for."""
    height = max(int(options.max_height), 2)
    return Limits(options.max_seconds, options.max_mb, height, options.max_fps)
