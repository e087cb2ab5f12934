"""A server with an admin, in a thread of its own, and a client that has the token."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPMessage
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from server.admin.saving import UNCOMPRESSED, Compression
from tests.api.test_openapi import serving
from tests.conftest import execute

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

TOKEN = "a-token-of-tests-only"


class Answer(NamedTuple):
    """What came back; of an error the sentence."""

    status: int
    headers: HTTPMessage
    body: Any  # parsed, if it is JSON

    @property
    def error(self) -> str:
        assert list(self.body) == ["error"]
        assert self.headers["Cache-Control"] == "no-store"
        return str(self.body["error"])


class Admin(NamedTuple):
    """A server, its database, and the folder of its uploads."""

    port: int
    database_url: str
    spool: Path

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | dict[str, Any] | None = None,
        headers: Mapping[str, str] = {},
        token: str | None = TOKEN,
    ) -> Answer:
        """Return the answer; a dict is sent as JSON, an iterable in chunks."""
        sent = dict(headers)
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if isinstance(body, dict):
            body = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            data = answer.read()
        kind = answer.headers.get("Content-Type", "")
        found = json.loads(data) if kind.startswith("application/json") else data
        return Answer(answer.status, answer.headers, found)

    def list_spooled(self) -> list[str]:
        """Return the names of what is in the folder of uploads."""
        return sorted(path.name for path in self.spool.iterdir())


@contextmanager
def serving_admin(
    cluster: str,
    template: str,
    name: str,
    spool: Path,
    compression: Compression = UNCOMPRESSED,
) -> Iterator[Admin]:
    """Yield a server of a fresh database, with a token and an empty folder."""
    postgres, url = cluster.format(database="postgres"), cluster.format(database=name)
    execute(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    options = {"spool": spool, "compression": compression}
    with serving(url, admin_token=TOKEN, **options) as address:
        yield Admin(urlsplit(address).port or 0, url, spool)
    execute(postgres, f"DROP DATABASE {name} WITH (FORCE)")
