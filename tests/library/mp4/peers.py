"""Other readers of MP4, each a process that answers lines: npm's mp4box, and FFmpeg."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

ROOT = Path(__file__).parents[3]
_MOST_SECONDS = 20  # a file
_LOOK_AHEAD = 64  # samples, among which is the one that is shown first


class Table(NamedTuple):
    """What the sample tables of a track come to; times are in units of its media."""

    handler: str
    total: int
    end: int  # the byte after the last sample
    first_shown: int
    last: int  # how much later than the first the last sample is decoded
    keys: tuple[int, ...]  # numbers of key frames, from 1 on; empty if all are some


class Peer:
    """A process that tells of one file after the other."""

    def __init__(self, *command: str, folder: Path = ROOT) -> None:
        self._command, self._folder = command, folder
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def ask(self, path: Path) -> Any:
        """Return the answer about a file, None if it is the end of the process."""
        if self._process is None:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        timer = Timer(_MOST_SECONDS, process.kill)
        timer.start()
        try:
            print(path, file=process.stdin, flush=True)
            line = process.stdout.readline()
        finally:
            timer.cancel()
        if line.endswith("\n"):
            return json.loads(line)
        self._end()
        return None

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def open_ffmpeg() -> Peer:
    """Return FFmpeg, whose answer has tracks and broken."""
    return Peer(sys.executable, "-m", "tests.library.mp4.ffmpeg_peer")


def sum_up(tracks: Sequence[Mapping[str, Any]] | None) -> list[Table]:
    """Return the tables of pictures and sound.

    None if a number lacks, or if tables contradict each other: each reader makes of
    them what it will.
    """
    tracks = tracks or []
    for track in tracks:
        lacks = any(None in sample for sample in track["samples"])
        if lacks or not track.get("isCoherent", True):
            return []
    return [
        _sum_up_track(track) for track in tracks if track["handler"] in ("vide", "soun")
    ]


def _sum_up_track(track: Mapping[str, Any]) -> Table:
    samples = track["samples"]
    keys = tuple(number for number, sample in enumerate(samples, 1) if sample[5])
    start = samples[0][2] if samples else 0
    stop = samples[-1][2] if samples else 0
    shown = [pts for _, _, _, pts, _, _ in samples[:_LOOK_AHEAD]]
    return Table(
        track["handler"],
        len(samples),
        max((offset + size for offset, size, *_ in samples), default=0),
        min(shown, default=0),
        stop - start,
        () if len(keys) == len(samples) else keys,
    )
