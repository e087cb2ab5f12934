"""Dashboard, alerts and README name metrics and labels that there are."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from server.app import build_app
from server.telemetry.exposition import Counted
from server.telemetry.library_numbers import Library
from server.telemetry.metrics import CLASSES, METRICS
from tests.conftest import needs

FOLDER = Path(__file__).parents[2] / "server/telemetry"
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
README = (FOLDER / "README.md").read_text(encoding="utf-8")
PANELS = json.loads((FOLDER / "grafana.json").read_text())["panels"]
QUERIES = [rule["expr"] for rule in RULES] + [
    target["expr"] for panel in PANELS for target in panel["targets"]
]


def list_exposed() -> dict[str, set[str]]:
    """Return every sample that can be scraped, with the values of its labels."""
    app = build_app("")
    metrics = app[METRICS]
    for route in metrics.routes:
        for number in range(1, len(CLASSES) + 1):
            metrics.note(route, number * 100, 1, (0.1, 0.1))
    metrics.publish({}, {}, dict.fromkeys(metrics.query_names, (1, 1)))
    library = Library()
    library.numbers = (1, 1, 1)
    library.imports = [("imported", 1)]
    found: dict[str, set[str]] = {}
    for family in Counted(metrics, library).collect():
        for sample in family.samples:
            values = found.setdefault(sample.name, set())
            values |= {f"{name}={value}" for name, value in sample.labels.items()}
    return found


EXPOSED = list_exposed()


@pytest.mark.parametrize("query", QUERIES)
def test_query_names_what_is_exposed(query: str) -> None:
    names = re.findall(r"\bbytereel_\w+", query)
    assert names
    assert set(names) <= EXPOSED.keys()
    for name, labels in re.findall(
        r"(bytereel_\w+)\{((?:[^}\"]|\"[^\"]*\")*)\}", query
    ):
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', labels):
            for value in values.split("|"):
                assert f"{label}={value}" in EXPOSED[name]
    for labels in re.findall(r"\bby \(([^)]*)\)", query):
        known = {pair.split("=")[0] for name in names for pair in EXPOSED[name]}
        assert set(labels.split(", ")) <= known


@needs("promtool")
def test_rules_are_taken_by_promtool() -> None:
    command = ["promtool", "check", "rules", f"{FOLDER / 'alerts.yml'}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for panel in PANELS
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_readme_names_every_metric_and_alert() -> None:
    family = re.compile(r"_(?:bucket|sum|count|created)$")
    exposed = {family.sub("", name) for name in EXPOSED}
    assert set(re.findall(r"`(bytereel_\w+)`", README)) == exposed
    alerts = re.findall(r"^\| `(Bytereel\w+)` \|", README, re.M)
    assert alerts == [rule["alert"] for rule in RULES]
