"""The edge in front of the server: the nginx configuration that we ship."""

from __future__ import annotations

from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class NginxTemplate(Template):
    """@name stands for a value; $name is nginx's own."""

    delimiter = "@"


def render_nginx(listen: str, origin: str, folder: Path, cache_mb: int) -> str:
    """Return nginx.conf for an edge on listen that keeps what origin answers.

    Both are host:port. nginx writes into folder: its cache, pid and temporary files.
    """
    text = (files(__package__) / "nginx.conf.template").read_text()
    return NginxTemplate(text).substitute(
        listen=listen, origin=origin, folder=folder, cache_mb=cache_mb
    )
