"""SECURITY.md is true: its headers are those that are sent, its tests exist."""

from __future__ import annotations

import ast
import re
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import pytest

from server.demo.samples import make_clip
from server.pages import PAGE_HEADERS
from server.pages.practice import _WORKER_HEADERS
from server.routes import ROUTES
from server.telemetry.access_log import AccessLog
from server.telemetry.line_output import LineOutput
from server.telemetry.log_target import LogFile
from server.video.watch import Watch
from tests.admin.client import TOKEN
from tests.api.test_openapi import serving
from tests.postgres.test_schema import run
from tests.practice.test_batch import EXAMPLE_2, LEARNER
from tests.test_readme import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.long
PAGE = (ROOT / "server/SECURITY.md").read_text(encoding="utf-8")
NOWHERE = "postgresql://u:p@127.0.0.1:1/none"
BATCH = f"/v3/next-review-words-batch?user_id={LEARNER}"
PUBLIC = re.compile(
    r"/v3/videos/\{id\}(\.mp4|/thumbnail|/preview\.webp|/storyboard\.(jpg|vtt)|/levels"
    r"|/[a-z1-]+\.(m3u8|mp4)|/captions(/\{language\}\.(vtt|m3u8))?)?"
    r"|/openapi\.json"
)
METHODS = {"execute", "executemany", "copy_expert", "mogrify", "fetch", "fetch_binary"}
# What takes a statement from its caller, or from a file of sql/migrations.
PASSING = {
    "server/library/keeping/clip_files.py",
    "server/library/upkeep/verify.py",
    "server/postgres/migrations.py",
    "server/postgres/session.py",
    "server/telemetry/library_numbers.py",
}


class Answer(NamedTuple):
    """The head of an answer."""

    status: int
    headers: dict[str, str]


def ask(
    port: int,
    method: str,
    path: str,
    headers: Mapping[str, str] = {},
    body: bytes | None = None,
) -> Answer:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        if answer.headers["Content-Type"] != "text/event-stream":
            answer.read()
        return Answer(answer.status, dict(answer.getheaders()))


@contextmanager
def serving_all(url: str, spool: Path) -> Iterator[int]:
    """Yield the port of a server with everything switched on."""
    run(url, EXAMPLE_2)
    run(url, "INSERT INTO thumbnails VALUES (1, 'image/jpeg', 1, 1, 'x')")
    vtt = "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\na\n"
    run(url, f"INSERT INTO captions VALUES (1, 'en', '{vtt}')")
    run(
        url,
        "INSERT INTO previews (video_id, kind, at_ms, mime_type, width, height, image)"
        " VALUES (1, 'frame', 0, 'image/jpeg', 1, 1, 'x')",
    )
    columns = "(id, filename, video_data)"
    run(url, f"INSERT INTO videos {columns} VALUES (4, 'a.mp4', '{make_hex()}')")
    lines = LineOutput(LogFile(spool / "access.log"))
    options = {"watch": Watch(), "log": AccessLog("json", (), lines)}
    with serving(url, admin_token=TOKEN, spool=spool, **options) as address:
        yield int(address.rpartition(":")[2])


