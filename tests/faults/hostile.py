"""Clients that mean harm: python -m tests.faults.hostile PORT VIDEO KIND...

A process of its own, and nice, since elsewhere they have machines of their own. It
attacks the server on that port until it is ended; VIDEO is the id of a large clip.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import struct
import sys
import zlib
from contextlib import closing, suppress
from functools import cache
from typing import NamedTuple

PIECE_BYTES = 64 * 1024
FLOOD_BYTES = 8_000_000
BODY_BYTES = 50_000_000
BOMB_BYTES = 60_000_000
SMALL_BUFFER = 16 * 1024
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: don't say good-bye
PATIENCE_SECONDS = 5.0
PAUSE_SECONDS = 0.05

POST = (
    "POST /v3/views HTTP/1.1\r\nHost: video.example\r\n"
    "Content-Type: application/json\r\n{fields}\r\n\r\n"
)
GET = "GET {path} HTTP/1.1\r\nHost: video.example\r\n{fields}\r\n\r\n"
OPEN = b"GET / HTTP/1.1\r\nHost: video.example\r\n"  # more headers are to come
CHUNKED = POST.format(fields="Transfer-Encoding: chunked").encode()


class Flood(NamedTuple):
    """Sends a beginning, then a piece again and again, and never comes to an end."""

    connections: int
    beginning: bytes
    piece: bytes
    most: int = FLOOD_BYTES


class Repeated(NamedTuple):
    """Sends a request again and again, each after the answer to the last."""

    connections: int
    request: bytes


class Bomb(NamedTuple):
    """Sends the same, a request whose body unfolds to megabytes."""

    connections: int
    coding: str

    @property
    def request(self) -> bytes:
        return make_bomb(self.coding)


class Held(NamedTuple):
    """Sends something, and then neither sends nor reads."""

    connections: int
    sent: bytes


class Hasty(NamedTuple):
    """Sends something and leaves at once, again and again."""

    connections: int
    sent: bytes


Attack = Flood | Repeated | Bomb | Held | Hasty


def make_piece(text: bytes) -> bytes:
    return text * (PIECE_BYTES // len(text))


@cache
def make_bomb(coding: str) -> bytes:
    """Return a request of some kilobytes whose body unfolds to megabytes."""
    bits = {"gzip": 31, "deflate": zlib.MAX_WBITS}[coding]
    packer = zlib.compressobj(9, zlib.DEFLATED, bits)
    body = packer.compress(bytes(BOMB_BYTES)) + packer.flush()
    fields = f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}"
    return POST.format(fields=fields).encode() + body


def get(path: str, fields: str = "Accept: */*") -> bytes:
    return GET.format(path=path, fields=fields).encode()


def list_attacks(video: int) -> dict[str, Attack]:
    """Return what each kind does."""
    path = f"/v3/videos/{video}"
    ranges = "Range: bytes=" + ",".join(f"{n}-{n}" for n in range(0, 13_000, 2))
    long_body = POST.format(fields=f"Content-Length: {BODY_BYTES}").encode()
    guess = "Authorization: Bearer not-the-right-one"
    return {
        "zeros": Flood(30, b"", bytes(PIECE_BYTES)),
        "line breaks": Flood(30, b"", make_piece(b"\r\n")),
        "target without end": Flood(20, b"GET /", make_piece(b"a")),
        "header without end": Flood(20, OPEN + b"X-A: ", make_piece(b"a")),
        "headers without end": Flood(20, OPEN, make_piece(b"X-A: a\r\n")),
        "chunk extension": Flood(20, CHUNKED + b"1;", make_piece(b"a")),
        "chunk size": Flood(20, CHUNKED, make_piece(b"0")),
        "tiny chunks": Flood(20, CHUNKED, make_piece(b"1\r\na\r\n")),
        "trailers": Flood(20, CHUNKED + b"0\r\n", make_piece(b"X-A: a\r\n")),
        "long body": Flood(20, long_body, make_piece(b" "), BODY_BYTES),
        "gzip bomb": Bomb(10, "gzip"),
        "deflate bomb": Bomb(10, "deflate"),
        "6,500 ranges": Repeated(10, get(path, ranges)),
        "token guesses": Repeated(20, get("/v3/admin/overview", guess)),
        "no such page": Repeated(20, get("/none")),
        "garbage": Repeated(20, b"\x16\x03\x01\x02\x00\x01\r\n\r\n"),
        "stalled readers": Held(1000, get(path)),
        "silent connections": Held(2000, b""),
        "half a head": Held(1000, OPEN),
        "aborts": Hasty(50, get(path)),
        "connections": Hasty(50, b""),
    }


async def open_socket(port: int) -> socket.socket:
    one = socket.socket()
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    try:
        await asyncio.get_running_loop().sock_connect(one, ("127.0.0.1", port))
    except BaseException:
        one.close()
        raise
    return one


async def act(attack: Attack, one: socket.socket) -> None:
    """Do it once on a connection, until it is over or the server closes."""
    loop = asyncio.get_running_loop()
    if isinstance(attack, Flood):
        await loop.sock_sendall(one, attack.beginning)
        for _ in range(attack.most // len(attack.piece)):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await loop.sock_sendall(one, attack.piece)
    elif isinstance(attack, Repeated | Bomb):
        while True:
            await loop.sock_sendall(one, attack.request)
            async with asyncio.timeout(PATIENCE_SECONDS):
                if not await loop.sock_recv(one, PIECE_BYTES):
                    return
    elif isinstance(attack, Held):
        await loop.sock_sendall(one, attack.sent)
        await asyncio.Event().wait()
    else:
        await loop.sock_sendall(one, attack.sent)
        await asyncio.sleep(0)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


async def repeat(attack: Attack, port: int) -> None:
    while True:
        with suppress(OSError):
            with closing(await open_socket(port)) as one:
                await act(attack, one)
            continue
        await asyncio.sleep(PAUSE_SECONDS)


async def attack_all(port: int, attacks: list[Attack]) -> None:
    async with asyncio.TaskGroup() as group:
        for attack in attacks:
            for _ in range(attack.connections):
                group.create_task(repeat(attack, port))
        print("attacking", flush=True)


def main(port: str, video: str, *kinds: str) -> None:
    os.nice(10)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    known = list_attacks(int(video))
    asyncio.run(attack_all(int(port), [known[kind] for kind in kinds]))


if __name__ == "__main__":
    main(*sys.argv[1:])
