"""What the commands take: the kinds of their arguments."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

VIDEO = "id or file name; ./5 means the file name 5"
ID_DIGITS = 18  # a bigint holds them


def text(argument: str) -> str:
    """Return an argument that PostgreSQL can take."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{argument!r} is not UTF-8") from None
    return argument


def path(argument: str) -> Path:
    """Return a path; an empty one, as of a variable that is not set, is none."""
    if not argument:
        raise argparse.ArgumentTypeError("the path is empty: give one, or . for here")
    return Path(argument)


def seconds(argument: str) -> float:
    """Return a moment or a length in seconds."""
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,9})?", argument):
        return float(argument)
    raise argparse.ArgumentTypeError(
        f"{argument!r} is no number of seconds: give one such as 12.5"
    )


def number(argument: str) -> int:
    """Return the id that an argument is."""
    if argument.isascii() and argument.isdigit() and len(argument) <= ID_DIGITS:
        return int(argument)
    raise argparse.ArgumentTypeError(f"{argument!r} is not an id: give digits only")