@cache
def make_hex() -> str:
    """Return a clip whose playlist is worth compressing, as PostgreSQL reads BYTEA."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        make_clip(path, seconds=16, width=64, height=64, fps=10)
        return f"\\x{path.read_bytes().hex()}"


@pytest.fixture
def port(database_url: str, tmp_path: Path) -> Iterator[int]:
    with serving_all(database_url, tmp_path) as port:
        yield port


def list_targets() -> list[tuple[str, str, str]]:
    """Return method, pattern and a path of every route."""
    query = {
        "/v3/next-review-words-batch": f"?user_id={LEARNER}",
        "/reads": "?viewer=12345678",
    }
    found = []
    for route in ROUTES:
        pattern = re.sub(r"\{(\w+):.*?\}(?=/|\.|$)", r"{\1}", route.path)
        path = pattern.replace("{id}", "1").replace("{upload}", "x" * 32)
        path = (
            path.replace("{language}", "en")
            .replace("{version}", "x")
            .replace("{name}", "icon.svg")
        )
        found.append((route.method, pattern, path + query.get(pattern, "")))
    return sorted(found, key=lambda each: each[0] == "DELETE")  # the video stays first


def ask_oddly(port: int) -> list[Answer]:
    """Return answers with every status that a client can bring about."""
    video = "/v3/videos/4"
    packed = {"Accept-Encoding": "gzip"}
    return [
        ask(port, "GET", f"{video}/hls1.m3u8", packed),
        ask(port, "GET", video, {"Range": "bytes=0-0"}),
        ask(port, "GET", "/v3/videos/3", {"Range": "bytes=9-"}),
        ask(port, "GET", video, {"If-None-Match": '"video-4"'}),
        ask(port, "GET", video, {"If-Match": '"other"'}),
        ask(port, "GET", video, {"Connection": "close", "X-Request-ID": "a"}),
        ask(port, "GET", "/v3/videos/1/thumbnail?time=0.0"),
        ask(port, "PUT", video),
        ask(port, "GET", "/nowhere"),
        ask(port, "GET", f"{BATCH}&count=0"),
        ask(port, "POST", "/v3/reviews", {"Content-Type": "text/html"}, b"x"),
        ask(port, "POST", "/v3/views", {"Content-Type": "text/plain"}, b"x" * 99_999),
        ask(port, "GET", "/v3/admin/videos"),
        *[
            ask(port, "GET", "/v3/admin/videos", {"Authorization": "Bearer no"})
            for _ in range(6)
        ],
    ]


def ask_by_hand(port: int, request: bytes) -> Answer:
    """Return the answer to bytes, from a client of HTTP/1.0 for example."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.connect()
        connection.sock.sendall(request)
        lines = connection.sock.makefile("rb").read1(9999).decode().split("\r\n")
    fields = lines[1 : lines.index("")]
    return Answer(int(lines[0].split()[1]), dict(f.split(": ", 1) for f in fields))


def ask_all(port: int) -> Iterator[Answer]:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    yield from ask_oddly(port)  # while the video is there
    for method, _, path in list_targets():
        yield ask(port, method, path, bearer)
    kept = b"GET /healthz HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
    yield ask_by_hand(port, kept)
    yield ask_by_hand(port, b"NO\0\r\n\r\n")
    packed = b"Host: a\r\nContent-Length: 5\r\nContent-Encoding: gzip\r\n\r\n"
    yield ask_by_hand(port, b"POST /v3/reviews HTTP/1.1\r\n" + packed)


def list_named_headers() -> dict[str, str]:
    """Return the headers of the page, each with its row."""
    table = PAGE.partition("## Headers")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|(.*)$", table, re.M)
    return {name: row for names, row in rows for name in re.findall("`(.*?)`", names)}


def test_headers_are_those_of_the_page(port: int) -> None:
    with ExitStack() as stack:
        away = stack.enter_context(serving(NOWHERE, spool=None))
        answers = list(ask_all(port))
        answers.append(ask(int(away.rpartition(":")[2]), "GET", "/"))
    assert {answer.status for answer in answers} >= {
        *(200, 204, 206, 304, 400, 401, 404, 405, 412, 413, 415, 416, 429, 503)
    }
    assert not [answer for answer in answers if answer.status == 500]
    sent = {name for answer in answers for name in answer.headers}
    assert sent == set(list_named_headers())


def test_values_on_the_page_are_those_of_the_code() -> None:
    row = list_named_headers()["Content-Security-Policy"]
    policies = [PAGE_HEADERS, _WORKER_HEADERS]
    named = [each["Content-Security-Policy"] for each in policies]
    assert [text for text in re.findall("`(.*?)`", row) if "default-src" in text] == (
        named
    )


