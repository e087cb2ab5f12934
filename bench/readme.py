"""python -m bench.readme: write the README's tables anew from the kept results.

With --measure it takes the results first: about a quarter of an hour, on a machine that
has nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from bench.plan.rehearse import Compared, render_compared
from bench.plan.run import HEADS, list_cells, read_plans
from bench.plan.simulate import Day
from bench.report.render import name_machine, render_markdown
from bench.results import load

FOLDER = Path(__file__).parent
README = FOLDER / "README.md"
RESULTS = FOLDER / "results"
MEASURED = (
    "--peers --json {folder}/run.json --html {folder}/run.html",
    "scale --json {folder}/scale.json --html {folder}/scale.html",
    "plan --json {folder}/plan.json",
    "plan --check --json {folder}/check.json",
)


def main() -> None:
    """Do it."""
    parser = argparse.ArgumentParser(prog="python -m bench.readme", description=__doc__)
    parser.add_argument("--measure", action="store_true", help="measure first")
    if parser.parse_args().measure:
        for arguments in MEASURED:
            command = arguments.format(folder=RESULTS).split(" ")
            subprocess.run([sys.executable, "-m", "bench", *command], check=True)
    README.write_text(fill(README.read_text("utf-8")), "utf-8")


def fill(text: str) -> str:
    """Return the README with each part between its markers written anew."""
    for name, part in list_parts().items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        if start not in text or end not in text:
            raise ValueError(f"bench/README.md lacks {start} or {end}.")
        before, _, rest = text.partition(start)
        after = rest.partition(end)[2]
        text = f"{before}{start}\n{part}\n{end}{after}"
    return text


def list_parts() -> dict[str, str]:
    """Return what is generated, by its marker."""
    run, scale = (load(RESULTS / name) for name in ("run.json", "scale.json"))
    check = json.loads((RESULTS / "check.json").read_text("utf-8"))
    compared = Compared(**check | {"thought": Day(*check["thought"])})
    lines = [HEADS, ["--:"] * len(HEADS)]
    lines += [list_cells(plan) for plan in read_plans(RESULTS / "plan.json")]
    checks = "".join(f"\n- {check}" for check in run.checks)
    left_out = "".join(f"\n- {name}: {why}" for name, why in run.left_out.items())
    head = f"{name_machine(run.about)}\n{checks}{left_out}"
    return {
        "run": f"{head}\n\n{render_markdown(run)}",
        "plan": "\n".join(f"| {' | '.join(line)} |" for line in lines),
        "costs": f"Costs: {name_machine(scale.about)}.",
        "check": render_compared(compared),
    }


if __name__ == "__main__":
    main()
