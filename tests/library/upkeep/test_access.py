"""The doctor names ways in that stand open, and none that are closed."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from psycopg2.extensions import make_dsn

from server.cli import main
from server.library.upkeep.access import (
    Exposure,
    diagnose_access,
    find_exposed,
    find_open_files,
    is_public,
    list_grants,
)
from server.postgres import embedded, migrations
from tests.admin.client import TOKEN, Admin
from tests.api.test_openapi import serving
from tests.breakable import Postgres
from tests.clips import make
from tests.conftest import execute, insert_video, open_folder
from tests.library.upkeep.test_stats import VIEW
from tests.postgres.test_schema import run
from tests.practice.test_batch import EXAMPLE_2, LEARNER

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE = Exposure("127.0.0.1", False, "", None)
GOOD = "kX9w-Vd3_qLr7TzPm0aB"


def list_found(url: str) -> list[tuple[str, str]]:
    return [(each.severity, each.code) for each in diagnose_access(url, PRIVATE)]


@contextmanager
def having_role(url: str, *statements: str) -> Iterator[str]:
    """Yield a URL of a role of its own; {role} in the statements is its name."""
    [(database,)] = run(url, "SELECT current_database()")
    role = f"{database}_role"
    for statement in statements:
        execute(url, statement.format(role=role))
    try:
        yield make_dsn(url, user=role)
    finally:
        execute(url, f"DROP OWNED BY {role}; DROP ROLE {role}")


@contextmanager
def having_granted_role(url: str) -> Iterator[str]:
    """Yield a URL of a role with exactly the rights that doctor prints."""
    [(database,)] = run(url, "SELECT current_database()")
    role = f"{database}_role"
    with having_role(url, *list_grants(url, role)) as granted:
        yield granted


def test_superuser_is_named_with_the_remedy(database_url: str) -> None:
    [found] = diagnose_access(database_url, PRIVATE)
    assert (found.severity, found.code) == ("warning", "superuser")
    assert "the role postgres is a superuser" in found.sentence
    assert "bytereel doctor --grants ROLE" in found.remedy


@pytest.mark.parametrize(
    ("right", "power"),
    [
        ("BYPASSRLS", "bypass row security"),
        ("REPLICATION", "copy the whole server"),
        ("CREATEROLE CREATEDB", "create roles, create databases"),
        ("IN ROLE pg_read_server_files", "act as pg_read_server_files"),
    ],
)
def test_power_that_nobody_needs_is_named(
    database_url: str, right: str, power: str
) -> None:
    with having_role(database_url, f"CREATE ROLE {{role}} LOGIN {right}") as url:
        [found] = diagnose_access(url, PRIVATE)
    assert (found.severity, found.code) == ("warning", "powerful-role")
    assert f" may {power}," in found.sentence


def ask_everything(admin: Admin, clip: bytes) -> None:
    """Ask each route, those that write too; all has to be allowed."""
    for path in ("/v3/videos/1", "/v3/videos/1/thumbnail", "/", "/metrics", "/readyz"):
        assert admin.ask("GET", path, token=None).status in (200, 404), path
    batch = admin.ask("GET", f"/v3/next-review-words-batch?user_id={LEARNER}")
    assert len(batch.body["words"]) == 2
    answer = {
        "user_id": LEARNER,
        "saved_word_id": 12345,
        "question_id": 500,
        "answer": "A",
    }
    for _ in range(2):  # the second changes what the first has kept
        assert admin.ask("POST", "/v3/reviews", answer).status == 200
    views = {"views": [{"video_id": 1, "reached": "started"}]}
    assert admin.ask("POST", "/v3/views", views).status == 204
    plays = {"plays": [{"video_id": 1, "first_frame_ms": 90}]}
    assert admin.ask("POST", "/v3/playback", plays).status == 204
    for path in ("overview", "history", "playback", "words?prefix=r"):
        assert admin.ask("GET", f"/v3/admin/{path}").status == 200, path
    for path in ("videos", "videos/1"):
        assert admin.ask("GET", f"/v3/admin/{path}").status == 200, path
    for path in ("videos?flaw=any", "videos?filter=unlinked", "videos/1/flaws"):
        assert admin.ask("GET", f"/v3/admin/{path}").status == 200, path
    upload = admin.ask("POST", "/v3/admin/uploads?filename=run.mp4", [clip])
    assert upload.status == 201
    word = {"word": "run", "language": "en"}
    path = f"/v3/admin/uploads/{upload.body['upload']}"
    saved = admin.ask("POST", path, {"repair": "fix", "link": word})
    assert (saved.status, saved.body["link_error"]) == (201, None)
    links = f"/v3/admin/videos/{saved.body['video_id']}/links"
    assert admin.ask("POST", links, word | {"replace": True}).status == 200
    assert admin.ask("DELETE", f"{links}?word=run&language=en").status == 200
    assert admin.ask("POST", links, {"question": 500}).status == 200
    for video_id in (saved.body["video_id"], 2):
        deleted = admin.ask("DELETE", f"/v3/admin/videos/{video_id}")
        assert deleted.status == 200


@pytest.mark.long
def test_granted_rights_suffice_for_everything(
    database_url: str, tmp_path: Path
) -> None:
    run(database_url, f"{EXAMPLE_2}; SELECT setval('videos_id_seq', 10)")
    clip = make(tmp_path / "clip.mp4").read_bytes()
    (spool := tmp_path / "spool").mkdir()
    with having_granted_role(database_url) as url:
        assert list_found(url) == []
        with serving(url, admin_token=TOKEN, spool=spool) as address:
            ask_everything(Admin(int(address.rpartition(":")[2]), url, spool), clip)
        written = "SELECT sum(started) FROM video_views UNION ALL SELECT files "
        assert run(database_url, f"{written} FROM import_results") == [(1,), (1,)]
        assert run(database_url, "SELECT sum(plays) FROM playback") == [(1,)]
        for statement in ("DELETE FROM practice_reviews", "UPDATE videos SET id = 9"):
            with pytest.raises(Exception, match="permission denied"):
                run(url, statement)


def test_rights_of_a_view_are_to_read_it(empty_url: str) -> None:
    execute(empty_url, VIEW)
    insert = "GRANT INSERT"
    assert not [line for line in list_grants(empty_url, "x") if insert in line]
    with having_granted_role(empty_url) as url, serving(url) as address:
        admin = Admin(int(address.rpartition(":")[2]), url, Path())
        assert admin.ask("GET", "/readyz").status == 200


def test_role_is_quoted(database_url: str) -> None:
    first, *others = list_grants(database_url, 'a"b; DROP')
    assert first == 'CREATE ROLE "a""b; DROP" LOGIN; -- then set its password'
    assert all(' TO "a""b; DROP";' in line for line in others)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Postgres]:
    """Yield a server that asks for passwords by TCP; keeper is not a superuser."""
    with open_folder() as folder:
        folder.chmod(0o777)  # root's server is nobody
        server = Postgres(folder, "data")
        local = ("--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync")
        server.run("initdb", "-U", "postgres", *local)
        server.start()
        try:
            migrations.apply(server.url)
            server.ask("ALTER ROLE postgres PASSWORD 'right'")
            server.ask("CREATE ROLE keeper LOGIN PASSWORD 'right'")
            server.ask("GRANT pg_read_all_data TO keeper")
            yield server
        finally:
            server.stop(signal.SIGQUIT)


@contextmanager
def trusting(server: Postgres, rule: str) -> Iterator[None]:
    """Have a rule before the others of pg_hba.conf."""
    rules = server.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"{rule}\n{before}")
    server.ask("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        rules.write_text(before)
        server.ask("SELECT pg_reload_conf()")


def build_url(server: Postgres, user: str) -> str:
    where = f"postgresql://{user}:right@127.0.0.1:{server.port}/postgres"
    return f"{where}?sslmode=disable"


def test_password_is_asked_for_so_nothing_is_said(
    guarded: Postgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (passwords := tmp_path / "passwords").write_text("*:*:*:*:right\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    monkeypatch.setenv("PGPASSWORD", "right")
    assert list_found(build_url(guarded, "keeper")) == []
    assert list_found(guarded.url) == [("warning", "superuser")]


@pytest.mark.parametrize("place", ["127.0.0.1/32", "0.0.0.0/0"])
def test_trust_by_tcp_is_found_by_trying(guarded: Postgres, place: str) -> None:
    with trusting(guarded, f"host all keeper {place} trust"):
        [found] = diagnose_access(build_url(guarded, "keeper"), PRIVATE)
    assert (found.severity, found.code) == ("warning", "trust")
    assert f"at 127.0.0.1, port {guarded.port} lets anybody in" in found.sentence


@pytest.mark.parametrize(
    ("place", "severity", "code"),
    [
        ("127.0.0.1/32", "note", "trust-local"),
        ("10.0.0.0/8", "warning", "trust"),
        ("all", "warning", "trust"),
    ],
)
def test_trust_by_tcp_is_read_from_the_rules(
    guarded: Postgres, place: str, severity: str, code: str
) -> None:
    with trusting(guarded, f"host all keeper {place} trust"):
        found = list(diagnose_access(guarded.url, PRIVATE))[1:]
    assert [(each.severity, each.code) for each in found] == [(severity, code)]
    assert "without a password (line 1)" in found[0].sentence


@pytest.mark.long
def test_embedded_server_is_no_finding(data_dir: Path) -> None:
    private = PRIVATE._replace(data_dir=data_dir)
    with embedded.running(data_dir) as url:
        assert list(diagnose_access(url, private)) == []
        (data_dir / "url").chmod(0o644)
        [found] = find_open_files(data_dir)
        (data_dir / "url").chmod(0o600)
        data_dir.chmod(0o777)
        [writable] = find_open_files(data_dir)
    assert (found.code, found.remedy) == ("open-data", f"chmod go-rwx {data_dir}/url")
    assert f"may change {data_dir}" in writable.sentence


@pytest.mark.parametrize(
    ("exposure", "code"),
    [
        (Exposure("127.0.0.1", False, GOOD, None), None),
        (Exposure("::1", False, "", None), None),
        (Exposure("0.0.0.0", True, GOOD, None), None),
        (Exposure(None, False, GOOD, None), None),
        (Exposure("0.0.0.0", False, "", None), "public-without-edge"),
        (Exposure("::", False, GOOD, None), "token-in-plain-http"),
        (Exposure("10.0.0.5", False, "", None), "public-without-edge"),
        (Exposure("127.0.0.1", True, "changemechangeme", None), "weak-token"),
    ],
)
def test_settings_that_let_strangers_in(exposure: Exposure, code: str | None) -> None:
    found = list(find_exposed(exposure))
    assert [each.code for each in found] == ([code] if code else [])
    assert not any("changeme" in each.sentence + each.remedy for each in found)


@pytest.mark.parametrize(
    ("host", "public"),
    [("localhost", False), ("127.0.0.9", False), ("video.example", True), ("", True)],
)
def test_host_is_public(host: str, public: bool) -> None:
    assert is_public(host) is public


def test_command_judges_the_settings_of_serve(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    insert_video(database_url, "a.mp4", b"a")
    where = ["doctor", "--database-url", database_url]
    assert main([*where, "--host", "0.0.0.0", "--admin-token", "password" * 2]) == 0
    said = capsys.readouterr().out
    for code in ("superuser", "weak-token", "token-in-plain-http"):
        assert f"warning {code}: " in said
    assert main([*where, "--host", "0.0.0.0", "--socket", "unix:/run/b.sock"]) == 0
    said = capsys.readouterr().out
    assert "warning superuser: " in said
    assert "public-without-edge" not in said
    assert main([*where, "--grants", "streamer"]) == 0
    said = capsys.readouterr().out
    assert "GRANT SELECT ON public.videos TO streamer; -- serve\n" in said
