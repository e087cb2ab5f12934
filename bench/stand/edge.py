"""nginx in front, with the configuration that we ship."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from bench.stand.process import find_port, on_core, stop, wait_for
from server.edge.nginx import render_nginx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Edge(NamedTuple):
    """An nginx that answers."""

    process: subprocess.Popen[str]
    port: int
    folder: Path

    def purge(self) -> None:
        """Forget every video; nginx fetches anew what has no file."""
        for path in (self.folder / "cache").rglob("*"):
            if path.is_file():
                with suppress(FileNotFoundError):  # nginx has just done it
                    path.unlink()


@contextmanager
def running_edge(
    folder: Path, origin_port: int, cache_mb: int, core: int | None = None
) -> Iterator[Edge]:
    """Run nginx before the origin on origin_port; folder is its own."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    port = find_port()
    written = render_nginx(
        f"127.0.0.1:{port}", f"127.0.0.1:{origin_port}", folder, cache_mb
    )
    (folder / "nginx.conf").write_text(written)
    log = folder / "nginx.log"
    command = ["nginx", "-p", f"{folder}", "-c", f"{folder}/nginx.conf"]
    with log.open("w") as said, on_core(core):
        process = subprocess.Popen(
            [*command, "-g", f"daemon off; pid {folder}/nginx.pid;"],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            text=True,
            env=os.environ | {"LC_ALL": "C"},
            start_new_session=True,
        )
    try:
        wait_for(process, port, log)
        yield Edge(process, port, folder)
    finally:
        stop(process)
