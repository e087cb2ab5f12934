"""The load generator's clients: raw sockets, every byte compared with the file's."""

from __future__ import annotations

import errno
import mmap
import os
import select
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from bench.load.job import Job
    from bench.load.mixes import Step, Unit

RECEIVE_BYTES = 2**18
HEAD_BYTES = 2**14
SLOW_BYTES = 64 * 1024  # what the kernel takes in advance for a slow client


class Client:
    """One client: the unit it is at, and its connection."""

    __slots__ = (
        "at", "closing", "due", "head", "left", "place", "ready", "turn", "unit",
        "used", "wire",
    )  # fmt: skip

    def __init__(self) -> None:
        """Begin without a connection."""
        self.wire: socket.socket | None = None
        self.ready = False  # it is open
        self.used = False  # it has brought an answer
        self.closing = False  # the server will close it
        self.unit: Unit = ()
        self.place = 0  # of the step in the unit
        self.due = 0.0
        self.head = b""  # what has come of it
        self.left = -1  # bytes of the body to take; -1 until the head is whole
        self.at = 0  # their place in the file
        self.turn = 0.0  # when a slow client took something


class Clients:
    """All clients of a job and what they receive."""

    def __init__(
        self,
        job: Job,
        stack: ExitStack,
        opened: Callable[[Client], None],
        finished: Callable[[Client], None],
    ) -> None:
        """Open the files; stack closes all.

        opened is called with a connection to read from; finished is called when a unit
        has received all that it takes.
        """
        self.job, self.opened, self.finished = job, opened, finished
        self.views = [open_view(Path(asset.path), stack) for asset in job.assets]
        self.heads = [build_head(job, asset.target) for asset in job.assets]
        self.tls = ssl.create_default_context() if job.tls else None
        self.poll = stack.enter_context(select.epoll())
        self.all: dict[int, Client] = {}  # by descriptor, while connected
        stack.callback(self.close)
        self.buffer = bytearray(RECEIVE_BYTES)
        self.room = memoryview(self.buffer)
        self.bytes = 0  # of bodies
        self.repeated = 0

    def ask(self, client: Client) -> None:
        """Send the next request of the unit, on a connection of the right age."""
        step = client.unit[client.place]
        client.head, client.left = b"", -1
        if step.fresh:
            self.leave(client)
        if client.wire is None:
            self.connect(client)
        else:
            self.send(client, step)

    def connect(self, client: Client) -> None:
        """Open a connection; nobody waits for it here."""
        family = socket.AF_INET6 if ":" in self.job.host else socket.AF_INET
        wire = socket.socket(family)
        wire.setblocking(False)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.job.pace:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BYTES)
        code = wire.connect_ex((self.job.host, self.job.port))
        if code not in (0, errno.EINPROGRESS):
            wire.close()
            raise self.refuse(code)
        if self.tls is not None:
            wire = self.tls.wrap_socket(
                wire, server_hostname=self.job.name, do_handshake_on_connect=False
            )
        client.wire, client.ready = wire, False
        client.used = client.closing = False
        self.all[wire.fileno()] = client
        self.poll.register(wire, select.EPOLLOUT)

    def handle(self, client: Client) -> None:
        """Go on where the client is at: connecting, or receiving."""
        wire = client.wire
        assert wire is not None
        if not client.ready:
            self.go_on_connecting(client, wire)
            return
        if client.place == len(client.unit):  # it idles, and the server closes
            self.leave(client)
            return
        self.receive(client, RECEIVE_BYTES)
        if isinstance(wire, ssl.SSLSocket):
            while client.wire is wire and wire.pending():
                self.receive(client, RECEIVE_BYTES)

    def go_on_connecting(self, client: Client, wire: socket.socket) -> None:
        """Send the request when the connection is there."""
        if code := wire.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise self.refuse(code)
        if isinstance(wire, ssl.SSLSocket):
            try:
                wire.do_handshake()
            except ssl.SSLWantReadError:
                self.poll.modify(wire, select.EPOLLIN)
                return
            except ssl.SSLWantWriteError:
                self.poll.modify(wire, select.EPOLLOUT)
                return
            except OSError as error:
                raise Fault(f"{self.job.name} and TLS: {error}") from error
        client.ready = True
        if self.job.pace:
            self.poll.unregister(wire)
        else:
            self.poll.modify(wire, select.EPOLLIN)
        self.opened(client)
        self.send(client, client.unit[client.place])

    def refuse(self, code: int) -> Fault:
        """Return what to say of a connection that can't be had."""
        place = f"{self.job.host}:{self.job.port}"
        remedy = "check that the server runs"
        if code == errno.EADDRNOTAVAIL:
            remedy = "wait a minute, because all local ports are in use"
        return Fault(f"cannot connect to {place} ({os.strerror(code)}): {remedy}")

    def leave(self, client: Client) -> None:
        """Close the connection, whatever is still on its way."""
        if client.wire is not None:
            self.all.pop(client.wire.fileno(), None)
            client.wire.close()
            client.wire, client.ready = None, False

    def send(self, client: Client, step: Step) -> None:
        """Send the request for a step."""
        head = self.heads[step.video]
        if step.status == 206 and not self.job.whole:
            head += b"Range: bytes=%d-%d\r\n" % (step.start, step.stop - 1)
        elif step.status == 304:
            etag = self.job.assets[step.video].etag
            head += b"If-None-Match: %s\r\n" % etag.encode()
        assert client.wire is not None
        try:
            client.wire.send(head + b"\r\n")
        except ConnectionError:
            self.ended(client, step)

    def ended(self, client: Client, step: Step) -> None:
        """Send the request again if a kept connection was closed between answers."""
        if client.left >= 0 or client.head or not client.used:
            raise self.wrong(step, "the connection broke off")
        self.repeated += 1
        self.leave(client)
        self.connect(client)

    def receive(self, client: Client, most: int) -> None:
        """Take what has come, at most so many bytes, and compare it."""
        step, kept = client.unit[client.place], len(client.head)
        if client.left >= 0:
            most = min(most, client.left)
        elif step.take >= 0:
            most = min(most, step.take + kept + HEAD_BYTES)
        if kept:
            self.room[:kept] = client.head
        assert client.wire is not None
        try:
            count = client.wire.recv_into(
                self.room[kept:], min(most, RECEIVE_BYTES - kept)
            )
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except ConnectionError:
            count = 0
        if count == 0:
            self.ended(client, step)
            return
        count += kept
        if client.left < 0:
            self.take_head(client, step, count)
        else:
            self.take_body(client, step, 0, count)

    def take_head(self, client: Client, step: Step, count: int) -> None:
        """Read the head, and what has come behind it."""
        end = self.buffer.find(b"\r\n\r\n", 0, count)
        if end < 0:
            if count > HEAD_BYTES:
                raise self.wrong(step, "its head does not end")
            client.head = bytes(self.room[:count])
            return
        client.head = b""
        head = bytes(self.room[: end + 2]).lower()
        length = self.check_head(step, head)
        client.closing = b"\r\nconnection: close\r\n" in head
        client.used = True
        client.at = 0 if self.job.whole else step.start
        client.left = length if step.take < 0 else min(step.take, length)
        if client.left < length:
            client.closing = True  # it leaves
            count = min(count, end + 4 + client.left)
        self.take_body(client, step, end + 4, count)

    def check_head(self, step: Step, head: bytes) -> int:
        """Return how long the body will be, if all is as it must be."""
        size = self.job.assets[step.video].size
        status, length = step.status, step.stop - step.start
        if self.job.whole and status == 206:
            status, length = 200, size
        if not head.startswith(b"http/1.1 %d " % status):
            raise self.wrong(step, f"{head[:12].decode(errors='replace')!r}")
        if status == 304:
            return 0
        if b"\r\ncontent-length: %d\r\n" % length not in head:
            raise self.wrong(step, f"its Content-Length is not {length}")
        told = b"\r\ncontent-range: bytes %d-%d/%d\r\n"
        if status == 206 and told % (step.start, step.stop - 1, size) not in head:
            raise self.wrong(step, "its Content-Range is another")
        return length

    def take_body(self, client: Client, step: Step, start: int, stop: int) -> None:
        """Compare what stands in the buffer from start up to stop with the file."""
        count = stop - start
        if count > client.left:
            raise self.wrong(step, "more bytes come than it announced")
        at = client.at
        if not self.buffer.startswith(self.views[step.video][at : at + count], start):
            raise self.wrong(step, f"bytes {at}-{at + count - 1} are not the video's")
        client.at, client.left = at + count, client.left - count
        self.bytes += count
        if client.left == 0:
            if client.closing:
                self.leave(client)
            client.place += 1
            if client.place < len(client.unit):
                self.ask(client)
            else:
                self.finished(client)

    def wrong(self, step: Step, what: str) -> Fault:
        """Return what to say of an answer that is not right."""
        asked = f"bytes {step.start}-{step.stop - 1} of " if step.status == 206 else ""
        target = self.job.assets[step.video].target
        return Fault(f"{asked}{target} was answered wrongly: {what}")

    def close(self) -> None:
        """Leave all connections."""
        for client in list(self.all.values()):
            self.leave(client)


def open_view(path: Path, stack: ExitStack) -> memoryview:
    """Return the bytes of a file; stack closes it."""
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    stack.callback(content.close)
    view = memoryview(content)
    stack.callback(view.release)
    return view


def build_head(job: Job, target: str) -> bytes:
    """Return what every request for a target begins with."""
    host = job.name if job.port in (80, 443) else f"{job.name}:{job.port}"
    return (
        f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: identity\r\n"
    ).encode()
