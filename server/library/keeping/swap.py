"""What is to be replaced, and the file that comes in its place."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import psycopg2

from server.errors import Fault
from server.library.clips.stored import save_video
from server.library.files import open_file, show_text
from server.library.temporary import temporary_folder
from server.postgres.plain import first_line
from server.postgres.refusals import is_damage

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator
    from pathlib import Path

    from psycopg2.extensions import connection as Connection


class Swap(NamedTuple):
    """What is to be replaced, and how."""

    video: str  # id or file name
    file: Path | None = None  # None for the stored clip itself, repaired
    name: str | None = None  # of the new clip; None for that of the file
    delete: bool = False  # the old clip
    dry_run: bool = False


class OldClip(NamedTuple):
    """The video that is replaced."""

    id: int
    filename: str | None

    @property
    def shown(self) -> str:
        """Return its name in a sentence."""
        return f"video {self.id} ({show_text(self.filename or '')})"


@contextmanager
def opening_source(
    connection: Connection, swap: Swap, old: OldClip
) -> Iterator[io.BufferedReader]:
    """Yield the file that is given, or one with the bytes of the old clip."""
    if swap.file is not None:
        with open_file(swap.file) as source:
            yield source
        return
    with temporary_folder() as folder:
        path = folder / "stored"
        try:
            save_video(connection, old.id, path)
        except psycopg2.Error as error:
            if not is_damage(error):
                raise
            raise Fault(
                f"{old.shown} cannot be read ({first_line(error)}): see bytereel verify"
            ) from error
        with path.open("rb") as source:
            yield source
