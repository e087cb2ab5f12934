from __future__ import annotations

import fcntl
import os
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest

from server.errors import Fault
from server.postgres import embedded
from server.postgres.embedded import binaries, cluster, supervisor
from tests.command import run
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FAST = {"fsync": "off"}
ROOT = Path(__file__).parents[2]
NOBODY = 65534
COMMAND = """
import sys
from pathlib import Path
from server.postgres import embedded
with embedded.running(Path(sys.argv[1]), {"fsync": "off"}) as url:
    print(url, flush=True)
    sys.stdin.read()
"""
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")


@contextmanager
def make_folder() -> Iterator[Path]:
    # Not pytest's tmp_path: root's lies where PostgreSQL's own user may not enter.
    place = Path(tempfile.mkdtemp(prefix="embedded-", dir="/tmp"))
    place.chmod(0o755)
    yield place / "data"
    wait_until(lambda: not processes(place))
    shutil.rmtree(place)


@pytest.fixture
def folder() -> Iterator[Path]:
    with make_folder() as empty:
        yield empty


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    with make_folder() as folder:
        with embedded.running(folder, FAST):
            pass
        yield folder


@pytest.fixture
def used(made: Path, folder: Path) -> Path:
    """Return a data directory with a cluster, for less than an initdb."""
    subprocess.run(["cp", "-a", made, folder], check=True)
    return folder


def processes(place: Path, program: str = "") -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = os.fsdecode(entry.read_bytes()).split("\0")
        except OSError:  # ended in between
            continue
        if any(f"{place}" in word for word in words) and program in words[0] + words[2]:
            found.append(int(entry.parent.name))
    return found


def ask(url: str, statement: str) -> object:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row and row[0]
    finally:
        connection.close()


def answers(url: str) -> bool:
    try:
        return ask(url, "SELECT 1") == 1
    except psycopg2.OperationalError:
        return False


def begin(
    folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )


