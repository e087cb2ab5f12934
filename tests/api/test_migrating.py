"""Serving while others hold up the migration of the embedded PostgreSQL."""

from __future__ import annotations

import json
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import urlopen

import psycopg2
import pytest

from server.postgres import embedded, migrations
from tests.command import serving

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 30.0
LOCK = "LOCK TABLE bytereel_migrations IN ACCESS EXCLUSIVE MODE"


def is_ready(address: str) -> bool:
    with suppress(HTTPError), urlopen(f"{address}readyz") as answer:
        return bool(answer.status == 200)
    return False


@pytest.mark.long
def test_held_migration_is_told_and_tried_again(data_dir: Path) -> None:
    with embedded.running(data_dir) as url:
        migrations.apply(url)
        with closing(psycopg2.connect(url)) as holder:
            with holder.cursor() as cursor:
                cursor.execute(LOCK)
            with serving("", "--data-dir", str(data_dir)) as server:
                with urlopen(f"{server.address}healthz") as answer:
                    assert answer.status == 200
                with pytest.raises(HTTPError) as refused:
                    urlopen(f"{server.address}readyz")
                assert refused.value.code == 503
                said = json.load(refused.value)["error"]
                assert f"process {holder.info.backend_pid} " in said
                holder.rollback()
                until = time.monotonic() + SECONDS
                while not is_ready(server.address):
                    assert time.monotonic() < until
                    time.sleep(0.1)
