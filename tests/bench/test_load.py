from __future__ import annotations

import json
import random
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from bench.load.generator import Generator, generating, read_job, run
from bench.load.job import Asset, Job
from bench.load.mixes import MIXES, Step, list_due, list_units
from bench.load.schedule import drive
from bench.results import percentile
from bench.scenarios import SCENARIOS
from server.errors import Fault
from tests.conftest import needs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SIZE = 3 * 2**20
CONTENT = random.Random(1).randbytes(SIZE)
ETAG = '"one"'


def answer_plainly(head: bytes, body: bytes) -> list[bytes]:
    return [head + body]


def flip_last(head: bytes, body: bytes) -> list[bytes]:
    return [head + body[:-1] + bytes([body[-1] ^ 1])]


FAULTS: dict[str, tuple[Callable[[bytes, bytes], list[bytes]], str]] = {
    "one byte is another": (flip_last, r"bytes \d+-\d+ are not the video's"),
    "a byte is missing": (lambda head, body: [head + body[:-1]], "broke off"),
    "a byte is too much": (lambda head, body: [head + body + b"!"], "more bytes come"),
    "the range is another": (
        lambda head, body: [head.replace(b"Range: bytes ", b"Range: bytes 1") + body],
        "Content-Range",
    ),
    "the length is another": (
        lambda head, body: [head.replace(b"Length: ", b"Length: 1") + body],
        "Content-Length",
    ),
    "the status is another": (
        lambda head, body: [head.replace(b" 206 ", b" 503 ") + body],
        "503",
    ),
    "nothing comes": (lambda head, body: [], "broke off"),
    "the head does not end": (lambda head, body: [b"x" * 20_000], "does not end"),
}


class Served:
    """A server of one video, in threads; change makes its answers wrong."""

    def __init__(self, listening: socket.socket) -> None:
        self.listening = listening
        self.port: int = listening.getsockname()[1]
        self.change: Callable[[bytes, bytes], list[bytes]] = answer_plainly
        self.context: ssl.SSLContext | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.answers = 10**9  # on one connection
        self.connections = 0

    def accept(self) -> None:
        while True:
            try:
                wire, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(wire,), daemon=True).start()

    def serve(self, wire: socket.socket) -> None:
        try:
            with wire:
                if self.context is not None:
                    with self.context.wrap_socket(wire, server_side=True) as safe:
                        self.answer(safe)
                else:
                    self.answer(wire)
        except OSError:
            pass  # the client has left

    def answer(self, wire: socket.socket) -> None:
        with wire.makefile("rb") as lines:
            for _ in range(self.answers):
                first, asked = lines.readline(), {}
                while (line := lines.readline().strip()) != b"":
                    name, _, value = line.partition(b": ")
                    asked[name.lower()] = value
                if not first:
                    return
                self.gate.wait()
                pieces = self.change(*answer_asked(asked))
                for piece in pieces:
                    wire.sendall(piece)
                if self.change is not answer_plainly and len(pieces) < 2:
                    return


def answer_asked(asked: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    """Return head and body of the right answer."""
    status, start, stop, told = 200, 0, SIZE, ""
    if b"if-none-match" in asked:
        return b"HTTP/1.1 304 Not Modified\r\n\r\n", b""
    if b"range" in asked:
        first, _, last = asked[b"range"].removeprefix(b"bytes=").partition(b"-")
        status, start, stop = 206, int(first), int(last) + 1
        told = f"Content-Range: bytes {start}-{stop - 1}/{SIZE}\r\n"
    head = f"HTTP/1.1 {status} OK\r\nContent-Length: {stop - start}\r\n{told}\r\n"
    return head.encode(), CONTENT[start:stop]


@contextmanager
def serving() -> Iterator[Served]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listening:
        served = Served(listening)
        thread = threading.Thread(target=served.accept)
        thread.start()
        try:
            yield served
        finally:
            served.gate.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as one:
        yield one


@pytest.fixture
def job(served: Served, tmp_path: Path) -> Job:
    path = tmp_path / "video"
    path.write_bytes(CONTENT)
    assets = [Asset("/v3/videos/1", SIZE, f"{path}", ETAG)]
    return Job(served.port, assets, "range", 65_536, 4, seconds=0.1, warm=0.05)


def test_a_closed_loop_counts_every_answer(job: Job) -> None:
    begun: list[bool] = []
    seen = drive(job, lambda: begun.append(True))
    assert begun == [True]
    assert seen.requests > 0
    assert sum(seen.histogram.values()) == seen.requests
    assert 0 <= seen.bytes - seen.requests * 65_536 <= 4 * 65_536  # some were under way
    assert seen.seconds >= 0.1
    assert seen.cpu > 0


@pytest.mark.parametrize("name", FAULTS)
def test_an_answer_is_refused_when(name: str, served: Served, job: Job) -> None:
    served.change, said = FAULTS[name]
    with pytest.raises(Fault, match=said) as raised:
        drive(job, lambda: None)
    assert "/v3/videos/1 was answered wrongly" in str(raised.value)


def test_a_head_in_pieces_is_understood(served: Served, job: Job) -> None:
    served.change = lambda head, body: [head[:9], head[9:-3], head[-3:] + body]
    assert drive(job._replace(clients=1), lambda: None).requests > 0


def test_nobody_there_is_one_sentence(job: Job) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Fault, match=rf"cannot connect to 127.0.0.1:{port} \(.*refused"):
        drive(job._replace(port=port), lambda: None)


