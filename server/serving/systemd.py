"""What systemd gives a service and wants to hear: sockets, and that it is ready.

sd_listen_fds(3) and sd_notify(3) are the sources. Without systemd nothing happens.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from server.errors import Fault
from server.serving.listening import Listening

FIRST = 3  # the first descriptor that is passed


def take_sockets() -> Listening | None:
    """Return the listening sockets that systemd passed to this process, if any.

    Call it once, before another process is started that would inherit them. Raises
    Fault when something else was passed.
    """
    pid = os.environ.pop("LISTEN_PID", "")
    count = os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)  # one is to us as any other
    if pid != str(os.getpid()) or not count.isdecimal() or not int(count):
        return None
    descriptors = range(FIRST, FIRST + int(count))
    return Listening(*map(_take, descriptors), given=True)


def _take(descriptor: int) -> socket.socket:
    """Return a descriptor as a socket that no child inherits."""
    try:
        taken = socket.socket(fileno=descriptor)
        taken.set_inheritable(False)
        listens = taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        listens = 0
    if not listens:
        raise Fault(
            f"descriptor {descriptor} from systemd is no listening socket",
            "use ListenStream= and Accept=no in the .socket unit",
        )
    taken.setblocking(False)
    return taken


class Notifier:
    """Tells systemd how the service is doing."""

    def __init__(self) -> None:
        """Take the address from the environment, where children would find it too."""
        self._address = os.environ.pop("NOTIFY_SOCKET", "")

    def tell(self, state: str) -> None:
        """Send a state, like READY=1; nobody may listen."""
        if not self._address:
            return
        name = self._address
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line,
        ):
            line.sendto(state.encode(), f"\0{name[1:]}" if name[0] == "@" else name)
