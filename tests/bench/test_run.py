from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from bench import results
from bench.__main__ import build_parser, is_wanted, main
from bench.load.answers import (
    Answer,
    Question,
    Server,
    check_missing,
    check_peer,
    check_server,
    find_fault,
    has_parts,
)
from bench.load.generator import ROOT, Generator, generating
from bench.load.job import Asset, Job
from bench.measure import (
    Pace,
    count_by_wrk,
    cpu_seconds,
    find_postmaster,
    measure,
    measure_loop,
    parse_wrk,
    resident_bytes,
    settle,
)
from bench.remote import list_left_out, parse_url
from bench.run import describe_check, describe_seconds, list_busy
from bench.scenarios import SCENARIOS
from bench.stand.contenders import CONTENDERS, Contender, find_missing, running
from bench.stand.network import OWN, slow_network
from bench.stand.videos import list_assets, load_library, load_videos, own_database
from server.edge.nginx import render_nginx
from server.errors import Fault
from tests.conftest import execute, needs, open_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 3 * 2**20 + 5  # some slices and a bit
NGINX = needs("nginx")


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path


@pytest.fixture
def generator() -> Iterator[Generator]:
    with generating() as one:
        yield one


def by_name(name: str) -> Contender:
    (contender,) = (one for one in CONTENDERS if one.name == name)
    return contender


def load(url: str, folder: Path, sizes: list[int]) -> list[Asset]:
    return list_assets(load_videos(url, folder, sizes))


@pytest.mark.long
def test_every_contender_answers_rightly(
    folder: Path, database_url: str, generator: Generator
) -> None:
    assets = load(database_url, folder, [SIZE])
    absent = load_library(database_url, folder, "missing", 1)[0]

    def answer(contender: Contender) -> str:
        with running(contender, folder, database_url) as started:
            server = Server(contender.name, started.port)
            job = Job(0, assets, "whole", seconds=0.001)
            if not contender.speaks:
                assert measure_loop(started, job, 0).bytes % SIZE == 0
            elif contender.peer:
                check_peer(server, assets, 1, whole=contender.whole)
            else:
                check_server(server, assets, 1)
                check_missing(server, absent)
        assert started.process.returncode is not None
        return contender.name

    there = [one for one in CONTENDERS if not find_missing(one)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(answer, there)) == [one.name for one in there]


@pytest.mark.long
def test_one_wrong_byte_stops_the_run_before_any_timing(
    database_url: str, folder: Path, generator: Generator
) -> None:
    (asset,) = load(database_url, folder, [100_000])
    execute(database_url, "ALTER TABLE videos DISABLE TRIGGER USER")
    execute(
        database_url,
        "UPDATE videos SET video_data = set_byte(video_data, 77777,"
        " get_byte(video_data, 77777) # 1)",
    )
    with running(by_name("memory"), folder, database_url) as started:
        server = Server("memory", started.port)
        told = r"^memory answers GET /v3/videos/1 wrongly, with other bytes, from byte"
        with pytest.raises(Fault, match=rf"{told} 77777 .*nothing was timed: fix"):
            check_server(server, [asset], 1)
        with pytest.raises(Fault, match=rf"{told} 77777 "):
            check_peer(server, [asset], 1, whole=False)


def serve_once_rightly(listening: socket.socket, body: bytes) -> None:
    """Answer the first request with the body, all others with one byte changed."""
    wrong = body[:-1] + bytes([body[-1] ^ 1])
    while True:
        try:
            wire, _ = listening.accept()
        except OSError:
            return
        with wire:
            wire.recv(4096)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            wire.sendall(head + body)
            body = wrong


def test_one_wrong_byte_ends_the_command_with_one_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        ThreadPoolExecutor(1) as pool,
    ):
        pool.submit(serve_once_rightly, listening, bytes(5000))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/clip.mp4"
        try:
            assert main(["--url", url]) == 1
        finally:
            listening.shutdown(socket.SHUT_RDWR)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(
        r"^bench: 127.0.0.1 answers GET /clip.mp4 wrongly, with other bytes,"
        r" from byte 4999 of the body on, so nothing was timed: .*\n\Z",
        err,
        re.MULTILINE,
    )


RANGE = Question({"Range": "bytes=1-2"}, 206, b"bc", 2, "bytes 1-2/6")
RIGHT = {"content-length": "2", "content-range": "bytes 1-2/6", "etag": '"x"'}


