"""Videos of seeded bytes, on disk and in a database of our own; answers compared."""

from __future__ import annotations

import os
import random
from contextlib import closing, contextmanager
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from server import migrations
from server.connect import connect
from server.errors import Fault
from server.library.upload import PIECE_BYTES, Row, Upload, build_copy
from server.queries import queries

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.contenders import Running

ANSWER_SECONDS = 60
CHECKS = 10


class Loaded(NamedTuple):
    """A video in the table and its bytes in a file."""

    id: int
    size: int  # bytes
    path: Path


@contextmanager
def own_database(url: str) -> Iterator[str]:
    """Yield the URL of a new database with our schema; drop it at the end."""
    name = f"bytereel_bench_{os.getpid()}"
    execute(url, f"CREATE DATABASE {name} TEMPLATE template0")
    try:
        own = urlsplit(url)._replace(path=f"/{name}").geturl()
        migrations.apply(own)
        yield own
    finally:
        execute(url, f"DROP DATABASE {name} WITH (FORCE)")


def execute(url: str, statement: str) -> None:
    """Run a statement that no transaction may hold."""
    with closing(connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement)


def load_video(url: str, folder: Path, size: int, seed: int = 1) -> Loaded:
    """Put seeded bytes into the table and into folder/v3/videos/ID."""
    name = f"{size}-{seed}.mp4"
    path = folder / name
    digest = save_bytes(path, size, seed)
    row = Row(name, "video/mp4", size, None, digest)
    with (
        closing(connect(url)) as connection,
        connection,
        connection.cursor() as cursor,
        path.open("rb") as source,
    ):
        upload = Upload(build_copy(row, source, lambda count: None))
        cursor.copy_expert(queries()["copy_video"], upload, PIECE_BYTES)
        cursor.execute(queries()["verify_import"], row._asdict())
        ((video_id,),) = cursor.fetchall()
    files = folder / "v3/videos"
    for place in (files.parent, files):
        place.mkdir(exist_ok=True)
        place.chmod(0o755)  # nginx's worker is another user
    return Loaded(video_id, size, path.rename(files / f"{video_id}"))


def save_bytes(path: Path, size: int, seed: int) -> bytes:
    """Write size bytes that follow from seed, for all to read; return the digest."""
    source, digest = random.Random(seed), sha256()
    with path.open("wb") as file:
        for start in range(0, size, PIECE_BYTES):
            piece = source.randbytes(min(PIECE_BYTES, size - start))
            digest.update(piece)
            file.write(piece)
    path.chmod(0o644)
    return digest.digest()


def check(started: Running, video: Loaded, seed: int = 2) -> None:
    """Ask for random ranges and compare every byte.

    Raises Fault at the first answer that is not right.
    """
    source = random.Random(seed)
    with closing(HTTPConnection("127.0.0.1", started.port, ANSWER_SECONDS)) as asked:
        for _ in range(CHECKS):
            start = source.randrange(video.size)
            stop = min(start + source.randint(1, 2**20), video.size)
            wanted = f"bytes {start}-{stop - 1}/{video.size}"
            if started.contender.whole:
                start, stop = 0, video.size
            try:
                asked.request(
                    "GET",
                    f"/v3/videos/{video.id}",
                    headers={"Range": wanted.replace(" ", "=").split("/")[0]},
                )
                answer = asked.getresponse()
                got = answer.status, answer.headers["Content-Range"], answer.read()
            except (OSError, HTTPException) as error:
                raise Fault(f"{started.contender.name} broke off: {error!r}") from error
            right = (200, None) if started.contender.whole else (206, wanted)
            if got != (*right, read_file(video.path, start, stop)):
                raise Fault(
                    f"{started.contender.name} answers {wanted} of video {video.id}"
                    f" wrongly ({got[0]}, {got[1]}, {len(got[2])} bytes):"
                    " mend it, or leave it out; nothing was timed."
                )


def read_file(path: Path, start: int, stop: int) -> bytes:
    """Return the bytes from start up to stop."""
    with path.open("rb") as file:
        file.seek(start)
        return file.read(stop - start)
