"""The commands about what is in the table: numbers, damage, thumbnails, backups.

What each works with is imported when it runs, so that the parser stays light.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from server.library.arguments import VIDEO, path, text
from server.library.clips.check import FAULT
from server.library.files import show_path
from server.library.output import (
    OutputFault,
    ensuring,
    print_line,
    print_lines,
    print_note,
    print_objects,
)
from server.library.words.command import add_link_commands

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from server.library.arguments import Commands

    Act = Callable[[str, argparse.Namespace], int]

_LINES = "print one JSON object per line"


def add_library_commands(commands: Commands) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of each; its act takes a database URL and the options."""
    yield from add_link_commands(commands)
    yield _add(
        commands,
        "stats",
        run_stats,
        "show counts, sizes and views of the library",
        "print one JSON object",
    )
    doctor = _add(
        commands,
        "doctor",
        run_doctor,
        "look for problems and tell the remedy of each",
        _LINES,
    )
    doctor.add_argument(
        "--grants",
        metavar="ROLE",
        help="only print the SQL for a role with the rights that serve needs",
    )
    yield doctor
    verifier = _add(
        commands,
        "verify",
        run_verify,
        "compare all bytes with the digests taken at import",
        _LINES,
    )
    verifier.add_argument(
        "videos", nargs="*", type=text, metavar="VIDEO", help=f"{VIDEO}; default: all"
    )
    verifier.add_argument(
        "--resume", action="store_true", help="skip videos found intact before"
    )
    yield verifier
    yield _add_thumbnail(commands)
    yield _add_preview(commands)
    yield _add_file(commands, "backup", run_backup, "save the whole database to a file")
    yield _add_file(
        commands, "restore", run_restore, "restore a backup into an empty database"
    )


def _add(
    commands: Commands, name: str, act: Act, does: str, json: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=does)
    parser.set_defaults(act=act)
    parser.add_argument("--json", action="store_true", help=json)
    return parser


def _add_thumbnail(commands: Commands) -> argparse.ArgumentParser:
    parser = _add(
        commands, "thumbnail", run_thumbnail, "create missing thumbnails", _LINES
    )
    parser.add_argument(
        "videos",
        nargs="*",
        type=text,
        metavar="VIDEO",
        help=f"{VIDEO}; default: all without a thumbnail",
    )
    parser.add_argument(
        "--again", action="store_true", help="also recreate existing ones"
    )
    return parser


def _add_preview(commands: Commands) -> argparse.ArgumentParser:
    does = "create missing animated previews and storyboards"
    parser = _add(commands, "preview", run_preview, does, _LINES)
    parser.add_argument(
        "videos",
        nargs="*",
        type=text,
        metavar="VIDEO",
        help=f"{VIDEO}; default: all that lack one",
    )
    parser.add_argument(
        "--again", action="store_true", help="also recreate existing ones"
    )
    return parser


def _add_file(
    commands: Commands, name: str, act: Act, does: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=does)
    parser.set_defaults(act=act)
    parser.add_argument("file", type=path, metavar="FILE")
    return parser


def run_stats(url: str, options: argparse.Namespace) -> int:
    """Print the numbers of the library."""
    from server.library.upkeep import stats

    found = stats.read_stats(url)
    if options.json:
        print_objects([found.as_json()])
    else:
        print_lines(stats.render_stats(found))
    return 0


def run_doctor(url: str, options: argparse.Namespace) -> int:
    """Print what is wrong; 1 if there is more than warnings."""
    from server.library.upkeep import access, doctor

    if options.grants:
        print_lines(access.list_grants(url, options.grants))
        return 0
    embedded = None if options.database_url else options.data_dir.expanduser()
    exposure = access.Exposure(
        None if options.socket else options.host,
        bool(options.trusted_proxies),
        options.admin_token,
        embedded,
    )
    found = [*doctor.diagnose(url), *access.diagnose_access(url, exposure)]
    if options.json:
        print_objects(finding._asdict() for finding in found)
    else:
        print_lines(doctor.render_findings(found))
    return int(any(finding.severity == FAULT for finding in found))


def run_verify(url: str, options: argparse.Namespace) -> int:
    """Verify; 0 only if nothing is damaged or could not be read."""
    from server.library.upkeep import verify

    counts: Counter[str] = Counter()
    try:
        for row in verify.verify(url, options.videos, resume=options.resume):
            counts[row.status] += 1
            if options.json:
                print_objects([row._asdict()])
            elif row.status != "intact":
                print_lines([verify.render_verified(row)])
    except (KeyboardInterrupt, OutputFault):
        print_note("Stopped; bytereel verify --resume goes on from here.")
        raise
    if not options.json:
        print_lines([verify.render_counts(counts)])
    return int(counts["damaged"] + counts["unread"] > 0)


def run_thumbnail(url: str, options: argparse.Namespace) -> int:
    """Make pictures; 0 only if all could be made."""
    from server.library.clips import thumbnail

    counts: Counter[str] = Counter()
    for row in thumbnail.make_thumbnails(url, options.videos, again=options.again):
        counts[row.status] += 1
        if options.json:
            print_objects([row._asdict()])
        else:
            print_lines([thumbnail.render_thumbnail_result(row)])
    if not counts and not options.json:
        print_lines(["# every video has a thumbnail"])
    return int(counts["failed"] > 0)


def run_preview(url: str, options: argparse.Namespace) -> int:
    """Make previews; 0 only if all could be made."""
    from server.library.clips import making

    counts: Counter[str] = Counter()
    for row in making.make_previews(url, options.videos, again=options.again):
        counts[row.status] += 1
        if options.json:
            print_objects([row._asdict()])
        else:
            print_lines([making.render_preview_result(row)])
    if not counts and not options.json:
        print_lines(["# every video has its previews"])
    return int(counts["failed"] > 0)


def run_backup(url: str, options: argparse.Namespace) -> int:
    """Back up."""
    from server.library.upkeep import backup

    size = backup.save_backup(url, options.file)
    line = f"saved  {show_path(options.file)}  {size:,} bytes"
    with ensuring([line]):
        print_line(line)
    return 0


def run_restore(url: str, options: argparse.Namespace) -> int:
    """Restore."""
    from server.library.upkeep import backup

    backup.restore_backup(url, options.file)
    line = f"restored  {show_path(options.file)}; next: bytereel migrate, then verify"
    with ensuring([line]):
        print_line(line)
    return 0