@pytest.mark.parametrize(
    ("status", "changed", "body", "said"),
    [
        (206, {}, b"bc", "$"),
        (200, {}, b"bc", "by 200, bytes 1-2/6, 2 bytes"),
        (206, {"content-length": "3"}, b"bc", "with Content-Length 3 instead of 2"),
        (
            206,
            {"content-range": "bytes 1-2/*"},
            b"bc",
            "with Content-Range 'bytes 1-2/",
        ),
        (206, {"etag": '"y"'}, b"bc", 'with ETag "y" instead of "x"'),
        (206, {}, b"bC", "with other bytes, from byte 1 of the body on"),
        (206, {}, b"b", "with other bytes, from byte 1 of the body on"),
    ],
)
def test_the_first_thing_that_is_wrong_is_named(
    status: int, changed: dict[str, str], body: bytes, said: str
) -> None:
    fault = find_fault(RANGE, Answer(status, RIGHT | changed, body), '"x"')
    assert re.match(said, fault)


BOUNDARY = "multipart/byteranges; boundary=b"
PART = "\r\n--b\r\nContent-Range: bytes {}/6\r\n\r\n{}"
PARTS = PART.format("0-1", "ab") + PART.format("3-4", "de")


@pytest.mark.parametrize(
    ("kind", "body", "right"),
    [
        (BOUNDARY, f"{PARTS}\r\n--b--\r\n", True),
        (BOUNDARY, f"{PARTS[2:]}\r\n--b--", True),
        ("video/mp4", f"{PARTS}\r\n--b--\r\n", False),
        (BOUNDARY, PARTS, False),
        (BOUNDARY, f"{PARTS}{PARTS}\r\n--b--\r\n", False),
        (BOUNDARY, f"{PARTS}\r\n--b--\r\n".replace("de", "dE"), False),
        (BOUNDARY, f"{PARTS}\r\n--b--\r\n".replace("3-4", "2-3"), False),
        (BOUNDARY, f"{PARTS}\r\n--b--\r\nabc", False),
    ],
)
def test_parts_are_compared(kind: str, body: str, right: bool) -> None:
    assert has_parts(kind, body.encode(), b"abcdef", [(0, 2), (3, 5)]) is right


@NGINX
def test_an_edge_asks_the_origin_once_for_a_slice(
    folder: Path, database_url: str, generator: Generator
) -> None:
    assets = load(database_url, folder, [SIZE])
    job = Job(0, assets, "whole", clients=20, warm=0.0, seconds=0.1)
    with running(by_name("edge-cold"), folder, database_url) as started:
        cold = measure(generator, started, job, 0)
        kept = started._replace(contender=by_name("edge"))
        again = measure(generator, kept, job, 0, Pace(9.5, 1e-5))
        purged = measure(generator, started, job, 0)
    assert (cold.origin_requests, again.origin_requests) == (4, 0)
    # A slice whose file goes while it is sent may be asked for by more than one.
    assert 4 <= (purged.origin_requests or 0) < 20
    assert again.requests > 0
    assert (again.yardstick, again.yardstick_cpu) == (9.5, 1e-5)
    assert again.edge_cpu is not None
    assert again.database_cpu is None
    assert again.peak_memory is not None
    assert again.peak_memory > 10 * 2**20


def test_the_template_is_filled_in_and_nginx_keeps_its_names(tmp_path: Path) -> None:
    text = render_nginx("127.0.0.1:1", "127.0.0.1:2", tmp_path, 3)
    assert "@" not in text
    for line in ("listen 127.0.0.1:1;", "server 127.0.0.1:2;", "max_size=3m"):
        assert line in text
    assert "proxy_cache_key $uri$slice_range;" in text


def test_a_contender_that_does_not_start_is_named(folder: Path) -> None:
    broken = Contender("broken", "", "{python} -c print('no,sir')")
    with pytest.raises(Fault, match=r"did not start .no,sir."), ExitStack() as stack:
        stack.enter_context(running(broken, folder, ""))


@pytest.mark.parametrize(
    ("need", "said"),
    [
        ("no_such_module", "pip install -e '.[peers]'"),
        ("program:no-such", "apt install no-such"),
    ],
)
def test_what_is_missing_comes_with_its_remedy(need: str, said: str) -> None:
    assert said in find_missing(Contender("one", "", "", (need,)))
    assert find_missing(Contender("one", "", "", ("aiohttp", "program:sh"))) == ""


def test_the_database_of_the_bench_is_dropped(database_url: str) -> None:
    with own_database(database_url) as url:
        assert f"/bytereel_bench_{os.getpid()}?" in url
        execute(url, "SELECT video_data FROM videos")
    with pytest.raises(Exception, match="does not exist"):
        execute(url, "SELECT 1")


