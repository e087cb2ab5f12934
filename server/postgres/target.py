"""The database that a command works on: the user's, or one that we run."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from server.postgres import embedded, migrations

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


@contextmanager
def open_database(options: argparse.Namespace) -> Iterator[str]:
    """Yield the URL of the database; ours is started and migrated, theirs never."""
    if options.database_url:
        yield options.database_url
        return
    with embedded.running(options.data_dir) as url:
        migrations.apply(url)
        yield url
