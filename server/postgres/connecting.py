"""Why PostgreSQL refuses a session: libpq tells it as text alone. Nothing here waits.

While connecting, libpq keeps no SQLSTATE, but writes it into its messages if asked to.
"""

from __future__ import annotations

import ctypes
import re
from ctypes import c_int, c_void_p
from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import _psycopg

from server.postgres.sqlstate import NameUnknown, TlsRefused, set_code

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

_DEFAULT, _VERBOSE = 1, 2  # PGVerbosity in libpq-fe.h
_set_verbosity = ctypes.PyDLL(_psycopg.__file__).PQsetErrorVerbosity
_set_verbosity.argtypes = c_void_p, c_int

# Of a message like "FATAL:  28P01: password authentication failed for user …"
_CODE = re.compile(r"(?<=:  )([0-9A-Z]{5}): ")
_LOCATION = re.compile(r"^LOCATION: .*\n?", re.MULTILINE)
_NO_PASSWORD = "no password supplied"
_NO_NAME = "could not translate host name"
_NO_TLS = re.compile("does not support SSL|SSL error|certificate")


def tell_codes(connection: Connection) -> None:
    """Have libpq write codes into the messages of a connection that is being made."""
    _set_verbosity(connection.pgconn_ptr, _VERBOSE)


def tell_texts(connection: Connection) -> None:
    """Have libpq write messages as usual."""
    _set_verbosity(connection.pgconn_ptr, _DEFAULT)


def explain_refusal(error: psycopg2.OperationalError) -> psycopg2.OperationalError:
    """Return the error of a connection with its code, or kind, and without both in it.

    Of several addresses, the code is that of the last one that has told any.
    """
    text = _LOCATION.sub("", str(error)).strip()
    codes = _CODE.findall(text)
    text = _CODE.sub("", text)
    if codes:
        return set_code(psycopg2.OperationalError(text), codes[-1], text)
    if _NO_PASSWORD in text:
        return set_code(psycopg2.OperationalError(text), "28P01", text)
    if _NO_NAME in text:
        return NameUnknown(text)
    if _NO_TLS.search(text):
        return TlsRefused(text)
    return psycopg2.OperationalError(text)