@pytest.mark.long
def test_next_stretch_waits_for_what_the_last_left_behind() -> None:
    burn = (
        "import os, sys, time\n"
        "os.nice(int(sys.argv[1]))\n"
        "while time.process_time() < float(sys.argv[2]): pass\n"
        "print(flush=True)\n"
        "sys.stdin.read()\n"
    )
    with ExitStack() as stack:
        for nice, seconds in (("0", "60"), ("10", "0.3")):
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", burn, nice, seconds],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            stack.callback(process.kill)
            # Next to the first, the second gets no core at all for moments.
            os.sched_setaffinity(process.pid, {min(os.sched_getaffinity(0))})
        while not cpu_seconds(process.pid) > 0.1:
            time.sleep(0.01)
        settle(process.pid, seconds=60)
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 0)[0]


def test_cpu_seconds_count_living_and_ended_descendants() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    code = f"{script}; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        ["sh", "-c", '"$@"; true', "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert cpu_seconds(process.pid) >= 0.2
        assert resident_bytes(process.pid) > 2**20
    assert cpu_seconds(process.pid) == 0
    assert resident_bytes(process.pid) == 0
    assert cpu_seconds(0) == 0


def test_the_postmaster_is_found(database_url: str) -> None:
    used = cpu_seconds(postmaster := find_postmaster(database_url))
    execute(
        database_url,
        "DO 'DECLARE until timestamptz := clock_timestamp() + ''0.5 s'';"
        " BEGIN WHILE clock_timestamp() < until LOOP END LOOP; END'",
    )
    until = time.monotonic() + 10
    while (now := cpu_seconds(postmaster)) < used + 0.05 and time.monotonic() < until:
        time.sleep(0.02)  # until the backend is waited for
    assert now >= used + 0.05


def test_wrk_is_read() -> None:
    text = "Running 1s test\n  30 requests in 1.00s\nRESULT 30 1966080 1000500 2\n"
    assert parse_wrk(text) == (30, 1.0005, 2)
    with pytest.raises(Fault, match="something unexpected"):
        parse_wrk("unable to connect")


@needs("wrk")
def test_wrk_asks_for_ranges_of_the_same_video(database_url: str, folder: Path) -> None:
    assets = load(database_url, folder, [100_000])
    with running(by_name("memory"), folder, database_url) as started:
        job = Job(started.port, assets, "range", 1000, clients=2)
        assert count_by_wrk(job) > 0


def test_wrk_and_the_generator_are_compared_in_pairs() -> None:
    # The machine became slower; the two stayed as they were.
    near = describe_check([(1000.0, 1100.0), (500.0, 550.0), (100.0, 110.0)], "memory")
    assert near == "ranges64 on memory: wrk 500 requests/s, ours 550: 9% apart."
    assert "too much" in describe_check([(100.0, 200.0)], "memory")


def test_a_slow_network_delays_what_it_is_told_to_or_is_refused() -> None:
    before, refused = os.readlink(OWN), ""
    try:
        with slow_network(80) as network, network.inside():
            assert os.readlink(OWN) != before
            with socket.create_server(("127.0.0.1", 0)) as listening:
                network.slow_down(listening.getsockname()[1])
                begun = time.monotonic()
                socket.create_connection(listening.getsockname()).close()
                assert time.monotonic() >= begun + 0.08
    except OSError as error:
        refused = f"{error}"
    assert re.search("^$|permitted|installed|tc:|ip:", refused)
    assert os.readlink(OWN) == before


