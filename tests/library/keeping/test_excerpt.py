"""Which part of a clip is meant, and where it may begin."""

from __future__ import annotations

import pytest

from server.errors import Fault
from server.library.keeping.excerpt import (
    Excerpt,
    choose_key,
    list_names,
    need_inside,
)
from server.library.keeping.swap import OldClip

KEYS = [0.0, 2.002, 4.004]


@pytest.mark.parametrize(
    ("begin", "end", "part"),
    [
        (0.0, None, (0.0, 8.3)),
        (2.0, 4.5, (2.0, 4.5)),
        (2.0, 8.3, (2.0, 8.3)),
        (2.0, 8.33, (2.0, 8.3)),  # as others round it
    ],
)
def test_part_lies_in_the_clip(
    begin: float, end: float | None, part: tuple[float, float]
) -> None:
    assert need_inside(Excerpt("1", begin, end), "video 1", 8.3) == part


@pytest.mark.parametrize(
    ("begin", "end", "sentence"),
    [
        (8.3, None, "is 8.3 s long and has nothing at 8.3 s: give --from below 8.3"),
        (2.0, 9.0, "is 8.3 s long and has nothing at 9 s: give --to up to 8.3"),
        (4.0, 4.0, "--to 4 is not behind --from 4: video 1 is 8.3 s long"),
        (4.0, 3.5, "--to 3.5 is not behind --from 4"),
    ],
)
def test_wrong_moment_is_told_with_the_length(
    begin: float, end: float | None, sentence: str
) -> None:
    with pytest.raises(Fault) as caught:
        need_inside(Excerpt("1", begin, end), "video 1", 8.3)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("begin", "encode", "key"),
    [
        (0.0, False, 0.0),
        (2.002, False, 2.002),
        (2.0, False, 2.002),
        (2.01, False, 2.002),
        (3.0, True, 2.002),
        (4.0, True, 4.004),
    ],
)
def test_copy_begins_at_a_key_frame(begin: float, encode: bool, key: float) -> None:
    assert choose_key(KEYS, begin, "video 1", encode=encode) == key


@pytest.mark.parametrize(
    ("begin", "advice"),
    [
        (3.0, "give --from 2.002 or --from 4.004, or add --encode"),
        (5.0, "give --from 4.004, or add --encode"),
    ],
)
def test_nearest_key_frames_are_named(begin: float, advice: str) -> None:
    with pytest.raises(Fault, match=f"no key frame at {begin:.0f} s.*{advice}"):
        choose_key(KEYS, begin, "video 1", encode=False)


def test_names_say_which_part_it_is() -> None:
    old = OldClip(7, "run_person.mov")
    first, second, *_ = list_names(Excerpt("7"), old, 2.002, 5)
    assert (first, second) == ("run_person_2.002-5.mp4", "run_person_2.002-5-2.mp4")
    assert list_names(Excerpt("7", name="x.mp4"), old, 0, 1) == ["x.mp4"]
    long = list_names(Excerpt("7"), OldClip(7, "ä" * 250 + ".mp4"), 0, 1)
    assert max(map(len, long)) <= 255
