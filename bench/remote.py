"""A server or CDN that runs already: the URL of one video is all that is known."""

from __future__ import annotations

import socket
import tempfile
from contextlib import ExitStack, closing
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from bench.load.answers import Server, check_server, connect
from bench.load.generator import Generator, generating
from bench.load.job import Asset, Job
from bench.load.mixes import (
    FIRST_BYTES,
    MDAT_BYTES,
    MOOV_BYTES,
    PLAY_BYTES,
    SCRUB_BYTES,
)
from bench.machine import describe_machine
from bench.results import Round, Row, Run
from bench.run import Progress, list_busy
from bench.stand.hls import HLS
from server.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.run import Options
    from bench.scenarios import Scenario

PATH = "url"
OWN = {"each", "zipf", "missing"}  # mixes that need videos of our own
CROWD = 100  # so many clients are an attack on somebody else's server
SMALLEST = {  # bytes that a video must have for a mix
    "opening": FIRST_BYTES,
    "opening-tail": MDAT_BYTES + MOOV_BYTES + PLAY_BYTES,
    "scrub": 2 * SCRUB_BYTES[1],
}
EXTRA_SECONDS = 0.1


class Target(NamedTuple):
    """Where the video is."""

    server: Server
    target: str


def run(url: str, options: Options) -> Run:
    """Measure it. Raises Fault when an answer differs from the first download."""
    found = parse_url(url)
    progress = Progress()
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            progress.tell(f"downloading {url} and comparing every kind of answer")
            asset = download(found, folder / "video")
            check_server(found.server, [asset], options.seed)
            left_out = list_left_out(options.scenarios, asset)
            chosen = [one for one in options.scenarios if one.name not in left_out]
            if not chosen:
                raise Fault(f"nothing can be measured at {url}: {left_out}")
            generator = stack.enter_context(generating())
            rows = measure_rows(generator, found, asset, chosen, options, progress)
            about = {**describe_machine(""), "url": url, "video_bytes": asset.size}
            about |= {"seed": options.seed, "seconds": options.seconds}
            return Run(
                about | {"rounds": options.rounds}, rows, left_out, list_busy(rows)
            )
    finally:
        progress.end()


def parse_url(url: str) -> Target:
    """Return where to ask. Raises Fault when it is not the URL of a video."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (KeyError, ValueError):
        raise wrong_url(url) from None
    if not parts.hostname or parts.path in ("", "/") or parts.username is not None:
        raise wrong_url(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    tls = parts.scheme == "https"
    return Target(Server(parts.hostname, port, parts.hostname, tls), target)


def wrong_url(url: str) -> Fault:
    """Return what to say of a URL that can't be measured."""
    return Fault(
        f"{url!r} is not the URL of one video: write it whole, as in"
        " https://example.com/v3/videos/1.mp4"
    )


def download(found: Target, path: Path) -> Asset:
    """Save the whole video. Raises Fault unless it comes as a 200 with its length."""
    server, target = found
    try:
        with closing(connect(server)) as wire:
            wire.request("GET", target, headers={"Accept-Encoding": "identity"})
            answer = wire.getresponse()
            body = answer.read()
    except (OSError, HTTPException) as error:
        raise Fault(
            f"{server.name}:{server.port} does not answer ({error!r}):"
            " check that it runs"
        ) from error
    if place := answer.headers["Location"]:
        raise Fault(f"the URL redirects: measure {place}")
    if answer.status != 200 or answer.headers["Content-Length"] != f"{len(body)}":
        raise Fault(
            f"the video came with status {answer.status} and Content-Length"
            f" {answer.headers['Content-Length']}: it must be 200, with its length"
        )
    path.write_bytes(body)
    return Asset(target, len(body), f"{path}", answer.headers["ETag"] or "")


def list_left_out(scenarios: Sequence[Scenario], asset: Asset) -> dict[str, str]:
    """Return what can't be asked of somebody else's one video, and why."""
    left_out = {}
    for one in scenarios:
        needed = max(SMALLEST.get(one.mix, 1), one.length)
        own = one.mix in OWN or one.library in ("film", *HLS) or one.far
        if own or "origin" not in one.paths:
            left_out[one.name] = "it needs servers and videos of our own"
        elif one.clients > CROWD:
            left_out[one.name] = (
                f"{one.clients} clients are too many for others' servers"
            )
        elif one.mix == "conditional" and not asset.etag:
            left_out[one.name] = "the video has no ETag"
        elif asset.size < needed:
            left_out[one.name] = f"the video has {asset.size} bytes, not {needed}"
    return left_out


def measure_rows(
    generator: Generator,
    found: Target,
    asset: Asset,
    scenarios: Sequence[Scenario],
    options: Options,
    progress: Progress,
) -> list[Row]:
    """Give every scenario a stretch a round."""
    rows = [Row(one.name, PATH, False, one.unit, one.rate, []) for one in scenarios]
    jobs = [build_job(found.server, asset, one, options) for one in scenarios]
    costs = [job.warm + job.seconds + EXTRA_SECONDS for job in jobs]
    progress.plan(costs * options.rounds)
    for number in range(options.rounds):
        for row, job in zip(rows, jobs, strict=True):
            progress.step(f"round {number + 1} of {options.rounds}: {row.scenario}")
            row.rounds.append(
                measure(generator, job._replace(seed=options.seed + number))
            )
    return rows


def build_job(
    server: Server, asset: Asset, scenario: Scenario, options: Options
) -> Job:
    """Return what the load generator is told; it asks the first address to answer."""
    with socket.create_connection((server.host, server.port)) as answering:
        address = answering.getpeername()
    return Job(
        server.port,
        [asset],
        scenario.mix,
        scenario.length,
        scenario.clients,
        max(options.seconds, scenario.least),
        scenario.warm,
        rate=scenario.rate,
        pace=scenario.pace,
        host=str(address[0]),
        name=server.host,
        tls=server.tls,
    )


def measure(generator: Generator, job: Job) -> Round:
    """Measure one stretch; what the other side uses is not for us to see."""
    seen = generator.run(job)
    return Round(
        seen.requests,
        seen.bytes,
        seen.seconds,
        seen.histogram,
        0.0,
        None,
        None,
        seen.cpu / seen.seconds,
        None,
        None,
        None,
    )
