"""README names everything a user can set, call or run, and its commands are CI's."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from server.cli import build_parser
from server.config import SETTINGS
from server.routes import ROUTES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def list_commands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (
        action
        for action in build_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return dict(action.choices)


@pytest.mark.parametrize("name", SETTINGS)
def test_setting_stands_in_readme(name: str) -> None:
    setting = SETTINGS[name]
    (row,) = re.findall(rf"^\| `--{name.replace('_', '-')}` \|.*$", README, re.M)
    assert setting.environment in row
    default = "none" if setting.default == "" else f"`{setting.default}`"
    assert f" {default} |" in row or name == "data_dir"


@pytest.mark.parametrize("name", list_commands())
def test_command_stands_in_readme_with_its_flags(name: str) -> None:
    (row,) = re.findall(rf"^\| `bytereel {name}[ `].*$", README, re.M)
    for action in list_commands()[name]._actions:
        for flag in action.option_strings:
            setting = flag.removeprefix("--").replace("-", "_")
            assert setting in SETTINGS or flag in {"-h", "--help"} or flag in row


def test_routes_stand_in_readme() -> None:
    for route in ROUTES:
        path = re.sub(r"\{(\w+):.*?\}(?=/|\.|$)", r"{\1}", route.path)
        assert f"{path}`" in README, path


def test_no_command_or_route_is_made_up() -> None:
    named = set(re.findall(r"^\| `bytereel ([\w-]+)", README, re.M))
    assert named == set(list_commands())
    paths = {re.sub(r"\{(\w+):.*?\}(?=/|\.|$)", r"{\1}", r.path) for r in ROUTES}
    http = README.partition("## HTTP")[2].partition("\nA video is sent")[0]
    assert set(re.findall(r"(?:GET |, )`?(/[^`]*)`", http)) <= paths


def test_versions_are_those_of_the_package() -> None:
    setup = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    for version in re.findall(r"Python :: (3\.\d+)", setup):
        assert version in README


def test_container_takes_the_steps_of_ci() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for step in re.findall(r"^RUN .*?\b((?:pip|python3) .*)$", dockerfile, re.M):
        step = step.replace("/opt/bytereel", "$work/bytereel")
        step = step.replace("/dist", "$work/dist")
        assert step in CI.replace('"', ""), step


def test_ci_runs_the_command_of_readme() -> None:
    (command,) = re.findall(r"<!-- test -->\n```sh\n(.*)\n```", README)
    assert "[test]" in command
    assert "<!-- test -->" in CI