def test_a_connection_closed_between_answers_is_opened_again(
    served: Served, job: Job
) -> None:
    served.answers = 3
    seen = drive(job._replace(clients=2, seconds=1.0), lambda: None)
    assert seen.requests > 6
    assert seen.repeated > 0


@pytest.mark.parametrize("mix", ["opening", "opening-tail", "scrub"])
def test_players_leave_answers_half_way(mix: str, served: Served, job: Job) -> None:
    seen = drive(job._replace(mix=mix, clients=2), lambda: None)
    assert seen.requests > 0
    assert served.connections >= seen.requests  # what was left is not used again
    assert seen.bytes < (seen.requests + 2) * SIZE


def test_a_304_has_no_body(job: Job) -> None:
    seen = drive(job._replace(mix="conditional"), lambda: None)
    assert seen.requests > 0
    assert seen.bytes == 0


def test_a_mix_that_ends_ends_the_stretch(job: Job) -> None:
    seen = drive(job._replace(mix="each", warm=0.0, seconds=60.0), lambda: None)
    assert (seen.requests, seen.bytes) == (1, SIZE)


def test_everything_is_asked_for_before_a_stretch(served: Served, job: Job) -> None:
    asked: list[int] = []

    def note(head: bytes, body: bytes) -> list[bytes]:
        asked.append(len(body))
        return [head, body]

    served.change = note
    drive(job._replace(fill=True, clients=1), lambda: None)
    assert asked[0] == SIZE
    assert set(asked[1:]) == {65_536}


def test_latency_counts_from_when_a_unit_was_due(served: Served, job: Job) -> None:
    # The server answers nobody until half a second after the first was due.
    served.gate.clear()
    timer = threading.Timer(0.5, served.gate.set)
    timer.start()
    due = job._replace(rate=100.0, warm=0.0, seconds=0.2, clients=1)
    seen = drive(due, lambda: None)
    timer.join()
    assert seen.requests >= 5
    assert percentile(seen.histogram, 0.01) > 0.25


def test_a_slow_client_takes_no_more_than_its_line_carries(job: Job) -> None:
    slow = job._replace(pace=400_000, length=200_000, seconds=1.0)
    seen = drive(slow, lambda: None)
    assert seen.requests > 0
    assert percentile(seen.histogram, 0.01) > 0.3  # half a second, and turns are coarse
    assert seen.bytes < 4 * 400_000 * (seen.seconds + 0.3)


def test_the_process_takes_one_job_after_the_other(served: Served, job: Job) -> None:
    looked: list[str] = []
    with generating() as generator:
        assert isinstance(generator, Generator)
        seen = generator.run(
            job, lambda: looked.append("begun"), lambda: looked.append("probe"), 0.01
        )
        assert looked[:2] == ["begun", "probe"]
        assert sum(seen.histogram.values()) == seen.requests > 0
        served.change = flip_last
        with pytest.raises(Fault, match="not the video's"):
            generator.run(job)
        served.change = answer_plainly
        assert generator.run(job._replace(seconds=0.05)).requests > 0
        generator.process.kill()
        with pytest.raises(Fault, match="the load generator ended"):
            generator.run(job)
    assert generator.process.returncode is not None


def test_one_job_may_have_a_process_of_its_own(job: Job) -> None:
    assert run(job._replace(seconds=0.05)).requests > 0


def test_a_job_is_read_as_it_was_written(job: Job) -> None:
    assert read_job(json.dumps(job)) == job


@needs("openssl")
def test_tls_is_spoken_and_checked(
    served: Served, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        f" -addext subjectAltName=DNS:localhost -keyout {key} -out {certificate}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    served.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.context.load_cert_chain(certificate, key)
    with pytest.raises(Fault, match=r"localhost and TLS: .*verify failed"):
        drive(job._replace(tls=True), lambda: None)
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}")
    assert drive(job._replace(tls=True), lambda: None).requests > 0
    scrub = job._replace(tls=True, mix="scrub")
    assert drive(scrub, lambda: None).requests > 0


@pytest.mark.parametrize("mix", MIXES)
def test_units_follow_from_the_seed(mix: str) -> None:
    sizes = [SIZE, 2 * SIZE, SIZE + 5]

    def take(seed: int) -> list[tuple[Step, ...]]:
        return list(islice(list_units(mix, 1000, sizes, seed), 50))

    assert take(1) == take(1)
    for unit in take(1):
        for step in unit:
            assert 0 <= step.start <= step.stop <= sizes[step.video]
            assert step.take <= step.stop - step.start


def test_each_asks_once_for_everything() -> None:
    units = list(list_units("each", 0, [5, 6, 7, 8], 3))
    assert sorted(step.stop for (step,) in units) == [5, 6, 7, 8]


def test_zipf_has_favourites() -> None:
    units = islice(list_units("zipf", 0, [1] * 1000, 1), 20_000)
    asked = [0] * 1000
    for (step,) in units:
        asked[step.video] += 1
    assert asked[0] > asked[9] > asked[99]
    assert 1.7 < asked[0] / asked[1] < 2.1  # 2 ** 0.9 = 1.87


def test_units_come_due_at_the_rate() -> None:
    due = list(islice(list_due(200.0, 1), 4001))
    assert due[0] == 0
    assert due == sorted(due)
    assert 19 < due[-1] < 21


def test_scenarios_have_names_of_their_own_and_questions() -> None:
    assert len({one.name for one in SCENARIOS}) == len(SCENARIOS)
    assert all(one.question.endswith(("?", ".")) for one in SCENARIOS)
    assert {one.mix for one in SCENARIOS} <= set(MIXES)
