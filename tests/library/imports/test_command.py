"""Options of the import that contradict each other are refused."""

from __future__ import annotations

import pytest

from server.cli import build_parser
from server.errors import Fault
from server.library.imports.command import run_import


@pytest.mark.parametrize("options", [[], ["--fix"]])
def test_accepted_damage_needs_encoding(options: list[str]) -> None:
    asked = build_parser().parse_args(["import", "--accept-damage", *options, "a"])
    with pytest.raises(Fault, match="about encoding: add --transcode"):
        run_import("postgresql://localhost/nothing", asked)
