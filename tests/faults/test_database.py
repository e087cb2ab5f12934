"""What we promise when PostgreSQL is away, slow, busy, or not as it was."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.faults.breakage import (
    FAST,
    IMMEDIATE,
    KILL,
    backend_killed,
    changed,
    crowded_out,
    cut,
    locked,
    paused,
    refused,
    restarted_thrice,
    sessions_ended,
    slowed,
    stalled,
    stopped,
)
from tests.faults.database import READ_ONLY, ROLE
from tests.faults.promise import ONLY_RIGHT, Promise, keep, rows

if TYPE_CHECKING:
    from tests.faults.promise import Lab

OUTAGES = [
    Promise("stopped at once", partial(stopped, how=IMMEDIATE), 0.5),
    Promise("stopped fast", partial(stopped, how=FAST), 0.5, is_long=True),
    Promise("postmaster killed", partial(stopped, how=KILL), 0.5),
    Promise("away for long", partial(stopped, how=FAST), 20, is_long=True),
    Promise("restarted thrice", restarted_thrice, 0, is_long=True),
    Promise("backend killed", backend_killed, 0),
    Promise("sessions ended", sessions_ended, 0, is_long=True),
    Promise("connections refused", refused, 0.5),
    Promise("connections reset", partial(cut, orderly=False), 0, is_long=True),
    Promise("connections closed", partial(cut, orderly=True), 0, is_long=True),
    Promise("reset in a row", partial(cut, orderly=False, mid_row=True), 0),
    Promise(
        "closed in a row", partial(cut, orderly=True, mid_row=True), 0, is_long=True
    ),
]
"""It breaks off, or is away."""

STALLS = [
    Promise("stalled shortly", paused, 1, ONLY_RIGHT),
    Promise("locked shortly", locked, 1, ONLY_RIGHT),
    Promise("stalled 5 s", paused, 5, is_long=True),
    Promise("stalled 30 s", paused, 30, is_long=True),
    Promise("locked 5 s", locked, 5, is_long=True),
    Promise("locked 30 s", locked, 30, is_long=True),
    Promise("locked 60 s", locked, 60, is_long=True),
    Promise("black hole 5 s", stalled, 5, is_long=True),
    Promise("black hole 30 s", stalled, 30, well_within=10, is_long=True),
    Promise("slow answers", partial(slowed, delay=0.2), 1, ONLY_RIGHT),
    Promise("2 s a round trip", partial(slowed, delay=1.0), 30, is_long=True),
    Promise("10 kB/s", partial(slowed, rate=10_000), 30, well_within=30, is_long=True),
]
"""It is there, and does not answer, or not soon."""

CHANGES = [
    Promise(
        "table renamed",
        partial(
            changed,
            by="ALTER TABLE videos RENAME TO aside",
            back="ALTER TABLE aside RENAME TO videos",
        ),
        0.5,
    ),
    Promise(
        "table dropped",
        partial(
            changed,
            by="CREATE TABLE aside (LIKE videos INCLUDING ALL);"
            " INSERT INTO aside SELECT * FROM videos; DROP TABLE videos CASCADE",
            back="ALTER TABLE aside RENAME TO videos;"
            f" GRANT SELECT ON videos TO {ROLE}",
        ),
        0.5,
        is_long=True,
    ),
    Promise(
        "rights revoked",
        partial(
            changed,
            by=f"REVOKE SELECT ON videos FROM {ROLE}",
            back=f"GRANT SELECT ON videos TO {ROLE}",
        ),
        0.5,
    ),
    Promise(
        "login revoked",
        partial(
            changed,
            by=f"ALTER ROLE {ROLE} NOLOGIN",
            back=f"ALTER ROLE {ROLE} LOGIN",
            reconnects=True,
        ),
        0.5,
        is_long=True,
    ),
    Promise(
        "read only",
        partial(
            changed,
            by=READ_ONLY[0],
            back=READ_ONLY[1],
            reconnects=True,
        ),
        0.5,
    ),
    Promise(
        "statement_timeout of 1 ms",
        partial(
            changed,
            by=f"ALTER ROLE {ROLE} SET statement_timeout = 1",
            back=f"ALTER ROLE {ROLE} RESET statement_timeout",
            reconnects=True,
        ),
        0.5,
        is_long=True,
    ),
    Promise("no session free", crowded_out, 0.5),
]
"""It answers, but not with videos, or not to us."""


@pytest.mark.parametrize("promise", rows(OUTAGES))
async def test_outage(promise: Promise, lab: Lab) -> None:
    await keep(promise, lab)


@pytest.mark.parametrize("promise", rows(STALLS))
async def test_stall(promise: Promise, lab: Lab) -> None:
    await keep(promise, lab)


@pytest.mark.parametrize("promise", rows(CHANGES))
async def test_change(promise: Promise, lab: Lab) -> None:
    await keep(promise, lab)
