"""README names everything a user can set, call or run, and its commands are CI's."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path

import pytest

from server.cli import build_parser
from server.config import SETTINGS
from server.edge.nginx import render_nginx
from server.routes import ROUTES

ROOT = Path(__file__).parents[1]
READMES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "bench/**/*.md", "server/**/*.md")
    for path in ROOT.glob(pattern)
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
EDGE = (ROOT / "server/edge/README.md").read_text(encoding="utf-8")
MAP = (ROOT / "server/README.md").read_text(encoding="utf-8")
PICTURE_BYTES = 150_000  # whoever reads the page waits for it
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


def test_settings_that_the_demo_lacks_stand_in_readme() -> None:
    (sentence,) = re.findall(
        r"`serve` takes all of them, `demo` all\s+but (.*?)\.\s", README, re.S
    )
    taken = {
        name: vars(build_parser().parse_args([name])) for name in ("serve", "demo")
    }
    missing = [name for name in SETTINGS if name not in taken["demo"]]
    flags = [f"--{name.replace('_', '-')}" for name in missing]
    assert sorted(re.findall(r"`(.*?)`", sentence)) == sorted(flags)
    assert set(SETTINGS) <= set(taken["serve"])


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


def list_typed(text: str) -> list[list[str]]:
    """Return the arguments of each call of bytereel in the blocks for a shell."""
    found = []
    for line in "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S)).splitlines():
        if re.match(r"(?:[A-Z_]+=\S+ )?bytereel ", line):
            typed = shlex.split(line, comments=True)
            ends = [place for place, word in enumerate(typed) if word in (">", "|")]
            typed = typed[: min(ends, default=None)]
            found.append(typed[typed.index("bytereel") + 1 :])
    return found


@pytest.mark.parametrize("readme", READMES)
def test_typed_command_is_understood(readme: str) -> None:
    for arguments in list_typed((ROOT / readme).read_text(encoding="utf-8")):
        build_parser().parse_args(arguments)


def test_edges_commands_are_shown() -> None:
    shown = {arguments[0] for arguments in list_typed(EDGE)}
    assert shown == {"nginx-config", "check-edge", "warm"}


def list_headings(text: str) -> set[str]:
    """Return the names by which GitHub links to headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("readme", READMES)
def test_links_lead_somewhere(readme: str) -> None:
    path = ROOT / readme
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        file, _, heading = link.partition("#")
        target = path.parent / file if file else path
        assert target.is_file(), link
        assert not heading or heading in list_headings(target.read_text("utf-8")), link


def test_every_chapter_stands_in_the_contents() -> None:
    for text in (README, EDGE, MAP):
        chapters = re.findall(r"^## (?!Start$|Contents$)(.+)$", text, re.M)
        links = re.findall(r"^- \[(.+)\]\(#[\w-]+\)", text, re.M)
        assert links == chapters


def test_picture_is_small() -> None:
    (name,) = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert 0 < (ROOT / name).stat().st_size <= PICTURE_BYTES


def test_rules_for_cloudflare_are_for_videos_alone() -> None:
    (text,) = re.findall(r"--data '(\{\"rules\".*?)'", EDGE, re.S)
    (rule,) = json.loads(text)["rules"]
    assert rule["action_parameters"]["respect_strong_etags"]
    video = ROUTES[0].path.partition("{")[0]
    plain = EDGE.replace('\\"', '"')  # of JSON and of Terraform
    starts = re.findall(r'starts_with\(http.request.uri.path, "(.*?)"\)', plain)
    assert set(starts) == {video, f"/api{video}"}


def test_promises_are_tested() -> None:
    promises = README.partition("## What we promise\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!if|-).*\|$", promises, re.M)
    assert rows
    named = set()
    for row in rows:
        path, name = re.findall(r"`(\w+/test_\w+\.py)::(test_\w+)` \|$", row)[0]
        text = (ROOT / "tests" / path).read_text(encoding="utf-8")
        assert re.search(rf"^(?:async )?def {name}\(", text, re.M), row
        named.add(ROOT / "tests" / path)
    assert set(ROOT.glob("tests/faults/test_*.py")) <= named


def test_listen_line_is_there_to_be_replaced() -> None:
    text = render_nginx("80", "127.0.0.1:8080", Path("/var/cache/bytereel"), 1)
    assert len(re.findall(r"^ *listen 80;$", text, re.M)) == 1
    assert re.findall(r"^listen 443 ssl;$", EDGE, re.M)
