"""Inputs changed at random, for where there is no atheris. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

LONGEST = 8192  # bytes of an input
_CHANGES = (1, 1, 2, 4)


def mutate(kept: Sequence[bytes], words: Sequence[bytes], random: Random) -> bytes:
    """Return one of the kept inputs, changed here and there."""
    data = bytearray(random.choice(kept))
    for _ in range(random.choice(_CHANGES)):
        at = random.randrange(len(data) + 1)
        end = min(at + random.choice((1, 1, 2, 4, 16)), len(data))
        way = random.randrange(6)
        if way == 0 and at < len(data):
            data[at] = random.randrange(256)
        elif way == 1:
            del data[at:end]
        elif way == 2:
            data[at:at] = data[at:end] * random.choice((1, 2, 8))
        elif way == 3 and words:
            data[at:at] = random.choice(words)
        elif way == 4 and words:
            data[at:end] = random.choice(words)
        elif way == 5:
            other = random.choice(kept)
            data[at:] = other[random.randrange(len(other) + 1) :]
    return bytes(data[:LONGEST])
