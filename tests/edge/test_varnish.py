"""A real Varnish in front."""

from __future__ import annotations

import asyncio
import random
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.stand.process import find_port, stop, wait_for
from tests.conftest import insert_video, needs, open_folder
from tests.edge.test_nginx import compare, get, list_asked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import Served

pytestmark = needs("varnishd")

DATA = random.Random(9).randbytes((2 << 20) + 5)
VCL = r"""
vcl 4.1;
backend default {
    .host = "127.0.0.1";
    .port = "PORT";
    .first_byte_timeout = 600s;
    .between_bytes_timeout = 600s;
}
sub vcl_recv {
    set req.url = regsub(req.url, "^/api/", "/");
    if (req.url ~ "^/metrics(\?|$)") {
        return (synth(404));
    }
    if (req.url !~ "^/v3/videos/[1-9][0-9]{0,9}(\.mp4)?(\?|$)") {
        return (pass);
    }
    # What Varnish would answer in another way is the origin's to answer.
    if (req.method !~ "^(GET|HEAD)$"
        || req.http.If-Match || req.http.If-Unmodified-Since
        || req.http.If-Modified-Since
        || (req.http.If-None-Match
            && req.http.If-None-Match !~ "^(W/)?\x22[^\x22]*\x22$")
        || (req.http.Range && (req.method == "HEAD" || req.http.If-None-Match
            || req.http.Range !~ "^bytes=([0-9]{1,15}-[0-9]{0,15}|-[0-9]{1,15})$"))) {
        return (pipe);
    }
    set req.url = regsub(req.url, "(\.mp4)?(\?.*)?$", "");
    unset req.http.Authorization;
    unset req.http.Cookie;
}
sub vcl_pipe {
    set bereq.http.Connection = "close";
}
"""


@contextmanager
def running_varnish(folder: Path, origin: int) -> Iterator[int]:
    """Yield the port of a Varnish in front of the origin on another."""
    port = find_port()
    (folder / "vcl").write_text(VCL.replace("PORT", f"{origin}"))
    log = folder / "log"
    command = ["varnishd", "-F", "-n", f"{folder}/work", "-f", f"{folder}/vcl"]
    with log.open("w") as said:
        process = subprocess.Popen(
            [*command, "-a", f"127.0.0.1:{port}", "-s", "malloc,100m"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            text=True,
            start_new_session=True,
        )
    try:
        wait_for(process, port, log)
        yield port
    finally:
        stop(process)


async def test_answers_are_the_origins_and_read_once(uncached: Served) -> None:
    reader = uncached.store.reader
    number = insert_video(uncached.database_url, "a.mp4", DATA)
    with open_folder() as folder, running_varnish(folder, uncached.port) as port:
        answers = await asyncio.gather(
            *(get(port, f"/api/v3/videos/{number}.mp4", "1-") for _ in range(50))
        )
        assert {answer.body for answer in answers} == {DATA[1:]}
        assert reader.bytes_read == len(DATA)
        head = await get(uncached.port, f"/v3/videos/{number}")
        asked = list(list_asked(number, head.headers["last-modified"]))
        # Its own 416 has no body and the video's type.
        assert not await asyncio.to_thread(
            compare, uncached.port, port, asked, ("content-range", "allow")
        )
        batch = await get(port, "/v3/next-review-words-batch")
        assert batch.status == 400
