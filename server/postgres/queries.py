"""The named statements of sql/queries, and where sql/ lies."""

import re
from functools import cache
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def sql_directory() -> Path:
    """Return sql/: beside this package in a checkout, inside it when installed."""
    package = Path(__file__).parents[1]
    installed = package / "sql"
    return installed if installed.is_dir() else package.parent / "sql"


@cache
def queries() -> dict[str, str]:
    """Return {name: statement} of every `-- name:` block under sql/queries."""
    found: dict[str, str] = {}
    for path in sorted((sql_directory() / "queries").glob("*.sql")):
        _, *blocks = _NAME.split(path.read_text(encoding="utf-8"))
        for name, body in zip(blocks[::2], blocks[1::2], strict=True):
            lines = (line for line in body.splitlines() if not line.startswith("--"))
            found[name] = "\n".join(lines).strip().rstrip(";")
    return found
