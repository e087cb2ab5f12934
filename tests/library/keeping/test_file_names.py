from __future__ import annotations

import pytest

from server.library.keeping.file_names import name_file


@pytest.mark.parametrize(
    ("filename", "file"),
    [
        ("rise_sun.mp4", "rise_sun.mp4"),
        ("Über 上升.MOV", "Über 上升.MOV"),
        ("42", "42.mp4"),
        ("a.b", "a.b.mp4"),
        (".hidden.mp4", "_.hidden.mp4"),
        ("../../etc/x.mp4", "_.._.._etc_x.mp4"),
        ("..", "_.mp4"),
        ("", "_.mp4"),
        (".mp4", "_.mp4"),
        ("what?.mp4", "what_.mp4"),
        ("a \n.mp4", "a _.mp4"),
        ("end. .mp4", "end.mp4"),
        ("é" * 200 + ".webm", "é" * 100 + ".webm"),
    ],
)
def test_file_has_a_name_that_every_file_system_takes(filename: str, file: str) -> None:
    assert name_file(filename, 7, set()) == file


def test_files_differ_in_more_than_letters() -> None:
    taken: set[str] = set()
    names = [
        "a.mp4",
        "A.mp4",
        "a-3.mp4",
        "A.MP4",
        "u\u0308.mp4",
        "\u00fc.mp4",
        "a-8.mp4",
    ]
    files = [name_file(name, number, taken) for number, name in enumerate(names, 1)]
    assert files == [
        "a.mp4",
        "A-2.mp4",
        "a-3.mp4",
        "A-4.MP4",
        "u\u0308.mp4",
        "\u00fc-6.mp4",
        "a-8.mp4",
    ]
    assert name_file("A.mp4", 8, taken) == "A-8-2.mp4"
