"""The commands: bytereel … is the same as python -m server …

The parser knows all commands, so it imports only what they have as options; what a
command works with is imported when it runs.
"""

from __future__ import annotations

import argparse
import signal
from typing import TYPE_CHECKING

from server.config import add_settings, list_given
from server.edge.commands import add_edge_commands
from server.edge.nginx import add_nginx_config
from server.errors import Fault
from server.installation import REMEDY, explain
from server.interrupts import ending_at_once
from server.library.captions.command import add_caption
from server.library.clips.command import add_check
from server.library.commands import add_library_commands
from server.library.imports.command import add_import
from server.library.keeping.change_commands import add_change_commands
from server.library.keeping.check_command import add_check_all
from server.library.keeping.command import add_keeping_commands
from server.library.levels.command import add_encode
from server.library.output import OutputFault, discard_output, print_note
from server.postgres.command import add_migrate

if TYPE_CHECKING:
    from collections.abc import Sequence

_DATABASE = ("database_url", "data_dir")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="bytereel",
        description="Store short videos in PostgreSQL and serve their byte ranges.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    capacity = ("connections", "workers", "cache_mb")

    demo = commands.add_parser(
        "demo", help="start everything at once, with sample clips"
    )
    demo.set_defaults(run=run_demo)
    told = (
        *("answer_seconds", "pace", "pace_whom", "access_log", "access_log_file"),
        *("trusted_proxies", "head_seconds", "body_rate", "stall_seconds"),
        *("keepalive_seconds", "clients", "clients_per_address", "requests"),
        *("hls_seconds", "hls_js", "admin_token"),
    )
    add_settings(demo, ("data_dir", "host", "port", "connections", *told))

    server = commands.add_parser("serve", help="start the server")
    server.set_defaults(run=run_serve)
    place = ("host", "port", "socket", "share_port")
    compression = ("compress", "levels")
    encoding = (*compression, "encoders")
    add_settings(server, (*_DATABASE, *place, *capacity, *told, *encoding))

    add_settings(add_migrate(commands), _DATABASE)
    add_settings(add_check_all(add_check(commands)), _DATABASE)
    for command in (
        add_import(commands),
        *add_library_commands(commands),
        add_caption(commands),
        *add_keeping_commands(commands),
        *add_change_commands(commands),
        add_encode(commands),
        *add_edge_commands(commands),
    ):
        command.set_defaults(run=run_with_database)
        add_settings(command, _DATABASE)
    add_settings(commands.choices["import"], compression)
    add_settings(commands.choices["encode"], ("levels",))
    judged = ("host", "socket", "trusted_proxies", "admin_token")
    add_settings(commands.choices["doctor"], judged)
    add_nginx_config(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    try:
        options = build_parser().parse_args(arguments)
        import logging  # here, for --help needs none

        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
        status: int = options.run(options)
    except OutputFault as fault:
        discard_output()
        print_note(f"bytereel: {fault}")
        return 1
    except Fault as fault:
        print_note(f"bytereel: {fault}")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:  # head has seen enough
        discard_output()
        return 128 + signal.SIGPIPE
    except Exception as error:
        if (reason := explain(error)) is None:
            raise
        print_note(f"bytereel: {reason}; {REMEDY}")
        return 1
    return status


def run_demo(options: argparse.Namespace) -> int:
    """Show the main job on sample clips."""
    with ending_at_once():
        from server import serve

    return serve.run_demo(options)


def run_serve(options: argparse.Namespace) -> int:
    """Serve until told to stop."""
    with ending_at_once():
        from server import serve

    return serve.run_serve(options)


def run_with_database(options: argparse.Namespace) -> int:
    """Run a command whose act takes the URL of the database."""
    from server.postgres.target import open_database

    options.given = list_given(options, _DATABASE)
    with open_database(options) as url:
        status: int = options.act(url, options)
    return status
