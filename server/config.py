"""Every setting once: its name, type, default, unit and help."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from server.library.levels.ladder import LADDER
from server.setting_types import (
    counting,
    one_of,
    parse_host,
    parse_levels,
    parse_pace,
    parse_path,
    parse_pattern,
    parse_proxies,
    parse_socket,
    parse_token,
)
from server.telemetry.log_lines import FORMATS
from server.video.sessions import SESSION

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable


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


def default_data_dir() -> Path | None:
    """Return where the embedded server's files lie unless told otherwise.

    None for a user without a home.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/bytereel")
    home = Path(os.environ.get("XDG_DATA_HOME", ""))
    # A relative one is invalid (XDG Base Directory Specification).
    try:
        share = home if home.is_absolute() else Path.home() / ".local/share"
    except RuntimeError:
        return None
    return share / "bytereel"


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(
            "database_url",
            str,
            "",
            "URL of the PostgreSQL to use (also DATABASE_URL); without it, the "
            "embedded one",
        ),
        Setting(
            "data_dir",
            Path,
            default_data_dir(),
            "folder of the embedded PostgreSQL",
        ),
        Setting(
            "host", parse_host, "127.0.0.1", "address to listen on; 0.0.0.0 means all"
        ),
        Setting(
            "port",
            counting(0, 65535),
            8080,
            "TCP port to listen on; 0 picks a free one",
        ),
        Setting(
            "socket",
            parse_socket,
            "",
            "path of a unix socket to listen on, like unix:/run/bytereel.sock, in "
            "place of --host and --port",
        ),
        Setting(
            "share_port",
            one_of("no", "yes"),
            "no",
            "yes lets another server with yes take over the same port or unix socket",
        ),
        Setting(
            "connections",
            counting(1, 1000),
            10,
            "maximum number of connections to PostgreSQL",
        ),
        Setting(
            "answer_seconds",
            counting(1, 600),
            15,
            "seconds that a response may wait for PostgreSQL until it begins; then "
            "it is a 503",
        ),
        Setting(
            "workers",
            counting(1, 64),
            1,
            "number of server processes, which divide connections and cache among them",
        ),
        Setting(
            "cache_mb",
            counting(0, 1_000_000),
            16,
            "megabytes of video to keep in memory; 0 reads everything from PostgreSQL",
        ),
        Setting(
            "pace",
            parse_pace,
            0,
            "speed limit for players after a burst, as a multiple of the clip's "
            "bitrate; 0 means no limit",
        ),
        Setting(
            "pace_whom",
            parse_pattern,
            SESSION,
            "whom to limit: session for clients that send X-Playback-Session-Id, or a "
            "regular expression to find in User-Agent",
        ),
        Setting(
            "access_log",
            one_of(*FORMATS),
            FORMATS[0],
            "one log line per response on standard output: json or combined",
        ),
        Setting(
            "access_log_file",
            parse_path,
            "",
            "file for the access log instead of standard output; it is opened again "
            "on SIGUSR1, or when it was moved away",
        ),
        Setting(
            "trusted_proxies",
            parse_proxies,
            "",
            "proxies whose X-Forwarded-For is trusted: addresses and networks, "
            "separated by commas",
        ),
        Setting(
            "head_seconds",
            counting(1, 3600),
            30,
            "seconds in which the head of a request must come, the first one from the "
            "connection's begin on",
        ),
        Setting(
            "body_rate",
            counting(1, 1_000_000),
            500,
            "bytes of a request body per second that must come, after head-seconds",
        ),
        Setting(
            "stall_seconds",
            counting(1, 86_400),
            120,
            "seconds after which a client that takes nothing of its answer is cut off",
        ),
        Setting(
            "keepalive_seconds",
            counting(1, 86_400),
            960,
            "seconds that an idle connection is kept for the next request; more than "
            "an edge keeps it",
        ),
        Setting(
            "clients",
            counting(1, 1_000_000),
            10_000,
            "maximum number of client connections; workers divide it among them",
        ),
        Setting(
            "clients_per_address",
            counting(1, 1_000_000),
            1_000,
            "maximum number of connections of one client address in each worker; "
            "loopback addresses and trusted proxies have no such limit",
        ),
        Setting(
            "requests",
            counting(1, 1_000_000),
            2_000,
            "maximum number of requests answered at a time; workers divide it among "
            "them",
        ),
        Setting(
            "compress",
            one_of("off", "levels", "replace"),
            "levels",
            "what imports and uploads make smaller: nothing, levels beside a clip, or "
            "also the clip itself where it is beyond the limits",
        ),
        Setting(
            "encoders",
            counting(0, 64),
            0,
            "number of processes that make levels while nothing else wants a processor",
        ),
        Setting(
            "levels",
            parse_levels,
            ",".join(map(str, LADDER)),
            "heights of the levels that videos get, in pixels of the shorter side",
        ),
        Setting(
            "hls_seconds",
            counting(0, 86_400),
            780,
            "length in seconds above which the practice page plays a video as HLS; 0 "
            "means never",
        ),
        Setting(
            "hls_js",
            parse_path,
            "",
            "folder of npm's package hls.js, for browsers that cannot play HLS "
            "themselves; without it, they get the file",
        ),
        Setting(
            "admin_token",
            parse_token,
            "",
            "token for the admin page, 16 characters or more; without it, the page is "
            "closed",
        ),
    )
}


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Add a flag for each name; the environment gives the default."""
    for name in names:
        setting = SETTINGS[name]
        default = "none" if setting.default in ("", None) else setting.default
        parser.add_argument(
            name_flag(name),
            type=setting.type,
            default=_read_default(name),  # argparse runs the type over a string
            help=f"{setting.help} [{setting.environment}; {default}]",
        )


def name_flag(name: str) -> str:
    """Return the flag of a setting."""
    return f"--{name.replace('_', '-')}"


def _read_default(name: str) -> object:
    """Return what holds without a flag: the environment's, or that of the setting."""
    setting = SETTINGS[name]
    text = os.environ.get(setting.environment, "")
    if name == "database_url":
        text = text or os.environ.get("DATABASE_URL", "")
    return text or setting.default


def list_given(
    options: argparse.Namespace, names: Iterable[str]
) -> list[tuple[str, str]]:
    """Return flag and value of the settings that are not as they are without flags."""
    found = [(name, getattr(options, name)) for name in names]
    return [
        (name_flag(name), str(value))
        for name, value in found
        if str(value) != str(_read_default(name))
    ]
