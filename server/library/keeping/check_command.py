"""The option of bytereel check that checks the whole library, and what it prints."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.clips import command
from server.library.clips.check import (
    FAULT,
    WARNING,
    find_worst,
    name_stored_remedy,
)
from server.library.clips.limits import read_limits
from server.library.imports.command import count_cores, jobs
from server.library.output import OutputFault, print_lines, print_note, print_objects
from server.library.report import count_noun

if TYPE_CHECKING:
    import argparse

    from server.library.keeping.checks import CheckedClip


def add_check_all(checker: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add what checks the whole library to the parser of the command; return it."""
    checker.set_defaults(run=run_check)
    checker.add_argument(
        "--all",
        action="store_true",
        help="check all stored videos that are new, changed or were checked by older "
        "rules, and keep what is found for bytereel list",
    )
    checker.add_argument(
        "--again", action="store_true", help="with --all: check every video anew"
    )
    cores = count_cores()
    checker.add_argument(
        "--jobs",
        type=jobs,
        metavar="N",
        help=f"with --all: videos at once [{cores}]",
    )
    return checker


def run_check(options: argparse.Namespace) -> int:
    """Check what is named, or the whole library."""
    if options.all:
        if options.names:
            raise Fault("--all checks every video: leave out the names")
        return _run_check_all(options)
    if options.again or options.jobs:
        raise Fault("--again and --jobs go with --all: add it, or leave them out")
    if not options.names:
        raise Fault("there is nothing to check: name a file or a video, or give --all")
    return command.run_check(options)


def _run_check_all(options: argparse.Namespace) -> int:
    """Check the library; the exit status tells of the worst flaw in it."""
    from server.library.keeping.checks import check_library
    from server.postgres.target import open_database

    counts: Counter[str] = Counter()
    found = []
    limits, many = read_limits(options), options.jobs or count_cores()
    with open_database(options) as url:
        try:
            for done in check_library(url, limits, jobs=many, again=options.again):
                counts["known" if done.was_known else "checked"] += 1
                counts[find_worst(done.flaws) or "fine"] += 1
                found += done.flaws[:1]  # the worst
                _print_clip(done, is_json=options.json)
        except (KeyboardInterrupt, OutputFault):
            print_note("Stopped; bytereel check --all goes on from here.")
            raise
    if not options.json:
        print_note(render_counts(counts))
    return {FAULT: 1, WARNING: 3}.get(find_worst(found) or "", 0)


def _print_clip(done: CheckedClip, *, is_json: bool) -> None:
    clip = done.clip
    flaws = [name_stored_remedy(flaw, clip.id) for flaw in done.flaws]
    if is_json:
        named = {"name": clip.shown, "video_id": clip.id, "filename": clip.filename}
        print_objects({**named, **flaw._asdict()} for flaw in flaws)
    else:
        print_lines(
            f"{flaw.severity} {flaw.code}: {flaw.tell(clip.shown)}" for flaw in flaws
        )


def render_counts(counts: Counter[str]) -> str:
    """Return how many clips were checked, and how many have which kind of flaw."""
    kinds = (("fault", "faults"), ("warning", "warnings"), ("note", "notes only"))
    told = [f"{counts[kind]:,} with {name}" for kind, name in kinds if counts[kind]]
    told += [f"{counts['fine']:,} fine"]
    return (
        f"{count_noun(counts['checked'], 'clip')} checked, {counts['known']:,} "
        "known from before: " + ", ".join(told)
    )
