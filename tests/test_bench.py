from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from bench.__main__ import WORKLOADS, main, render
from bench.contenders import CONTENDERS, Contender, find_missing, running
from bench.measure import (
    GIB,
    Sample,
    Seen,
    compare,
    count_downloads,
    count_loop,
    cpu_seconds,
    find_postmaster,
    parse_wrk,
    summarize,
)
from bench.videos import check, load_video, own_database
from server.errors import Fault
from tests.conftest import execute, open_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 3 * 2**18 + 5  # some chunks and a bit
KIB64 = 64 * 1024


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as path:
        yield path


def by_name(name: str) -> Contender:
    (contender,) = (one for one in CONTENDERS if one.name == name)
    return contender


def rounds(*requests: int, database: float | None = 1.0) -> list[Sample]:
    """Return rounds of a second with so many requests, each of a MiB."""
    return [Sample(Seen(n, n * 2**20, 1.0), 2.0, database, 0.5) for n in requests]


@pytest.mark.parametrize("contender", CONTENDERS, ids=[one.name for one in CONTENDERS])
def test_every_contender_answers_rightly(
    contender: Contender, folder: Path, database_url: str
) -> None:
    if missing := find_missing(contender):
        pytest.skip(missing)
    video = load_video(database_url, folder, SIZE)
    with running(contender, folder, database_url) as started:
        if not contender.speaks:
            assert count_loop(started, video, 0.001).bytes % SIZE == 0
            return
        check(started, video)
        seen = count_downloads(started, video, 0)
    assert (seen.requests, seen.bytes) == (1, SIZE)
    assert started.process.returncode is not None


def test_one_wrong_byte_is_refused(folder: Path, database_url: str) -> None:
    video = load_video(database_url, folder, 64)
    execute(database_url, "ALTER TABLE videos DISABLE TRIGGER USER")
    execute(database_url, "UPDATE videos SET video_data = set_byte(video_data, 63, 0)")
    with (
        running(by_name("bytereel"), folder, database_url) as started,
        pytest.raises(Fault, match=r"bytereel answers bytes .* of video 1 wrongly"),
    ):
        check(started, video)


def test_a_contender_that_does_not_start_is_named(folder: Path) -> None:
    broken = Contender("broken", "", "{python} -c print('no,sir')")
    with pytest.raises(Fault, match=r"did not start .no,sir."), ExitStack() as stack:
        stack.enter_context(running(broken, folder, ""))


@pytest.mark.parametrize(
    ("need", "said"),
    [
        ("no_such_module", r"pip install -e '.\[peers\]'"),
        ("program:no-such", "apt install no-such"),
    ],
)
def test_what_is_missing_comes_with_its_remedy(need: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        assert not find_missing(Contender("one", "", "", (need,)))
    assert find_missing(Contender("one", "", "", ("aiohttp", "program:sh"))) == ""


def test_the_database_of_the_bench_is_dropped(database_url: str) -> None:
    with own_database(database_url) as url:
        assert f"/bytereel_bench_{os.getpid()}?" in url
        execute(url, "SELECT video_data FROM videos")
    with pytest.raises(Exception, match="does not exist"):
        execute(url, "SELECT 1")


def test_cpu_seconds_count_living_and_ended_descendants() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    code = f"{script}; print(); sys.stdin.read()"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        ["sh", "-c", '"$@"; true', "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert cpu_seconds(process.pid) >= 0.2
    assert cpu_seconds(process.pid) == 0
    assert cpu_seconds(0) == 0


def test_the_postmaster_is_found(database_url: str) -> None:
    used = cpu_seconds(postmaster := find_postmaster(database_url))
    execute(
        database_url,
        "DO 'DECLARE until timestamptz := clock_timestamp() + ''0.3 s'';"
        " BEGIN WHILE clock_timestamp() < until LOOP END LOOP; END'",
    )
    until = time.monotonic() + 10
    while cpu_seconds(postmaster) < used + 0.05 and time.monotonic() < until:
        time.sleep(0.02)  # until the backend is waited for
    assert cpu_seconds(postmaster) >= used + 0.05


def test_wrk_is_read() -> None:
    text = "Running 1s test\n  30 requests in 1.00s\nRESULT 30 1966080 1000500 2\n"
    assert parse_wrk(text) == (Seen(30, 1966080, 1.0005), 2)
    with pytest.raises(Fault, match="something else"):
        parse_wrk("unable to connect")


def test_medians_spread_and_cost() -> None:
    row = summarize(rounds(1024, 2048, 512), KIB64)
    assert (row.rate, row.spread) == (1024, 0.75)
    assert (row.server, row.database, row.load) == (2.0, 1.0, 0.5)  # 1024 MiB a GiB
    assert summarize(rounds(100, database=None), KIB64).database is None


def test_downloads_count_in_mib() -> None:
    sample = Sample(Seen(2, GIB, 4.0), 1.0, 1.0, 0.1)
    assert summarize([sample], None).rate == 256


def test_ratios_pair_the_rounds() -> None:
    # Twice as fast in each round, on a machine that became ten times slower.
    assert compare(rounds(200, 20, 2), rounds(100, 10, 1), KIB64) == 2


def test_the_table_compares_ours_with_all() -> None:
    table = render(WORKLOADS[0], {"bytereel": rounds(300), "nginx": rounds(600)})
    _, title, heads, ours, theirs = table.split("\n")
    assert title.startswith("ranges64: ")
    assert heads.split()[:3] == ["median", "±", "bytereel"]
    assert ours.split()[:4] == ["bytereel", "300", "0%", "1.00"]
    assert theirs.split()[:4] == ["nginx", "600", "0%", "0.50"]


def test_the_list_names_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    names = [line.split(" ")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [entry.name for entry in (*CONTENDERS, *WORKLOADS)]
