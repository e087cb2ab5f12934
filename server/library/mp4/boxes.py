"""The boxes of an MP4 file (ISO/IEC 14496-12, 4.2), over a way to read bytes. No I/O.

Nothing a file says of itself is believed before it fits into what is there.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

Read = Callable[[int, int], bytes]
"""Return so many bytes from an offset on; fewer only at the end."""

MAX_BOXES = 250_000  # in a file; an hour in fragments of a picture has 216,000
MAX_BOXES_INSIDE = 200  # another


class MalformedError(Exception):
    """The boxes contradict themselves; the message goes on after a file's name."""


class Box(NamedTuple):
    """Where a box lies; its end is what it claims, and may be beyond what there is."""

    kind: str
    start: int
    body: int
    end: int


def list_boxes(read: Read, start: int, stop: int, most: int = MAX_BOXES) -> list[Box]:
    """Return the boxes between two offsets, the last perhaps with an end beyond.

    What follows the last box and is none, such as padding, is left out. MalformedError
    for more than most boxes, and for a size that cannot be.
    """
    found: list[Box] = []
    while stop - start >= 8 and (box := read_box(read, start, stop)):
        if len(found) == most:
            raise MalformedError(f"has more than {most} boxes side by side")
        found.append(box)
        start = box.end
    return found


def read_box(read: Read, start: int, stop: int) -> Box | None:
    """Return a box, None where there is none; MalformedError for a size too small."""
    head = read(start, 16)
    size, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if not all(32 <= sign < 127 or sign == 0xA9 for sign in kind):  # © of QuickTime
        return None
    name, body = kind.decode("latin-1"), start + 8
    if size == 1:
        size, body = int.from_bytes(head[8:16], "big"), start + 16
    elif size == 0:  # to the end
        size = stop - start
    if start + size < body:
        raise MalformedError(
            f"has a box {name!r} at byte {start} whose size is given as {size}"
        )
    return Box(name, start, body, start + size)


class Tree:
    """A box in memory, and the way to those inside it."""

    def __init__(self, data: bytes | memoryview, kind: str = "") -> None:
        self.data = memoryview(data)
        self.kind = kind

    @cached_property
    def inside(self) -> dict[str, Tree]:
        """Return the boxes inside, of each kind the first."""
        return {tree.kind: tree for tree in reversed(self.children())}

    def children(self, skip: int = 0) -> list[Tree]:
        """Return the boxes inside, after skip bytes of fields; MalformedError."""
        found = []
        for box in list_boxes(self._read, skip, len(self.data), MAX_BOXES_INSIDE):
            if box.end > len(self.data):
                raise MalformedError(
                    f"has a box {box.kind!r} that is larger than the one around it"
                )
            found.append(Tree(self.data[box.body : box.end], box.kind))
        return found

    def find(self, *path: str) -> Tree | None:
        """Return the first box along a path of kinds."""
        tree: Tree | None = self
        for kind in path:
            if tree is not None:
                tree = tree.inside.get(kind)
        return tree

    def number(self, offset: int, size: int) -> int:
        """Return a big-endian number of the body; MalformedError if it ends before."""
        if offset + size > len(self.data):
            raise MalformedError(f"has a box {self.kind!r} that is too short")
        return int.from_bytes(self.data[offset : offset + size], "big")

    def text(self, offset: int) -> str:
        """Return four letters of the body."""
        return bytes(self.data[offset : offset + 4]).decode("latin-1")

    def _read(self, offset: int, length: int) -> bytes:
        return bytes(self.data[offset : offset + length])
