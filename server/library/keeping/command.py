"""The commands that list clips and words, and export the library.

What each works with is imported when it runs, so that the parser stays light.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING

from server.library.arguments import ID_DIGITS, path, text
from server.library.output import OutputFault, print_lines, print_note, print_objects
from server.library.report import (
    UNKNOWN,
    Column,
    count_noun,
    render_head,
    render_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from server.library.arguments import Commands
    from server.library.keeping.listing import ListedClip
    from server.postgres.rows import Row

_LINES = "print one JSON object per line"
_CLIP_COLUMNS = {
    "id": Column(7, is_number=True),
    "filename": Column(36),
    "bytes": Column(7, is_number=True),
    "seconds": Column(7, is_number=True),
    "added": Column(10),
    "words": Column(24),
    "flaws": Column(5),
}
_WORD_COLUMNS = {
    "word": Column(24),
    "language": Column(8),
    "natives": Column(12),
    "definitions": Column(11, is_number=True),
    "questions": Column(9, is_number=True),
    "videos": Column(6),
}
_SORTS = ("newest", "oldest", "name", "size", "duration", "views")


def add_keeping_commands(commands: Commands) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of each; its act takes a database URL and the options."""
    yield _add_list(commands)
    yield _add_words(commands)
    yield _add_export(commands)


def _add_list(commands: Commands) -> argparse.ArgumentParser:
    parser = commands.add_parser("list", help="list clips with their words and flaws")
    parser.set_defaults(act=run_list)
    parser.add_argument(
        "text",
        nargs="?",
        default="",
        type=text,
        metavar="TEXT",
        help="only clips whose file name has this in it",
    )
    parser.add_argument(
        "--word", type=text, metavar="W", help="only clips that show this word"
    )
    parser.add_argument(
        "--language", type=text, metavar="L", help="only clips of this language"
    )
    parser.add_argument(
        "--unlinked", action="store_true", help="only clips that nothing shows"
    )
    parser.add_argument(
        "--flaw",
        type=text,
        metavar="CODE",
        help="only clips that bytereel check --all found to have this flaw; also a "
        "severity, any, none or unchecked",
    )
    parser.add_argument(
        "--sort", choices=_SORTS, default="newest", help="order of the clips [newest]"
    )
    parser.add_argument(
        "--limit", type=_count, metavar="N", help="list at most N clips"
    )
    parser.add_argument("--json", action="store_true", help=_LINES)
    return parser


def _add_words(commands: Commands) -> argparse.ArgumentParser:
    parser = commands.add_parser("words", help="list words with their clips")
    parser.set_defaults(act=run_words)
    parser.add_argument(
        "text",
        nargs="?",
        default="",
        type=text,
        metavar="TEXT",
        help="only words with this in them",
    )
    parser.add_argument(
        "--language", type=text, metavar="L", help="only words of this language"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--with-clip",
        action="store_const",
        const=True,
        dest="with_clip",
        help="only words that have a clip",
    )
    which.add_argument(
        "--without-clip",
        action="store_const",
        const=False,
        dest="with_clip",
        help="only words that have none",
    )
    parser.add_argument("--json", action="store_true", help=_LINES)
    return parser


def _add_export(commands: Commands) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        "export", help="write clips, words and links to a folder that import reads"
    )
    parser.set_defaults(act=run_export)
    parser.add_argument("folder", type=path, metavar="DIR", help="where to write")
    parser.add_argument(
        "--dry-run", action="store_true", help="only report what would be written"
    )
    parser.add_argument("--json", action="store_true", help=_LINES)
    return parser


def _count(argument: str) -> int:
    if argument.isascii() and argument.isdigit():
        return int(argument) if len(argument) <= ID_DIGITS else 10**ID_DIGITS
    raise argparse.ArgumentTypeError(f"{argument!r} is not a whole number")


def run_list(url: str, options: argparse.Namespace) -> int:
    """List clips; that there are none is no error."""
    from server.library.keeping.listing import Search, has_unchecked, list_clips

    search = Search(*(getattr(options, name) for name in Search._fields))
    count = total = 0
    lacks = False
    for page in list_clips(url, search):
        total = page.total
        rows = [_show_clip(clip) for clip in page.clips]
        if options.json:
            print_objects(clip._asdict() for clip in page.clips)
        else:
            _print_table(rows, _CLIP_COLUMNS, has_head=not count)
        count += len(rows)
        lacks |= any(None in row.values() for row in rows)
    if options.json:
        return 0
    told = count_noun(total, "clip")
    notes = [told if count == total else f"{count:,} of {told}"]
    if lacks:
        notes.append(f"{UNKNOWN} is not known, or not checked by bytereel check --all")
    if not count and options.flaw is not None and has_unchecked(url):
        notes.append("bytereel check --all checks those that are new")
    print_note("; ".join(notes))
    return 0


def _show_clip(clip: ListedClip) -> Row:
    return {
        "id": clip.id,
        "filename": clip.filename,
        "bytes": clip.bytes,
        "seconds": clip.duration_seconds,
        "added": clip.created_at and clip.created_at[:10],
        "words": clip.words,
        "flaws": clip.flaws,
    }


def run_words(url: str, options: argparse.Namespace) -> int:
    """List words; that there are none is no error."""
    from server.library.keeping.words import list_words

    count = 0
    for page in list_words(
        url, options.text, options.language, with_clip=options.with_clip
    ):
        if options.json:
            print_objects(word._asdict() for word in page)
        else:
            rows = [word._asdict() for word in page]
            _print_table(rows, _WORD_COLUMNS, has_head=not count)
        count += len(page)
    if not options.json:
        print_note(count_noun(count, "word"))
    return 0


def _print_table(
    rows: Sequence[Row], columns: Mapping[str, Column], *, has_head: bool
) -> None:
    is_cut = sys.stdout is not None and sys.stdout.isatty()
    if has_head:
        print_lines([render_head(columns)])
    print_lines(render_table(rows, columns, is_cut=is_cut))


def run_export(url: str, options: argparse.Namespace) -> int:
    """Export the library; 0 only if all of it is in the folder."""
    from server.library.keeping import exporting

    counts: Counter[str] = Counter()
    files = []
    try:
        for done in exporting.export_library(
            url, options.folder, dry_run=options.dry_run
        ):
            counts[done.status] += 1
            files += [done.file] if done.status != "gone" else []
            if options.json:
                print_objects([done._asdict()])
            elif done.status != "exists":
                print_lines([exporting.render_exported(done)])
    except (KeyboardInterrupt, OutputFault):
        print_note("Stopped; the same command goes on from here.")
        raise
    told = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
    print_note(told or "there are no clips")
    strangers = exporting.list_strangers(options.folder, files)
    for line in exporting.render_strangers(strangers):
        print_note(line)
    return int(counts["failed"] > 0)
