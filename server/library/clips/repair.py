"""Mend a clip: by moving boxes, by copying its samples, or by encoding it anew.

What is given is only read; what comes of it is a new file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from server.library.clips.check import FAULT, FIX, NOTE, TRANSCODE
from server.library.ffmpeg.damage import read_written
from server.library.ffmpeg.sandbox import OverrunError
from server.library.mp4.boxes import MalformedError
from server.library.mp4.reorder import reorder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import BufferedReader
    from pathlib import Path

    from server.library.clips.check import Flaw, Limits, Repair
    from server.library.ffmpeg.damage import Damage
    from server.library.ffmpeg.sandbox import Sandbox
    from server.library.mp4.boxes import Read

FIX_SECONDS = 60
TRANSCODE_SECONDS = 600
ACCEPT_DAMAGE = "--accept-damage keeps the rest of it"
_OVERRUN = "FFmpeg fails, or needs more time or memory than it gets"
_REMUXED = {"fragmented", "not-mp4"}  # mended by other boxes, not by other places


class RepairError(Exception):
    """It cannot be mended; the message says why."""


class Media(NamedTuple):
    """The bytes of a clip, wherever they are kept."""

    read: Read
    size: int  # bytes


def open_media(file: BufferedReader) -> Media:
    """Return the bytes of an open file."""
    number = file.fileno()
    return Media(
        lambda start, length: os.pread(number, length, start),
        os.fstat(number).st_size,
    )


def plan_repair(flaws: Sequence[Flaw], *, transcode: bool) -> Repair | None:
    """Return the repair to make; None if none is needed or would be enough."""
    helpful = (FIX, TRANSCODE) if transcode else (FIX,)
    if any(f.severity == FAULT and f.repair not in helpful for f in flaws):
        return None
    repairs = [flaw.repair for flaw in flaws if flaw.severity != NOTE]
    if transcode and TRANSCODE in repairs:
        return TRANSCODE
    return FIX if FIX in repairs else None


def fix_clip(
    media: Media, flaws: Sequence[Flaw], target: Path, sandbox: Sandbox
) -> None:
    """Write to target the clip with its samples as they are.

    RepairError if a sample would differ, or FFmpeg or the boxes stand in the way.
    """
    try:
        remuxes = bool(_REMUXED & {flaw.code for flaw in flaws})
        if remuxes:
            reason = sandbox.run("remux", *media, FIX_SECONDS, target=str(target))
            if reason:
                raise RepairError(reason)
        else:
            with target.open("wb") as file:
                file.writelines(reorder(*media))
        before = sandbox.run("digest", *media, FIX_SECONDS, planned=remuxes)
        with target.open("rb") as file:
            after = sandbox.run(
                "digest", *open_media(file), FIX_SECONDS, planned=remuxes
            )
    except MalformedError as error:
        raise RepairError(f"it {error}") from None
    except OverrunError:
        raise RepairError(_OVERRUN) from None
    if not before or before != after:
        raise RepairError("its samples would not stay the same")


def transcode_clip(
    media: Media,
    target: Path,
    limits: Limits,
    sandbox: Sandbox,
    *,
    accept_damage: bool = False,
) -> tuple[Damage, ...]:
    """Write to target H.264 and AAC within the limits, and return what was lost.

    RepairError if it can't be, or if something is damaged and that is not accepted.
    """
    try:
        answer = sandbox.run(
            "transcode",
            *media,
            TRANSCODE_SECONDS,
            target=str(target),
            limit=(limits.bytes, limits.height, limits.fps),
            accept_damage=accept_damage,
        )
    except OverrunError:
        raise RepairError(_OVERRUN) from None
    written = read_written(answer)
    if written.failure:
        refused = any(each.is_refused for each in written.damage)
        more = f"; {ACCEPT_DAMAGE}" if refused and not accept_damage else ""
        raise RepairError(written.failure + more)
    return written.damage
