from __future__ import annotations

import argparse
import json
import math
from typing import TYPE_CHECKING

import pytest

from bench.plan import rehearse
from bench.plan import run as plan
from bench.plan.simulate import Audience, Day
from bench.readme import README, fill
from bench.results import MIB, Round, Row, Run, bucket, load, save
from bench.scale import run as scale
from bench.scale.axes import AXES, find_length, guess_seconds, list_points
from bench.scale.curves import render_scale, write_scale
from server.errors import Fault
from tests.conftest import needs

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Audience(
    viewers=50, clips=40, edges=2, views=10, clip_bytes=2 * MIB + 5,
    edge_bytes=2**40, zipf=0.9, days=3, seed=1,
)  # fmt: skip


COST = plan.Cost(rate=100, cpu=0.005, median=0.01)


@pytest.mark.parametrize(
    ("hits", "holds"), [(9_001, True), (9_000, False), (0, False), (10_000, True)]
)
def test_both_targets_must_hold(hits: int, holds: bool) -> None:
    day = Day(10_000, hits, 0, 1)
    assert plan.Plan(SMALL, day, day, 1, 1).holds == holds


def test_hit_ratio_alone_is_not_enough() -> None:
    day = Day(1_000_000, 999_000, 0, 1)
    assert not plan.Plan(SMALL, day, day, 1, 1).holds


def test_servers_carry_the_busiest_second_with_half_of_what_they_can() -> None:
    small = COST._replace(rate=10)
    made = plan.make_plan(SMALL._replace(viewers=2000, edge_bytes=0, days=1), small)
    assert made.servers == math.ceil(made.peak / 5) > 1
    assert plan.make_plan(SMALL._replace(days=1), COST).servers == 1


def row(name: str, path: str, requests: int, size: int, pg: float | None = 0.5) -> Row:
    """Return a row with two rounds of a second, 0.5 s of CPU each side."""
    histogram = {bucket(0.02): requests} if requests else {}
    one = Round(
        requests, requests * size, 1.0, histogram, 0.5, pg, None, 0.3, MIB, None, 1000
    )
    return Row(name, path, False, "requests/s", None, [one] * 2)


RUN = Run(
    {"cpu": "a processor", "date": "2026-01-02", "cores": 2, "platform": "Linux"},
    [
        row("range 64", "origin", 2000, 64 * 1024),
        row("range 1024", "origin", 200, MIB),
        row("range 64", "memory", 9000, 64 * 1024, pg=0.0),
        row("range 1024", "memory", 3000, MIB, pg=None),
        row("clients 1", "origin", 0, MIB),
    ],
    {},
    [],
)


def test_cost_comes_from_the_answers_nearest_to_a_slice(tmp_path: Path) -> None:
    cost = plan.find_cost(RUN, tmp_path)
    assert cost.rate == pytest.approx(200)
    assert cost.cpu == pytest.approx(1 / 200)
    assert cost.median == pytest.approx(0.02, rel=0.01)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (RUN.rows[2:], "no row of the origin"),
        ([row("a", "origin", 9, 9, pg=None)], "PostgreSQL's CPU"),
    ],
)
def test_run_without_costs_is_refused(
    tmp_path: Path, rows: list[Row], sentence: str
) -> None:
    with pytest.raises(Fault, match=sentence):
        plan.find_cost(RUN._replace(rows=rows), tmp_path)


def run_plan(tmp_path: Path, *arguments: str) -> int:
    save(RUN, tmp_path / "costs.json")
    parser = argparse.ArgumentParser()
    plan.add_parser(parser.add_subparsers())
    costs = ["--costs", f"{tmp_path / 'costs.json'}"]
    return plan.run_plan(parser.parse_args(["plan", *arguments, *costs]))


def test_plan_of_an_audience_says_what_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = {"viewers": 200, "clips": 50, "edges": 1, "clip-mb": 1, "days": 2}
    arguments = [f"--{name}={value}" for name, value in asked.items()]
    arguments += ["--json", f"{tmp_path / 'plan.json'}"]
    assert run_plan(tmp_path, *arguments) == 0
    said = capsys.readouterr().out
    assert "200 viewers, 20 views each a day of 50 clips of 1 MiB (Zipf 0.9)" in said
    assert "first day: hit ratio 98.75%, 50 of 4,000 requests reach the origin" in said
    assert said.count("holds: ") == 2
    assert "origin servers needed: 1" in said
    assert "200 slices of 1 MiB a second" in said
    (made,) = json.loads((tmp_path / "plan.json").read_text())
    assert made["targets_hold"] is True
    assert made["first_day"]["hits"] == 3950


