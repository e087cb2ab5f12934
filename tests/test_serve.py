"""Serving begins whatever the database is doing."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from server.errors import Fault
from server.serve import check_schema
from tests.command import run, serving

if TYPE_CHECKING:
    from tests.command import Server

HANG_SECONDS = 60


def ask(server: Server, path: str) -> tuple[int, dict[str, str]]:
    try:
        with urlopen(server.address + path, timeout=HANG_SECONDS) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.long
@pytest.mark.parametrize("options", ["", "-c statement_timeout=200"])
def test_server_starts_while_videos_is_locked(database_url: str, options: str) -> None:
    url = make_dsn(database_url, options=options) if options else database_url
    with closing(psycopg2.connect(database_url)) as other:
        other.cursor().execute("LOCK videos IN ACCESS EXCLUSIVE MODE")
        with serving(url, "--answer-seconds", "3") as server:
            assert ask(server, "healthz")[0] == 200
            status, told = ask(server, "readyz")
            assert (status, "answer in time" in told["error"]) == (503, True)
            other.rollback()
            until = time.monotonic() + HANG_SECONDS
            while ask(server, "readyz")[0] != 200:
                assert time.monotonic() < until
                time.sleep(0.1)


def test_server_starts_while_the_database_is_away(database_url: str) -> None:
    url = make_dsn(database_url, host="127.0.0.1", port="1")
    with serving(url) as server:
        assert ask(server, "healthz")[0] == 200
        assert ask(server, "readyz")[0] == 503


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("postgresql://u:secret@127.0.0.1:99999/x", "99999"),
        ("postgresql:///x?host=/tmp&port=0", "0"),
        ("host=a,b port=5432,70000", "70000"),
    ],
)
def test_port_that_there_is_not_is_refused(url: str, port: str) -> None:
    with pytest.raises(Fault) as failed:
        check_schema(url)
    assert str(failed.value) == (
        f"the database URL names the port {port}: write one from 1 to 65535"
    )


@pytest.mark.parametrize(
    "url", ["postgresql://u:99999/7@127.0.0.1/x", "postgresql://u:1@99999@a:70000/x"]
)
def test_port_that_may_be_a_password_is_not_shown(url: str) -> None:
    with pytest.raises(Fault) as failed:
        check_schema(url)
    assert "cannot read the database URL" in str(failed.value)
    assert "99999" not in str(failed.value)


@pytest.mark.long
def test_server_ends_where_there_is_nothing_to_serve(empty_url: str) -> None:
    text = run("serve", "--port", "0", url=empty_url, status=1)
    assert text.startswith("bytereel: the database has no videos to serve (")
    assert text.endswith("run bytereel migrate\n")
    assert text.count("\n") == 1
