"""Replace a clip by a file: it gets a new id, to which the links move in order."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from psycopg2.errors import UniqueViolation
from tqdm import tqdm

from server.errors import Fault
from server.library.clips.checking import check_media
from server.library.clips.repair import open_media
from server.library.clips.selftest import check_ffmpeg
from server.library.clips.thumbnail import make_thumbnail, save_thumbnail
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import (
    check_name,
    name_repaired,
    open_file,
    show_path,
    show_text,
    unreadable,
)
from server.library.imports.files import Offer, check_movie
from server.library.imports.importer import Importer
from server.library.imports.repairing import repairing
from server.library.imports.rows import (
    build_row,
    digest_file,
    explain_refusal,
    find_same,
    insert_file,
    measure_size,
    read_inventory,
)
from server.library.keeping.changing import (
    changing,
    check_filename,
    delete_clip,
    explain_taken,
    list_showing,
)
from server.library.keeping.tables import describe_tables
from server.library.words.link import find_video
from server.library.words.showing import Showing, lock_target, save_order, swap_video
from server.library.words.target import LinkTarget
from server.postgres.refusals import ABSENT, opening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from server.library.clips.check import Flaw
    from server.library.imports.importer import RepairPolicy
    from server.library.imports.repairing import RepairedFile
    from server.library.imports.rows import Inventory


class Swap(NamedTuple):
    """What is to be replaced, and how."""

    video: str  # id or file name
    file: Path
    name: str | None = None  # of the new clip; None for that of the file
    delete: bool = False  # the old clip
    dry_run: bool = False


class ReplacedClip(NamedTuple):
    """The new clip, the old one, and what shows the new one in its place."""

    status: str  # replaced or would-replace
    video_id: int | None  # None in a dry run, of a file that is not in the table
    filename: str
    bytes: int | None
    duration_seconds: int | None
    old_id: int
    old_filename: str | None
    old_deleted: bool
    links: list[Showing]  # what showed the old one; in a dry run, as it is now
    flaws: tuple[Flaw, ...]  # of the new one
    repaired: str | None  # fixed or transcoded


class _OldClip(NamedTuple):
    """The video that is replaced."""

    id: int
    filename: str | None


class _NewClip(NamedTuple):
    """The video that comes in its place."""

    filename: str
    bytes: int | None
    duration_seconds: int | None
    video_id: int | None = None  # if it is in the table already
    flaws: tuple[Flaw, ...] = ()
    repaired: str | None = None


def replace_clip(url: str, swap: Swap, policy: RepairPolicy) -> ReplacedClip:
    """Import a file, and have everything that shows a video show it instead.

    All of it is one transaction, with the deletion of the old clip if that is asked
    for. Fault without the video, if the file is not to be kept, has the bytes of the
    old clip or the name of another, or the database refuses.
    """
    shown = show_path(swap.file)
    if swap.name is None:
        check_name(swap.file, shown)
    else:
        check_filename(swap.name)
    with opening(url) as connection, _refusing(connection, swap, shown):
        with connection, connection.cursor() as cursor:
            old = _OldClip(*find_video(cursor, swap.video))
        with open_file(swap.file) as source, Sandbox() as sandbox:
            check_ffmpeg(sandbox)
            importer = Importer(connection, sandbox, policy)
            offer = Offer(source, swap.name or swap.file.name, shown)
            return _replace(importer, swap, old, offer)


@contextmanager
def _refusing(connection: Connection, swap: Swap, shown: str) -> Iterator[None]:
    """Have what is wrong with the file, or with the row to be, told in a sentence."""
    try:
        yield
    except OSError as error:
        raise unreadable(shown, error) from error
    except UniqueViolation:
        raise explain_taken(swap.name or swap.file.name) from None
    except psycopg2.Error as error:
        if error.pgcode in ABSENT:
            raise
        raise Fault(explain_refusal(connection, error, shown)) from error


def _replace(
    importer: Importer, swap: Swap, old: _OldClip, offer: Offer
) -> ReplacedClip:
    """Have a clip that is in the table shown instead, or bring the file there first."""
    source, name, shown = offer
    measure_size(source, shown)
    digest = digest_file(source)
    names = {name, name_repaired(name), old.filename or name}
    inventory = read_inventory(importer.connection, names)
    found = find_same(inventory, name, name_repaired(name), digest)
    if found and found[1].video_id != old.id:
        filename, known = found
        new = _NewClip(filename, known.size, known.duration_seconds, known.video_id)
        return _move(importer.connection, swap, old, new)
    before = inventory.videos.get(old.filename or "")
    if before and digest == before.source_sha256:
        raise _explain_same(shown, old)
    report = check_media(open_media(source), importer.sandbox, importer.policy.limits)
    with repairing(source, report, importer.policy, importer.sandbox) as repaired:
        if before and digest == before.sha256 and repaired.repaired is None:
            raise _explain_same(shown, old)
        return _bring(importer, swap, old, offer, digest, repaired, inventory)


def _explain_same(shown: str, old: _OldClip) -> Fault:
    return Fault(
        f"{shown} is what video {old.id} was imported from: there is nothing to replace"
    )


def _bring(
    importer: Importer,
    swap: Swap,
    old: _OldClip,
    offer: Offer,
    digest: bytes,
    repaired: RepairedFile,
    inventory: Inventory,
) -> ReplacedClip:
    """Put a file that was checked, and perhaps repaired, in the old clip's place."""
    file, checked, how = repaired
    _, name, shown = offer
    movie = check_movie(checked, shown)
    row = build_row(name, movie, digest)
    if how:
        origin = digest if inventory.keeps_source else None
        row = build_row(name_repaired(name), movie, digest_file(file), origin)
    _need_free(inventory, row.filename, swap, old)
    thumbnail = None
    if inventory.keeps_thumbnails and not swap.dry_run:
        thumbnail = make_thumbnail(open_media(file), importer.sandbox)

    def insert(cursor: Cursor) -> int:
        with tqdm(total=row.size, unit="B", unit_scale=True, disable=None) as bar:
            video_id = insert_file(cursor, row, file, shown, bar.update).video_id
        assert video_id is not None
        if thumbnail:
            save_thumbnail(cursor, video_id, thumbnail)
        return video_id

    numbers = row.filename, row.size, row.duration_seconds
    new = _NewClip(*numbers, flaws=tuple(checked.flaws), repaired=how)
    return _move(importer.connection, swap, old, new, insert)


