"""The database that a command works on: the user's, or one that we run."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2
from psycopg2.extensions import parse_dsn

from server.postgres import embedded, migrations
from server.postgres.migration_locks import Held

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def has_password(url: str) -> bool:
    """Report whether a URL tells a password, or cannot be read and so might."""
    try:
        told = parse_dsn(url)
    except (psycopg2.ProgrammingError, UnicodeError):
        return True
    return any("password" in name and value for name, value in told.items())


HELD_SECONDS = 4.0  # that serving waits for a migration that others hold up

_log = logging.getLogger(__name__)


@contextmanager
def open_serving(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Do as open_database; yield also what holds the migration of ours up, or ""."""
    if options.database_url:
        yield options.database_url, ""
        return
    with embedded.running(options.data_dir) as url:
        held = ""
        try:
            migrations.apply(url, patience=HELD_SECONDS, turn_patience=HELD_SECONDS)
        except Held as fault:
            held = fault.reason
            _log.warning("%s; answering 503 on /readyz until then", held)
        yield url, held


@contextmanager
def open_database(options: argparse.Namespace) -> Iterator[str]:
    """Yield the URL of the database; ours is started and migrated, theirs never."""
    if options.database_url:
        yield options.database_url
        return
    with embedded.running(options.data_dir) as url:
        migrations.apply(url)
        yield url
