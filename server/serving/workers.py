"""Several processes behind one port: replaced when they die, ended together."""

import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, NoReturn

from server.errors import Fault
from server.installation import REMEDY, explain
from server.serving.heartbeat import TURN_SECONDS, Heartbeat
from server.serving.listening import HALF_OPEN_SECONDS, Listening
from server.serving.process import NO_RELOAD

RESTART_SECONDS = 1.0  # from one start to the next of what crashes in a loop
STOP_SECONDS = 9.1  # from SIGTERM; then it hangs, and is killed
READY = signal.SIGRTMIN  # queued with its sender's id, where others merge: signal(7)
STOPS = {signal.SIGINT, signal.SIGTERM}
LEAVING = signal.SIGRTMIN + 1
WATCHED = {*STOPS, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD, READY, LEAVING}
PR_SET_PDEATHSIG = 1  # prctl(2)

_log = logging.getLogger(__name__)

Run = Callable[[Listening, Callable[[], None], Callable[[], None]], object]
"""run(socket, ready, leaving) calls ready once it answers, leaving when it was told to
end and accepts no more."""


class Worker(NamedTuple):
    """A living process; its slot is the number of the socket it accepts from."""

    slot: int
    reload: int  # how many reloads came before it
    born: float
    cell: int  # of the heartbeat
    ready: bool = False
    deadline: float | None = None  # to be gone by, once it was told to stop
    hung: bool = False  # so it was killed


