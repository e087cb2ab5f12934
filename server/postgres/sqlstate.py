"""The error of psycopg2 for what PostgreSQL said to libpq. No I/O."""

import psycopg2
from psycopg2 import errors

# What is not supported, said by the routine of plancache.c that looks at a kept plan.
# The code alone may come of a value, such as an infinite date.
_OUTDATED = "0A000", "RevalidateCachedQuery"


class PlanOutdated(errors.FeatureNotSupported):
    """A kept query would return other types than it did: its tables have changed."""


def build_error(code: str, routine: str, text: str) -> psycopg2.Error:
    """Return the error that psycopg2 would raise; code is the SQLSTATE.

    https://www.postgresql.org/docs/current/protocol-error-fields.html
    """
    try:
        kind: type[psycopg2.Error] = errors.lookup(code)
    except KeyError:  # of the connection, or newer than psycopg2
        kind = psycopg2.OperationalError
    if (code, routine) == _OUTDATED:
        kind = PlanOutdated
    error = kind(text)
    error.__setstate__({"pgcode": code or None, "pgerror": text})  # type: ignore[no-untyped-call]
    return error
