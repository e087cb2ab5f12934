"""Files that a person named: found in folders, opened, named in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.library.ffmpeg.probe import FORMATS
from server.library.files import (
    FileFault,
    find_files,
    open_file,
    tell_texts,
)
from server.library.suffixes import FORMAT_SUFFIXES, TEXT_SUFFIXES, VIDEO_SUFFIXES
from tests.clips import Kind, make

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = "export const größe = 1;\r\n\tconsole.log('\x1b[31m', größe);\n"
STILL = {
    *("mp3", "wav", "flac", "aac", "gif", "apng"),
    *("png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe"),
}
"""Formats without moving pictures."""


def test_all_formats_that_are_read_have_suffixes() -> None:
    assert set(FORMATS.split(",")) - STILL == set(FORMAT_SUFFIXES)
    assert len(set(VIDEO_SUFFIXES)) == len(VIDEO_SUFFIXES)
    assert set(TEXT_SUFFIXES) < set(VIDEO_SUFFIXES)


def test_every_suffix_is_found_in_small_and_capital_letters(tmp_path: Path) -> None:
    names = {f"{n}{s}" for n, s in enumerate(VIDEO_SUFFIXES)}
    names |= {f"big{n}{s.upper()}" for n, s in enumerate(VIDEO_SUFFIXES)}
    for name in (*names, "a.mp3", "b.txt", "c.tsx", "mkv", "d.mkv~"):
        (tmp_path / name).touch()
    assert {path.name for path in find_files([tmp_path])} == names


def test_sources_of_typescript_are_no_videos(tmp_path: Path) -> None:
    video = make(tmp_path / "b.ts", Kind(format="mpegts"))
    (tmp_path / "empty.ts").touch()
    (tmp_path / "video.mp4").write_text(SOURCE)
    sources = [tmp_path / name for name in ("a.ts", "c.MTS", "d.ts")]
    sources[0].write_text(SOURCE, encoding="latin-1")
    sources[1].write_text(SOURCE, encoding="utf-8")
    sources[2].write_text("x" * 5000 + "ü")
    texts: list[Path] = []
    found = [path.name for path in find_files([tmp_path], texts)]
    assert found == [video.name, "empty.ts", "video.mp4"]
    assert texts == sources
    assert tell_texts(texts) == (
        f"{sources[0]} and 2 more are texts, not videos: they are left out"
    )
    assert tell_texts(texts[:1]).startswith(f"{sources[0]} is a text, not a video:")
    # One that was named is told of by itself.
    assert find_files(sources, texts) == sources
    with pytest.raises(FileFault, match=r"a.ts is a text, not a video: leave it out$"):
        open_file(sources[0])
    open_file(video).close()


def test_folder_of_sources_alone_stands_for_itself(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_text(SOURCE)
    assert find_files([tmp_path]) == [tmp_path]


@pytest.mark.long
def test_folders_may_be_nested_deeply(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 1500)
    for parent in reversed((deep, *deep.parents)):
        parent.mkdir(exist_ok=True)
    (deep / "a.mp4").touch()
    try:
        assert find_files([tmp_path]) == [deep / "a.mp4"]
    finally:  # pytest's own cleaning up is recursive
        (deep / "a.mp4").unlink()
        for parent in (deep, *deep.parents[:1499]):
            parent.rmdir()
    assert not list(tmp_path.iterdir())
