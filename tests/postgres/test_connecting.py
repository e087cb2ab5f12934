"""Why no session can be opened is told to all who ask, without names and passwords."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from server.postgres.pool import Database, DatabaseAway
from tests.breakable import breakable
from tests.conftest import execute
from tests.postgres.test_schema import run
from tests.reading.test_waiting import serving
from tests.wire import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "open-sesame"

# What the URL has for the role, and what is told of it.
REFUSED = {
    "no such database": ({"dbname": "nowhere"}, "no such database"),
    "no such role": ({"user": "nobody"}, "check the role and pg_hba.conf"),
    "may not log in": ({"user": "guest"}, "check the role and pg_hba.conf"),
    "wrong password": ({"user": "keeper", "password": SECRET}, "the password"),
    "no password": ({"user": "keeper"}, "the password"),
    "no such host": ({"host": "db.invalid"}, "no address"),
    "no such hosts": ({"host": "db.invalid,a.invalid", "port": "1,1"}, "no address"),
}


@pytest.fixture
def roles(database_url: str) -> Iterator[str]:
    """Return the URL of a database with a role that needs a password, and another."""
    execute(
        database_url, "CREATE ROLE guest NOLOGIN; CREATE ROLE keeper LOGIN PASSWORD 'a'"
    )
    [(path,)] = run(database_url, "SHOW hba_file")
    with asking_for_a_password(Path(path), database_url):
        yield database_url
    execute(database_url, "DROP ROLE guest; DROP ROLE keeper")


@contextmanager
def asking_for_a_password(hba: Path, url: str) -> Iterator[None]:
    before = hba.read_text()
    hba.write_text(f"local all keeper scram-sha-256\n{before}")
    execute(url, "SELECT pg_reload_conf()")
    yield
    hba.write_text(before)
    execute(url, "SELECT pg_reload_conf()")


async def expect_told(url: str, words: str) -> None:
    async with serving(url) as (port, _), connect(port) as wire:
        for path in ("/readyz", "/v3/videos/1", "/"):
            head, body = await wire.get(path)
            text = body.decode()
            assert (head.status, words in text) == (503, True), (path, text)
            for private in ("nobody", "guest", "keeper", SECRET, "nowhere", "invalid"):
                assert private not in text


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED)
async def test_refusal_is_told(
    roles: str,
    change: dict[str, str],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await expect_told(make_dsn(roles, **change), words)
    assert SECRET not in caplog.text


async def test_missing_tls_is_told(database_url: str) -> None:
    async with breakable(database_url) as proxy:
        await expect_told(make_dsn(proxy.url, sslmode="require"), "secure connection")


async def test_reason_is_as_libpq_words_it(database_url: str) -> None:
    url = make_dsn(database_url, user="nobody")
    database = Database(url, connections=1)
    await database.open()
    with pytest.raises(DatabaseAway) as caught:
        await database.fetch("SELECT 1", {})
    await database.close()
    with pytest.raises(psycopg2.OperationalError) as plain:
        psycopg2.connect(url)
    told = str(caught.value.__cause__)
    assert told.endswith('role "nobody" does not exist')
    assert told in str(plain.value)


async def test_errors_of_an_open_session_have_no_code_in_them(
    database_url: str,
) -> None:
    database = Database(database_url, connections=1)
    await database.open()
    with pytest.raises(psycopg2.errors.UndefinedTable) as caught:
        await database.fetch("SELECT 1 FROM nowhere", {})
    await database.close()
    with (
        closing(psycopg2.connect(database_url)) as connection,
        pytest.raises(psycopg2.errors.UndefinedTable) as plain,
    ):
        connection.cursor().execute("SELECT 1 FROM nowhere")
    assert str(caught.value) == str(plain.value)
