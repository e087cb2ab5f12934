"""How the text of a setting becomes its value, or an argparse.ArgumentTypeError."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from server.library.levels.ladder import LadderError, parse_ladder

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.telemetry.proxies import Networks


def counting(low: int, high: int) -> Callable[[str], int]:
    """Return what takes a whole number between two limits, both included."""

    def count(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a whole number from {low} to {high}"
            )
        return int(text)

    return count


def parse_host(text: str) -> str:
    """Take an address to listen on; an empty one would mean all to the kernel."""
    if not text.strip():
        raise argparse.ArgumentTypeError(
            "the address is empty: write 127.0.0.1 for this machine only, or 0.0.0.0 "
            "for all"
        )
    return text


def parse_socket(text: str) -> str:
    """Take the place of a unix socket; an empty one is none."""
    if text and not re.match(r"(unix:)?/|unix:[^/]", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no unix socket: write its path, like unix:/run/bytereel.sock"
        )
    return text


def parse_token(text: str) -> str:
    """Take a secret, which no message repeats; an empty one is none."""
    if text and not re.fullmatch(r"[!-~]{16,200}", text):
        raise argparse.ArgumentTypeError(
            "a token must have 16 to 200 characters: ASCII letters, digits and "
            "punctuation, no spaces"
        )
    return text


def one_of(*names: str) -> Callable[[str], str]:
    """Return what takes one of these words."""

    def choose(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not one of: {', '.join(names)}"
            )
        return text

    return choose


def parse_path(text: str) -> Path | None:
    """Take a path, which does not depend on where we are; an empty one is none."""
    return Path(text).absolute() if text else None


def parse_pace(text: str) -> float:
    """Take how many times as fast as it plays a video is sent, or 0."""
    try:
        multiple = float(text)
    except ValueError:
        multiple = -1.0
    if multiple != 0 and not 1.1 <= multiple <= 1000:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a pace: give 0 for no limit, or 1.1 to 1000"
        )
    return multiple


def parse_pattern(text: str) -> str:
    """Take a regular expression."""
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a regular expression ({error})"
        ) from error
    return text


def parse_levels(text: str) -> tuple[int, ...]:
    """Take heights of levels, in pixels."""
    try:
        return parse_ladder(text)
    except LadderError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def parse_proxies(text: str) -> Networks:
    """Take the networks of proxies."""
    from server.telemetry.proxies import parse_networks

    try:
        return parse_networks(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{error}: write networks like 10.0.0.0/8,2001:db8::/32"
        ) from error
