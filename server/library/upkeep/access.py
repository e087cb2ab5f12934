"""Find ways in that stand open: to the database, to the server, to its files."""

from __future__ import annotations

import stat
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from psycopg2.extensions import libpq_version, parse_dsn

from server.library.clips.check import NOTE, WARNING
from server.library.files import show_path
from server.library.upkeep.findings import Finding
from server.library.upkeep.tokens import token_is_weak
from server.postgres.embedded.supervisor import CLUSTER, LOG, SOCKET, URL
from server.postgres.plain import CONNECT_SECONDS
from server.postgres.refusals import opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_WRITERS = stat.S_IWGRP | stat.S_IWOTH
_ROLE = "bytereel doctor --grants ROLE prints the SQL for one that suffices to serve"


class Exposure(NamedTuple):
    """How the server is set up, as far as it decides who gets in."""

    host: str | None  # None where it listens on a unix socket only
    has_edge: bool
    admin_token: str
    data_dir: Path | None  # of the embedded PostgreSQL, if that is used


def diagnose_access(url: str, exposure: Exposure) -> Iterator[Finding]:
    """Yield which ways in stand open.

    The embedded PostgreSQL is ours alone, a superuser on a private socket: of it only
    the files are looked at. Fault if the database does not answer.
    """
    if exposure.data_dir is None:
        with opening(url) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            yield from _find_powers(cursor)
            yield from _find_trust(url, connection, cursor)
    else:
        yield from find_open_files(exposure.data_dir)
    yield from find_exposed(exposure)


def list_grants(url: str, role: str) -> list[str]:
    """Return the SQL that makes a role with the rights that serve needs."""
    with opening(url) as connection, connection.cursor() as cursor:
        rows = read_rows(cursor, "list_grants", {"role": role})
    return [row["line"] for row in rows]


def _find_powers(cursor: Cursor) -> Iterator[Finding]:
    [found] = read_rows(cursor, "describe_role")
    if found["is_super"]:
        yield Finding(
            "superuser",
            WARNING,
            f"the role {found['role']} is a superuser, so whoever breaks into the "
            "server may do anything on the database's machine",
            f"serve with another role: {_ROLE}",
        )
    elif found["powers"]:
        yield Finding(
            "powerful-role",
            WARNING,
            f"the role {found['role']} may {found['powers']}, which no serving needs",
            f"serve with another role: {_ROLE}",
        )


def _find_trust(url: str, connection: Connection, cursor: Cursor) -> Iterator[Finding]:
    """Yield where PostgreSQL lets people in without a password over TCP.

    Its rules say it to a superuser; anybody can try to get in without one.
    """
    rules = []
    with suppress(psycopg2.errors.InsufficientPrivilege):
        rules = read_rows(cursor, "find_trusting_rules", {})
    remedy = (
        "in pg_hba.conf write scram-sha-256 in place of trust, give the role a "
        "password, and in SQL: SELECT pg_reload_conf()"
    )
    told = False
    for rule in rules:
        if not rule["is_local"]:
            told = True
            why = "pg_hba.conf lets anybody in by TCP without a password"
            why = f"{why} (line {rule['lines']})"
            yield Finding("trust", WARNING, why, remedy)
    if not told and _is_let_in(url, connection):
        told = True
        where = f"{connection.info.host}, port {connection.info.port}"
        why = f"PostgreSQL at {where} lets anybody in from here by TCP"
        yield Finding("trust", WARNING, f"{why} without a password", remedy)
    for rule in rules:
        if rule["is_local"] and not told:
            why = "pg_hba.conf lets all users of the database's own machine in by TCP"
            why = f"{why} without a password (line {rule['lines']})"
            yield Finding("trust-local", NOTE, why, remedy)


def _is_let_in(url: str, connection: Connection) -> bool:
    """Report whether the same role gets in from here by TCP without any proof."""
    if connection.info.host.startswith(("/", "@")):
        return False
    unproven = {"password": "", "passfile": "/dev/null", "gssencmode": "disable"}
    if libpq_version() >= 160000:  # else one who shows a certificate is let in by that
        unproven |= {"sslcertmode": "disable", "require_auth": "none"}
    elif "sslcert" in parse_dsn(url):
        return False
    asked = {"connect_timeout": CONNECT_SECONDS, **parse_dsn(url), **unproven}
    try:
        psycopg2.connect(**asked).close()
    except psycopg2.Error:
        return False
    return True


def find_open_files(folder: Path) -> Iterator[Finding]:
    """Yield what of the embedded PostgreSQL other users of the machine may open."""
    paths = [(folder, _WRITERS)]
    paths += [(folder / name, _OTHERS) for name in (CLUSTER, SOCKET, URL, LOG)]
    for path, forbidden in paths:
        with suppress(OSError):  # it is not there, or not ours to see
            if path.stat().st_mode & forbidden:
                verb = "change" if forbidden == _WRITERS else "open"
                right = "go-w" if forbidden == _WRITERS else "go-rwx"
                yield Finding(
                    "open-data",
                    WARNING,
                    f"other users of this machine may {verb} {show_path(path)}",
                    f"chmod {right} {show_path(path)}",
                )


def find_exposed(exposure: Exposure) -> Iterator[Finding]:
    """Yield what of the settings lets strangers in. No I/O."""
    token = exposure.admin_token
    if token and token_is_weak(token):
        yield Finding(
            "weak-token",
            WARNING,
            "the admin token is easy to guess",
            "take the output of: python3 -c "
            "'import secrets; print(secrets.token_urlsafe())'",
        )
    if exposure.has_edge or exposure.host is None or not is_public(exposure.host):
        return
    where = f"the server listens on {exposure.host}, where other machines reach it"
    if token:
        yield Finding(
            "token-in-plain-http",
            WARNING,
            f"{where}, and no edge is named, so the admin token travels unencrypted",
            "have an edge speak HTTPS and name it with --trusted-proxies, or listen on "
            "127.0.0.1",
        )
    else:
        yield Finding(
            "public-without-edge",
            WARNING,
            f"{where}, and no edge is named that would encrypt and cache",
            "put an edge in front (bytereel nginx-config) and name it with "
            "--trusted-proxies, or listen on 127.0.0.1",
        )


def is_public(host: str) -> bool:
    """Report whether other machines may reach an address to listen on."""
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"
