"""The limits of a good clip, as options of a command."""

from __future__ import annotations

import argparse

from server.library.clips.check import Limits


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add what a good clip does not go beyond."""
    least = Limits()
    for flag, number, text in (
        ("--max-seconds", least.seconds, "warn about clips longer than N seconds"),
        ("--max-mb", least.megabytes, "warn about clips larger than N megabytes"),
        (
            "--max-height",
            least.height,
            "warn about more than N pixels on the shorter side",
        ),
        ("--max-fps", least.fps, "warn about more than N frames per second"),
    ):
        parser.add_argument(
            flag,
            type=positive,
            default=number,
            metavar="N",
            help=f"{text} [{number:g}]",
        )


def positive(text: str) -> float:
    """Return a number above 0 and below a million."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number above 0 and below a million"
        )
    return number


def read_limits(options: argparse.Namespace) -> Limits:
    """Return the limits that were asked for."""
    height = max(int(options.max_height), 2)
    return Limits(options.max_seconds, options.max_mb, height, options.max_fps)
