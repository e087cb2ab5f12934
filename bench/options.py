"""What the commands of bench share: numbers they take, and a word on what goes on."""

from __future__ import annotations

import math
import sys


def count(text: str) -> int:
    """Return a whole number above 0, for argparse."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def positive(text: str) -> float:
    """Return a finite number above 0, for argparse."""
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError(text)
    return number


def tell(sentence: str) -> None:
    """Say what is going on."""
    print(f"… {sentence}", file=sys.stderr, flush=True)
