"""Apply migrations of our own PostgreSQL while we serve, if others held them up."""

from __future__ import annotations

import logging
import threading
from time import sleep
from typing import TYPE_CHECKING

from server.api.health import READINESS
from server.errors import Fault
from server.postgres import migrations
from server.postgres.migration_locks import Held

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from server.api.health import Readiness

PAUSE_SECONDS = 5.0

_log = logging.getLogger(__name__)


def add_migrating(app: web.Application, url: str, held: str) -> None:
    """Have the application not ready, because of what held says, until all is applied.

    Each worker tries, and all but one then find nothing missing.
    """

    async def migrate(  # noqa: RUF029 # aiohttp takes no other
        app: web.Application,
    ) -> AsyncIterator[None]:
        readiness = app[READINESS]
        readiness.held = f"{held}: wait, or end what holds it"
        # The end of the process waits for no such thread; PostgreSQL undoes its work.
        threading.Thread(target=apply, args=(url, readiness), daemon=True).start()
        yield

    app.cleanup_ctx.append(migrate)


def apply(url: str, readiness: Readiness) -> None:
    """Apply what is missing, as often as it takes."""
    patience = migrations.PATIENCE_SECONDS
    while readiness.held:
        try:
            migrations.apply(url, patience=patience, turn_patience=patience)
        except Held as fault:
            readiness.held = str(fault)
        except (Fault, MemoryError) as fault:
            if readiness.held != str(fault):
                readiness.held = str(fault) or "no memory is left to migrate"
                _log.warning("%s", readiness.held)
            sleep(PAUSE_SECONDS)
        else:
            readiness.held = ""
            _log.warning("the database is up to date now")
