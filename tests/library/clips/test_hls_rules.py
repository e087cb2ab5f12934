"""Why a clip has no HLS is told as a note, unless something graver is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.library.clips.check import EXPORT, Limits
from server.library.clips.checking import check_media
from server.library.clips.hls_rules import find_hls_flaw
from server.library.clips.repair import open_media
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import open_file
from tests.clips import GOOD, Kind, make
from tests.hls.test_refusals import ACCEPTED, REFUSED

if TYPE_CHECKING:
    from pathlib import Path

SLOW = Kind(
    fps=5,
    frames=110,
    gop=1000,
    audio=None,
    options=(("x264-params", "scenecut=0:keyint=infinite"),),
)


def tell(data: bytes) -> str | None:
    flaw = find_hls_flaw(lambda start, length: data[start:][:length], len(data))
    return f"{flaw.severity} {flaw.code}" if flaw else None


@pytest.mark.parametrize("name", REFUSED)
def test_code_is_that_of_the_server(name: str) -> None:
    code, data = REFUSED[name]
    if name != "samples over one another":  # which is told as damage
        assert tell(data) == f"note {code}"


@pytest.mark.parametrize("name", ACCEPTED)
def test_clip_with_hls_has_no_note(name: str) -> None:
    assert tell(ACCEPTED[name]) is None


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (GOOD, []),
        (SLOW, ["over-duration", "key-frame-interval", "hls-long-gop"]),
        (SLOW._replace(pixels="yuv422p"), None),
    ],
)
def test_note_is_told_where_there_is_no_fault(
    kind: Kind, expected: list[str] | None, tmp_path: Path
) -> None:
    path = make(tmp_path / "a.mp4", kind)
    with open_file(path) as file, Sandbox() as sandbox:
        flaws = check_media(open_media(file), sandbox, Limits()).flaws
    codes = [flaw.code for flaw in flaws]
    if expected is None:
        assert "fault" in {flaw.severity for flaw in flaws}
        assert not any(code.startswith("hls-") for code in codes)
    else:
        assert sorted(codes) == sorted(expected)


def test_note_has_the_reason_and_the_remedy() -> None:
    data = REFUSED["GOP of 21 s"][1]
    flaw = find_hls_flaw(lambda start, length: data[start:][:length], len(data))
    assert flaw is not None
    assert flaw.tell("a.mp4") == (
        "a.mp4 has no HLS, for it has a key frame only after 21 s, over 20: "
        "import it with --transcode"
    )
    data = REFUSED["encrypted"][1]
    flaw = find_hls_flaw(lambda start, length: data[start:][:length], len(data))
    assert flaw is not None
    assert (flaw.remedy, flaw.repair) == (EXPORT, None)


def test_file_without_an_index_is_no_matter_of_hls() -> None:
    assert tell(b"") is None
