"""Binary rows and kept statements, which psycopg2 lacks, by the libpq beneath it.

connection.pgconn_ptr is what libpq's functions take; nothing here waits. ImportError,
with a sentence, where that libpq is too old or can't be called.
"""

from __future__ import annotations

import ctypes
import re
from ctypes import c_char_p, c_int, c_void_p
from functools import cache, lru_cache, partial
from hashlib import sha256
from struct import Struct
from typing import TYPE_CHECKING, Any

import psycopg2
from psycopg2 import _psycopg, extensions

from server.postgres.sqlstate import build_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from psycopg2.extensions import connection as Connection

    Row = tuple[Any, ...]

_PARAMETER = re.compile(r"%\((\w+)\)s")

# ExecStatusType in libpq-fe.h
_DONE, _ROWS, _FAILED, _SYNC = 1, 2, 7, 10
# Fields of an error in postgres_ext.h
_SQLSTATE, _ROUTINE = ord("C"), ord("R")
_BINARY = 1

OLDEST = 14_00_00  # the first with pipelines

_libpq = ctypes.PyDLL(_psycopg.__file__)  # finds what the module is linked with


def check_version(version: int) -> None:
    """Raise ImportError for a libpq that lacks what is called here."""
    if version < OLDEST:
        raise ImportError(
            f"its libpq is {version // 10_000}, not {OLDEST // 10_000} or newer",
            name="psycopg2",
        )


