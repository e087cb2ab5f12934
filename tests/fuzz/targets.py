"""Which targets there are, and what belongs to each."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, cast

from tests.fuzz.mutation import mutate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Target = Callable[[bytes], None]
    Mutator = Callable[[bytes, Random], bytes]

CORPUS = Path(__file__).parent / "corpus"

MODULES = {
    "head": "heads",
    "connection": "connections",
    "framing": "framing",
    "ranges": "ranges",
    "conditions": "conditions",
    "json": "bodies",
    "query": "bodies",
    "movie": "movies",
    "layout": "layouts",
    "tables": "tables",
    "entries": "entries",
    "parameters": "entries",
    "aac": "entries",
    "manifest": "manifests",
    "settings": "settings",
    "forwarded": "forwarded",
    "words": "words",
    "log_line": "log_lines",
}
"""The module of each target."""


def load(name: str) -> Target:
    """Return a target; what it tests is imported only now, to be watched."""
    return cast("Target", getattr(_import(name), f"fuzz_{name}"))


def load_words(name: str) -> list[bytes]:
    """Return pieces of which inputs of a target are made."""
    return list(getattr(_import(name), "WORDS", ()))


def find_mutator(name: str) -> Mutator | None:
    """Return what changes inputs of a target as nothing else does, if there is such."""
    return cast("Mutator | None", getattr(_import(name), "mutate", None))


def _import(name: str) -> object:
    return import_module(f"tests.fuzz.{MODULES[name]}")


def read_corpus(name: str) -> dict[str, bytes]:
    """Return the kept inputs of a target, by the names of their files."""
    paths = sorted((CORPUS / name).iterdir())
    return {path.name: path.read_bytes() for path in paths}


def list_inputs(name: str, seed: int) -> Iterator[bytes]:
    """Yield inputs at random without an end."""
    random, own = Random(seed), find_mutator(name)
    kept, words = list(read_corpus(name).values()), load_words(name)
    while True:
        data = mutate(kept, words, random)
        yield own(data, random) if own and random.random() < 0.5 else data
