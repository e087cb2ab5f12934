"""python -m bench.soak.watched serve …: the server, which tells how many tasks it has.

At SIGUSR2 a process writes the number into a file of its process id, in the folder that
BENCH_TASKS names.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from server.cli import main

if TYPE_CHECKING:
    from types import FrameType


def tell(number: int, frame: FrameType | None) -> None:
    """Write how many tasks there are; nothing where no loop runs."""
    with suppress(RuntimeError, OSError):
        path = Path(os.environ["BENCH_TASKS"], f"{os.getpid()}")
        path.write_text(f"{len(asyncio.all_tasks())}")


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, tell)
    sys.exit(main())
