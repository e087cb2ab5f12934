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
    from server.library.mp4.movie import Movie

    ImportFile = Callable[
        ["Importer", "File", Inventory, Callable[[int], object]], Imported
    ]


OFF, LEVELS, REPLACE = COMPRESSIONS = ("off", "levels", "replace")
"""Make nothing smaller; queue smaller encodings of a clip; also encode the clip itself
anew where it is beyond the limits."""


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
    levels: tuple[int, ...] = ()  # heights of the smaller encodings to queue

    def includes(self, flaw: Flaw) -> bool:
        """Report whether the repair of a flaw is done anyway."""
        if flaw.code in LOSABLE:
            return self.accept_damage
        done = {FIX: self.fix or self.transcode, TRANSCODE: self.transcode}
        return flaw.repair is not None and done[flaw.repair]

    @property
    def repairs(self) -> bool:
        """Report whether anything is done about flaws at all."""
        return self.fix or self.transcode

    def compressing(self, choice: str, ladder: tuple[int, ...]) -> RepairPolicy:
        """Return the policy with a choice of COMPRESSIONS, for levels of a ladder."""
        if choice == OFF:
            return self
        policy = self._replace(levels=ladder)
        return (
            policy._replace(fix=True, transcode=True) if choice == REPLACE else policy
        )

    def pick_levels(self, movie: Movie) -> list[int]:
        """Return the heights of levels that are below a clip's shorter side."""
        if movie.picture is None:
            return []
        coding = movie.picture.coding
        shorter = min(coding.width, coding.height)
        return [height for height in self.levels if height < shorter]


NO_REPAIR = RepairPolicy()


class Importer(NamedTuple):
    """What importing one file after the other needs; for several at once have several.

    The connection is in no transaction and speaks UTF8.
    """

    connection: Connection
    sandbox: Sandbox
    policy: RepairPolicy = NO_REPAIR