@contextmanager
def command(
    folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with begin(folder, environment) as process:
        yield process, read_url(process)


def read_url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.long
def test_server_is_ready_and_gone_afterwards(folder: Path) -> None:
    with embedded.running(folder, FAST) as url:
        assert ask(url, "SELECT current_database()") == "bytereel"
        assert ask(url, "SHOW server_encoding") == "UTF8"
        assert ask(url, "SHOW listen_addresses") == ""
        assert ask(url, "SHOW fsync") == "off"
        assert ask(url, "SELECT lower('ÄЖ')") == "äж"
        ask(url, "CREATE DATABASE other")
    assert not processes(folder)
    with embedded.running(folder) as url:
        other = url.replace("/bytereel?", "/other?")
        assert ask(other, "SELECT current_database()") == "other"
        assert ask(other, "SHOW fsync") == "on"
    assert not processes(folder)


@pytest.mark.long
def test_folder_that_was_deleted_is_left_without_an_error(folder: Path) -> None:
    with embedded.running(folder, FAST) as url:
        assert answers(url)
        while folder.exists():  # PostgreSQL may write a file while they go
            shutil.rmtree(folder, ignore_errors=True)


@only_root
def test_root_lends_the_data_to_an_ordinary_user(used: Path) -> None:
    used.parent.chmod(0o751)
    with embedded.running(used, FAST):
        postmaster = min(processes(used, "/bin/postgres"))  # others were just forked
        assert Path(f"/proc/{postmaster}").stat().st_uid == NOBODY
        for name in ("cluster", "socket"):
            assert (used / name).stat().st_uid == NOBODY
            assert (used / name).stat().st_mode & 0o777 == 0o700
    assert used.parent.stat().st_mode & 0o777 == 0o751


@pytest.mark.long
def test_commands_share_a_server_until_the_last_leaves(folder: Path) -> None:
    with ExitStack() as stack:
        started = [stack.enter_context(begin(folder)) for _ in range(3)]
        urls = {read_url(process) for process in started}
        assert len(urls) == 1
        (url,) = urls
        assert len(processes(folder, "supervisor.py")) == 1
        for process in started[:2]:
            process.communicate()
            assert answers(url)
        started[2].communicate()
        assert not processes(folder)


def test_interrupt_of_the_starter_spares_the_server(used: Path) -> None:
    with command(used) as (first, url), command(used):
        os.killpg(first.pid, signal.SIGINT)
        first.wait()
        assert answers(url)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("victim", ["command", "supervisor.py", "/bin/postgres"])
def test_death_of_one_process_blocks_no_start(
    used: Path, victim: str, number: signal.Signals
) -> None:
    with command(used) as (process, url):
        ask(url, "CREATE TABLE kept AS SELECT 7 AS number")
        held = psycopg2.connect(url)  # a smart shutdown would wait for this one
        pid = process.pid if victim == "command" else processes(used, victim)[0]
        os.kill(pid, number)
        with embedded.running(used, FAST) as url:
            assert ask(url, "SELECT number FROM kept") == 7
        held.close()


def test_server_ends_with_a_killed_command(used: Path) -> None:
    with command(used) as (process, _):
        process.kill()
        wait_until(lambda: not processes(used))


def test_told_twice_to_stop_waits_for_nothing(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[Path] = []
    monkeypatch.setattr(embedded, "_leave", waited.append)
    with pytest.raises(SystemExit), embedded.running(used, FAST):
        raise SystemExit(143)
    wait_until(lambda: not processes(used))
    assert not waited


def test_server_is_restarted_for_a_command_that_uses_it(used: Path) -> None:
    with embedded.running(used, FAST) as url:
        (first,) = processes(used, "/bin/postgres")
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: answers(url))
        assert processes(used, "/bin/postgres") != [first]


@pytest.mark.parametrize("is_adopted", [False, True])
def test_server_told_to_stop_while_sessions_stay_is_restarted(
    used: Path, *, is_adopted: bool
) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(embedded.running(used, FAST))
        if is_adopted:
            os.kill(processes(used, "supervisor.py")[0], signal.SIGKILL)
            wait_until(lambda: not processes(used, "supervisor.py"))  # nor its lock
            stack.enter_context(embedded.running(used, FAST))
            wait_until(lambda: processes(used, "supervisor.py"))
        (first,) = processes(used, "/bin/postgres")
        session = psycopg2.connect(url)
        stack.callback(session.close)
        os.kill(first, signal.SIGTERM)
        wait_until(lambda: not answers(url))
        wait_until(lambda: answers(url))
        assert processes(used, "/bin/postgres") != [first]


def test_server_without_supervisor_is_stopped_by_the_last_command(used: Path) -> None:
    with embedded.running(used, FAST):
        os.kill(processes(used, "supervisor.py")[0], signal.SIGKILL)
    assert not processes(used)


def test_server_without_supervisor_is_adopted(used: Path) -> None:
    with command(used) as (process, _):
        first = processes(used, "/bin/postgres")
        os.kill(processes(used, "supervisor.py")[0], signal.SIGKILL)
        process.kill()
        process.wait()
        with embedded.running(used, FAST) as url:
            assert answers(url)
            assert processes(used, "/bin/postgres") == first
            wait_until(lambda: processes(used, "supervisor.py"))
        assert not processes(used)


@pytest.mark.long
def test_initdb_killed_half_way_leaves_nothing(folder: Path) -> None:
    with begin(folder) as process:
        wait_until(lambda: list(folder.glob("new-*/base")))
        process.kill()
    with embedded.running(folder, FAST) as url:
        assert answers(url)
    with embedded.running(folder, FAST):
        pass  # sweeps what orphans of the killed initdb wrote after the first sweep
    assert not list(folder.glob("new-*"))


def test_pid_of_a_stranger_blocks_no_start(used: Path) -> None:
    # A container's process ids start anew: the dead server's may be anybody's.
    with embedded.running(used, FAST):
        left = (used / "cluster/postmaster.pid").read_text().split("\n")
    account = supervisor.pick_account(used / "cluster")
    with subprocess.Popen(["sleep", "60"], cwd="/", **account) as stranger:
        left[0] = f"{stranger.pid}"
        (used / "cluster/postmaster.pid").write_text("\n".join(left))
        with embedded.running(used, FAST) as url:
            assert answers(url)
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.long
def test_long_path_has_its_socket_elsewhere(folder: Path) -> None:
    long = folder / ("é" * 60)
    with embedded.running(long, FAST) as url, embedded.running(long) as again:
        assert again == url
        assert answers(url)
        place = Path(parse_qs(urlsplit(url).query)["host"][0])
        assert place.stat().st_mode & 0o777 == 0o700
        assert folder not in place.parents
    assert not place.exists()


@pytest.mark.long
def test_any_sign_may_stand_in_the_path(used: Path, tmp_path: Path) -> None:
    """A comma ends a host in libpq's lists; quotes and the like are quoted."""
    odd = used.parent / "a, b=%20 'c' \"d\" \\ é"
    used.rename(odd)
    with embedded.running(odd, FAST) as url, embedded.running(odd) as again:
        assert again == url
        assert answers(url)
        assert answers((odd / supervisor.URL).read_text())
        where = ("--data-dir", str(odd))
        assert "0001" in run("migrate", "--status", *where)
        run("backup", str(tmp_path / "kept"), *where)
    assert not processes(odd)
    assert not (odd / supervisor.SOCKET).is_symlink()


def test_port_behind_a_password_where_no_socket_fits(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "SOCKET_BYTES", 0)
    with embedded.running(used, FAST) as url:
        assert urlsplit(url).hostname == "127.0.0.1"
        assert answers(url)
        password = urlsplit(url).password or ""
        assert not answers(url.replace(password, "wrong"))
        assert (used / "url").stat().st_mode & 0o777 == 0o600


@pytest.mark.long
@pytest.mark.parametrize(
    "environment",
    [
        {},
        {
            "LC_ALL": "de_XX.UTF-8",
            "PGPORT": "1",
            "PGDATA": "/nowhere",
            "TZ": "No/Where",
        },
    ],
)
def test_environment_does_not_matter(folder: Path, environment: dict[str, str]) -> None:
    with command(folder, environment) as (_, url):
        assert ask(url, "SHOW server_encoding") == "UTF8"
        assert ask(url, "SHOW timezone") == "UTC"


def test_log_is_bounded(used: Path) -> None:
    with embedded.running(used, FAST):
        os.truncate(used / "postgres.log", supervisor.LOG_BYTES + 1)
        wait_until(lambda: (used / "postgres.log").stat().st_size < 1000)


@pytest.mark.long
@only_root
def test_programs_in_a_closed_home_are_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (wheel,) = site.getsitepackages()
    home = folder.parent / "home"
    (home / binaries.WHEEL).mkdir(parents=True)
    (home / binaries.WHEEL / "__init__.py").touch()
    for part in (f"{binaries.WHEEL}/pginstall18", f"{binaries.WHEEL}.libs"):
        (home / part).symlink_to(Path(wheel, part))
    home.chmod(0o700)
    monkeypatch.syspath_prepend(home)
    for _ in range(2):  # made, then used again
        with embedded.running(folder, FAST) as url:
            assert answers(url)
            (postmaster,) = processes(folder, "/bin/postgres")
            program = Path(f"/proc/{postmaster}/exe").readlink()
            assert program.is_relative_to(folder)
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.long
def test_system_server_replaces_a_missing_wheel(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = folder.parent / "programs"
    (programs / "17/bin").mkdir(parents=True)
    (programs / "17/bin/postgres").touch(mode=0o755)  # does not run
    older = next(path for path in list_wheel() if read_major(path) == 16)
    (programs / "16").symlink_to(older.parent)
    hide_servers(monkeypatch, programs)
    with embedded.running(folder) as url:
        assert str(ask(url, "SHOW server_version")).startswith("16.")
    monkeypatch.undo()
    with embedded.running(folder, FAST) as url:
        assert str(ask(url, "SHOW server_version")).startswith("16.")


def list_wheel() -> list[Path]:
    return [path for path in binaries.list_candidates() if binaries.WHEEL in path.parts]


def read_major(programs: Path) -> int:
    version = binaries.read_version(programs)
    return version[0] if version else 0


def hide_servers(monkeypatch: pytest.MonkeyPatch, debian: Path) -> None:
    monkeypatch.setattr(binaries, "WHEEL", "no_such_wheel")
    monkeypatch.setattr(binaries, "DEBIAN", debian)
    monkeypatch.setenv("PATH", "/nowhere")


def test_no_server_anywhere_is_a_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = folder.parent / "closed"
    (closed / "18").mkdir(parents=True)
    (closed / "18/bin").symlink_to(list_wheel()[0])
    closed.chmod(0o700 if os.geteuid() == 0 else 0)
    hide_servers(monkeypatch, closed)
    with pytest.raises(Fault, match="DATABASE_URL"), embedded.running(folder):
        pass
    closed.chmod(0o700)


def test_server_that_does_not_answer_is_a_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    monkeypatch.setattr(embedded, "START_SECONDS", 0.1)
    lock = supervisor.open_lock(folder / "keeper.lock")
    assert supervisor.take_lock(lock, fcntl.LOCK_EX)
    monkeypatch.setattr(embedded, "STOP_SECONDS", 0.1)
    with pytest.raises(Fault, match="did not start"), embedded.running(folder):
        pass
    os.close(lock)


def test_server_that_does_not_stop_is_a_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    monkeypatch.setattr(embedded, "START_SECONDS", 0.1)
    users = supervisor.open_lock(folder / "users.lock")
    assert supervisor.take_lock(users, fcntl.LOCK_EX)
    with pytest.raises(Fault, match="does not finish stop"), embedded.running(folder):
        pass
    os.close(users)


def test_server_that_hangs_is_killed_in_the_end(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "PATIENCE_SECONDS", 0.1)
    server = supervisor.Server(used / "cluster", cluster.prepare_server(used, FAST))
    server.start()
    wait_until(lambda: answers((used / "url").read_text()))
    (pid,) = processes(used, "/bin/postgres")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert children
    for each in (pid, *map(int, children)):
        os.kill(each, signal.SIGSTOP)
    server.stop()
    assert not server.runs()
    assert not any(Path(f"/proc/{each}").exists() for each in children)


def test_leaving_counts_from_the_signal(
    used: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_told", None)
    with embedded.running(used, FAST):
        embedded.count_from(time.monotonic() - embedded.STOP_SECONDS)
        (pid,) = processes(used, "supervisor.py")
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not processes(used))


def test_ordinary_user_has_no_other_account(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir(mode=0o700)
    owner = folder.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    account = supervisor.pick_account(folder)
    assert account == {}
    cluster.hand_over(folder, account)
    assert folder.stat().st_uid == owner
    assert cluster.find_closed(folder, account) is None


def test_data_of_another_major_is_a_fault(folder: Path) -> None:
    (folder / "cluster").mkdir(parents=True)
    (folder / "cluster/PG_VERSION").write_text("12\n")
    with pytest.raises(Fault, match="needs PostgreSQL 12 "), embedded.running(folder):
        pass


@pytest.mark.long
def test_refused_setting_is_a_fault_that_quotes_the_log(used: Path) -> None:
    wrong = FAST | {"max_connections": "many"}
    said = pytest.raises(Fault, match=r"max_connections.*log")
    with said, embedded.running(used, wrong):
        pass
    with embedded.running(used, FAST) as url:
        assert answers(url)


def test_failing_initdb_is_a_fault_that_quotes_it(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    (folder / "full").touch()
    account = supervisor.pick_account(folder)
    programs = binaries.find_binaries(None, folder, account)
    initdb = [f"{programs.folder}/initdb", "-D", f"{folder}"]
    with pytest.raises(Fault, match="exists but is not empty"):
        cluster.run_program(initdb, account)


def test_file_as_data_dir_is_a_fault(folder: Path) -> None:
    folder.touch()
    with pytest.raises(Fault, match="Not a directory"), embedded.running(folder):
        pass


@only_root
def test_folder_closed_to_the_server_is_a_fault(folder: Path) -> None:
    closed = folder.parent / "closed"
    closed.mkdir(mode=0o700)
    said = pytest.raises(Fault, match=rf"nobody.* {closed}:.*--data-dir")
    with said, embedded.running(closed / "deep" / "data"):
        pass
    assert not list(closed.iterdir())
    assert closed.stat().st_mode & 0o777 == 0o700


@only_root
def test_ordinary_user_runs_it_as_himself(folder: Path) -> None:
    python = find_python()
    home = folder.parent / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    said = run_as_nobody(python, home, COMMAND, home / "data")
    assert said.stdout.startswith("postgresql://"), said.stderr
    assert (home / "data").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_uid for path in (home / "data").iterdir()} == {NOBODY}
    said = run_as_nobody(python, home, COMMAND, folder)
    assert "Fault" in said.stderr
    assert "Permission denied" in said.stderr
    # And root may use it too, on the data of its owner.
    with embedded.running(home / "data", FAST) as url:
        assert answers(url)
    said = run_as_nobody(python, home, COMMAND, home / "data")
    assert said.stdout.startswith("postgresql://"), said.stderr


def find_python() -> str:
    """Return an interpreter that nobody may run, and that can import the server."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            said = run_as_nobody(python, Path("/"), "import server.postgres.embedded")
        except OSError:
            continue
        if said.returncode == 0:
            return python
    pytest.skip("no interpreter and checkout that an ordinary user may read")


def run_as_nobody(
    python: str, home: Path, code: str, *arguments: Path
) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), *site.getsitepackages()])
    return subprocess.run(
        [python, "-c", code, *arguments],
        input="",
        capture_output=True,
        text=True,
        cwd="/",
        env={"HOME": str(home), "PYTHONPATH": path, "PATH": os.defpath},
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    )
