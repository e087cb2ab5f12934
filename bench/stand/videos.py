"""Videos of seeded bytes, on disk and in a database of our own."""

from __future__ import annotations

import os
import random
from contextlib import closing, contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import psycopg2

from bench.load.job import Asset
from bench.stand.hls import HLS, load_hls
from server.errors import Fault
from server.library.imports.copy_stream import (
    PIECE_BYTES,
    CopyStream,
    VideoRow,
    build_copy,
)
from server.postgres import migrations
from server.postgres.plain import connect, first_line
from server.postgres.queries import queries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from psycopg2.extensions import connection

KIB, MIB = 1024, 2**20
CLIPS = 1000
CLIP_BYTES = 64 * KIB, 256 * KIB  # from, to
FILM_BYTES = 256_000_000
LIBRARIES = ("clip", "phone", "film", "library", "missing", *HLS)
MISSING = 100
MISSING_ID = 2**31 - 1  # the first of them
NOT_FOUND = b'{"error": "Video not found"}'


class Loaded(NamedTuple):
    """A video in the table and its bytes in a file."""

    id: int
    size: int  # bytes
    path: Path


def list_sizes(library: str, seed: int) -> list[int]:
    """Return the sizes of a library's videos."""
    if library == "library":
        source = random.Random(seed)
        return [source.randint(*CLIP_BYTES) for _ in range(CLIPS)]
    return {"clip": [5 * MIB], "phone": [3 * MIB], "film": [FILM_BYTES]}[library]


def load_library(url: str, folder: Path, library: str, seed: int) -> list[Asset]:
    """Put a library into the table and into folder; return what can be asked for."""
    if library in HLS:
        return load_hls(url, folder, library)
    if library == "missing":
        path = folder / "not-found.json"
        path.write_bytes(NOT_FOUND)
        ids = range(MISSING_ID, MISSING_ID - MISSING, -1)
        return [Asset(f"/v3/videos/{one}", len(NOT_FOUND), f"{path}") for one in ids]
    return list_assets(load_videos(url, folder, list_sizes(library, seed), seed))


def list_assets(videos: Sequence[Loaded]) -> list[Asset]:
    """Return what can be asked of our server for videos."""
    return [
        Asset(f"/v3/videos/{one.id}", one.size, f"{one.path}", f'"video-{one.id}"')
        for one in videos
    ]


@contextmanager
def own_database(url: str) -> Iterator[str]:
    """Yield the URL of a new database with our schema; drop it at the end."""
    name = f"bytereel_bench_{os.getpid()}"
    try:
        execute(url, f"CREATE DATABASE {name} TEMPLATE template0")
    except psycopg2.Error as error:
        raise Fault(
            f"the bench needs a database of its own ({first_line(error)}): let"
            " DATABASE_URL's user create one, or leave DATABASE_URL out"
        ) from error
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
    (video,) = load_videos(url, folder, [size], seed)
    return video


def load_videos(
    url: str, folder: Path, sizes: Sequence[int], seed: int = 1
) -> list[Loaded]:
    """Put videos of these sizes there, each of other bytes."""
    files = folder / "v3/videos"
    for place in (files.parent, files):
        place.mkdir(exist_ok=True)
        place.chmod(0o755)  # nginx's worker is another user
    with closing(connect(url)) as database, database:
        return [
            load_one(database, files, size, f"{size}-{seed}-{number}")
            for number, size in enumerate(sizes)
        ]


def load_one(database: connection, files: Path, size: int, seed: str) -> Loaded:
    """Put one video there; its name and bytes follow from size and seed."""
    name = f"{seed}.mp4"
    path = files / name
    row = VideoRow(name, "video/mp4", size, None, save_bytes(path, size, seed))
    with database.cursor() as cursor, path.open("rb") as source:
        upload = CopyStream(build_copy(row, source, lambda count: None))
        cursor.copy_expert(queries()["copy_video"], upload, PIECE_BYTES)
        cursor.execute(queries()["verify_import"], row._asdict())
        ((video_id,),) = cursor.fetchall()
    return Loaded(video_id, size, path.rename(files / f"{video_id}"))


def save_bytes(path: Path, size: int, seed: str) -> bytes:
    """Write size bytes that follow from seed, for all to read; return the digest."""
    source, digest = random.Random(seed), sha256()
    with path.open("wb") as file:
        for start in range(0, size, PIECE_BYTES):
            piece = source.randbytes(min(PIECE_BYTES, size - start))
            digest.update(piece)
            file.write(piece)
    path.chmod(0o644)
    return digest.digest()