def test_plan_without_an_audience_is_a_table_of_some(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examples = ((30, 20, 1, 10.0), (30, 200, 2, 0.01))
    monkeypatch.setattr(plan, "EXAMPLES", examples)
    monkeypatch.setattr(plan, "PATIENCE_SECONDS", 0)
    assert run_plan(tmp_path, "--days", "2") == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[1].split()[-1] == "hold"
    assert lines[2].split()[-1] == "FAIL"
    assert "s at most" in said.err


@pytest.mark.long
@needs("nginx")
def test_plan_check_compares_with_nginx_and_keeps_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # more clips than there is room for
    small = rehearse.AUDIENCE._replace(viewers=8, clips=24)
    monkeypatch.setattr(rehearse, "AUDIENCE", small)
    assert run_plan(tmp_path, "--check", "--json", f"{tmp_path / 'check.json'}") == 0
    kept = json.loads((tmp_path / "check.json").read_text())
    compared = rehearse.Compared(kept["views"], Day(*kept["thought"]), kept["seen"])
    assert capsys.readouterr().out.strip() == rehearse.render_compared(compared)
    assert compared.views == 80
    assert 0.8 < compared.thought.origin_requests / compared.seen < 1.25


@pytest.mark.parametrize("wrong", ["0", "-1", "x", "nan", "inf"])
def test_plan_refuses_numbers_that_are_none(tmp_path: Path, wrong: str) -> None:
    for flag in ("--viewers", "--edge-gb"):
        with pytest.raises(SystemExit):
            run_plan(tmp_path, flag, wrong)


def test_comparison_with_nginx_says_how_far_they_differ() -> None:
    said = rehearse.render_compared(rehearse.Compared(100, Day(1000, 700, 0, 9), 320))
    assert "320 by nginx, 300 by the simulation, -6.2%" in said
    assert "68.0% by nginx, 70.0% by the simulation, +2.0 points" in said


def test_axes_grow_and_are_told_how_long_they_take() -> None:
    for axis in AXES:
        points, quick = (list_points(axis, short) for short in (False, True))
        assert [point.value for point in points] == sorted(axis.points)
        assert set(axis.quick) <= set(axis.points)
        assert guess_seconds(quick, 0.5, 1) < guess_seconds(points, 1.0, 3)
    many = list_points(AXES[3], False)[-1]
    assert find_length(many, 1.0) > find_length(many._replace(clients=1), 1.0)


@pytest.mark.long
def test_scale_measures_each_point_and_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = [axis._replace(quick=axis.quick[:1]) for axis in AXES]
    monkeypatch.setattr(scale, "AXES", axes)
    parser = argparse.ArgumentParser()
    scale.add_parser(parser.add_subparsers())
    files = [tmp_path / "scale.json", tmp_path / "scale.html"]
    asked = ["--json", f"{files[0]}", "--html", f"{files[1]}"]
    options = parser.parse_args(
        ["scale", "--quick", "--only", "range", "video", *asked]
    )
    assert scale.run_scale(options) == 0
    said = capsys.readouterr()
    assert "2 points, about" in said.err
    rows = load(files[0]).rows
    names = [("range 1", "origin"), ("range 1", "memory"), ("video 1", "origin")]
    assert [(row.scenario, row.path) for row in rows] == names
    for one in (row.rounds[0] for row in rows):
        assert one.requests > 0
        assert one.yardstick
    assert rows[0].rounds[0].bytes == rows[0].rounds[0].requests * 1024


@pytest.mark.long
def test_curves_are_tables_and_pictures(tmp_path: Path) -> None:
    text = render_scale(RUN)
    assert max(map(len, text.splitlines())) <= 120
    assert "200" in text
    pytest.importorskip("matplotlib")
    write_scale(RUN, tmp_path / "scale.html")
    page = (tmp_path / "scale.html").read_text()
    assert page.count("<svg ") == 3 + 3
    assert page.count("<tr>") == 2 + len(RUN.rows)


def test_readme_is_generated_from_what_is_kept() -> None:
    text = README.read_text("utf-8")
    assert fill(text) == text
    assert "| ranges64 | origin |" in text


def test_readme_without_its_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="<!-- run -->"):
        fill("nothing")


def test_kept_results_answer_what_the_plan_asks() -> None:
    cost = plan.find_cost(load(plan.COSTS), plan.COSTS)
    assert cost.rate > 1
    plans = plan.read_plans(README.parent / "results/plan.json")
    asked = [one.audience[:3] for one in plans]
    assert asked == [example[:3] for example in plan.EXAMPLES]
