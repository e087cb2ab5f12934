from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from bench.report.render import render_markdown, render_table, write_html
from bench.results import (
    MIB,
    Ratio,
    Round,
    Row,
    Run,
    bucket,
    find_ratio,
    load,
    middle,
    percentile,
    save,
    summarize,
)
from server.errors import Fault

if TYPE_CHECKING:
    from pathlib import Path


def stretch(requests: int, *, database: float | None = 2.0, size: int = MIB) -> Round:
    """Return a second of so many requests, each of 10 ms, and 1 s of the server."""
    return Round(
        requests, requests * size, 1.0, {bucket(0.01): requests} if requests else {},
        1.0, database, None, 0.5, 100 * MIB, None, 1000.0,
    )  # fmt: skip


def row(
    path: str, *requests: int, scenario: str = "ranges64", load: float = 0.5
) -> Row:
    rounds = [stretch(count)._replace(load_share=load) for count in requests]
    return Row(scenario, path, path == "nginx", "requests/s", None, rounds)


ABOUT: dict[str, object] = {"commit": "0123456789abcdef", "dirty": True, "cores": 2}
RUN = Run(
    ABOUT | {"cpu": "some <processor>"},
    [
        row("origin", 1000, 1100, 1050),
        row("memory", 5000, 5500, 5250),
        row("nginx", 1000, 1150, 1020, load=0.95),
        Row(
            "opening", "origin", False, "requests/s", 40.0, [stretch(40, database=None)]
        ),
    ],
    {"edge": "nginx is not installed (apt install nginx)"},
    ["wrk 12,345 requests/s, ours 12,100: 2 % apart"],
)


@pytest.mark.parametrize("seconds", [2e-6, 1e-4, 0.0123, 1.0, 75.0])
def test_bucket_and_its_middle_are_half_a_percent_apart(seconds: float) -> None:
    assert middle(bucket(seconds)) == pytest.approx(seconds, rel=0.006)


def test_bucket_0_takes_all_that_is_too_short() -> None:
    assert [bucket(0), bucket(-1.0), bucket(1e-6)] == [0, 0, 0]


def test_percentile_is_the_nearest_rank() -> None:
    histogram = {3: 50, 7: 49, 100: 1}
    assert percentile(histogram, 0.5) == middle(3)
    assert percentile(histogram, 0.51) == middle(7)
    assert percentile(histogram, 0.99) == middle(7)
    assert percentile(histogram, 1.0) == middle(100)
    assert percentile(histogram, 0.0) == middle(3)


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        percentile({}, 0.5)


def test_summary_has_medians_and_costs_by_the_gib() -> None:
    found = summarize(row("origin", 512, 1024, 2048))
    assert (found.requests, found.mib, found.spread) == (1024, 1024, 0.75)
    assert (found.server_cpu, found.database_cpu, found.edge_cpu) == (1.0, 2.0, None)
    assert found.cpu == 1 / 1024
    assert found.latency["max"] == middle(bucket(0.01))
    assert (found.memory, found.origin_requests) == (100 * MIB, None)


def test_summary_of_answers_without_bytes_has_no_cost_by_the_gib() -> None:
    rounds = [stretch(10, size=0)._replace(origin_requests=n) for n in (3, 4)]
    found = summarize(Row("conditional", "edge", False, "requests/s", None, rounds))
    assert (found.server_cpu, found.cpu, found.origin_requests) == (None, 0.1, 7)


def test_summary_of_no_requests_has_no_latency() -> None:
    found = summarize(Row("missing", "edge", False, "requests/s", None, [stretch(0)]))
    assert (found.requests, found.spread, found.latency, found.cpu) == (
        0,
        None,
        {},
        None,
    )


def test_ratio_is_paired_by_round() -> None:
    slow, fast = [[stretch(n) for n in (m, 10 * m, 3 * m)] for m in (100, 200)]
    ratio = find_ratio(fast, slow, "MiB/s")
    assert ratio == pytest.approx(Ratio(2, 2, 2))
    assert not ratio.is_noise


@pytest.mark.parametrize(
    ("requests", "noise"),
    [((100, 110, 90), True), ((150, 160, 155), False), ((300,), True), ((0,), True)],
)
def test_ratio_says_what_may_be_noise(requests: tuple[int, ...], noise: bool) -> None:
    base = [stretch(100) for _ in requests]
    ratio = find_ratio([stretch(n) for n in requests], base, "requests/s")
    assert ratio.is_noise == noise


def test_run_comes_back_from_its_file(tmp_path: Path) -> None:
    save(RUN, tmp_path / "run.json")
    assert load(tmp_path / "run.json") == RUN


def test_file_has_figures_for_other_readers(tmp_path: Path) -> None:
    save(RUN, tmp_path / "run.json")
    rows = json.loads((tmp_path / "run.json").read_text())["rows"]
    assert rows[1]["summary"]["requests"] == 5250
    assert rows[1]["ratios"]["origin"]["middle"] == pytest.approx(5)
    assert set(rows[3]["summary"]["latency"]) == {"p50", "p90", "p95", "p99", "max"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "cannot be read as JSON"),
        ("[1]", "name a file that bench wrote"),
        ("{}", "name a file that bench wrote"),
        ('{"bytereel_bench": 99}', "has version 99"),
        ('{"bytereel_bench": 1, "rows": [{}]}', "is incomplete"),
        ('{"bytereel_bench": 1, "rows": 7}', "is incomplete"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(Fault, match=sentence):
        load(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="No such file"):
        load(tmp_path / "none.json")


def test_table_fits_a_terminal_and_shows_its_doubt() -> None:
    table = render_table(RUN)
    assert max(map(len, table.splitlines())) <= 120
    lines = {line.split()[0]: line for line in reversed(table.splitlines()) if line}
    assert "5,250" in lines["memory"]
    assert "5.00" in lines["memory"]
    assert "≈1.00" in lines["nginx"]
    assert "95%!" in lines["nginx"]
    assert lines["edge"].endswith("nginx is not installed (apt install nginx)")
    assert lines["wrk"] == RUN.checks[0]
    assert "opening: requests/s, 40 a second come due" in table


def test_markdown_has_a_line_a_row() -> None:
    lines = render_markdown(RUN).splitlines()
    assert len(lines) == 2 + len(RUN.rows)
    assert {line.count("|") for line in lines} == {10}
    assert lines[3].startswith("| ranges64 | memory | 5,250 requests/s ± 5% | 5.00 |")


@pytest.mark.long
def test_page_is_whole_in_itself(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    write_html(RUN, tmp_path / "run.html")
    page = (tmp_path / "run.html").read_text()
    # three pictures a scenario; all answers are of one size, so none over sizes
    assert page.count("<svg ") == 3 + 3
    assert page.count("<tr>") == 2 + len(RUN.rows)
    for outside in ("src=", "<link", "@import", 'href="http', "url(http"):
        assert outside not in page
    assert "some &lt;processor&gt;" in page
    assert "95%!" in page
    assert RUN.checks[0] in page
    assert RUN.left_out["edge"] in page


def test_page_without_matplotlib_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(Fault, match=r"pip install -e '\.\[bench\]'"):
        write_html(RUN, tmp_path / "run.html")
    assert render_table(RUN)


@pytest.mark.long
def test_page_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(Fault, match="cannot be written"):
        write_html(RUN, tmp_path / "none" / "run.html")