@pytest.mark.long
def test_a_run_says_everything_and_leaves_nothing(
    database_url: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("TMPDIR", f"{folder}")
    monkeypatch.setattr("tempfile.tempdir", None)
    kept, page = folder / "one.json", folder / "one.html"
    arguments = "--quick --only not-found far --seconds 0.05"
    status = main([*arguments.split(), "--json", f"{kept}", "--html", f"{page}"])
    out, err = capsys.readouterr()
    assert status == 0, err
    run = results.load(kept)
    paths = ("origin", "edge") if shutil.which("nginx") else ("origin",)
    near = [row for row in run.rows if row.scenario != "far"]
    assert ("far" in run.left_out) is (near == run.rows)  # it needs root and netem
    assert [(row.scenario, row.path) for row in near] == [
        ("not-found", path) for path in paths
    ]
    for row in run.rows:
        assert [one.requests > 0 for one in row.rounds] == [True, True]
        assert all(one.yardstick for one in row.rounds)
    assert {"commit", "dirty", "date", "cpu", "cores", "versions"} <= set(run.about)
    assert f"All that was seen: {kept}" in out
    assert "round 2 of 2: not-found on origin; about" in err
    assert f"The page with the pictures: {page}" in out
    assert set(folder.iterdir()) == {kept, page}


@pytest.mark.long
def test_a_signal_stops_everything(database_url: str, folder: Path) -> None:
    command = "-m bench --only not-found --seconds 60"
    with subprocess.Popen(
        [sys.executable, *command.split()],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database_url, "TMPDIR": f"{folder}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "round 1" in line:
                break
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
        assert process.stderr.read() == ""  # nor anybody who could still write there
    assert list(folder.iterdir()) == []
    with pytest.raises(Exception, match="does not exist"):
        execute(database_url, f"DROP DATABASE bytereel_bench_{process.pid}")


@pytest.mark.long
def test_a_running_server_is_measured_by_its_url(
    database_url: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as if not installed
    (asset,) = load(database_url, folder, [400_000])
    with running(by_name("memory"), folder, database_url) as started:
        url = f"http://localhost:{started.port}{asset.target}"
        arguments = "--only ranges64 conditional scrub zipf --seconds 0.05 --rounds 1"
        kept = folder / "one.json"
        files = ["--json", f"{kept}", "--html", f"{folder}/one.html"]
        assert main(["--url", url, *arguments.split(), *files]) == 0
        lost = f"http://localhost:{started.port}/v3/videos/77"
        assert main(["--url", lost, *files]) == 1
    err = capsys.readouterr().err
    assert "status 404" in err
    assert "No page: " in err
    run = results.load(kept)
    assert [row.scenario for row in run.rows] == ["ranges64", "scrub", "conditional"]
    assert run.left_out == {"zipf": "it needs servers and videos of our own"}
    assert run.about["url"] == url


@pytest.mark.parametrize(
    "url", ["example.com/1", "ftp://a/1", "http://a", "http://a:b/1", "http://u:p@a/1"]
)
def test_what_is_no_url_of_a_video_is_refused(url: str) -> None:
    with pytest.raises(Fault, match="is not the URL of one video"):
        parse_url(url)


def test_others_servers_are_not_asked_for_everything() -> None:
    small = Asset("/1", 1000, "")
    assert set(list_left_out(SCENARIOS, small)) == {
        *(one.name for one in SCENARIOS if one.mix != "whole"),
        *("film", "playlists"),
    }
    large = Asset("/1", 2**22, "", '"x"')
    assert set(list_left_out(SCENARIOS, large)) == {
        *("film", "slow-phones", "cold-fill", "not-found", "zipf", "workers", "far"),
        *("segments64", "playlists"),
    }


def test_a_busy_generator_is_told_of() -> None:
    def row(share: float) -> results.Row:
        one = results.Round(1, 1, 1.0, {}, 1.0, None, None, share, None, None, None)
        return results.Row("whole", "edge", False, "MiB/s", None, [one])

    assert list_busy([row(0.5)]) == []
    (warning,) = list_busy([row(0.95)])
    assert warning.startswith("whole on edge: the load generator used 95% of its core")


def test_lengths_of_time_are_said_as_one_says_them() -> None:
    said = [describe_seconds(seconds) for seconds in (0.2, 42.4, 99, 150, 290)]
    assert said == [
        f"about {rest}" for rest in ("1 s", "42 s", "99 s", "2 min", "5 min")
    ]


def test_the_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(names) == sorted(one.name for one in (*SCENARIOS, *CONTENDERS))


def test_a_quick_run_leaves_out_what_takes_long() -> None:
    def list_wanted(*arguments: str) -> set[str]:
        options = build_parser().parse_args(arguments)
        return {one.name for one in SCENARIOS if is_wanted(one, options)}

    everything = {one.name for one in SCENARIOS}
    assert list_wanted() == everything
    assert list_wanted("--quick") == everything - {"film"}
    assert list_wanted("--quick", "--only", "film") == {"film"}


def test_every_path_of_a_scenario_is_a_contender() -> None:
    names = {one.name for one in CONTENDERS}
    assert all(set(one.paths) <= names for one in SCENARIOS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seconds", "soon"], "'soon' is not a number from 0.05 to 600"),
        (["--rounds", "0"], "'0' is not a whole number from 1 to 100"),
        (["--only", "all"], "invalid choice: 'all'"),
    ],
)
def test_a_wrong_option_is_named(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert said in capsys.readouterr().err


def test_a_file_that_can_not_be_compared_is_named_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--compare", f"{tmp_path}/none.json"]) == 1
    assert "none.json cannot be read" in capsys.readouterr().err
