"""Files of captions beside clips: which clip each is for, and in which language.

run_person.en.vtt is for run_person.mp4, in English; run_person.vtt too, in a language
that is told otherwise. run_person.mp4.en.vtt is for that file alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from server.library.captions.blocks import MAX_BYTES
from server.library.captions.languages import parse_language
from server.library.files import FileFault, unreadable, walk_folder
from server.library.suffixes import VIDEO_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CAPTION_SUFFIXES = (".vtt", ".srt")


class Sidecar(NamedTuple):
    """A file of captions; its name can be read in two ways."""

    path: Path
    stem: str  # without its suffix
    clip: str  # without its language too
    language: str | None  # that its name tells; else stem and clip are the same

    def list_names(self) -> list[str]:
        """Return the file names that its clip may have in the table, in order."""
        stems = dict.fromkeys((self.stem, self.clip))
        return [
            name
            for stem in stems
            for name in (stem, *(f"{stem}{suffix}" for suffix in VIDEO_SUFFIXES))
        ]


def is_sidecar(path: Path) -> bool:
    """Report whether a file is named as captions are."""
    return path.suffix.lower() in CAPTION_SUFFIXES


def read_name(path: Path) -> Sidecar:
    """Return what the name of a file of captions tells."""
    clip, _, tag = path.stem.rpartition(".")
    language = parse_language(tag) if clip else None
    return Sidecar(path, path.stem, clip if language else path.stem, language)


def find_sidecars(paths: Iterable[Path]) -> list[Sidecar]:
    """Return the captions among paths, in folders, and beside the clips that are named.

    Of two that are for one clip in one language, WebVTT comes first.
    """
    found = dict.fromkeys(path for each in paths for path in _list_files(each))
    sidecars = [read_name(path) for path in found]
    return sorted(
        sidecars, key=lambda one: (one.path.parent, one.stem, one.path.suffix != ".vtt")
    )


def _list_files(path: Path) -> Iterator[Path]:
    if os.path.isdir(path):
        inside = walk_folder(path, CAPTION_SUFFIXES)
        yield from filter(is_sidecar, inside)
    elif is_sidecar(path):
        yield path
    else:
        yield from _list_beside(path)


def _list_beside(clip: Path) -> Iterator[Path]:
    try:
        names = sorted(os.listdir(clip.parent))
    except OSError:  # then the clip cannot be read either, which is told
        return
    for name in names:
        if name.startswith(f"{clip.stem}."):
            path = clip.parent / name
            if is_sidecar(path) and _is_of(read_name(path), clip):
                yield path


def _is_of(sidecar: Sidecar, clip: Path) -> bool:
    return not {sidecar.stem, sidecar.clip}.isdisjoint({clip.stem, clip.name})


class ClipsByName:
    """Clips of folders by their names, to find that of a sidecar."""

    def __init__(self, clips: Iterable[Path]) -> None:
        self._clips: dict[tuple[Path, str], list[Path]] = {}
        for clip in clips:
            for name in {clip.stem, clip.name}:
                self._clips.setdefault((clip.parent, name), []).append(clip)

    def find(self, sidecar: Sidecar) -> tuple[list[Path], str | None]:
        """Return the clips of a sidecar, and the language that its name then tells."""
        folder = sidecar.path.parent
        if clips := self._clips.get((folder, sidecar.stem)):
            return clips, None
        return self._clips.get((folder, sidecar.clip), []), sidecar.language


def read_sidecar(path: Path, shown: str) -> bytes:
    """Return a file, or as much of it as shows that it is too large; FileFault."""
    if not os.path.isfile(path):
        raise FileFault(shown, "is not a file", "give a WebVTT or SRT file")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise unreadable(shown, error) from None
