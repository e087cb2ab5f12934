"""The command that migrates: its options, and what it prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.library.output import ensuring, print_line, print_lines

if TYPE_CHECKING:
    import argparse

    from server.library.arguments import Commands


def add_migrate(commands: Commands) -> argparse.ArgumentParser:
    """Add the command; return its parser."""
    migrate = commands.add_parser("migrate", help="bring the schema up to date")
    migrate.set_defaults(run=run_migrate)
    what = migrate.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true", help="only list the migrations")
    what.add_argument(
        "--rollback", type=int, metavar="N", help="undo the newest N migrations"
    )
    return migrate


def run_migrate(options: argparse.Namespace) -> int:
    """Apply, list or take back migrations."""
    from server.postgres import embedded

    if options.database_url:
        return _migrate(options, options.database_url)
    with embedded.running(options.data_dir) as url:
        return _migrate(options, url)


def _migrate(options: argparse.Namespace, url: str) -> int:
    from server.postgres import migrations

    if options.status:
        for name, applied in migrations.list_status(url):
            print_line(f"{'applied' if applied else 'pending'}  {name}")
    elif options.rollback is not None:
        names = migrations.rollback(url, options.rollback)
        _print_done([f"rolled back  {name}" for name in names])
    else:
        names = migrations.apply(url)
        lines = [f"applied  {name}" for name in names]
        _print_done(lines or ["The schema is up to date."])
    return 0


def _print_done(lines: list[str]) -> None:
    with ensuring(lines):
        print_lines(lines)
