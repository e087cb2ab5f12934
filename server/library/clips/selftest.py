"""Do the installed libraries work together? A clip made on the spot tells."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from server.errors import Fault
from server.library.clips.repair import open_media
from server.library.ffmpeg.probe_result import ProbeResult
from server.library.ffmpeg.sandbox import (
    OverrunError,
    Sandbox,
    SandboxFault,
    start_python,
)
from server.library.temporary import check_room, temporary_folder

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 20  # of computing, for each step
_REMEDY = "reinstall bytereel in an environment of its own"


def check_ffmpeg(sandbox: Sandbox) -> None:
    """Raise Fault unless a clip made on the spot can be checked and repaired."""
    try:
        with temporary_folder() as folder:
            reason = _try_in(sandbox, folder)
    except OSError as error:
        raise Fault(
            f"cannot create a file in {tempfile.gettempdir()} ({error.strerror})",
            "free some space there, or set TMPDIR to another folder",
        ) from error
    if reason:
        raise Fault(
            f"{_name_pyav()} cannot check and repair a clip made for this test "
            f"({reason})",
            _REMEDY,
        )


def _try_in(sandbox: Sandbox, folder: Path) -> str:
    """Return what does not work, nothing if all does; FolderFull if it has no room."""
    try:
        reason = _try_all(sandbox, folder)
    except OverrunError:
        reason = "FFmpeg crashes, or gets too little time or memory"
    except SandboxFault as fault:
        reason = fault.failure
    if reason:
        check_room(folder.parent)
    return reason


def _try_all(sandbox: Sandbox, folder: Path) -> str:
    """Return what does not work, nothing if all does."""
    clip, made = str(folder / "clip.mp4"), str(folder / "made.mp4")
    sandbox.run("make_trial", lambda *_: b"", 0, _SECONDS, target=clip)
    with open(clip, "rb") as file:
        media = open_media(file)
        probed = ProbeResult(*sandbox.run("probe", *media, _SECONDS, whole=True))
        limit = media.size * 100, 64, 30
        picture = sandbox.run("thumbnail", *media, _SECONDS, most=media.size * 100)
        return (
            probed.broken
            or sandbox.run("remux", *media, _SECONDS, target=made)[0]
            or sandbox.run("transcode", *media, _SECONDS, target=made, limit=limit)[0]
            or ("" if picture else "no picture can be made of it")
        )


def _name_pyav() -> str:
    try:
        return f"PyAV {version('av')}"
    except PackageNotFoundError:
        return "PyAV, which is not installed,"


def check_beside() -> None:
    """Check in a process of its own, which tells what is wrong as a warning.

    It is nobody's child: nobody waits for it, and no worker is taken for it.
    """
    with suppress(OSError):  # too little memory, say: serving needs no FFmpeg
        shell = ["sh", "-c", '"$@" &', "sh"]
        start_python("server.library.clips.selftest", before=shell).wait()


def main() -> None:
    """Tell what is wrong as a warning; be kind to those who have work to do."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    os.nice(10)
    with Sandbox() as sandbox:
        try:
            check_ffmpeg(sandbox)
        except Fault as fault:
            logging.warning("%s", fault)


if __name__ == "__main__":
    main()
