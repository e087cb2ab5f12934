"""The commands that link and unlink: their options, and what they print.

What they work with is imported when they run, so that the parser stays light.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.arguments import VIDEO, number, text
from server.library.output import (
    ensuring,
    print_line,
    print_lines,
    print_note,
    print_objects,
)
from server.library.words.naming import LEAST_SCORE, SURE_SCORE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server.library.arguments import Commands
    from server.library.words.link import Link
    from server.library.words.target import LinkTarget

    Act = Callable[[str, argparse.Namespace], int]


def add_link_commands(commands: Commands) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of each; its act takes a database URL and the options."""
    linker = _add(
        commands, "link", run_link, "link a video to a word, definition or question"
    )
    linker.add_argument("video", nargs="?", type=text, metavar="VIDEO", help=VIDEO)
    _add_target(linker)
    linker.add_argument(
        "--replace",
        action="store_true",
        help="replace the videos linked before instead of adding to them",
    )
    _add_suggest(linker)
    yield linker
    unlinker = _add(
        commands, "unlink", run_unlink, "unlink a video from these, or from everything"
    )
    unlinker.add_argument("video", type=text, metavar="VIDEO", help=VIDEO)
    _add_target(unlinker)
    yield unlinker


def _add(commands: Commands, name: str, act: Act, does: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=does)
    parser.set_defaults(act=act)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object per line"
    )
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


def _add_suggest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--suggest",
        action="store_true",
        help="list unlinked videos and the words that their names are like",
    )
    parser.add_argument(
        "--apply",
        nargs="?",
        type=score,
        const=SURE_SCORE,
        metavar="SCORE",
        help="with --suggest: link each video to its best word if that has this score "
        f"or more [{SURE_SCORE}]",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="with --apply: only report what would be linked",
    )


def score(argument: str) -> float:
    """Return the least score of a suggestion; ArgumentTypeError if none has it."""
    try:
        value = float(argument)
    except ValueError:
        value = 0
    if LEAST_SCORE <= value <= 1:
        return value
    raise argparse.ArgumentTypeError(
        f"{argument!r} is not a score from {LEAST_SCORE} to 1"
    )


def run_link(url: str, options: argparse.Namespace) -> int:
    """Link a video, or suggest what could be linked."""
    from server.library.words import link

    if options.suggest:
        return _suggest(url, options)
    if options.apply is not None or options.dry_run:
        raise Fault("--apply and --dry-run go with --suggest: add it")
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
        raise Fault(
            "--suggest takes only --language, --apply, --dry-run and --json: "
            "leave out the rest"
        )
    if options.apply is not None:
        return _apply(url, options)
    if options.dry_run:
        raise Fault("--suggest alone changes nothing: leave out --dry-run")
    flags, secret = _name_database(options)
    unlinked = suggest.suggest(url, options.language, flags)
    if secret and unlinked:
        note = f"# add {secret} to each command: its password is not printed"
        (print_note if options.json else print_line)(note)
    if options.json:
        print_objects(
            each._asdict() | {"words": [word._asdict() for word in each.words]}
            for each in unlinked
        )
    else:
        print_lines(suggest.render_suggestions(unlinked) or ["# every video is linked"])
    return 0


def _name_database(options: argparse.Namespace) -> tuple[str, str]:
    """Return the flags that lead to the database, and one that holds a password."""
    from server.library.words.suggest import quote
    from server.postgres.target import has_password

    flags, secret = "", ""
    for flag, value in options.given:
        if flag == "--database-url" and has_password(value):
            secret = flag
        else:
            flags += f" {flag}={quote(value)}"
    return flags, secret


def _apply(url: str, options: argparse.Namespace) -> int:
    """Link what is like enough; say on standard error how many videos are left."""
    from server.library.words import suggest

    applied = suggest.apply_suggestions(
        url, options.language, options.apply, dry_run=options.dry_run
    )
    lines = suggest.render_applied(applied.links)
    with ensuring([] if options.dry_run else lines):
        if options.json:
            print_objects(each.as_json() for each in applied.links)
        else:
            print_lines(lines)
    print_note(suggest.render_count(applied, options.apply))
    return 0


def run_unlink(url: str, options: argparse.Namespace) -> int:
    """Take links away; that there were none is no error."""
    from server.library.words import link

    links = link.unlink(url, options.video, _read_target(options))
    _print_links(links, options)
    if not links:
        print_note(f"{options.video} was not linked there.")
    return 0


def _read_target(options: argparse.Namespace) -> LinkTarget:
    from server.library.words.target import LinkTarget

    return LinkTarget(*(getattr(options, name) for name in LinkTarget._fields))


def _print_links(links: list[Link], options: argparse.Namespace) -> None:
    from server.library.words.link import render_links

    lines = list(render_links(links))
    with ensuring(lines):
        if options.json:
            print_objects(each._asdict() for each in links)
        else:
            print_lines(lines)
