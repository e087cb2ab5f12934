"""Replace a clip by a file: it gets a new id, to which the links move in order."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import psycopg2
from psycopg2.errors import UniqueViolation
from tqdm import tqdm

from server.errors import Fault
from server.library.captions.rows import keep_all, read_captions
from server.library.clips.check import Flaw, name_stored_remedy
from server.library.clips.checking import check_media
from server.library.clips.repair import open_media
from server.library.clips.selftest import check_ffmpeg
from server.library.clips.thumbnail import make_thumbnail, save_thumbnail
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import (
    check_name,
    name_repaired,
    show_path,
    show_text,
    unreadable,
)
from server.library.imports.files import Offer, check_movie
from server.library.imports.importer import Importer
from server.library.imports.repairing import (
    NOT_REPAIRED,
    RepairedFile,
    find_refusal,
    repairing,
)
from server.library.imports.rows import (
    KnownVideo,
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
from server.library.keeping.replaced import ReplacedClip
from server.library.keeping.swap import OldClip, Swap, opening_source
from server.library.keeping.tables import describe_tables
from server.library.levels.queue import queue
from server.library.words.link import find_video
from server.library.words.showing import Showing, lock_target, save_order, swap_video
from server.library.words.target import LinkTarget
from server.postgres.refusals import ABSENT, opening
from server.postgres.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection
    from psycopg2.extensions import cursor as Cursor

    from server.library.imports.importer import RepairPolicy
    from server.library.imports.rows import Inventory


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

    Without a file the bytes of the video itself are repaired. All of it is one
    transaction, with the deletion of the old clip if that is asked for. Fault without
    the video, if the file is not to be kept, comes to the bytes of the old clip or has
    the name of another, or the database refuses.
    """
    if swap.file is None and not (policy.fix or policy.transcode):
        raise Fault(
            f"there is nothing to put in the place of video {show_text(swap.video)}: "
            "name a file, or add --fix or --transcode to repair the video itself"
        )
    if swap.name is not None:
        check_filename(swap.name)
    if swap.file is not None and os.path.isdir(swap.file):
        raise Fault(f"{show_path(swap.file)} is a folder: name a file")
    if swap.file is not None and swap.name is None:
        check_name(swap.file, show_path(swap.file))
    with opening(url) as connection:
        with connection, connection.cursor() as cursor:
            old = OldClip(*find_video(cursor, swap.video))
        shown = show_path(swap.file) if swap.file else old.shown
        name = swap.name or (swap.file.name if swap.file else old.filename or shown)
        with (
            _refusing(connection, name, shown),
            opening_source(connection, swap, old) as source,
            Sandbox() as sandbox,
        ):
            check_ffmpeg(sandbox)
            importer = Importer(connection, sandbox, policy)
            return _replace(importer, swap, old, Offer(source, name, shown))


@contextmanager
def _refusing(connection: Connection, name: str, shown: str) -> Iterator[None]:
    """Have what is wrong with the file, or with the row to be, told in a sentence."""
    try:
        yield
    except OSError as error:
        raise unreadable(shown, error) from error
    except UniqueViolation:
        raise explain_taken(name) from None
    except psycopg2.Error as error:
        if error.pgcode in ABSENT:
            raise
        raise Fault(explain_refusal(connection, error, shown)) from error


def _replace(
    importer: Importer, swap: Swap, old: OldClip, offer: Offer
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
    policy = importer.policy
    before = inventory.videos.get(old.filename or "")
    origin = digest
    if before and swap.file is None:
        if digest != (before.sha256 or digest):
            raise Fault(
                f"{shown} has other bytes than at its import: see bytereel verify"
            )
        before = before._replace(sha256=digest)
        origin = before.source_sha256 or digest
    is_same = before and digest in (before.sha256, before.source_sha256)
    if is_same and not (policy.fix or policy.transcode):
        raise _explain_same(shown, old)
    report = check_media(open_media(source), importer.sandbox, policy.limits)
    with repairing(source, report, policy, importer.sandbox) as repaired:
        if before and is_same:
            _need_change(repaired, before, offer, old, policy)
        return _bring(importer, swap, old, offer, origin, repaired, inventory)


def _need_change(
    repaired: RepairedFile,
    before: KnownVideo,
    offer: Offer,
    old: OldClip,
    policy: RepairPolicy,
) -> None:
    """Raise Fault unless other bytes than the old clip's came of a repair."""
    shown, flaws = offer.shown, repaired.report.flaws
    failed = (flaw for flaw in flaws if flaw.code == NOT_REPAIRED)
    refusal = find_refusal(flaws, policy) or next(failed, None)
    if refusal and not policy.includes(refusal):
        refusal = name_stored_remedy(refusal, old.id)
    if refusal:
        raise Fault(refusal.tell(shown))
    if repaired.repaired is None:
        raise Fault(
            f"{shown} has nothing that this repair mends, so there is nothing to "
            f"replace: see bytereel check {old.id}"
        )
    if digest_file(repaired.file) == before.sha256:
        raise _explain_same(shown, old)


def _explain_same(shown: str, old: OldClip) -> Fault:
    return Fault(
        f"{shown} is what video {old.id} was imported from: there is nothing to replace"
    )


def _bring(
    importer: Importer,
    swap: Swap,
    old: OldClip,
    offer: Offer,
    origin: bytes,
    repaired: RepairedFile,
    inventory: Inventory,
) -> ReplacedClip:
    """Put a file that was checked, and perhaps repaired, in the old clip's place."""
    file, checked, how = repaired
    name, shown = offer.name, offer.shown
    movie = check_movie(checked, shown, importer.policy)
    row = build_row(name, movie, origin)
    if how:
        source = origin if inventory.keeps_source else None
        row = build_row(name_repaired(name), movie, digest_file(file), source)
    _need_free(inventory, row.filename, swap, old)
    thumbnail = None
    if inventory.keeps_thumbnails and not swap.dry_run:
        thumbnail = make_thumbnail(open_media(file), importer.sandbox)

    heights = _list_heights(importer, old) if inventory.keeps_levels else []

    def insert(cursor: Cursor) -> int:
        with tqdm(total=row.size, unit="B", unit_scale=True, disable=None) as bar:
            video_id = insert_file(cursor, row, file, shown, bar.update).video_id
        assert video_id is not None
        if thumbnail:
            save_thumbnail(cursor, video_id, thumbnail)
        if heights:
            queue(cursor, heights, [video_id])
        return video_id

    numbers = row.filename, row.size, row.duration_seconds
    new = _NewClip(*numbers, flaws=tuple(checked.flaws), repaired=how)
    return _move(importer.connection, swap, old, new, insert)


def _list_heights(importer: Importer, old: OldClip) -> list[int]:
    """Return the heights at which the old clip has levels, or is to have them."""
    with importer.connection as connection, connection.cursor() as cursor:
        rows = read_rows(cursor, "list_heights", {"id": old.id})
    return [row["height"] for row in rows]


def _need_free(inventory: Inventory, filename: str, swap: Swap, old: OldClip) -> None:
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
    old: OldClip,
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
            captions = read_captions(cursor, [old.id])
            if swap.delete:
                delete_clip(cursor, *old, dry_run=False)
            if insert:
                video_id = insert(cursor)
            assert video_id is not None
            keep_all(cursor, captions, video_id)
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
