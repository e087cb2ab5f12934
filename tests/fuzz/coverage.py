"""Which inputs reach what: the steps from line to line in the code under test."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

    from tests.fuzz.targets import Target

    Step = tuple[str, int, int]

_TESTED = "/server/"  # what a path has to have in it


class _Tracer:
    """Collects steps: file, line before, line."""

    def __init__(self) -> None:
        self.steps: set[Step] = set()
        self._before: dict[int, int] = {}

    def __call__(self, frame: FrameType, event: str, _: object) -> _Tracer | None:
        path = frame.f_code.co_filename
        if _TESTED not in path:
            return None
        if event == "line":
            before = self._before.get(id(frame), 0)
            self.steps.add((path, before, frame.f_lineno))
            self._before[id(frame)] = frame.f_lineno
        elif event == "return":
            self._before.pop(id(frame), None)
        return self


def list_steps(target: Target, data: bytes) -> set[Step]:
    """Return the steps that an input takes."""
    tracer = _Tracer()
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        target(data)
    finally:
        sys.settrace(before)
    return tracer.steps


def choose(
    target: Target, kept: Iterable[bytes], new: Iterable[bytes]
) -> Iterator[bytes]:
    """Yield of the new inputs, in their order, each that takes a new step."""
    known: set[Step] = set()
    for data in kept:
        known |= list_steps(target, data)
    for data in new:
        steps = list_steps(target, data)
        if not steps <= known:
            known |= steps
            yield data
