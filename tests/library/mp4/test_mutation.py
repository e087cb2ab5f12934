"""Files damaged at random: check answers soon, and what it calls good is good."""

from __future__ import annotations

import time
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from server.library.clips.check import FAULT, Limits
from server.library.clips.checking import check_media
from server.library.clips.repair import Media
from server.library.ffmpeg.sandbox import PROBE_SECONDS, Sandbox
from server.library.mp4.boxes import MalformedError
from server.library.mp4.reorder import reorder
from tests.clips import Kind, make
from tests.library.mp4.mutations import mutate
from tests.library.mp4.peers import open_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    from server.library.mp4.boxes import Read
    from tests.library.mp4.peers import Peer

pytestmark = pytest.mark.xdist_group("mutation")  # they share findings

SECONDS = 3  # of damaging and checking, in every run
LONG_SECONDS = 150  # in CI's long run, for some 40,000 files
MOST_SECONDS = 2 * PROBE_SECONDS + 5  # a file; the sandbox ends what takes longer
MOST_READS = 200  # a file; these take 12
MOST_BYTES = 150  # read for each one of the file; FFmpeg reads ahead at each sample

_KINDS = (
    Kind(),
    Kind(frames=40, gop=12, movflags="", options=(("x264-params", "bframes=2"),)),
    Kind("libx265", tag="hvc1", options=(("x265-params", "log-level=none"),)),
    Kind(gop=1, movflags="+negative_cts_offsets"),
    Kind(frames=40, movflags="+frag_keyframe+empty_moov"),
    Kind(delay=2, timecode=True),
    Kind(fps=30, audio=None),
)


class Findings(NamedTuple):
    """How many files were checked, and what should not be; each names its seed."""

    checked: list[str]
    raised: list[str]
    overworked: list[str]
    undecodable: list[str]
    changed: list[str]


class Meter:
    """A file in memory that counts what is read of it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.reads, self.bytes = data, 0, 0

    def read(self, start: int, length: int) -> bytes:
        """Return bytes of the file, fewer at its end."""
        found = self.data[start : start + length]
        self.reads, self.bytes = self.reads + 1, self.bytes + len(found)
        return found


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(SECONDS, id="short"),
        pytest.param(LONG_SECONDS, id="long", marks=pytest.mark.long),
    ],
)
def findings(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Findings:
    """Return what is found in files of the seeds from 0 on until the time is over."""
    folder = tmp_path_factory.mktemp("mutation")
    whole = [
        make(folder / f"{number}.mp4", kind).read_bytes()
        for number, kind in enumerate(_KINDS)
    ]
    found = Findings([], [], [], [], [])
    end = time.monotonic() + request.param
    with Sandbox() as sandbox, open_ffmpeg() as ffmpeg:
        while time.monotonic() < end:
            seed = len(found.checked)
            data = mutate(whole[seed % len(whole)], Random(seed))
            name = f"seed {seed}"
            found.checked.append(name)
            if check(name, data, sandbox, found):
                compare(name, data, folder / "clip.mp4", ffmpeg, found)
    return found


def check(name: str, data: bytes, sandbox: Sandbox, found: Findings) -> bool:
    """Check a file and what it costs; report whether it has no fault."""
    meter, begun = Meter(data), time.monotonic()
    try:
        flaws = check_media(Media(meter.read, len(data)), sandbox, Limits()).flaws
    except Exception as error:
        found.raised.append(f"{name}: {error!r}")
        return False
    seconds = time.monotonic() - begun
    is_much = meter.reads > MOST_READS or meter.bytes > MOST_BYTES * (len(data) + 100)
    if seconds > MOST_SECONDS or is_much:
        found.overworked.append(f"{name}: {seconds} s, {meter.reads} reads")
    return all(flaw.severity != FAULT for flaw in flaws)


def compare(name: str, data: bytes, path: Path, ffmpeg: Peer, found: Findings) -> None:
    """Decode a file without faults, and see that in another order it is the same."""
    path.write_bytes(data)
    answer = ffmpeg.ask(path)
    if answer is None or answer["broken"]:
        found.undecodable.append(f"{name}: {answer and answer['broken']}")
    with suppress(MalformedError):
        path.write_bytes(put_in_order(Meter(data).read, len(data)))
        if list_samples(ffmpeg.ask(path)) != list_samples(answer):
            found.changed.append(name)


def put_in_order(read: Read, size: int) -> bytes:
    return b"".join(reorder(read, size))


def list_samples(answer: Any) -> Any:
    """Return the samples of pictures and sound with their bytes and times.

    Not their places, which change, nor what is marked, which is mended.
    """
    return [
        (track["digests"], [sample[1:5] for sample in track["samples"]])
        for track in (answer or {}).get("tracks") or []
    ]


def test_whole_files_have_no_faults(tmp_path: Path) -> None:
    found = Findings([], [], [], [], [])
    with Sandbox() as sandbox, open_ffmpeg() as ffmpeg:
        for number, kind in enumerate(_KINDS):
            data = make(tmp_path / "whole.mp4", kind).read_bytes()
            is_fine = check(f"kind {number}", data, sandbox, found)
            assert is_fine is ("frag" not in kind.movflags)
            if is_fine:
                compare(f"kind {number}", data, tmp_path / "clip.mp4", ffmpeg, found)
    assert found.undecodable == found.overworked == found.raised == []
    assert found.changed == []


def test_check_raises_nothing(findings: Findings) -> None:
    assert len(findings.checked) > 5
    assert findings.raised == []


def test_check_takes_no_more_than_its_bounds(findings: Findings) -> None:
    assert findings.overworked == []


def test_file_without_faults_can_be_decoded(findings: Findings) -> None:
    assert findings.undecodable == []


def test_other_order_has_the_same_samples(findings: Findings) -> None:
    assert findings.changed == []
