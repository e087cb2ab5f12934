"""The edge in front of the server: the nginx configuration that we ship."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.output import write_text

if TYPE_CHECKING:
    import argparse

    from server.library.arguments import Commands

_ADDRESS = re.compile(r"[\w.:\[\]-]+", re.ASCII)
_FOLDER = re.compile(r'/[^"\\$`\x00-\x1f\x7f]*')  # as it is to nginx and a shell


class NginxTemplate(Template):
    """@name stands for a value; $name is nginx's own."""

    delimiter = "@"


def render_nginx(listen: str, origin: str, folder: Path, cache_mb: int) -> str:
    """Return nginx.conf for an edge on listen that keeps what origin answers.

    Both are host:port, or a port or host alone. nginx writes into folder: its cache and
    temporary files. Raises Fault when one of these would break the file.
    """
    for flag, address in (("--listen", listen), ("--origin", origin)):
        if not _ADDRESS.fullmatch(address):
            raise Fault(f"{address!r} is not an address: write {flag} as host:port")
        port = address.rpartition(":")[2]
        if port.isdigit() and not 0 < int(port[:6]) < 65_536:
            raise Fault(f"{address!r} has no port from 1 to 65535: correct {flag}")
    if not _FOLDER.fullmatch(f"{folder}"):
        raise Fault(
            f"{str(folder)!r} cannot be used in nginx.conf: choose a --cache-dir that"
            " begins with / and has no quotes, backslashes, $ or control characters"
        )
    from importlib.resources import files

    text = (files(__package__) / "nginx.conf.template").read_text()
    return NginxTemplate(text).substitute(
        listen=listen, origin=origin, folder=folder, cache_mb=cache_mb
    )


def add_nginx_config(commands: Commands) -> None:
    """Add the command that prints it."""
    parser = commands.add_parser(
        "nginx-config",
        help="print a complete nginx.conf for an edge in front of the server",
    )
    parser.set_defaults(run=run_nginx_config)
    for flag, default, text in (
        ("--listen", "80", "address:port, or port, for clients"),
        ("--origin", "127.0.0.1:8080", "host:port of the server"),
        ("--cache-dir", "/var/cache/bytereel", "folder that nginx writes to"),
        ("--cache-mb", "10000", "megabytes of video to cache"),
    ):
        kind = {"--cache-dir": Path, "--cache-mb": int}.get(flag, str)
        parser.add_argument(
            flag, type=kind, default=default, help=f"{text} [{default}]"
        )


def run_nginx_config(options: argparse.Namespace) -> int:
    """Print the configuration."""
    if options.cache_mb < 1:
        raise Fault(f"--cache-mb is {options.cache_mb}: give at least 1")
    place = (options.listen, options.origin, options.cache_dir)
    write_text(render_nginx(*place, options.cache_mb))
    return 0