def test_only_what_is_public_may_be_read_by_other_origins(port: int) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}", "Origin": "https://other.example"}
    for method, pattern, path in list_targets():
        sent = ask(port, method, path, bearer).headers
        allowed = "Access-Control-Allow-Origin" in sent
        assert allowed == bool(PUBLIC.fullmatch(pattern)), (method, path)
        assert "Access-Control-Allow-Credentials" not in sent
        assert "Set-Cookie" not in sent


def test_no_other_origin_may_send_a_review(port: int) -> None:
    asked = {
        "Origin": "https://other.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    preflight = ask(port, "OPTIONS", "/v3/reviews", asked)
    assert preflight.status == 405
    assert not [name for name in preflight.headers if name.startswith("Access-")]
    for kind in (
        "text/plain",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
    ):
        simple = ask(port, "POST", "/v3/reviews", {"Content-Type": kind}, b"{}")
        assert simple.status == 415


SQL = ("'; DROP TABLE videos; --", "%(id)s", "%s", "1) OR (1=1", "\\'; SELECT 1", "$1")


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_request_is_only_text(
    database_url: str, tmp_path: Path, text: str
) -> None:
    json = '{"word": "%s", "language": "%s"}' % ((text.replace("\\", "\\\\"),) * 2)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    typed = bearer | {"Content-Type": "application/json"}
    sent = quote(text)
    with serving_all(database_url, tmp_path) as port:
        before = run(database_url, "SELECT id, filename FROM videos ORDER BY id")
        for path, status in (
            (f"/v3/admin/videos?search={sent}", 200),
            (f"/v3/admin/videos?sort={sent}", 400),
            (f"/v3/admin/videos?flaw={sent}", 200),
            (f"/v3/admin/words?prefix={sent}", 200),
            (f"/v3/videos/{sent}", 404),
            (f"/v3/next-review-words-batch?user_id={sent}", 400),
        ):
            assert ask(port, "GET", path, bearer).status == status, path
        links = "/v3/admin/videos/1/links"
        assert ask(port, "POST", links, typed, json.encode()).status == 404
        name = f"/v3/admin/uploads?filename={sent}"
        assert ask(port, "POST", name, bearer, b"x").status == 201
    assert run(database_url, "SELECT id, filename FROM videos ORDER BY id") == before


def find_statements(path: Path) -> Iterator[ast.expr]:
    """Yield what a module has executed."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in METHODS
            and node.args
        ):
            yield node.args[0]


def test_no_statement_is_put_together() -> None:
    passing = set()
    count = 0
    for path in (ROOT / "server").rglob("*.py"):
        for statement in find_statements(path):
            count += 1
            if (
                isinstance(statement, ast.Subscript)
                and ast.unparse(statement.value) == "queries()"
            ):
                continue
            assert isinstance(statement, ast.Name), (path, ast.unparse(statement))
            passing.add(path.relative_to(ROOT).as_posix())
    assert passing == PASSING
    assert count > 50


def test_named_tests_exist() -> None:
    """A file stands before the tests of it."""
    text, found = "", 0
    for file, name in re.findall(r"`(tests/[\w/]+\.py)`|`(test_\w+)`", PAGE):
        if file:
            text = (ROOT / file).read_text(encoding="utf-8")
        else:
            found += 1
            assert f"def {name}(" in text, name
    assert found > 30


def test_chapters_stand_in_the_contents() -> None:
    chapters = re.findall(r"^## (.+)$", PAGE, re.M)
    assert re.findall(r"^- \[(.+)\]\(#[\w-]+\)", PAGE, re.M) == chapters


def test_findings_stand_on_the_page() -> None:
    text = (ROOT / "server/library/upkeep/access.py").read_text(encoding="utf-8")
    codes = set(re.findall(r'Finding\(\s*"([\w-]+)"', text))
    chapter = PAGE.partition("## What doctor looks for")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", chapter, re.M)) == codes
