"""The clients of a soak: each asks for something, and compares all that comes."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.soak.tally import Refused, Wrong

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from random import Random

    import aiohttp

    from bench.load.job import Asset
    from bench.soak.tally import Tally

    Step = Callable[[], Awaitable[None]]

KIB = 1024
RANGE_BYTES = 64 * KIB
SLOW_RATE = 200_000  # bytes a second
PAGES = ("/", "/practice", "/admin", "/healthz", "/readyz", "/openapi.json", "/metrics")
LISTS = ("videos", "overview", "words")


class Library(NamedTuple):
    """What there is to ask for."""

    assets: list[Asset]
    clip: Path  # that is uploaded
    shown: int  # the id of a video that has a thumbnail
    learner: str
    token: str


class Clients:
    """Asks one server, through one pool of connections."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        origin: str,
        library: Library,
        tally: Tally,
        random: Random,
    ) -> None:
        self.http, self.origin, self.library = http, origin, library
        self.tally, self.random = tally, random
        self.contents = [Path(one.path).read_bytes() for one in library.assets]
        self.asked = 0  # uploads, each by a name of its own

    def list_steps(self) -> dict[str, tuple[Step, int, float]]:
        """Return what is asked, by how many clients, with what pauses in seconds."""
        return {
            "range": (self.take_range, 6, 0.02),
            "whole": (self.take_whole, 2, 0.2),
            "scrub": (self.scrub, 3, 0.05),
            "slow": (self.take_slowly, 4, 0.1),
            "conditional": (self.ask_again, 1, 0.1),
            "missing": (self.ask_for_nothing, 1, 0.2),
            "batch": (self.practise, 1, 0.3),
            "views": (self.send_views, 1, 0.2),
            "thumbnail": (self.take_thumbnail, 1, 0.2),
            "pages": (self.open_page, 1, 0.3),
            "admin": (self.list_admin, 1, 0.5),
            "upload": (self.upload, 1, 2.0),
        }

    async def ask(
        self,
        method: str,
        target: str,
        status: int,
        headers: Mapping[str, str] = {},
        body: bytes | None = None,
    ) -> tuple[Mapping[str, str], bytes]:
        """Return headers and body of an answer; raise Wrong, Refused or what broke."""
        url = f"{self.origin}{target}"
        async with self.http.request(method, url, headers=headers, data=body) as answer:
            data = await answer.read()
            check_status(answer.status, status, f"{method} {target}", data)
            return answer.headers, data

    def pick(self) -> tuple[Asset, bytes]:
        """Return a video and its bytes."""
        place = self.random.randrange(len(self.contents))
        return self.library.assets[place], self.contents[place]

    async def take_range(self) -> None:
        """Take a range as players do; how long it takes is measured."""
        asset, content = self.pick()
        start = self.random.randrange(max(asset.size - RANGE_BYTES, 1))
        stop = min(start + RANGE_BYTES, asset.size)
        asked = {"Range": f"bytes={start}-{stop - 1}"}
        begun = monotonic()
        headers, data = await self.ask("GET", asset.target, 206, asked)
        self.tally.latencies.append(monotonic() - begun)
        told = f"bytes {start}-{stop - 1}/{asset.size}"
        compare(data, content[start:stop], asset.target)
        if headers["Content-Range"] != told:
            raise Wrong(f"{asset.target}: {headers['Content-Range']}, not {told}")

    async def take_whole(self) -> None:
        """Take a video whole."""
        asset, content = self.pick()
        compare((await self.ask("GET", asset.target, 200))[1], content, asset.target)

    async def scrub(self) -> None:
        """Ask for the rest from somewhere on, take some, and leave."""
        asset, content = self.pick()
        start = self.random.randrange(asset.size)
        headers = {"Range": f"bytes={start}-"}
        url = f"{self.origin}{asset.target}"
        async with self.http.get(url, headers=headers) as answer:
            check_status(answer.status, 206, asset.target)
            data = await answer.content.read(self.random.randrange(1, 100 * KIB))
            compare(data, content[start : start + len(data)], asset.target)
            answer.close()

    async def take_slowly(self) -> None:
        """Take a video at the rate of a bad network."""
        asset, content = self.pick()
        async with self.http.get(f"{self.origin}{asset.target}") as answer:
            check_status(answer.status, 200, asset.target)
            at = 0
            async for piece in answer.content.iter_chunked(32 * KIB):
                compare(piece, content[at : at + len(piece)], asset.target)
                at += len(piece)
                await asyncio.sleep(len(piece) / SLOW_RATE)
        if at != asset.size:
            raise Wrong(f"{asset.target}: {at} bytes of {asset.size}")

    async def ask_again(self) -> None:
        """Ask whether a video has changed."""
        asset, _ = self.pick()
        await self.ask("GET", asset.target, 304, {"If-None-Match": asset.etag})

    async def ask_for_nothing(self) -> None:
        """Ask for a video that is not there, and for a range that is not."""
        asset, _ = self.pick()
        await self.ask("GET", "/v3/videos/2147483647", 404)
        await self.ask("GET", asset.target, 416, {"Range": f"bytes={asset.size}-"})

    async def practise(self) -> None:
        """Take a batch, and answer its first question."""
        query = f"?user_id={self.library.learner}&count=5"
        _, data = await self.ask("GET", f"/v3/next-review-words-batch{query}", 200)
        words = json.loads(data)["words"]
        asked = [(word, question) for word in words for question in word["questions"]]
        if asked:
            word, question = self.random.choice(asked)
            await self.answer(word["saved_word_id"], question)

    async def answer(self, saved_word: int, question: dict[str, Any]) -> None:
        """Answer a question, so that its word is due later."""
        body = {
            "user_id": self.library.learner,
            "saved_word_id": saved_word,
            "question_id": question["id"],
            "answer": question["correct_answer"],
        }
        await self.send("/v3/reviews", body, 200)

    async def send_views(self) -> None:
        """Tell that videos were watched."""
        ids = [int(self.pick()[0].target.rpartition("/")[2]) for _ in range(5)]
        views = [{"video_id": one, "reached": "completed"} for one in ids]
        await self.send("/v3/views", {"views": views}, 204)

    async def send(self, target: str, body: object, status: int) -> bytes:
        """Post JSON; return what is answered."""
        headers = {"Content-Type": "application/json", **self.authorize()}
        data = json.dumps(body).encode()
        return (await self.ask("POST", target, status, headers, data))[1]

    def authorize(self) -> dict[str, str]:
        """Return the header that opens the admin's side."""
        return {"Authorization": f"Bearer {self.library.token}"}

    async def take_thumbnail(self) -> None:
        """Take a picture."""
        target = f"/v3/videos/{self.library.shown}/thumbnail"
        _, data = await self.ask("GET", target, 200)
        if len(data) < 100:
            raise Wrong(f"{target} has {len(data)} bytes")

    async def open_page(self) -> None:
        """Open a page, or what machines ask for."""
        await self.ask("GET", self.random.choice(PAGES), 200)

    async def list_admin(self) -> None:
        """List what the keeper sees."""
        target = f"/v3/admin/{self.random.choice(LISTS)}"
        await self.ask("GET", target, 200, self.authorize())

    async def upload(self) -> None:
        """Upload a clip, save it, read it back, and delete it."""
        self.asked += 1
        data = self.library.clip.read_bytes()
        target = f"/v3/admin/uploads?filename=soak_{self.asked}.mp4"
        key = self.authorize()
        told = json.loads((await self.ask("POST", target, 201, key, data))[1])
        if told["sha256"] != sha256(data).hexdigest():
            raise Wrong(f"the upload's digest is {told['sha256']}")
        saved = await self.send(f"/v3/admin/uploads/{told['upload']}", {}, 201)
        number = json.loads(saved)["video_id"]
        try:
            _, body = await self.ask("GET", f"/v3/videos/{number}", 200)
            compare(body, data, f"the upload {number}")
        finally:
            await self.ask("DELETE", f"/v3/admin/videos/{number}", 200, key)


def check_status(status: int, expected: int, target: str, data: bytes = b"") -> None:
    """Raise Refused for 503 and the like, Wrong for any other than expected."""
    if status == expected:
        return
    if status in (408, 429, 502, 503, 504):
        raise Refused(f"{target}: {status}")
    raise Wrong(f"{target}: {status}, not {expected}: {data[:120]!r}")


def compare(found: bytes, expected: bytes, target: str) -> None:
    """Raise Wrong for other bytes."""
    if found != expected:
        raise Wrong(f"{target}: other bytes came, {len(found)} of {len(expected)}")
