"""The command about captions of one clip: its options, and what it prints.

What it works with is imported when it runs, so that the parser stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.arguments import VIDEO, path, text
from server.library.output import (
    ensuring,
    print_lines,
    print_note,
    print_objects,
    write_text,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from server.library.arguments import Commands


def add_caption(commands: Commands) -> argparse.ArgumentParser:
    """Add the command; its act takes a database URL and the options."""
    parser = commands.add_parser(
        "caption", help="add, list, print or remove captions of a clip"
    )
    parser.set_defaults(act=run_caption)
    parser.add_argument("video", type=text, metavar="VIDEO", help=VIDEO)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "file", nargs="?", type=path, metavar="FILE", help="a WebVTT or SRT file"
    )
    what.add_argument("--list", action="store_true", help="list the languages")
    what.add_argument("--print", action="store_true", help="print the captions")
    what.add_argument("--remove", action="store_true", help="remove the captions")
    parser.add_argument(
        "--language",
        type=text,
        metavar="L",
        help="a tag like en or pt-BR; default: that of FILE, as in run.en.vtt",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def run_caption(url: str, options: argparse.Namespace) -> int:
    """Do what is asked for with the captions of a clip."""
    from server.library.captions import changing
    from server.library.captions.languages import need_language

    language = None
    if options.language is not None:
        language = need_language(options.language)
    if options.list:
        if language:
            raise Fault("--list tells all languages: leave --language out")
        listed = changing.list_clip(url, options.video)
        if options.json:
            print_objects(each._asdict() for each in listed)
        else:
            print_lines(changing.render_listed(listed))
        return 0
    if options.print:
        found = changing.read_clip(url, options.video, language)
        if options.json:
            print_objects([found._asdict()])
        else:
            write_text(found.vtt)
        return 0
    if options.remove:
        gone = changing.remove_clip(url, options.video, language)
        _print_done(options, gone._asdict(), gone.render())
        return 0
    done = changing.caption_clip(url, options.video, options.file, language)
    if done.warning:
        print_note(f"warning: {done.warning}")
    _print_done(options, done._asdict(), done.render())
    return 0


def _print_done(
    options: argparse.Namespace, fields: Mapping[str, object], line: str
) -> None:
    """Print what was done, as an object or a line; it is told in any case."""
    with ensuring([line]):
        if options.json:
            print_objects([fields])
        else:
            print_lines([line])
