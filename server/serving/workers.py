"""Several processes behind one port: replaced when they die, ended together."""

import ctypes
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from server.errors import Fault
from server.serving.listen import SHUTDOWN_SECONDS

RESTART_SECONDS = 1.0  # from one start to the next of what crashes in a loop
STOP_SECONDS = SHUTDOWN_SECONDS + 3.0  # then it hangs, and is killed
IDLE_SECONDS = 60.0
READY = signal.SIGRTMIN  # queued with its sender's id, where others merge: signal(7)
WATCHED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, READY}
PR_SET_PDEATHSIG = 1  # prctl(2)

_log = logging.getLogger(__name__)

Run = Callable[[socket.socket, Callable[[], None]], None]


class Worker(NamedTuple):
    """A living process; its slot is the number of the socket it accepts from."""

    slot: int
    reload: int  # how many reloads came before it
    born: float
    ready: bool = False
    deadline: float | None = None  # to be gone by, once it was told to stop


class Workers:
    """One process a socket, each running run(socket, ready)."""

    def __init__(self, run: Run, sockets: Sequence[socket.socket]) -> None:
        self._run = run
        self._sockets = sockets  # open here too, so queued clients outlive a worker
        self._living: dict[int, Worker] = {}
        self._due = dict.fromkeys(range(len(sockets)), 0.0)  # slots to fill, and when
        self._reload = 0
        self._announced = False
        self._parent = os.getpid()

    def supervise(self, ready: Callable[[], None]) -> None:
        """Run workers until SIGINT or SIGTERM; call ready once all of them answer.

        Raises Fault when one ends before that. Nothing may run yet that a fork
        would break: event loops, threads, connections to the database.
        """
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        try:
            while self._advance():
                if not self._announced and self._all_answer():
                    self._announced = True
                    ready()
        finally:
            self._end()
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _advance(self) -> bool:
        """Do what is due, take one signal; report whether to go on."""
        self._fill_slots()
        number, sender = self._wait()
        if number in (signal.SIGINT, signal.SIGTERM):
            return False
        if number == signal.SIGHUP:
            self._reload += 1
            self._due = dict.fromkeys(range(len(self._sockets)), 0.0)
        elif number == READY and sender in self._living:
            self._living[sender] = self._living[sender]._replace(ready=True)
        for worker in self._reap():
            self._replace(worker)
        if self._all_answer():
            self._stop(lambda worker: worker.reload < self._reload)
        return True

    def _fill_slots(self) -> None:
        now = time.monotonic()
        for slot in [slot for slot, due in self._due.items() if due <= now]:
            del self._due[slot]
            pid = os.fork()
            if pid == 0:
                self._work(slot)
            self._living[pid] = Worker(slot, self._reload, now)

    def _work(self, slot: int) -> NoReturn:
        """Be a worker; never return into what the parent has open."""
        status = 1
        try:
            # The kernel tells us when the parent is gone, however it went.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() == self._parent:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
                signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
                for number, listening in enumerate(self._sockets):
                    if number != slot:
                        listening.close()
                self._run(self._sockets[slot], self._tell_ready)
                status = 0
        except Fault as fault:
            print(f"bytereel: {fault}", file=sys.stderr)
        except BaseException:
            _log.exception("A worker failed")
        finally:
            os._exit(status)

    def _tell_ready(self) -> None:
        os.kill(self._parent, READY)

    def _wait(self) -> tuple[int, int]:
        """Return the next signal and its sender, or zeros when something is due."""
        now = time.monotonic()
        stops = [worker.deadline for worker in self._living.values()]
        times = [*self._due.values(), *(stop for stop in stops if stop is not None)]
        pause = max(min(times, default=now + IDLE_SECONDS) - now, 0)
        taken = signal.sigtimedwait(WATCHED, pause)
        return (taken.si_signo, taken.si_pid) if taken else (0, 0)

    def _reap(self) -> list[Worker]:
        """Return those that ended though nobody told them to; kill those that hang."""
        lost = []
        for pid, worker in list(self._living.items()):
            # Not -1: the embedded PostgreSQL's supervisor may be a child of ours.
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._living[pid]
                if worker.deadline is None:
                    code = os.waitstatus_to_exitcode(status)
                    _log.warning("Worker %d ended with status %d", pid, code)
                    lost.append(worker)
            elif worker.deadline is not None and worker.deadline < time.monotonic():
                os.kill(pid, signal.SIGKILL)
        return lost

    def _replace(self, worker: Worker) -> None:
        if not self._announced:
            raise Fault("a worker ended before it could answer: see the messages above")
        if worker.reload == self._reload:
            self._due[worker.slot] = worker.born + RESTART_SECONDS

    def _all_answer(self) -> bool:
        living = self._living.values()
        ready = {w.slot for w in living if w.ready and w.reload == self._reload}
        return len(ready) == len(self._sockets)

    def _stop(self, chosen: Callable[[Worker], bool]) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        for pid, worker in self._living.items():
            if worker.deadline is None and chosen(worker):
                self._living[pid] = worker._replace(deadline=deadline)
                os.kill(pid, signal.SIGTERM)

    def _end(self) -> None:
        """Refuse what is new, let all finish what they are sending."""
        for listening in self._sockets:
            listening.close()
        self._due.clear()
        self._stop(lambda worker: True)
        while self._living:
            self._wait()
            self._reap()
