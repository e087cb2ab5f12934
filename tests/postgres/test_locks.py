"""A limit to waiting for locks, for those who ask for one."""

from __future__ import annotations

from contextlib import closing

import psycopg2
import pytest

from server.errors import Fault
from server.library.words.link import delete_with_links
from server.postgres.locks import limited_lock_waits
from server.postgres.refusals import opening
from tests.conftest import insert_video


@pytest.mark.long
def test_wait_for_a_lock_ends_where_it_is_limited(database_url: str) -> None:
    number = insert_video(database_url, "a.mp4", b"abc")
    with closing(psycopg2.connect(database_url)) as other:
        other.cursor().execute("LOCK videos IN ACCESS EXCLUSIVE MODE")
        with (
            limited_lock_waits(0.2),
            pytest.raises(Fault, match="canceling statement due to lock timeout"),
        ):
            delete_with_links(database_url, number)
    with limited_lock_waits(0.2):
        assert delete_with_links(database_url, number) == []


def test_commands_wait_for_locks_as_the_role_does(database_url: str) -> None:
    with opening(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchall() == [("0",)]
