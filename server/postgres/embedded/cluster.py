"""The embedded PostgreSQL's files, the address it answers at, and its command line."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from psycopg2.extensions import parse_dsn

from server.errors import Fault
from server.postgres.embedded.binaries import find_binaries
from server.postgres.embedded.supervisor import (
    CLUSTER,
    SOCKET,
    URL,
    build_environment,
    find_postmaster,
    pick_account,
    remove_address,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.postgres.embedded.binaries import Binaries
    from server.postgres.embedded.supervisor import Account

SOCKET_BYTES = 103  # the shortest sun_path, macOS's, less its final zero
SETTINGS = {
    "client_connection_check_interval": "1000",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",  # a statement may hold megabytes of video
    "max_connections": "100",
    "shared_buffers": "128MB",
}


def prepare_server(
    folder: Path, settings: Mapping[str, str], url: str = ""
) -> list[str]:
    """Return the server's command line, its cluster created and its address written.

    The caller holds the supervisor's lock. A server without one keeps its address;
    another one gets that of url, if there is one, as somebody relies on it.
    """
    for left in folder.glob("new-*"):
        shutil.rmtree(left, ignore_errors=True)
    cluster = folder / CLUSTER
    account = pick_account(cluster)
    major = int((cluster / "PG_VERSION").read_text()) if cluster.exists() else None
    binaries = find_binaries(major, folder, account)
    if major is None:
        create_cluster(folder, binaries, account, fsync=settings.get("fsync") != "off")
    if url and find_postmaster(cluster) is None:
        restore_address(folder, url, account)
    elif find_postmaster(cluster) is None:
        remove_address(folder)
        save_url(folder, open_address(folder, binaries, account))
    address = plan_address((folder / URL).read_text())
    chosen = SETTINGS | dict(settings) | address
    options = [f"--{name}={value}" for name, value in chosen.items()]
    return [f"{binaries.folder}/postgres", "-D", f"{cluster}", *options]


def create_cluster(
    folder: Path, binaries: Binaries, account: Account, *, fsync: bool
) -> None:
    """Create the cluster with its database: all of it, or nothing that counts."""
    new = Path(tempfile.mkdtemp(prefix="new-", dir=folder))
    hand_over(new, account)
    initdb = [f"{binaries.folder}/initdb", "-D", f"{new}"]
    options = ["-U", "postgres", "--encoding=UTF8", "--no-locale", "--data-checksums"]
    options += ["--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"]
    if binaries.major >= 17:  # characters as Unicode has them, on every system
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    run_program(initdb + options, account)
    run_statement("CREATE DATABASE bytereel", new, binaries, account, "--fsync=off")
    if fsync:  # all at once is quicker
        run_program([*initdb, "--sync-only"], account)
    new.rename(folder / CLUSTER)


def run_statement(
    statement: str, cluster: Path, binaries: Binaries, account: Account, *options: str
) -> None:
    """Execute one line of SQL on a cluster without a server."""
    single = [f"{binaries.folder}/postgres", "--single", "-D", f"{cluster}", *options]
    run_program([*single, "--exit_on_error=on", "postgres"], account, statement)


def run_program(command: list[str], account: Account, typed: str = "") -> None:
    """Run one of PostgreSQL's programs; a Fault quotes its last words."""
    done = subprocess.run(
        command,
        input=typed,
        capture_output=True,
        text=True,
        cwd="/",
        env=build_environment(),
        **account,
    )
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if "error: " in line.lower()]
        last = (words or done.stderr.splitlines() or ["it said nothing"])[-1]
        raise Fault(
            f"PostgreSQL could not be set up ({last}): fix that,"
            " or choose another --data-dir, or set DATABASE_URL"
        )


def open_address(folder: Path, binaries: Binaries, account: Account) -> str:
    """Return the URL of a server to be started: a socket nobody else can reach.

    Where no path is short enough for one, a port of this machine behind a password.
    """
    if place := make_socket_folder(folder, account):
        return f"postgresql://postgres@/bytereel?host={quote(f'{place}', '')}&port=5432"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    password = secrets.token_hex(24)
    statement = f"ALTER ROLE postgres PASSWORD '{password}'"
    run_statement(statement, folder / CLUSTER, binaries, account)
    return f"postgresql://postgres:{password}@127.0.0.1:{port}/bytereel?sslmode=disable"


def make_socket_folder(folder: Path, account: Account) -> Path | None:
    """Return a new directory of the server's own, short enough for a socket in it."""
    place = folder / SOCKET
    if path_fits(place):
        place.mkdir(mode=0o700)
        hand_over(place, account)
        return place
    for parent in (Path(tempfile.gettempdir()), Path("/tmp")):
        if path_fits(parent / "bytereel-12345678") and not find_closed(parent, account):
            short = Path(tempfile.mkdtemp(prefix="bytereel-", dir=parent))
            hand_over(short, account)
            place.symlink_to(short)
            return short
    return None


def restore_address(folder: Path, url: str, account: Account) -> None:
    """Have the next server answer where the last one did."""
    host = parse_dsn(url)["host"]
    if host.startswith("/"):
        place, link = Path(host), folder / SOCKET
        if not place.exists():
            place.mkdir(mode=0o700)
            hand_over(place, account)
        if place.lstat().st_uid != account.get("user", os.geteuid()):
            raise Fault(f"{place} belongs to another user: start the server again")
        if place != link and not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(place)
    save_url(folder, url)


def path_fits(place: Path) -> bool:
    """Report whether a socket in place has a path that the system and libpq take.

    libpq takes a comma for the end of one host in a list.
    """
    path = os.fsencode(place / ".s.PGSQL.5432")
    return len(path) <= SOCKET_BYTES and b"," not in path


def find_closed(place: Path, account: Account) -> str | None:
    """Return the first directory on the way to place that account may not enter."""
    if not account:
        return None
    script = 'for way; do cd -- "$way" 2>/dev/null || { echo "$way"; exit; }; done'
    ways = [f"{way}" for way in (*reversed(place.parents), place)]
    command = ["/bin/sh", "-c", script, "sh", *ways]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd="/", **account)
    return os.fsdecode(done.stdout).removesuffix("\n") or None


def hand_over(place: Path, account: Account) -> None:
    """Make the directory account's own."""
    if account:
        os.chown(place, account["user"], account["group"])


def save_url(folder: Path, url: str) -> None:
    """Write the URL for all commands, never half of it; it may hold the password."""
    new = folder / "new-url"
    new.touch(mode=0o600)
    new.write_text(url)
    new.replace(folder / URL)


def plan_address(url: str) -> dict[str, str]:
    """Return the server's settings that make it answer at the URL."""
    asked = parse_dsn(url)
    if not asked["host"].startswith("/"):
        where = {"listen_addresses": asked["host"], "unix_socket_directories": ""}
    else:  # quoted, for a comma would part a list
        directory = asked["host"].replace('"', '""')
        where = {"listen_addresses": "", "unix_socket_directories": f'"{directory}"'}
    return where | {"port": asked["port"]}
