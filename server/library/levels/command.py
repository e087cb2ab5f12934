"""The command that makes levels: its options, and what it prints.

What it works with is imported when it runs, so that the parser stays light.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.arguments import VIDEO, text
from server.library.output import print_json, print_line, print_note
from server.library.report import count_noun

if TYPE_CHECKING:
    import argparse

    from psycopg2.extensions import cursor as Cursor

    from server.library.arguments import Commands
    from server.library.levels.encode import Encoded


def add_encode(commands: Commands) -> argparse.ArgumentParser:
    """Add the command; its act takes a database URL and the options."""
    encode = commands.add_parser(
        "encode", help="make smaller levels of videos, until none is queued"
    )
    encode.set_defaults(act=run_encode)
    encode.add_argument(
        "videos",
        nargs="*",
        type=text,
        metavar="VIDEO",
        help=f"{VIDEO}; queue levels of these first",
    )
    encode.add_argument(
        "--all", action="store_true", help="queue levels of all videos first"
    )
    encode.add_argument(
        "--again",
        action="store_true",
        help="also queue what failed, was not kept or was cancelled",
    )
    encode.add_argument(
        "--cancel",
        action="store_true",
        help="only take VIDEOs, or --all, from the queue",
    )
    encode.add_argument(
        "--watch", action="store_true", help="stay, and wait for more to be queued"
    )
    encode.add_argument(
        "--json", action="store_true", help="print one JSON object per level"
    )
    return encode


def run_encode(url: str, options: argparse.Namespace) -> int:
    """Queue or cancel what is asked for, then work; 0 only if nothing failed."""
    from server.library.ffmpeg.child import wait_for_others
    from server.library.levels.worker import ending_at_signal, work

    if options.all and options.videos:
        raise Fault("--all and VIDEO exclude each other: give one")
    if options.cancel:
        _cancel(url, options)
        return 0
    _queue(url, options)
    failed = 0
    wait_for_others()
    with ending_at_signal(), closing(work(url, watch=options.watch)) as results:
        for done in results:
            failed += done.status == "failed"
            _print_result(done, as_json=options.json)
    return int(failed > 0)


def _cancel(url: str, options: argparse.Namespace) -> None:
    from server.library.levels.queue import cancel
    from server.postgres.refusals import opening

    if not (options.all or options.videos):
        raise Fault("nothing says what to cancel: name VIDEOs, or add --all")
    with opening(url) as connection, connection, connection.cursor() as cursor:
        count = cancel(cursor, _find_ids(cursor, options))
    print_note(f"{count_noun(count, 'level')} cancelled")


def _queue(url: str, options: argparse.Namespace) -> None:
    from server.library.levels.queue import queue, queue_again
    from server.postgres.refusals import opening

    with opening(url) as connection, connection, connection.cursor() as cursor:
        ids = _find_ids(cursor, options)
        count = 0
        if options.all or options.videos:
            count += queue(cursor, options.levels, ids)
        if options.again:
            count += queue_again(cursor, ids)
    if options.all or options.videos or options.again:
        print_note(f"{count_noun(count, 'level')} queued")


def _find_ids(cursor: Cursor, options: argparse.Namespace) -> list[int] | None:
    """Return the ids of the videos that are named; None stands for all."""
    if not options.videos:
        return None
    return [_find_original(cursor, video) for video in options.videos]


def _find_original(cursor: Cursor, video: str) -> int:
    from server.library.words.link import find_video
    from server.postgres.rows import read_rows

    video_id, _ = find_video(cursor, video)
    for row in read_rows(cursor, "find_original", {"id": video_id}):
        raise Fault(
            f"video {video_id} is a level of video {row['original_id']}: "
            "name that one instead"
        )
    return video_id


def _print_result(done: Encoded, *, as_json: bool) -> None:
    from server.library.levels.worker import explain

    if as_json:
        print_json(done._asdict())
    elif done.status == "failed":
        print_note(explain(done))
    else:
        print_line(explain(done))
