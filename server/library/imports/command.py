"""The command that imports: its options, and what it prints.

What it works with is imported when it runs, so that the parser stays light.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.arguments import path as read_path
from server.library.arguments import text
from server.library.clips.check import name_stored_remedy
from server.library.clips.limits import add_limits, read_limits
from server.library.ffmpeg.memory import (
    LEAST_BYTES,
    USUAL_BYTES,
    count_fitting,
    measure_budget,
)
from server.library.files import show_path
from server.library.output import (
    print_json,
    print_line,
    print_note,
)
from server.library.report import count_noun, show_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.library.arguments import Commands
    from server.library.captions.taking import TakenCaptions
    from server.library.imports.rows import Imported
    from server.library.imports.summary import Summary

_KINDS = (".json", ".csv")
_MOST_JOBS = 64


def add_import(commands: Commands) -> argparse.ArgumentParser:
    """Add the command; its act takes a database URL and the options."""
    importer = commands.add_parser("import", help="import files and folders")
    importer.set_defaults(act=run_import)
    importer.add_argument(
        "paths", nargs="+", type=read_path, metavar="PATH", help="a file or folder"
    )
    importer.add_argument(
        "--json", action="store_true", help="print one JSON object per file"
    )
    _add_repairs(importer)
    importer.add_argument(
        "--language", type=text, metavar="L", help="language of the clips' words"
    )
    importer.add_argument(
        "--link",
        action="store_true",
        help="link clips to all definitions of their words",
    )
    importer.add_argument(
        "--add-words",
        action="store_true",
        help="add the words of an export that are missing",
    )
    importer.add_argument(
        "--dry-run", action="store_true", help="only report what would be done"
    )
    fitting = count_fitting(measure_budget(), USUAL_BYTES, count_cores())
    importer.add_argument(
        "--jobs",
        type=jobs,
        default=fitting,
        metavar="N",
        help=f"files at once [{fitting}, by cores and memory]",
    )
    importer.add_argument(
        "--report",
        type=report,
        metavar="FILE",
        help="save all results as .json or .csv",
    )
    add_limits(importer)
    return importer


def _add_repairs(importer: argparse.ArgumentParser) -> None:
    importer.add_argument(
        "--fix", action="store_true", help="repair without re-encoding"
    )
    importer.add_argument(
        "--transcode", action="store_true", help="also re-encode what still needs it"
    )
    importer.add_argument(
        "--accept-damage",
        action="store_true",
        help="with --transcode, keep what is whole of damaged clips",
    )


def count_cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # Linux has it
        return os.cpu_count() or 1


def jobs(argument: str) -> int:
    """Return how many are to work at once; ArgumentTypeError for too many."""
    if argument.isascii() and argument.isdigit() and len(argument) < 10:
        number = int(argument)
        if 1 <= number <= _MOST_JOBS:
            return number
    raise argparse.ArgumentTypeError(
        f"{argument!r} is not a whole number from 1 to {_MOST_JOBS}"
    )


def bound_jobs(jobs: int, budget: int | None) -> int:
    """Return how many may work at once in so many bytes; warn if that is less."""
    fitting = count_fitting(budget, LEAST_BYTES, jobs)
    if fitting < jobs:
        print_note(
            f"warning: --jobs {jobs} needs {show_bytes(jobs * LEAST_BYTES)} of memory, "
            f"and FFmpeg can have {show_bytes(budget or 0)} now: files at once: "
            f"{fitting}"
        )
    return fitting


def report(argument: str) -> Path:
    """Return where the report goes, whose kind its ending tells."""
    path = read_path(argument)
    if path.suffix.lower() not in _KINDS:
        raise argparse.ArgumentTypeError(f"{argument!r} does not end in .json or .csv")
    return path


def run_import(url: str, options: argparse.Namespace) -> int:
    """Import; 0 only if every file is in the table at the end."""
    from server.library.imports.folder import FolderOptions, import_folder
    from server.library.imports.importer import REPLACE, RepairPolicy
    from server.library.imports.summary import Summary

    if options.link and options.language is None:
        raise Fault("--link needs the language of the words: add --language L")
    if options.report:
        save_report(options.report, "")
    is_encoding = options.transcode or options.compress == REPLACE
    if options.accept_damage and not is_encoding:
        raise Fault("--accept-damage is about encoding: add --transcode")
    policy = RepairPolicy(
        options.fix,
        options.transcode,
        read_limits(options),
        options.accept_damage,
        options.dry_run,
    ).compressing(options.compress, options.levels)
    at_once = bound_jobs(options.jobs, measure_budget())
    folder_options = FolderOptions(
        options.language, options.link, at_once, options.add_words
    )
    summary = Summary(options.language, dry_run=options.dry_run)
    begun = time.monotonic()
    try:
        rows = import_folder(url, options.paths, policy, folder_options, summary)
        with _ending(), closing(rows):
            for done in rows:
                _print_row(done, options)
    except BaseException:
        _tell_end(summary)
        raise
    for captions in summary.captions:
        _print_captions(captions, options)
    summary.seconds = time.monotonic() - begun
    if options.report:
        is_json = options.report.suffix.lower() == ".json"
        content = summary.render_json() if is_json else summary.render_csv()
        save_report(options.report, content)
    restored = summary.restored
    is_many = summary.total > 1 or options.language or options.dry_run
    if is_many or summary.texts or restored:
        for line in summary.render():
            print_note(line)
    is_lacking = restored is not None and bool(restored.missing_files)
    is_lacking |= any(each.status == "rejected" for each in summary.captions)
    return int(is_lacking or any(done.error for done, _ in summary.rows))


@contextmanager
def _ending() -> Iterator[None]:
    """Let SIGTERM end this as Ctrl-C does, with nothing left behind."""

    def end(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell_end(summary: Summary) -> None:
    if summary.rows:
        print_note(
            f"Stopped after {len(summary.rows):,} of "
            f"{count_noun(summary.total, 'file')}; "
            "the same command goes on from here."
        )


def _print_row(done: Imported, options: argparse.Namespace) -> None:
    if options.json:
        print_json(done.told())
        return
    if done.error:
        print_note(done.error)
        return
    for flaw in done.flaws:
        sentence = name_stored_remedy(flaw, done.video_id).tell(done.file)
        print_note(f"{flaw.severity} {flaw.code}: {sentence}")
    how = f"  ({done.repaired})" if done.repaired else ""
    number = "-" if done.video_id is None else done.video_id
    print_line(f"{done.status}  {number}  {done.file}{how}")


def _print_captions(done: TakenCaptions, options: argparse.Namespace) -> None:
    if options.json:
        print_json(done._asdict())
        return
    for note in filter(None, (done.error, done.warning)):
        print_note(note)
    if not done.error:
        print_line(done.render())


def save_report(path: Path, content: str) -> None:
    """Write a report whole or not at all; Fault if that cannot be.

    Without content, only see whether it can.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        try:
            draft.write_text(content, encoding="utf-8", newline="")
            if content:
                draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise Fault(
            f"the report {show_path(path)} cannot be written ({error.strerror}): "
            "give another path"
        ) from error
