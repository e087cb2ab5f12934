"""Errors of PostgreSQL: which psycopg2 has for them, and what they say. No I/O."""

from typing import TypeVar

import psycopg2
from psycopg2 import errors

Error = TypeVar("Error", bound=psycopg2.Error)

# What is not supported, said by the routine of plancache.c that looks at a kept plan.
# The code alone may come of a value, such as an infinite date.
_OUTDATED = "0A000", "RevalidateCachedQuery"

# Classes of errors that pass: connection, rollback, resources, operator, system.
_PASSING = ("08", "40", "53", "57", "58")
# What may come of one row, as of a view's own function, and spares the others: values,
# too many rows, external routines, limits, files, foreign tables, PL/pgSQL, damage.
_OF_A_ROW = ("21", "22", "38", "39", "54", "58", "HV", "P0", "XX")
# Mistakes in the text of a statement: syntax, and a parameter that is not there. All
# else comes of the database, since values are checked before they are sent.
_OURS = ("42601", "42P02")
_NO_TLS = "No secure connection to the database: check sslmode in its URL."
NO_NAME = "The host of the database has no address now: check its name in the URL."
_OF_THE_DATABASE = "The database can't do that now: see the server's log."
# The state of the database, not a mistake of ours, by the longest prefix of the code.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_SENTENCES = {
    "08": "The database can't be reached now; try again in a moment.",
    "21": "A value in the database can't be used: see the server's log.",
    "22": "A value in the database can't be used: see the server's log.",
    "23": "A rule of the database refuses the change: see the server's log.",
    "25006": "The database takes no changes now, as it is read-only or a standby; try "
    "again later.",
    "28": "The database refuses the server's user now: check the role and pg_hba.conf.",
    "28P01": "The database refuses the password: check the server's database URL.",
    "38": "The database's own functions fail now: see the server's log.",
    "39": "The database's own functions fail now: see the server's log.",
    "3D": "There is no such database now: create it, or correct the URL.",
    "3F": "The database lacks a table or column now: run bytereel migrate.",
    "40": "The database was changed by others at that moment; try again.",
    "42501": "The database refuses the server's user now: check the role's rights.",
    "42703": "The database lacks a table or column now: run bytereel migrate.",
    "42P10": "The database lacks a key of a table now: see the server's log.",
    "42804": "A column of the database has another type now: run bytereel doctor.",
    "42809": "The database lacks a table or column now: run bytereel migrate.",
    "42846": "A column of the database has another type now: run bytereel doctor.",
    "42883": "A column of the database has another type now: run bytereel doctor.",
    "42P01": "The database lacks a table or column now: run bytereel migrate.",
    "53": "The database has run out of disk space, memory or connections; try again "
    "later.",
    "44": "A rule of the database refuses the change: see the server's log.",
    "54": "The database has met a limit of its own: see the server's log.",
    "55000": "The database can't be reached now; try again in a moment.",
    "55": "The database is busy with that table now; try again in a moment.",
    "57": "The database can't be reached now; try again in a moment.",
    "58": "The database can't read its files now: see its log.",
    "HV": "The database's foreign tables fail now: see the server's log.",
    "P0": "The database's own functions fail now: see the server's log.",
    "XX": "The database has damaged data: run bytereel verify.",
}


class TlsRefused(psycopg2.OperationalError):
    """The two ends don't agree on TLS, or on who the other is."""


class NameUnknown(psycopg2.OperationalError):
    """The name of the host has no address."""


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
    return set_code(kind(text), code, text)


def set_code(error: Error, code: str, text: str) -> Error:
    """Return an error that says what psycopg2 would have set."""
    error.__setstate__({"pgcode": code or None, "pgerror": text})  # type: ignore[no-untyped-call]
    return error


def passes(error: psycopg2.Error) -> bool:
    """Report whether the same statement may well succeed in a moment."""
    code = error.pgcode
    if code:
        return code.startswith(_PASSING) or isinstance(error, PlanOutdated)
    # Nothing PostgreSQL has said, but libpq: broken off, garbled, or out of memory.
    return not isinstance(error, psycopg2.ProgrammingError | psycopg2.NotSupportedError)


def may_be_of_a_row(error: psycopg2.Error) -> bool:
    """Report whether a statement about other rows may well succeed."""
    return (error.pgcode or "").startswith(_OF_A_ROW)


def explain_state(error: psycopg2.Error) -> str | None:
    """Return a sentence for clients about the state of the database.

    None where the statement itself, and so its author, is wrong.
    """
    code = error.pgcode or ""
    if code.startswith(_OURS):
        return None
    for length in (5, 2):
        sentence = _SENTENCES.get(code[:length])
        if sentence:
            return sentence
    if isinstance(error, psycopg2.NotSupportedError):
        return _SENTENCES["42804"]
    if isinstance(error, TlsRefused):
        return _NO_TLS
    if isinstance(error, NameUnknown):
        return NO_NAME
    if isinstance(error, psycopg2.DataError):
        return _SENTENCES["22"]
    if code:
        return _OF_THE_DATABASE
    return _SENTENCES["08"] if passes(error) else None
