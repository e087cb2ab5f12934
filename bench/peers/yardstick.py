"""What the machine gives right now: 64 KiB from memory for every request, no more.

python -m bench.peers.yardstick PORT. It never changes, so a run on a slower day can be
compared with one on a faster day.
"""

import asyncio
import sys
from typing import cast

import uvloop

BODY = bytes(64 * 1024)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)


class Answer(asyncio.Protocol):
    """Answers whatever ends a head."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Send the body."""
        if data.endswith(b"\r\n\r\n"):
            self.transport.writelines((HEAD, BODY))


async def serve() -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answer, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
