"""The commands that change clips: delete, rename, replace, clip.

What each works with is imported when it runs, so that the parser stays light.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.arguments import path, seconds, text
from server.library.clips.check import name_stored_remedy
from server.library.clips.limits import add_limits, read_limits
from server.library.files import show_text
from server.library.output import ensuring, print_lines, print_note, print_objects

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from server.library.arguments import Commands

    Act = Callable[[str, argparse.Namespace], int]

_VIDEO = "id or file name; ./5 means the file name 5"


def add_change_commands(commands: Commands) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of each; its act takes a database URL and the options."""
    delete = _add(commands, "delete", run_delete, "delete videos with their links")
    delete.add_argument("videos", nargs="+", type=text, metavar="VIDEO", help=_VIDEO)
    yield delete
    rename = _add(commands, "rename", run_rename, "give a video another file name")
    rename.add_argument("video", type=text, metavar="VIDEO", help=_VIDEO)
    rename.add_argument("name", type=text, metavar="NAME", help="its new file name")
    yield rename
    yield _add_replace(commands)
    yield _add_clip(commands)


def _add_replace(commands: Commands) -> argparse.ArgumentParser:
    parser = _add(
        commands,
        "replace",
        run_replace,
        "put a file in the place of a video, or repair it",
    )
    parser.add_argument("video", type=text, metavar="VIDEO", help=_VIDEO)
    parser.add_argument(
        "file",
        nargs="?",
        type=path,
        metavar="FILE",
        help="the new clip; without it the video itself is repaired",
    )
    parser.add_argument(
        "--name", type=text, metavar="NAME", help="file name of the new clip [FILE's]"
    )
    parser.add_argument("--delete", action="store_true", help="delete the old clip too")
    parser.add_argument(
        "--fix", action="store_true", help="repair the file without re-encoding"
    )
    parser.add_argument(
        "--transcode", action="store_true", help="also re-encode it if need be"
    )
    parser.add_argument(
        "--accept-damage",
        action="store_true",
        help="with --transcode, keep what is whole of a damaged clip",
    )
    add_limits(parser)
    return parser


def _add_clip(commands: Commands) -> argparse.ArgumentParser:
    does = "make a new clip of a part of a video"
    parser = _add(commands, "clip", run_clip, does)
    parser.add_argument("video", type=text, metavar="VIDEO", help=_VIDEO)
    parser.add_argument(
        *("--from",),
        dest="begin",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="where it begins [0]",
    )
    parser.add_argument(
        *("--to",),
        dest="end",
        type=seconds,
        metavar="SECONDS",
        help="where it ends [the end of the video]",
    )
    parser.add_argument(
        "--name", type=text, metavar="NAME", help="file name of the new clip"
    )
    parser.add_argument(
        "--encode",
        action="store_true",
        help="encode it, so that it may begin between key frames",
    )
    add_limits(parser)
    return parser


def _add(commands: Commands, name: str, act: Act, does: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=does)
    parser.set_defaults(act=act)
    parser.add_argument(
        "--dry-run", action="store_true", help="only report what would be done"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object per video"
    )
    return parser


def run_delete(url: str, options: argparse.Namespace) -> int:
    """Delete all of the videos, or none."""
    from server.library.keeping import changing

    done = changing.delete_clips(url, options.videos, dry_run=options.dry_run)
    objects = (
        clip._asdict() | {"links": [each._asdict() for each in clip.links]}
        for clip in done
    )
    lines = [line for clip in done for line in changing.render_deleted(clip)]
    _print_done(objects, lines, options)
    return 0


def run_rename(url: str, options: argparse.Namespace) -> int:
    """Rename a video."""
    from server.library.keeping import changing

    done = changing.rename_clip(
        url, options.video, options.name, dry_run=options.dry_run
    )
    _print_done([done._asdict()], [changing.render_renamed(done)], options)
    return 0


def run_replace(url: str, options: argparse.Namespace) -> int:
    """Replace a video by a file."""
    from server.library.imports.importer import RepairPolicy
    from server.library.keeping import replacing
    from server.library.keeping.replaced import render_replaced
    from server.library.keeping.swap import Swap

    if options.accept_damage and not options.transcode:
        raise Fault("--accept-damage is about encoding: add --transcode")
    # What is repaired takes its own place, unless it is given another name.
    goes = options.delete or (options.file is None and options.name is None)
    swap = Swap(*(options.video, options.file, options.name, goes, options.dry_run))
    policy = RepairPolicy(
        options.fix, options.transcode, read_limits(options), options.accept_damage
    )
    done = replacing.replace_clip(url, swap, policy)
    for each in () if options.json else done.flaws:
        flaw = name_stored_remedy(each, done.video_id)
        print_note(
            f"{flaw.severity} {flaw.code}: {flaw.tell(show_text(done.filename))}"
        )
    _print_done([done.as_json()], list(render_replaced(done)), options)
    return 0


def run_clip(url: str, options: argparse.Namespace) -> int:
    """Make a clip of a part of a video."""
    from server.library.keeping import clipping
    from server.library.keeping.excerpt import Excerpt, render_cut

    span = options.video, options.begin, options.end
    excerpt = Excerpt(*span, options.name, options.encode, options.dry_run)
    done = clipping.cut_clip(url, excerpt, read_limits(options))
    for each in () if options.json else done.flaws:
        flaw = name_stored_remedy(each, done.video_id)
        if done.video_id is None and flaw.repair and not done.encoded:
            flaw = flaw._replace(remedy="add --encode")
        told = flaw.tell(show_text(done.filename))
        print_note(f"{flaw.severity} {flaw.code}: {told}")
    _print_done([done.as_json()], [render_cut(done)], options)
    return 0


def _print_done(
    objects: Iterable[Mapping[str, object]],
    lines: Sequence[str],
    options: argparse.Namespace,
) -> None:
    """Print what was done, as objects or lines; it is told in any case."""
    with ensuring([] if options.dry_run else lines):
        if options.json:
            print_objects(objects)
        else:
            print_lines(lines)