class Workers:
    """One process a socket, each running run(socket, ready, leaving)."""

    def __init__(
        self,
        run: Run,
        sockets: Sequence[Listening],
        beside: Callable[[], object] = lambda: None,
    ) -> None:
        """Call beside every now and then, to look after other processes."""
        self._run, self._beside = run, beside
        self._sockets = sockets  # open here too, so queued clients outlive a worker
        self._living: dict[int, Worker] = {}
        self._due = dict.fromkeys(range(len(sockets)), 0.0)  # slots to fill, and when
        self._heartbeat = Heartbeat(3 * len(sockets))  # reloads overlap
        self._reload = 0
        self._reload_asked = False
        self._announced = False
        self.told = 0.0  # to stop: when, by monotonic
        self._parent = os.getpid()

    def supervise(self, ready: Callable[[], None]) -> None:
        """Run workers until SIGINT or SIGTERM; call ready once all of them answer.

        Raises Fault when one ends before that, and SystemExit when told twice to
        stop. Nothing may run yet that a fork would break: event loops, threads,
        connections to the database.
        """
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
        try:
            while self._advance():
                if not self._announced and self._all_answer():
                    self._announced = True
                    ready()
        finally:
            try:
                self._end()
            finally:
                for number in (READY, LEAVING):  # those still queued would end us
                    signal.signal(number, signal.SIG_IGN)
                signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _advance(self) -> bool:
        """Do what is due, take one signal; report whether to go on."""
        self._fill_slots()
        number, sender = self._wait()
        if number in STOPS:
            return False
        if number == signal.SIGHUP:
            self._ask_for_reload()
        elif number == signal.SIGUSR1:
            self._pass_on(signal.SIGUSR1)
        elif number == READY and sender in self._living:
            self._living[sender] = self._living[sender]._replace(ready=True)
        elif number == LEAVING and sender in self._living:
            self._let_leave(sender)
        self._kill_hanging()
        for worker in self._reap():
            self._replace(worker)
        if self._announced:
            self._beside()
        if self._all_answer():
            self._stop(lambda worker: worker.reload < self._reload, time.monotonic())
            self._reload_if_asked()
        return True

    def _let_leave(self, pid: int) -> None:
        """Replace a worker that others told to end, unless there are many as it is.

        It is not waited for: until then nobody would accept from its socket.
        """
        worker = self._living[pid]
        most = 2 * len(self._sockets)  # as in a reload, for which there is room
        if worker.deadline is None and len(self._living) + len(self._due) < most:
            deadline = time.monotonic() + STOP_SECONDS
            self._living[pid] = worker._replace(deadline=deadline)
            self._replace(worker, was_told=True)

    def _ask_for_reload(self) -> None:
        if len(self._sockets) > 1:
            self._reload_asked = True
        else:
            _log.warning(NO_RELOAD)

    def _reload_if_asked(self) -> None:
        """Begin a reload, once the last one is over: any number asked is one more."""
        if self._reload_asked and len(self._living) == len(self._sockets):
            self._reload_asked = False
            self._reload += 1
            self._due = dict.fromkeys(range(len(self._sockets)), 0.0)

    def _pass_on(self, number: signal.Signals) -> None:
        for pid in self._living:
            os.kill(pid, number)

    def _fill_slots(self) -> None:
        now = time.monotonic()
        for slot in [slot for slot, due in self._due.items() if due <= now]:
            cell = self._heartbeat.assign(each.cell for each in self._living.values())
            try:
                pid = os.fork()
            except OSError as error:
                self._put_off(slot, error)
                continue
            if pid == 0:
                self._work(slot, cell)
            del self._due[slot]
            self._living[pid] = Worker(slot, self._reload, now, cell)

    def _put_off(self, slot: int, error: OSError) -> None:
        reason = f"cannot start a worker ({error.strerror})"
        if not self._announced:
            raise Fault(reason, "raise the limits of memory and processes") from error
        _log.warning("%s: trying again in a moment", reason)
        self._due[slot] = time.monotonic() + RESTART_SECONDS

    def _kill_hanging(self) -> None:
        """Kill workers whose event loop stands still, so that they are replaced."""
        pids = {w.cell: pid for pid, w in self._living.items() if w.deadline is None}
        for cell in self._heartbeat.list_hanging(pids):
            _log.warning("Worker %d hangs, so it is killed", pids[cell])
            os.kill(pids[cell], signal.SIGKILL)
            self._living[pids[cell]] = self._living[pids[cell]]._replace(hung=True)

    def _work(self, slot: int, cell: int) -> NoReturn:
        """Be a worker; never return into what the parent has open."""
        status = 1
        try:
            # The kernel tells us when the parent is gone, however it went.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() == self._parent:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
                # Ctrl-C reaches us too, but it is our parent who says when to stop.
                mask = {*self._mask, signal.SIGINT}
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                for number, listening in enumerate(self._sockets):
                    if number != slot:
                        listening.close()
                ready = partial(self._tell_ready, cell)
                self._run(self._sockets[slot], ready, self._tell_leaving)
                status = 0
        except Fault as fault:
            print(f"bytereel: {fault}", file=sys.stderr)
        except MemoryError:
            _log.error("A worker ran out of memory")  # no more is left to say
        except BaseException as error:
            if isinstance(error, Exception) and (reason := explain(error)):
                print(f"bytereel: {reason}; {REMEDY}", file=sys.stderr)
            else:
                _log.exception("A worker failed")
        finally:
            os._exit(status)

    def _tell_ready(self, cell: int) -> None:
        self._heartbeat.start(cell)
        os.kill(self._parent, READY)

    def _tell_leaving(self) -> None:
        if os.getppid() == self._parent:  # else its death told us to end
            os.kill(self._parent, LEAVING)

    def _wait(self) -> tuple[int, int]:
        """Return the next signal and its sender, or zeros when something is due."""
        now = time.monotonic()
        stops = [worker.deadline for worker in self._living.values()]
        times = [*self._due.values(), *(stop for stop in stops if stop is not None)]
        pause = max(min([*times, now + TURN_SECONDS]) - now, 0)
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

    def _replace(self, worker: Worker, *, was_told: bool = False) -> None:
        if not (self._announced or worker.hung or was_told):
            raise Fault("a worker ended before it could answer: see the messages above")
        if worker.reload == self._reload:
            self._due[worker.slot] = worker.born + RESTART_SECONDS

    def _all_answer(self) -> bool:
        living = self._living.values()
        stay = [w for w in living if w.ready and w.deadline is None]
        ready = {w.slot for w in stay if w.reload == self._reload}
        return len(ready) == len(self._sockets)

    def _stop(self, chosen: Callable[[Worker], bool], began: float) -> None:
        deadline = began + STOP_SECONDS
        for pid, worker in self._living.items():
            if worker.deadline is None and chosen(worker):
                self._living[pid] = worker._replace(deadline=deadline)
                os.kill(pid, signal.SIGTERM)

    def _end(self) -> None:
        """Refuse what is new, let all finish what they are sending."""
        self.told = time.monotonic()
        for listening in self._sockets:
            listening.stop()
        time.sleep(HALF_OPEN_SECONDS)
        for listening in self._sockets:
            listening.close()
        self._due.clear()
        self._stop(lambda worker: True, self.told)
        while self._living:
            number, _ = self._wait()
            if number in STOPS:
                self._pass_on(signal.SIGKILL)
                raise SystemExit(128 + number)
            self._reap()
