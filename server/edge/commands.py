"""The commands for an edge: check what it answers, and have it keep videos.

What they work with is imported when they run, so that the parser stays light.
"""

from __future__ import annotations

import argparse
import math
import re
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.clips.check import FAULT, WARNING
from server.library.output import print_json, print_lines, print_note

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from server.edge.totals import Totals
    from server.edge.warm import Clip, Order
    from server.library.arguments import Commands

PATH = "/v3/videos/{id}.mp4"
"""What pages and AVPlayer ask for; Cloudflare keeps no path without an extension."""


def add_edge_commands(commands: Commands) -> Iterator[argparse.ArgumentParser]:
    """Add all; yield those whose act takes a database URL and the options."""
    _add_check(commands)
    yield _add_warm(commands)


def _add_check(commands: Commands) -> None:
    checker = commands.add_parser(
        "check-edge",
        help="check how a CDN or proxy delivers a video, or its HLS",
        epilog="Exit status: 0 if there are at most notes, 1 for a fault or no answer, "
        "3 for warnings.",
    )
    checker.set_defaults(run=run_check_edge)
    checker.add_argument(
        "url",
        metavar="URL",
        help="URL of a video or of its master.m3u8, as players request it",
    )
    checker.add_argument(
        "--origin", metavar="URL", help="the server behind the edge, to compare bytes"
    )
    checker.add_argument(
        "--full-mb",
        type=positive,
        default=50,
        metavar="N",
        help="megabytes of the full response to download, at most [50]",
    )
    _add_timeout(checker)
    checker.add_argument("--json", action="store_true", help="print one JSON object")


def _add_warm(commands: Commands) -> argparse.ArgumentParser:
    warmer = commands.add_parser(
        "warm", help="download videos through an edge so that it caches them"
    )
    warmer.set_defaults(act=run_warm)
    warmer.add_argument(
        "--base-url", required=True, metavar="URL", help="URL of the edge: https://…"
    )
    warmer.add_argument(
        "--path", default=PATH, help=f"path of a video, with {{id}} [{PATH}]"
    )
    which = warmer.add_mutually_exclusive_group()
    which.add_argument(
        "--new", type=positive, metavar="DAYS", help="only videos of the last DAYS days"
    )
    which.add_argument(
        "--most", type=count, metavar="N", help="only the N most viewed videos"
    )
    warmer.add_argument(
        "--anew", action="store_true", help="also download what the edge has already"
    )
    warmer.add_argument(
        "--concurrency",
        type=count,
        default=4,
        metavar="N",
        help="downloads at once [4]",
    )
    warmer.add_argument(
        "--mbps",
        type=positive,
        metavar="N",
        help="megabits per second for all downloads together, at most",
    )
    warmer.add_argument(
        "--proxy", metavar="URL", help="proxy in the region [HTTPS_PROXY, HTTP_PROXY]"
    )
    _add_timeout(warmer)
    warmer.add_argument(
        "--json", action="store_true", help="print one JSON object at the end"
    )
    return warmer


def _add_timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=positive,
        default=20,
        metavar="S",
        help="give up after S seconds of silence [20]",
    )


def positive(argument: str) -> float:
    """Return a number above 0."""
    try:
        number = float(argument)
    except ValueError:
        number = 0
    if number > 0 and math.isfinite(number):
        return number
    raise argparse.ArgumentTypeError(f"{argument!r} is not a number above 0")


def count(argument: str) -> int:
    """Return a whole number above 0."""
    if re.fullmatch("[0-9]{1,6}", argument) and int(argument) > 0:
        return int(argument)
    raise argparse.ArgumentTypeError(
        f"{argument!r} is not a whole number from 1 to 999999"
    )


def run_check_edge(options: argparse.Namespace) -> int:
    """Check an edge; the exit status tells of the worst finding."""
    import asyncio

    from server.edge.client import parse_url
    from server.edge.examine import Asked, examine_edge
    from server.edge.examine_playlists import examine_playlists
    from server.edge.report import render_report, report_as_json

    url = parse_url(options.url)
    asked = Asked(
        url,
        parse_url(options.origin) if options.origin else None,
        int(options.full_mb * 1e6),
        options.timeout,
    )
    is_playlist = url.path.endswith(".m3u8")
    examining = examine_playlists if is_playlist else examine_edge
    report = asyncio.run(examining(asked))
    if options.json:
        print_json(report_as_json(str(url), report))
    else:
        print_lines(render_report(report))
    severities = {each.severity for each in report.findings}
    return 1 if FAULT in severities else 3 if WARNING in severities else 0


def run_warm(url: str, options: argparse.Namespace) -> int:
    """Warm; 0 if the edge has all at the end, or does not say, 1 if one failed."""
    import asyncio

    from server.edge.client import parse_url
    from server.edge.totals import Totals
    from server.edge.warm import Order, list_clips

    if "{id}" not in options.path or not options.path.startswith("/"):
        raise Fault(
            f"--path {options.path!r} names no video: write {PATH}, for example"
        )
    base = parse_url(options.base_url)
    if options.proxy:
        parse_url(options.proxy)
    order = Order(
        f"{str(base).rstrip('/')}{options.path}",
        options.concurrency,
        options.mbps,
        options.timeout,
        options.proxy,
        options.anew,
    )
    clips = list_clips(url, options.new, options.most)
    totals = Totals()
    try:
        asyncio.run(_warm(order, clips, totals))
    except KeyboardInterrupt:
        print_note("Stopped; run it again to go on, without what the edge has.")
        raise
    if options.json:
        print_json(totals.as_json())
    else:
        print_lines(totals.render().splitlines())
    return totals.status


async def _warm(order: Order, clips: Sequence[Clip], totals: Totals) -> None:
    from tqdm import tqdm

    from server.edge.warm import warm

    size = sum(clip.size for clip in clips)
    with tqdm(total=size, unit="B", unit_scale=True, disable=None) as bar:
        async for warmed in warm(order, clips, bar.update):
            totals.add(warmed)
            bar.set_postfix_str(totals.render_short(), refresh=False)
            if warmed.error:
                bar.clear()
                print_note(f"video {warmed.video_id} at {warmed.url}: {warmed.error}")
