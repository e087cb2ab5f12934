"""Which file an exported clip becomes: one that import finds again. No I/O."""

from __future__ import annotations

import os
import re
import unicodedata

from server.library.suffixes import VIDEO_SUFFIXES

_NAME_BYTES = 200  # file systems take 255, and a temporary name is longer
_SUFFIX = ".mp4"
# What some file system does not take, and control characters.
_UNFIT = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')


def name_file(filename: str, video_id: int, taken: set[str]) -> str:
    """Return the name of a clip's file, and add it to those that are taken.

    It is the name in the table where every file system takes that, import lists it, and
    no other clip has it, in whatever case of letters.
    """
    name = _UNFIT.sub("_", filename)
    if name.startswith("."):  # import passes over hidden files
        name = f"_{name}"
    stem, suffix = os.path.splitext(name)
    if suffix.lower() not in VIDEO_SUFFIXES:
        stem, suffix = name, _SUFFIX
    stem = _cut(stem.rstrip(" .") or "_")
    name = stem + suffix
    if _key(name) in taken:
        name = f"{stem}-{video_id}{suffix}"
    count = 1
    while _key(name) in taken:
        count += 1
        name = f"{stem}-{video_id}-{count}{suffix}"
    taken.add(_key(name))
    return name


def _cut(stem: str) -> str:
    return stem.encode()[:_NAME_BYTES].decode(errors="ignore")


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
