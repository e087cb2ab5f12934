"""Mend a clip: by moving boxes, by copying its samples, or by encoding it anew.

What is given is only read; what comes of it is a new file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from server.library.clips.check import FAULT, FIX, NOTE, TRANSCODE
from server.library.ffmpeg.damage import read_written
from server.library.ffmpeg.sandbox import OverrunError
from server.library.mp4.boxes import MalformedError
from server.library.mp4.inspection import digest_samples
from server.library.mp4.movie import read_movie
from server.library.mp4.reorder import reorder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from io import BufferedReader
    from pathlib import Path

    from server.library.clips.check import Flaw, Limits, Repair
    from server.library.ffmpeg.damage import Damage
    from server.library.ffmpeg.sandbox import Sandbox
    from server.library.mp4.boxes import Read

FIX_SECONDS = 60
TRANSCODE_SECONDS = 600
ACCEPT_DAMAGE = "--accept-damage keeps the rest of it"
SOUND: Final = "sound"  # only that is encoded
DAMAGE = {"damaged-pictures", "damaged-sound", "undecodable"}
"""Codes of flaws that only encoding what is left can mend."""
EDITED: Final = "edit-list-shift"
SHIFT_SECONDS = 0.1  # with less of it nobody minds
_OVERRUN = "FFmpeg fails, or needs more time or memory than it gets"
OF_SOUND = {"audio-codec", "audio-config", "audio-entries", "damaged-sound"}
"""Codes of flaws for which no picture is to be encoded."""
# These are mended by other boxes, not by other places.
_REMUXED = {
    "fragmented",
    "not-mp4",
    EDITED,
    "in-band-parameters",
    "chunk-table",
    "several-audio-tracks",
    "several-video-tracks",
}
Method = Literal["fix", "sound", "transcode"]
METHODS: Final = (FIX, SOUND, TRANSCODE)
"""What can be done, the least first."""


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
    method = choose_method(flaws, transcode=transcode)
    return TRANSCODE if method == SOUND else method


def choose_method(
    flaws: Sequence[Flaw], *, transcode: bool, accept_damage: bool = False
) -> Method | None:
    """Return the least that mends what can be mended; None as for plan_repair."""
    accepted = DAMAGE if transcode and accept_damage else set[str]()
    helpful = (FIX, TRANSCODE) if transcode else (FIX,)
    serious = [flaw for flaw in flaws if flaw.severity != NOTE]
    if any(
        flaw.severity == FAULT
        and flaw.repair not in helpful
        and flaw.code not in accepted
        for flaw in serious
    ):
        return None
    encoded = {
        flaw.code
        for flaw in serious
        if flaw.code in accepted or (transcode and flaw.repair == TRANSCODE)
    }
    if encoded:
        return SOUND if encoded <= OF_SOUND else TRANSCODE
    return FIX if any(flaw.repair == FIX for flaw in serious) else None


def fix_clip(
    media: Media, flaws: Sequence[Flaw], target: Path, sandbox: Sandbox
) -> tuple[Damage, ...]:
    """Write to target the clip with its samples as they are; return what was lost.

    RepairError if a sample would differ, or FFmpeg or the boxes stand in the way.
    """
    codes = {flaw.code for flaw in flaws if flaw.repair == FIX}
    remuxes = bool(_REMUXED & codes)
    damage: tuple[Damage, ...] = ()
    if remuxes:
        try:
            damage = _remux(media, target, sandbox)
        except RepairError:
            if codes & _REMUXED != {EDITED} or codes == {EDITED}:
                raise
            remuxes = False  # the edit list stays, the rest is mended
    if not remuxes:
        try:
            with target.open("wb") as file:
                file.writelines(reorder(*media))
        except MalformedError as error:
            raise RepairError(f"it {error}") from None
    if not _keeps_samples(media, target, sandbox, planned=remuxes):
        raise RepairError("its samples would not stay the same")
    return damage


def _keeps_samples(
    media: Media, target: Path, sandbox: Sandbox, *, planned: bool
) -> bool:
    """Report whether target has the samples of a clip, or those that a copy keeps."""
    if before := _digest(media, sandbox, planned=planned):
        return before == _digest_file(target, sandbox)
    if planned:
        return False
    with target.open("rb") as file:  # FFmpeg may need the boxes that were mended
        found, made = (
            digest_samples(each.read, read_movie(*each))
            for each in (media, open_media(file))
        )
    return found == made != []


def _remux(media: Media, target: Path, sandbox: Sandbox) -> tuple[Damage, ...]:
    try:
        answer = sandbox.run("remux", *media, FIX_SECONDS, target=str(target))
    except OverrunError:
        raise RepairError(_OVERRUN) from None
    written = read_written(answer)
    if written.failure:
        raise RepairError(written.failure)
    return written.damage


def transcode_clip(
    media: Media,
    target: Path,
    limits: Limits,
    sandbox: Sandbox,
    *,
    accept_damage: bool = False,
) -> tuple[Damage, ...]:
    """Write to target H.264 and AAC within the limits, and return what was lost.

    RepairError if it can't be, if something is damaged and that is not accepted, or if
    the result is worse than it should be.
    """
    limit = (limits.bytes, limits.height, limits.fps)
    values = {"limit": limit, "accept_damage": accept_damage}
    damage = _encode("transcode", media, target, sandbox, values)
    _compare(media, target, limits, sandbox, pictures=True)
    return damage


def transcode_sound(
    media: Media,
    target: Path,
    limits: Limits,
    sandbox: Sandbox,
    *,
    accept_damage: bool = False,
) -> tuple[Damage, ...]:
    """Write to target the pictures as they are and the sound as AAC.

    It returns and raises what transcode_clip does.
    """
    values = {"accept_damage": accept_damage}
    damage = _encode("transcode_sound", media, target, sandbox, values)
    before, after = _digest(media, sandbox, planned=True), _digest_file(target, sandbox)
    if not before or before[0] != after[0]:
        raise RepairError("its pictures would not stay the same")
    _compare(media, target, limits, sandbox, pictures=False)
    return damage


def _encode(
    job: str,
    media: Media,
    target: Path,
    sandbox: Sandbox,
    values: Mapping[str, Any],
) -> tuple[Damage, ...]:
    try:
        answer = sandbox.run(
            job, *media, TRANSCODE_SECONDS, target=str(target), **values
        )
    except OverrunError:
        raise RepairError(_OVERRUN) from None
    written = read_written(answer)
    if written.failure:
        refused = any(each.is_refused for each in written.damage)
        more = f"; {ACCEPT_DAMAGE}" if refused and not values["accept_damage"] else ""
        raise RepairError(written.failure + more)
    return written.damage


def _compare(
    media: Media, target: Path, limits: Limits, sandbox: Sandbox, *, pictures: bool
) -> None:
    """Raise RepairError if target is worse than what it was made of."""
    try:
        reason = sandbox.run(
            "compare",
            *media,
            TRANSCODE_SECONDS,
            target=str(target),
            fps=limits.fps,
            pictures=pictures,
        )
    except OverrunError:
        raise RepairError(_OVERRUN) from None
    if reason:
        raise RepairError(reason)


def _digest(media: Media, sandbox: Sandbox, *, planned: bool) -> list[list[str]]:
    """Return digests of the samples of picture and sound; nothing without these.

    planned: of those that a copy keeps.
    """
    try:
        found = sandbox.run("digest", *media, FIX_SECONDS, planned=planned)
    except OverrunError:
        raise RepairError(_OVERRUN) from None
    return list(found)


def _digest_file(path: Path, sandbox: Sandbox) -> list[list[str]]:
    """Return digests of all samples that were written."""
    with path.open("rb") as file:
        return _digest(open_media(file), sandbox, planned=False)
