"""Every setting once: its name, type, default, unit and help."""

import argparse
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from server.embedded import default_data_dir


class Setting(NamedTuple):
    """A flag --name and an environment variable BYTEREEL_NAME."""

    name: str
    type: Callable[[str], object]
    default: object
    help: str  # with the unit

    @property
    def environment(self) -> str:
        """Return the name of its environment variable."""
        return f"BYTEREEL_{self.name.upper()}"


def _count(low: int, high: int) -> Callable[[str], int]:
    def count(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text[:9]) <= high:
            raise argparse.ArgumentTypeError(
                f"{text!r} is no whole number from {low} to {high}"
            )
        return int(text)

    return count


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            "database_url",
            str,
            "",
            "PostgreSQL to use, as a URL (also DATABASE_URL); "
            "without it the embedded one",
        ),
        Setting(
            "data_dir",
            Path,
            default_data_dir(),
            "folder of the embedded PostgreSQL",
        ),
        Setting("host", str, "127.0.0.1", "address to listen on; 0.0.0.0 for all"),
        Setting(
            "port", _count(0, 65535), 8080, "TCP port to listen on; 0 for a free one"
        ),
        Setting(
            "connections",
            _count(1, 1000),
            10,
            "connections to PostgreSQL, at most",
        ),
        Setting(
            "workers",
            _count(1, 64),
            1,
            "processes that answer; each has its share of connections and cache",
        ),
        Setting(
            "cache_mb",
            _count(0, 1_000_000),
            16,
            "megabytes of video kept in memory; 0 reads all from PostgreSQL",
        ),
    )
}


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add a flag for each name; the environment gives the default."""
    for name in names:
        setting = SETTINGS[name]
        text = os.environ.get(setting.environment, "")
        if name == "database_url":
            text = text or os.environ.get("DATABASE_URL", "")
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=setting.type,
            default=text or setting.default,  # argparse runs the type over a string
            help=f"{setting.help} [{setting.environment}; {setting.default or 'none'}]",
        )
