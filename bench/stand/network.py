"""A network of our own in which the way to the origin takes its time.

Everything that runs inside shares one loopback device. Packets to and from the
origin's port are delayed there (tc-netem(8)); those between an edge and its clients are
not. A network namespace ends with its last process, so nothing is left behind.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from contextlib import contextmanager
from shutil import which
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CLONE_NEWNET = 0x40000000  # unshare(2)
OWN = "/proc/self/ns/net"
PACKETS = 100_000  # that may be under way


class Network:
    """A namespace, held open."""

    def __init__(self, number: int, outside: int) -> None:
        """Take the descriptors of the namespace and of the one we came from."""
        self.number, self.outside = number, outside

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Put all sockets and processes that are opened here into the namespace."""
        call("setns", self.number, CLONE_NEWNET)
        try:
            yield
        finally:
            call("setns", self.outside, CLONE_NEWNET)

    def slow_down(self, port: int) -> None:
        """Delay packets to and from a port."""
        match = "tc filter add dev lo parent 1: protocol ip u32 match ip {} {} 0xffff"
        with self.inside():
            for end in ("sport", "dport"):
                run(f"{match.format(end, port)} flowid 1:4")


@contextmanager
def slow_network(milliseconds: float) -> Iterator[Network]:
    """Yield a namespace with a loopback that can take so long, there and back together.

    Raises OSError where that is not permitted.
    """
    for program in ("ip", "tc"):
        if which(program) is None:
            raise OSError(f"{program} is not installed (apt install iproute2)")
    outside = os.open(OWN, os.O_RDONLY)
    try:
        call("unshare", CLONE_NEWNET)
        number = os.open(OWN, os.O_RDONLY)
        call("setns", outside, CLONE_NEWNET)
        try:
            network = Network(number, outside)
            with network.inside():
                for command in list_commands(milliseconds):
                    run(command)
            yield network
        finally:
            os.close(number)
    finally:
        os.close(outside)


def list_commands(milliseconds: float) -> list[str]:
    """Return what makes the loopback; prio's own map never chooses its fourth band."""
    return [
        "ip link set lo up",
        "tc qdisc add dev lo root handle 1: prio bands 4",
        "tc qdisc add dev lo parent 1:4 handle 40: netem"
        f" delay {milliseconds / 2}ms limit {PACKETS}",
    ]


def call(name: str, *arguments: int) -> None:
    """Call the C library. Raises OSError."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def run(command: str) -> None:
    """Run a command. Raises OSError with what it said."""
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{command.split()[0]}: {done.stderr.strip()}")
