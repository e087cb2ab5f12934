"""python -m tests.fuzz TARGET --seconds 600: look for inputs that a target fails on.

atheris leads the search by the branches that an input reaches (pip install -e
'.[fuzz]'); without it inputs are changed at random. An input that fails is kept in
tests/fuzz/corpus, so that the tests run it from then on; --minimise adds what reaches
something new.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.options import count
from tests.fuzz import targets
from tests.fuzz.coverage import choose
from tests.fuzz.mutation import LONGEST, mutate

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fuzz.targets import Target

HANG_SECONDS = 20  # for one input
MEMORY_MB = 2048


def main() -> int:
    """Run the command; return its exit status: 1 if an input fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="?", choices=[*targets.MODULES])
    parser.add_argument("--list", action="store_true", help="only list the targets")
    parser.add_argument("--seconds", type=count, default=600, help="of searching [600]")
    parser.add_argument("--seed", type=int, default=1, help="of what is random [1]")
    parser.add_argument("--found", type=Path, help="folder for inputs found [none]")
    parser.add_argument(
        "--minimise",
        action="store_true",
        help="keep of --found what reaches something new, then end",
    )
    options = parser.parse_args()
    if options.list or not options.target:
        print("\n".join(targets.MODULES))
        return 0
    if options.minimise:
        return minimise(options.target, options.found)
    with TemporaryDirectory() as folder:
        found = options.found or Path(folder)
        found.mkdir(parents=True, exist_ok=True)
        if find_spec("atheris"):
            return search(options.target, options.seconds, options.seed, found)
        return search_blindly(options.target, options.seconds, options.seed)


def keep(name: str, data: bytes) -> Path:
    """Put an input into the kept ones; return its file."""
    path = targets.CORPUS / name / sha256(data).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def watch(name: str, target: Target) -> Target:
    """Return the target, which keeps an input that it fails on."""

    def run(data: bytes) -> None:
        try:
            target(data)
        except BaseException:
            print(f"{name} fails on {keep(name, data)}", file=sys.stderr)
            raise

    return run


def search(name: str, seconds: int, seed: int, found: Path) -> int:
    """Search with atheris, which ends the process at the first failure."""
    import atheris

    atheris.enabled_hooks.add("str")
    with atheris.instrument_imports(include=["server", "aiohttp"]):
        target = watch(name, targets.load(name))
    words = found.with_suffix(".words")
    words.write_text("".join(map(quote_word, targets.load_words(name))))
    atheris.Setup(
        [
            sys.argv[0],
            *(f"{found}", f"{targets.CORPUS / name}", f"-max_total_time={seconds}"),
            *(f"-seed={seed}", f"-dict={words}", f"-max_len={LONGEST}"),
            *(f"-timeout={HANG_SECONDS}", f"-rss_limit_mb={MEMORY_MB}"),
            *("-print_final_stats=1", "-verbosity=1", f"-artifact_prefix={found}."),
        ],
        target,
        **find_mutator(name),
    )
    atheris.Fuzz()
    return 0


def find_mutator(name: str) -> dict[str, Callable[[bytes, int, int], bytes]]:
    """Return how inputs of a target are changed; nothing for as libFuzzer does."""
    own = targets.find_mutator(name)
    if own is None:
        return {}
    kept, words = list(targets.read_corpus(name).values()), targets.load_words(name)

    def change(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.5:
            return own(data, random)[:most]
        return mutate([data, data, random.choice(kept)], words, random)[:most]

    return {"custom_mutator": change}


def quote_word(word: bytes) -> str:
    """Return a line of a dictionary of libFuzzer."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'


def search_blindly(name: str, seconds: float, seed: int) -> int:
    """Search at random; return 1 if an input fails."""
    target = watch(name, targets.load(name))
    until, tried = time.monotonic() + seconds, 0
    for data in targets.list_inputs(name, seed):
        if tried and time.monotonic() > until:
            break
        tried += 1
        try:
            target(data)
        except Exception:
            traceback.print_exc()
            return 1
    print(f"{name}: {tried} inputs in {seconds} s, none fails")
    return 0


def minimise(name: str, found: Path | None) -> int:
    """Keep of the inputs found what reaches lines that no kept input does."""
    if found is None:
        print("name the folder with --found", file=sys.stderr)
        return 2
    target = targets.load(name)
    kept = list(targets.read_corpus(name).values())
    new = [path.read_bytes() for path in found.iterdir()]
    for data in choose(target, kept, sorted(new, key=len)):
        print(keep(name, data))
    return 0


if __name__ == "__main__":
    sys.exit(main())
