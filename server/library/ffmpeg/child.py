"""What runs inside the sandbox: it asks for bytes, never opens what it was not given.

Requests and answers are on standard output and input; the sandbox is their other end.
An answer is an object with either `answer` or `failure`, as describe_failure makes it.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import signal
import sys
import traceback
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from server.installation import explain
from server.library.ffmpeg.memory import MEMORY_BYTES
from server.library.ffmpeg.source import DONE, REQUEST, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[..., object]

FILE_BYTES = 1 << 30
OUT_OF_MEMORY = 3  # the exit status that says so
_PR_SET_PDEATHSIG = 1  # prctl(2)
_PACKAGE = str(Path(__file__).parents[2])


def limit_process() -> None:
    """Bound what a hostile file can make FFmpeg take."""
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(kind, (most, hard))


def limit_memory(most: int) -> None:
    """Bound the address space of this process for good."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def limit_time(seconds: int) -> None:
    """Let this process be killed after so many more seconds of computing."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    most = int(used.ru_utime + used.ru_stime) + seconds + 1
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (most, hard))


def end_with_parent(number: signal.Signals) -> None:
    """Have this process get a signal when the thread that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def wait_for_others() -> None:
    """Have this process, and those it starts, run only while no other wants to.

    Its reads and writes of files wait as well (ioprio_set(2), on the default).
    """
    os.nice(19)
    if sys.platform == "linux":
        with suppress(OSError):  # not everywhere allowed
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


@cache
def load_jobs() -> dict[str, Job]:
    """Return what can be asked for; from then on this process is limited."""
    from server.library.ffmpeg.comparing import compare
    from server.library.ffmpeg.cutting import cut, cut_encoded, find_key_frames
    from server.library.ffmpeg.frames import thumbnail
    from server.library.ffmpeg.levels import encode_level
    from server.library.ffmpeg.previews import animation, picture_at, storyboard
    from server.library.ffmpeg.probe import probe
    from server.library.ffmpeg.remux import digest, remux
    from server.library.ffmpeg.transcode import transcode, transcode_sound
    from server.library.ffmpeg.trial import make_trial

    limit_process()
    gc.freeze()  # what stays needs no second look
    copying = (digest, remux, compare, find_key_frames, cut, cut_encoded)
    encoding = (transcode, transcode_sound, encode_level)
    pictures = (thumbnail, picture_at, animation, storyboard)
    jobs = (probe, *copying, *encoding, *pictures, make_trial)
    return {job.__name__: job for job in jobs}


def serve_jobs(asked: BinaryIO, answers: BinaryIO) -> None:
    """Do one job after the other, until there are no more; first say that we can."""
    with suppress(Exception):  # the first job is told of what is wrong
        load_jobs()
    asked.write(REQUEST.pack(DONE, 0))
    asked.flush()
    while line := answers.readline():
        job = json.loads(line)
        limit_time(job["seconds"])
        source = Source(asked, answers, job["size"])
        try:
            answer = {"answer": load_jobs()[job["name"]](source, **job["values"])}
            text = json.dumps(answer).encode()
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        except Exception as error:
            text = json.dumps({"failure": describe_failure(error)}).encode()
        asked.write(REQUEST.pack(DONE, len(text)) + text)
        asked.flush()
        gc.collect()  # filters and their threads are in cycles


def describe_failure(error: Exception) -> dict[str, str]:
    """Return the kind, message and place of an exception, and all of its trace.

    The place is where our own code was last; installation says what is broken there.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(_PACKAGE)]
    file, line = (ours or frames)[-1][:2]
    return {
        "kind": type(error).__name__,
        "message": str(error),
        "place": f"{os.path.basename(file)}, line {line}",
        "installation": explain(error) or "",
        "trace": "".join(traceback.format_exception(error)),
    }


def main() -> None:
    """Serve jobs on standard input and output, and keep libraries off these.

    The arguments are how many bytes of memory we may take and, if there are others, how
    much we give way to other processes (nice(2)), and idle if we only work while none
    of them wants to.
    """
    limit_memory(int(sys.argv[1]))
    for way in sys.argv[2:]:
        if way == "idle":
            end_with_parent(signal.SIGKILL)
            wait_for_others()
        else:
            os.nice(int(way))
    with (
        os.fdopen(os.dup(sys.stdin.fileno()), "rb") as answers,
        os.fdopen(os.dup(sys.stdout.fileno()), "wb") as asked,
        open(os.devnull, "r+b") as nothing,
    ):
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            os.dup2(nothing.fileno(), stream.fileno())
        serve_jobs(asked, answers)


if __name__ == "__main__":
    main()
