"""The server as it is, and in a file the number of requests that reached it.

python -m bench.peers.counted FILE serve …: FILE must have eight bytes. Behind nginx
each request comes alone, in one piece.
"""

import mmap
import struct
import sys

from server import cli
from server.serving import connection
from server.serving import listen as serve


def count_into(path: str) -> type[connection.Connection]:
    """Return the server's connection, with every request counted in a file."""
    with open(path, "r+b") as file:
        shown = mmap.mmap(file.fileno(), 8)
    requests = 0

    class Counted(connection.Connection):
        """A connection that counts."""

        __slots__ = ()

        def data_received(self, data: bytes) -> None:
            """Count, and go on."""
            nonlocal requests
            requests += data.startswith((b"GET ", b"HEAD "))
            shown[:] = struct.pack("=Q", requests)
            super().data_received(data)

    return Counted


if __name__ == "__main__":
    vars(serve)["Connection"] = count_into(sys.argv[1])
    sys.exit(cli.main(sys.argv[2:]))
