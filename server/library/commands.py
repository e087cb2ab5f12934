"""The commands about what is in the table: links, numbers, damage, backups.

What each works with is imported when it runs, so that the parser stays light.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.arguments import number, text
from server.library.clips.check import FAULT
from server.library.files import show_path
from server.library.output import print_json, print_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator

    from server.library.arguments import Commands
    from server.library.words.link import Link
    from server.library.words.target import LinkTarget

    Act = Callable[[str, argparse.Namespace], int]

_LINES = "print one JSON object per line"
_VIDEO = "id or file name; ./5 means the file name 5"


def add_library_commands(commands: Commands) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of each; its act takes a database URL and the options."""
    yield _add_link(commands)
    yield _add_unlink(commands)
    yield _add(
        commands,
        "stats",
        run_stats,
        "show counts, sizes and views of the library",
        "print one JSON object",
    )
    yield _add(
        commands,
        "doctor",
        run_doctor,
        "look for problems and tell the remedy of each",
        _LINES,
    )
    verifier = _add(
        commands,
        "verify",
        run_verify,
        "compare all bytes with the digests taken at import",
        _LINES,
    )
    verifier.add_argument(
        "videos", nargs="*", type=text, metavar="VIDEO", help=f"{_VIDEO}; default: all"
    )
    verifier.add_argument(
        "--resume", action="store_true", help="skip videos found intact before"
    )
    yield verifier
    yield _add_thumbnail(commands)
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


def _add_link(commands: Commands) -> argparse.ArgumentParser:
    parser = _add(
        commands,
        "link",
        run_link,
        "link a video to a word, definition or question",
        _LINES,
    )
    parser.add_argument("video", nargs="?", type=text, metavar="VIDEO", help=_VIDEO)
    _add_target(parser)
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace the videos linked before instead of adding to them",
    )
    parser.add_argument(
        "--suggest",
        action="store_true",
        help="list unlinked videos and the words that their names match",
    )
    return parser


def _add_unlink(commands: Commands) -> argparse.ArgumentParser:
    parser = _add(
        commands,
        "unlink",
        run_unlink,
        "unlink a video from these, or from everything",
        _LINES,
    )
    parser.add_argument("video", type=text, metavar="VIDEO", help=_VIDEO)
    _add_target(parser)
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
        help=f"{_VIDEO}; default: all without a thumbnail",
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
    parser.add_argument("file", type=Path, metavar="FILE")
    return parser


def _add_target(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--word", type=text, help="all definitions of this word")
    parser.add_argument("--language", type=text, help="language of the word")
    parser.add_argument(
        "--native", type=text, help="only for speakers of this language"
    )
    parser.add_argument(
        "--definition", type=number, metavar="ID", help="this definition only"
    )
    parser.add_argument(
        "--question", type=number, metavar="ID", help="this question only"
    )


def run_link(url: str, options: argparse.Namespace) -> int:
    """Link a video, or suggest what could be linked."""
    from server.library.words import link

    if options.suggest:
        return _suggest(url, options)
    if options.video is None:
        raise Fault("no video to link: give its id or file name, or --suggest")
    target = _read_target(options)
    _print_links(
        link.link(url, options.video, target, replace=options.replace), options
    )
    return 0


def _suggest(url: str, options: argparse.Namespace) -> int:
    from server.library.words import suggest

    given = [options.video, *_read_target(options)._replace(language=None)]
    if options.replace or any(each is not None for each in given):
        raise Fault("--suggest takes only --language and --json: leave out the rest")
    unlinked = suggest.suggest(url, options.language)
    if options.json:
        _print_json(
            each._asdict() | {"words": [word._asdict() for word in each.words]}
            for each in unlinked
        )
    else:
        _print(suggest.render_suggestions(unlinked) or ["# every video is linked"])
    return 0


def run_unlink(url: str, options: argparse.Namespace) -> int:
    """Take links away; that there were none is no error."""
    from server.library.words import link

    links = link.unlink(url, options.video, _read_target(options))
    _print_links(links, options)
    if not links:
        print_line(f"{options.video} was not linked there.", sys.stderr)
    return 0


def _read_target(options: argparse.Namespace) -> LinkTarget:
    from server.library.words.target import LinkTarget

    return LinkTarget(*(getattr(options, name) for name in LinkTarget._fields))


def _print_links(links: list[Link], options: argparse.Namespace) -> None:
    from server.library.words.link import render_links

    if options.json:
        _print_json(each._asdict() for each in links)
    else:
        _print(render_links(links))


def run_stats(url: str, options: argparse.Namespace) -> int:
    """Print the numbers of the library."""
    from server.library.upkeep import stats

    found = stats.read_stats(url)
    if options.json:
        _print_json([found.as_json()])
    else:
        _print(stats.render_stats(found))
    return 0


def run_doctor(url: str, options: argparse.Namespace) -> int:
    """Print what is wrong; 1 if there is more than warnings."""
    from server.library.upkeep import doctor

    found = list(doctor.diagnose(url))
    if options.json:
        _print_json(finding._asdict() for finding in found)
    else:
        _print(doctor.render_findings(found))
    return int(any(finding.severity == FAULT for finding in found))


def run_verify(url: str, options: argparse.Namespace) -> int:
    """Verify; 0 only if nothing is damaged or could not be read."""
    from server.library.upkeep import verify

    counts: Counter[str] = Counter()
    try:
        for row in verify.verify(url, options.videos, resume=options.resume):
            counts[row.status] += 1
            if options.json:
                _print_json([row._asdict()])
            elif row.status != "intact":
                _print([verify.render_verified(row)])
    except KeyboardInterrupt:
        print("Stopped; bytereel verify --resume goes on from here.", file=sys.stderr)
        raise
    if not options.json:
        _print([verify.render_counts(counts)])
    return int(counts["damaged"] + counts["unread"] > 0)


def run_thumbnail(url: str, options: argparse.Namespace) -> int:
    """Make pictures; 0 only if all could be made."""
    from server.library.clips import thumbnail

    counts: Counter[str] = Counter()
    for row in thumbnail.make_thumbnails(url, options.videos, again=options.again):
        counts[row.status] += 1
        if options.json:
            _print_json([row._asdict()])
        else:
            _print([thumbnail.render_thumbnail_result(row)])
    if not counts and not options.json:
        _print(["# every video has a thumbnail"])
    return int(counts["failed"] > 0)


def run_backup(url: str, options: argparse.Namespace) -> int:
    """Back up."""
    from server.library.upkeep import backup

    size = backup.save_backup(url, options.file)
    print_line(f"saved  {show_path(options.file)}  {size:,} bytes")
    return 0


def run_restore(url: str, options: argparse.Namespace) -> int:
    """Restore."""
    from server.library.upkeep import backup

    backup.restore_backup(url, options.file)
    print_line(
        f"restored  {show_path(options.file)}; next: bytereel migrate, then verify"
    )
    return 0


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print_line(line)


def _print_json(objects: Iterable[dict[str, object]]) -> None:
    for each in objects:
        print_json(each, default=str)
