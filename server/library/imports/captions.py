"""Take the captions beside the clips of an import, once these are in the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.library.captions.taking import (
    CaptionTaker,
    Exported,
    ImportedClip,
    TakenCaptions,
)
from server.postgres.refusals import opening

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from server.library.captions.sidecars import Sidecar
    from server.library.imports.manifest import Manifest


def take_captions(
    url: str,
    sidecars: Sequence[Sidecar],
    clips: Sequence[ImportedClip],
    exports: Mapping[Path, Manifest],
    *,
    language: str | None,
    dry_run: bool,
) -> list[TakenCaptions]:
    """Return what became of each file of captions.

    Of an export only those are taken that it tells of: others were deleted since.
    """
    exported = {
        folder / each.file: Exported(folder / clip.file, each.language)
        for folder, manifest in exports.items()
        for clip in manifest.clips
        for each in clip.captions or ()
    }
    complete = {
        folder
        for folder, manifest in exports.items()
        if all(clip.captions is not None for clip in manifest.clips)
    }
    wanted = [
        one
        for one in sidecars
        if one.path in exported or one.path.parent not in complete
    ]
    with opening(url) as connection:
        taker = CaptionTaker(
            connection, clips, exported, language=language, dry_run=dry_run
        )
        return list(taker.take(wanted))