def _declare(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    function: Callable[..., Any] | None = getattr(_libpq, name, None)
    if function is None:
        raise ImportError(f"its libpq has no {name}", name="psycopg2")
    function.restype, function.argtypes = result, arguments  # type: ignore[attr-defined]
    return function


check_version(extensions.libpq_version())
_enter_pipeline = _declare("PQenterPipelineMode", c_int, c_void_p)
_exit_pipeline = _declare("PQexitPipelineMode", c_int, c_void_p)
_send_sync = _declare("PQpipelineSync", c_int, c_void_p)
_send_prepare = _declare(
    "PQsendPrepare", c_int, c_void_p, c_char_p, c_char_p, c_int, c_void_p
)
_send_kept = _declare(
    *("PQsendQueryPrepared", c_int, c_void_p, c_char_p, c_int),
    *(c_void_p, c_void_p, c_void_p, c_int),
)
_send_query = _declare(
    *("PQsendQueryParams", c_int, c_void_p, c_char_p, c_int),
    *(c_void_p, c_void_p, c_void_p, c_void_p, c_int),
)
_flush = _declare("PQflush", c_int, c_void_p)
_consume_input = _declare("PQconsumeInput", c_int, c_void_p)
_is_busy = _declare("PQisBusy", c_int, c_void_p)
_get_result = _declare("PQgetResult", c_void_p, c_void_p)
_clear = _declare("PQclear", None, c_void_p)
_status = _declare("PQresultStatus", c_int, c_void_p)
_error_field = _declare("PQresultErrorField", c_char_p, c_void_p, c_int)
_error_message = _declare("PQresultErrorMessage", c_char_p, c_void_p)
_connection_message = _declare("PQerrorMessage", c_char_p, c_void_p)
_count_rows = _declare("PQntuples", c_int, c_void_p)
_count_columns = _declare("PQnfields", c_int, c_void_p)
_type = _declare("PQftype", c_int, c_void_p, c_int)
_is_null = _declare("PQgetisnull", c_int, c_void_p, c_int, c_int)
_length = _declare("PQgetlength", c_int, c_void_p, c_int, c_int)
_value = _declare("PQgetvalue", c_void_p, c_void_p, c_int, c_int)


def _decode_integer(data: bytes) -> int:
    return int.from_bytes(data, signed=True)


@lru_cache(maxsize=4096)
def _decode_record(data: bytes) -> Row:
    """Return the values of ROW(…), as record_send writes them: type, length, bytes.

    What is known of a video comes with each of its reads, the same each time. Raises
    NotSupportedError for a value of a type that is not known here.
    """
    values: list[Any] = []
    at = 4  # behind their number
    while at < len(data):
        kind, size = _FIELD.unpack_from(data, at)
        at += _FIELD.size
        if size < 0:
            values.append(None)
        else:
            values.append(_find_decoder(kind)(data[at : at + size]))
            at += size
    return tuple(values)


def _decode_text(data: bytes) -> str:
    return data.decode(errors="replace")  # a database without encoding takes any bytes


def _find_decoder(kind: int) -> Callable[[bytes], Any]:
    """Return what decodes a type by its number in pg_type."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        known = ", ".join(map(str, _DECODERS))
        raise psycopg2.NotSupportedError(
            f"a column has the type {kind}, and only {known} are read in binary: cast "
            "it in the query"
        )
    return decoder


_FIELD = Struct("!Ii")
_DECODERS: dict[int, Callable[[bytes], Any]] = {
    17: bytes,
    20: _decode_integer,
    23: _decode_integer,
    25: _decode_text,
    2249: _decode_record,
}


class Exchange:
    """A query and what belongs to it, in one round trip and one transaction.

    https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
    """

    def __init__(
        self, connection: Connection, query: str, values: Mapping[str, object]
    ) -> None:
        """Raise KeyError, TypeError or ValueError for values that can't be sent."""
        self._connection = connection
        self._query = query
        self._text, names, self._name = _number_parameters(query)
        self._values = [_render(values[name]) for name in names]
        self._rows: list[Row] = []
        self._error: psycopg2.Error | None = None
        self._prepared: Callable[[], None] | None = None
        self._ended = False  # a statement has, by the last result

    def _find_pointer(self) -> int:
        """Return what libpq knows the connection by; closed, it has none any more."""
        pointer: int | None = self._connection.pgconn_ptr
        if not pointer:
            raise psycopg2.InterfaceError("connection already closed")
        return pointer

    def send(self, first: str, kept: set[str]) -> None:
        """Send the query, which PostgreSQL keeps: kept holds all that it does.

        With first, send that before, and nothing is kept.
        """
        pointer = self._find_pointer()
        _call(pointer, _enter_pipeline)
        size = len(self._values)
        texts = (c_char_p * size)(*self._values)
        last = None, None, _BINARY
        if first:
            _call(pointer, _send_query, first.encode(), 0, None, None, *last)
            _call(pointer, _send_query, self._text, size, None, texts, *last)
        else:
            if self._query not in kept:
                _call(pointer, _send_prepare, self._name, self._text, 0, None)
                self._prepared = partial(kept.add, self._query)
            _call(pointer, _send_kept, self._name, size, texts, *last)
        _call(pointer, _send_sync)

    def unsent(self) -> bool:
        """Report whether the socket has not taken all."""
        return bool(_flush(self._find_pointer()) > 0)

    def advance(self) -> bool:
        """Flush and read without blocking; return True once the reply is complete.

        Raises OperationalError when the connection is broken.
        """
        pointer = self._find_pointer()
        _call(pointer, _consume_input)
        while not _is_busy(pointer):
            result = _get_result(pointer)
            if result is not None and self._take(result) == _SYNC:
                _call(pointer, _exit_pipeline)
                return True
            if result is None and self._ended:  # twice: the connection has
                return True
            self._ended = result is None
        return False

    def _take(self, result: int) -> int:
        """Note what a result says; return its status."""
        try:
            status: int = _status(result)
            if status == _ROWS:
                self._rows = self._read(result)
            elif status == _FAILED and self._error is None:
                self._error = _build_error(result)
            elif status == _DONE and self._prepared is not None:
                self._prepared()
            return status
        finally:
            _clear(result)

    def _read(self, result: int) -> list[Row]:
        try:
            return _read_rows(result)
        except psycopg2.NotSupportedError as error:  # what follows is still to be taken
            self._error = error
            return []

    def rows(self) -> list[Row]:
        """Return the rows; raise what PostgreSQL said instead."""
        if self._error is not None:
            raise self._error
        return self._rows


def _call(pointer: int, function: Callable[..., int], *arguments: object) -> None:
    if not function(pointer, *arguments):
        raise psycopg2.OperationalError(_connection_message(pointer).decode())


@cache
def _number_parameters(query: str) -> tuple[bytes, list[str], bytes]:
    """Return a query with $1, $2, … for psycopg2's placeholders, their names, and its.

    By its own name PostgreSQL keeps it: what another has kept there is the same.
    """
    names = list(dict.fromkeys(_PARAMETER.findall(query)))
    text = _PARAMETER.sub(lambda found: f"${names.index(found[1]) + 1}", query)
    text = text.replace("%%", "%")
    name = f"bytereel_{sha256(text.encode()).hexdigest()[:16]}"
    return text.encode(), names, name.encode()


def _render(value: object) -> bytes | None:
    """Return text for PostgreSQL, or None for NULL.

    Takes text, numbers, truth values and lists of whole numbers; raises TypeError for
    anything else, ValueError for text that PostgreSQL can't hold.
    """
    if value is None:
        return None
    if isinstance(value, list) and set(map(type, value)) <= {int}:
        return f"{{{','.join(map(str, value))}}}".encode()
    if isinstance(value, int | float):
        return str(value).encode()
    if isinstance(value, str):
        text = value.encode()
        if b"\0" in text:
            raise ValueError("A value for PostgreSQL must not contain a NUL sign.")
        return text
    raise TypeError(f"{type(value).__name__} is no type that can be sent to PostgreSQL")


def _read_rows(result: int) -> list[Row]:
    decoders = [_find_decoder(_type(result, n)) for n in range(_count_columns(result))]
    columns = list(enumerate(decoders))
    rows: list[Row] = []
    for row in range(_count_rows(result)):
        values = []
        for column, decode in columns:
            size = _length(result, row, column)
            if size or not _is_null(result, row, column):
                data = ctypes.string_at(_value(result, row, column), size)
                values.append(decode(data))
            else:
                values.append(None)
        rows.append(tuple(values))
    return rows


def _build_error(result: int) -> psycopg2.Error:
    code = (_error_field(result, _SQLSTATE) or b"").decode()
    routine = (_error_field(result, _ROUTINE) or b"").decode()
    text = _error_message(result).decode(errors="replace")
    return build_error(code, routine, text)