def _need_free(inventory: Inventory, filename: str, swap: Swap, old: _OldClip) -> None:
    """Raise Fault if the new clip's name is another's, or the old one's that stays."""
    known = inventory.videos.get(filename)
    if known is None or (known.video_id == old.id and swap.delete):
        return
    if known.video_id == old.id:
        raise Fault(
            f"video {old.id} has the name {show_text(filename)} too: add --delete if "
            "it is to go, or another --name for the new one"
        )
    raise explain_taken(filename)


def _move(
    connection: Connection,
    swap: Swap,
    old: _OldClip,
    new: _NewClip,
    insert: Callable[[Cursor], int] | None = None,
) -> ReplacedClip:
    """Insert the new clip unless it is there, and have it shown; or tell of it."""
    with changing(connection, dry_run=swap.dry_run) as cursor:
        has_links = describe_tables(cursor).links
        links: list[Showing] = []
        if has_links and swap.dry_run:
            links = list_showing(cursor, old.id)
        elif has_links:
            links = lock_target(cursor, LinkTarget(), old.id)
        video_id = new.video_id
        if not swap.dry_run:
            if swap.delete:
                delete_clip(cursor, *old, dry_run=False)
            if insert:
                video_id = insert(cursor)
            assert video_id is not None
            links = [_swap_link(cursor, each, old.id, video_id) for each in links]
    return ReplacedClip(
        "would-replace" if swap.dry_run else "replaced",
        video_id,
        new.filename,
        new.bytes,
        new.duration_seconds,
        old.id,
        old.filename,
        swap.delete,
        links,
        new.flaws,
        new.repaired,
    )


def _swap_link(cursor: Cursor, showing: Showing, old: int, new: int | None) -> Showing:
    videos = swap_video(showing.videos, old, new or old)
    save_order(cursor, showing, videos)
    return showing._replace(videos=videos)


def render_replaced(clip: ReplacedClip) -> Iterator[str]:
    """Yield a line about a clip, and one for each link that moves."""
    number = "-" if clip.video_id is None else clip.video_id
    how = f"  ({clip.repaired})" if clip.repaired else ""
    old = f"{clip.old_id} {show_text(clip.old_filename or '')}"
    stays = "which goes" if clip.old_deleted else "which stays"
    yield (
        f"{clip.status}  {number}  {show_text(clip.filename)}{how}, in place of {old}, "
        f"{stays}"
    )
    for each in clip.links:
        word = show_text(each.word or "?")
        videos = ", ".join(map(str, each.videos))
        yield f"  {each.kind} {each.id} “{word}” shows {videos}"
