"""What HLS can't play as it is, by its code, and what is just inside of each bound."""

from __future__ import annotations

import pytest

from server.hls.layout import Unfit
from server.library.mp4.unfit import UNFIT_CODES
from tests.clips import box
from tests.hls.virtual import plan
from tests.hls.writer import (
    AVCC,
    ESDS,
    Sample,
    Track,
    make_pictures,
    make_sound,
    picture_entry,
    sound_entry,
    write,
)
from tests.hls.written import SPEED, pair

HIDDEN = box(b"sinf", box(b"frma", b"avc1"))
MP3 = ESDS.replace(b"\x40\x15", b"\x6b\x15")
PARAMETERLESS = AVCC[:5] + b"\xe0\0"


def pictures(*entries: bytes, number: int = 150, second: int = 1 << 30) -> Track:
    """Return pictures whose sample entry is another from a number on."""
    track = make_pictures(number)
    samples = [
        sample._replace(entry=1 + (place >= second))
        for place, sample in enumerate(track.samples)
    ]
    return track._replace(samples=samples, entries=entries)


def cut(data: bytes) -> bytes:
    """Return a file without its last byte, whose last box says so."""
    at = data.index(b"mdat") - 4
    size = int.from_bytes(data[at : at + 4], "big") - 1
    return data[:at] + size.to_bytes(4, "big") + data[at + 4 : -1]


def overlap() -> bytes:
    """Return a file whose second chunk lies where its first one is."""
    data = bytearray(write([make_pictures(60)], [(0, 30), (0, 30)]))
    at = data.index(b"stco") + 12
    data[at + 4 : at + 8] = data[at : at + 4]
    return bytes(data)


def keyless() -> Track:
    """Return pictures that are marked as no key frames up to the second GOP."""
    track = make_pictures(150)
    samples = [
        sample._replace(is_key=number == 30)
        for number, sample in enumerate(track.samples)
    ]
    return track._replace(samples=samples)


def edit(*edits: tuple[int, int, int]) -> bytes:
    """Return pictures with an edit list."""
    return write([make_pictures(150, edits=edits)])


def large(size: int) -> bytes:
    """Return two pictures without a key frame between them."""
    return write(
        [
            make_pictures(2)._replace(
                samples=[Sample(size, 512), Sample(9, 512, 0, False)]
            )
        ]
    )


REFUSED = {
    "no tracks": ("hls-malformed", write([], [])),
    "samples over one another": ("hls-malformed", overlap()),
    "cut short": ("hls-cut-short", cut(write([make_pictures(150)]))),
    "fragmented": ("hls-fragmented", write(*pair(), more=box(b"mvex"))),
    "encrypted": (
        "hls-encrypted",
        write([pictures(picture_entry(HIDDEN, kind=b"encv"))]),
    ),
    "MPEG-4": ("hls-codec", write([pictures(picture_entry(kind=b"mp4v"))])),
    "parameters in samples": (
        "hls-codec",
        write([pictures(picture_entry(record=PARAMETERLESS))]),
    ),
    "MP3": (
        "hls-codec",
        write([make_sound(99)._replace(entries=[sound_entry(record=MP3)])]),
    ),
    "entry changes inside a GOP": (
        "hls-entries",
        write(
            [pictures(picture_entry(), picture_entry(), second=40)], [(0, 40), (0, 110)]
        ),
    ),
    "codec changes": (
        "hls-entries",
        write(
            [
                pictures(
                    picture_entry(),
                    picture_entry(box(b"av1C", bytes(4)), kind=b"av01", record=b""),
                    second=60,
                )
            ],
            [(0, 60), (0, 90)],
        ),
    ),
    "two edits": ("hls-edits", edit((1000, 0, SPEED), (1000, 30720, SPEED))),
    "slow edit": ("hls-edits", edit((1000, 0, SPEED // 2))),
    "empty edit alone": ("hls-edits", edit((1000, -1, SPEED))),
    "edit after the end": ("hls-edits", edit((1000, 512 * 200, SPEED))),
    "no key first": ("hls-no-key-first", write([keyless()])),
    "edit in a GOP": ("hls-cut-inside-gop", edit((4000, 512 * 38, SPEED))),
    "GOP of 21 s": ("hls-long-gop", write([make_pictures(630, gop=630)])),
    "sound for 2.1 s after the picture": (
        "hls-short-track",
        write(*pair(None, make_sound(333))),
    ),
    "pictures for 2.1 s after the sound": (
        "hls-short-track",
        write(*pair(make_pictures(213))),
    ),
    "sound after 20 s": (
        "hls-short-track",
        write(
            *pair(
                make_pictures(750),
                make_sound(234, edits=[(20100, -1, SPEED), (0, 0, SPEED)]),
            )
        ),
    ),
}
ACCEPTED = {
    "edit after a GOP": edit((4000, 512 * 30, SPEED)),
    "edit 0.23 s in a GOP": edit((4000, 512 * 37, SPEED)),
    "edit of no length": edit((0, 0, SPEED)),
    "GOP of 20 s": write([make_pictures(600, gop=600)]),
    "sound for 1.9 s after the picture": write(*pair(None, make_sound(323))),
    "pictures for 1.9 s after the sound": write(*pair(make_pictures(207))),
    "sound after 5 s": write(
        *pair(
            make_pictures(300),
            make_sound(234, edits=[(5000, -1, SPEED), (0, 0, SPEED)]),
        )
    ),
    "entry that no sample has": write(
        [pictures(picture_entry(), picture_entry(kind=b"mp4v"))]
    ),
}


@pytest.mark.parametrize(("code", "data"), REFUSED.values(), ids=REFUSED)
def test_file_is_refused(code: str, data: bytes) -> None:
    with pytest.raises(Unfit) as caught:
        plan(data)
    assert caught.value.code == code
    sentence = str(caught.value)
    assert sentence.startswith(f"The video {caught.value.reason}: ")
    assert sentence.endswith(
        f"--{caught.value.repair}." if caught.value.repair else "again."
    )


def test_each_code_has_a_file() -> None:
    assert {code for code, _ in REFUSED.values()} == set(UNFIT_CODES)


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED)
def test_file_within_the_bound_is_played(data: bytes) -> None:
    assert plan(data).size


def test_gop_has_a_bound_of_bytes() -> None:
    assert plan(large((32 << 20) - 9)).size
    test_file_is_refused("hls-long-gop", large(32 << 20))


def test_hidden_pictures_of_a_gop_are_shown_and_sound_waits_for_them() -> None:
    hidden = 512 * 36  # 0.2 s after the second key frame
    sound = make_sound(234, edits=[(3700, 57600, SPEED)])
    picture, heard = plan(
        write(*pair(make_pictures(150, edits=[(3800, hidden, SPEED)]), sound))
    ).streams
    assert picture.first == 30
    assert (picture.show(30), picture.delay) == (0, 512 * 6)
    assert heard.delay == 9600
    # From 1 s of the sound on, 3 frames more.
    assert heard.first == 47 - 3


def test_samples_after_an_edit_are_left_out() -> None:
    layout = plan(edit((2000, 0, SPEED)))
    assert list(layout.borders[0]) == [0, 60]
    assert layout.duration == 2
