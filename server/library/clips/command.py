"""The command that checks: its options, and what it prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from server.library.clips.check import FAULT, WARNING, find_worst
from server.library.clips.limits import add_limits, read_limits
from server.library.output import print_json, print_line, print_note

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from server.library.arguments import Commands
    from server.library.clips.check import Flaw, Limits
    from server.library.ffmpeg.sandbox import Sandbox


def add_check(commands: Commands) -> argparse.ArgumentParser:
    """Add the command; return its parser."""
    checker = commands.add_parser(
        "check",
        help="check whether files and videos play and seek on iOS",
        epilog="Exit status: 0 if there are at most notes, 1 for a fault that stops "
        "playback, 3 for warnings.",
    )
    checker.set_defaults(run=run_check)
    checker.add_argument(
        "names",
        nargs="*",
        metavar="FILE|VIDEO",
        help="a file, a folder, or the id or file name of a stored video",
    )
    checker.add_argument(
        "--json", action="store_true", help="print one JSON object per flaw"
    )
    add_limits(checker)
    return checker


def run_check(options: argparse.Namespace) -> int:
    """Check files and videos; the exit status tells of the worst flaw."""
    from server.library.ffmpeg.sandbox import Sandbox

    limits = read_limits(options)
    found: list[Flaw] = []
    with Sandbox() as sandbox:
        for shown, flaws in list_checked(options, sandbox, limits):
            found += flaws
            for flaw in flaws:
                if options.json:
                    print_json({"name": shown, **flaw._asdict()})
                else:
                    print_line(f"{flaw.severity} {flaw.code}: {flaw.tell(shown)}")
            if not flaws and not options.json:
                print_line(f"fine: {shown}")
    return {FAULT: 1, WARNING: 3}.get(find_worst(found) or "", 0)


def list_checked(
    options: argparse.Namespace, sandbox: Sandbox, limits: Limits
) -> Iterator[tuple[str, list[Flaw]]]:
    """Yield files first, then videos; without these no database is asked."""
    from server.library.clips.checking import check_files, is_file
    from server.library.files import find_files, tell_texts

    files = [Path(name) for name in options.names if is_file(name)]
    texts: list[Path] = []
    yield from check_files(find_files(files, texts), sandbox, limits)
    if texts:
        print_note(tell_texts(texts))
    videos = [name for name in options.names if not is_file(name)]
    if videos:
        from server.library.clips.stored import check_videos
        from server.postgres.target import open_database

        with open_database(options) as url:
            yield from check_videos(url, videos, sandbox, limits)
