"""What importing needs and what it is to do about flaws: the types of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.library.clips.check import FIX, LOSABLE, TRANSCODE, Limits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from psycopg2.extensions import connection as Connection

    from server.library.clips.check import Flaw
    from server.library.ffmpeg.sandbox import Sandbox
    from server.library.imports.rows import Imported, Inventory

    ImportFile = Callable[
        ["Importer", "File", Inventory, Callable[[int], object]], Imported
    ]


class File(NamedTuple):
    """A file to be imported."""

    path: Path
    size: int  # bytes
    known_as: str | None = None  # the name it has in the table, if not that of the file

    @property
    def name(self) -> str:
        """Return its name in the table."""
        return self.known_as or self.path.name


class RepairPolicy(NamedTuple):
    """What is done about flaws."""

    fix: bool = False  # without encoding anew
    transcode: bool = False  # also by encoding anew, where that is needed
    limits: Limits = Limits()
    accept_damage: bool = False  # encode what is whole, and say what was lost
    dry_run: bool = False  # only tell what would be done

    def includes(self, flaw: Flaw) -> bool:
        """Report whether the repair of a flaw is done anyway."""
        if flaw.code in LOSABLE:
            return self.accept_damage
        done = {FIX: self.fix or self.transcode, TRANSCODE: self.transcode}
        return flaw.repair is not None and done[flaw.repair]


NO_REPAIR = RepairPolicy()


class Importer(NamedTuple):
    """What importing one file after the other needs; for several at once have several.

    The connection is in no transaction and speaks UTF8.
    """

    connection: Connection
    sandbox: Sandbox
    policy: RepairPolicy = NO_REPAIR
