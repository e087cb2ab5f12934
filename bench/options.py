"""What the commands of bench share: the numbers they take, and progress messages."""

from __future__ import annotations

import argparse
import math
import sys


def count(text: str) -> int:
    """Return a whole number above 0, for argparse."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def positive(text: str) -> float:
    """Return a finite number above 0, for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def tell(sentence: str) -> None:
    """Say what is going on."""
    print(f"… {sentence}", file=sys.stderr, flush=True)
