"""Which part of a clip becomes a clip of its own, and what came of it. No I/O."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from server.errors import Fault
from server.library.clips.moments import render_moment
from server.library.files import show_text
from server.library.report import show_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.library.clips.check import Flaw
    from server.library.keeping.swap import OldClip

_NEAR_SECONDS = 0.02  # to a key frame: less than a picture is shown
_PAST_SECONDS = 0.05  # by which an end may be behind the clip's, as it is rounded
_STEM_LETTERS = 200  # of a name that takes 255 at most
_SAME_NAMES = 100


class Excerpt(NamedTuple):
    """A part of a video, and how it is to be cut out."""

    video: str  # id or file name
    begin: float = 0.0  # seconds
    end: float | None = None  # None for the end of the video
    name: str | None = None  # of the new clip
    encode: bool = False
    dry_run: bool = False


class CutClip(NamedTuple):
    """The new clip, and of which part of which video it is."""

    status: str  # clipped, exists or would-clip
    video_id: int | None  # None in a dry run
    filename: str
    bytes: int
    begin: float  # seconds of the old one
    end: float
    source_id: int
    source_filename: str | None
    encoded: bool
    flaws: tuple[Flaw, ...]  # of the new one

    def as_json(self) -> dict[str, object]:
        """Return it as json.dumps takes it, with the codes of the flaws."""
        fields = self._asdict()
        begin, end = (round(fields.pop(name), 3) for name in ("begin", "end"))
        codes = [flaw.code for flaw in fields.pop("flaws")]
        return fields | {"from": begin, "to": end, "warnings": codes}


def need_inside(excerpt: Excerpt, shown: str, length: float) -> tuple[float, float]:
    """Return where the part begins and ends; Fault if it does not lie in the clip."""
    begin, end = excerpt.begin, length if excerpt.end is None else excerpt.end
    if begin >= length:
        raise Fault(
            f"{shown} is {show_seconds(length)} s long and has nothing at "
            f"{show_seconds(begin)} s: give --from below {show_seconds(length)}"
        )
    if end > length + _PAST_SECONDS:
        raise Fault(
            f"{shown} is {show_seconds(length)} s long and has nothing at "
            f"{show_seconds(end)} s: give --to up to {show_seconds(length)}, or leave "
            "it out"
        )
    if end <= begin:
        raise Fault(
            f"--to {show_seconds(end)} is not behind --from {show_seconds(begin)}: "
            f"{shown} is {show_seconds(length)} s long, give moments within it"
        )
    return begin, min(end, length)


def choose_key(
    keys: Sequence[float], begin: float, shown: str, *, encode: bool
) -> float:
    """Return the key frame from where on is copied.

    To encode it is the last one before. Else it has to be where the part begins: Fault
    if none is, with those that are near.
    """
    before = [key for key in keys if key <= begin + _NEAR_SECONDS]
    after = [key for key in keys if key > begin + _NEAR_SECONDS]
    if before and (encode or begin - max(before) <= _NEAR_SECONDS):
        return max(before)
    near = [*([max(before)] if before else []), *([min(after)] if after else [])]
    advice = " or ".join(f"--from {show_seconds(key)}" for key in near)
    raise Fault(
        f"{shown} has no key frame at {show_seconds(begin)} s, where a copy begins: "
        f"give {advice or 'another video'}, or add --encode"
    )


def list_names(excerpt: Excerpt, old: OldClip, begin: float, end: float) -> list[str]:
    """Return the names that the new clip may have, the best first."""
    if excerpt.name is not None:
        return [excerpt.name]
    stem = os.path.splitext(old.filename or f"video-{old.id}")[0][:_STEM_LETTERS]
    stem = f"{stem}_{show_seconds(begin)}-{show_seconds(end)}"
    more = (f"{stem}-{number}.mp4" for number in range(2, _SAME_NAMES))
    return [f"{stem}.mp4", *more]


def show_seconds(seconds: float) -> str:
    """Return seconds to the millisecond, without zeros at the end."""
    return render_moment(round(seconds * 1000))


def render_cut(clip: CutClip) -> str:
    """Return a line about the new clip."""
    number = "-" if clip.video_id is None else clip.video_id
    name = show_text(clip.filename)
    how = ", encoded" if clip.encoded else ""
    return (
        f"{clip.status}  {number}  {name}  {show_bytes(clip.bytes)}, "
        f"{show_seconds(clip.begin)} to {show_seconds(clip.end)} s of "
        f"{clip.source_id} {show_text(clip.source_filename or '')}{how}"
    )
