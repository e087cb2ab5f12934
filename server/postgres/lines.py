"""The connections that one job has to PostgreSQL, to be broken from another thread."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING

import psycopg2

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection


class Lines:
    """Copies of their sockets, so that none is broken that has become another's."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sockets: list[socket.socket] = []
        self._is_cut = False

    def add(self, connection: Connection) -> None:
        """Take one in; it breaks at once if the others are broken."""
        with suppress(OSError, psycopg2.InterfaceError):
            line = socket.socket(fileno=os.dup(connection.fileno()))
            with self._lock:
                self._sockets.append(line)
                is_cut = self._is_cut
            if is_cut:
                self.cut()

    def cut(self) -> None:
        """Break all: PostgreSQL undoes what was not committed.

        Cancelling would end one statement, and the next would be sent.
        """
        with self._lock:
            self._is_cut = True
            for line in self._sockets:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Forget them, which leaves them open."""
        with self._lock:
            for line in self._sockets:
                line.close()
            self._sockets.clear()
