"""How boxes are written (ISO/IEC 14496-12, 4.2). No I/O."""

from __future__ import annotations


def wrap(kind: str, *parts: bytes) -> bytes:
    """Return a box around its parts."""
    body = b"".join(parts)
    return (len(body) + 8).to_bytes(4, "big") + kind.encode("latin-1") + body


def wrap_full(kind: str, flags: int, *parts: bytes, version: int = 0) -> bytes:
    """Return a box with a version and flags before its parts."""
    return wrap(kind, (version << 24 | flags).to_bytes(4, "big"), *parts)
