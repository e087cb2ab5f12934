"""Can a secret be guessed? No I/O."""

from __future__ import annotations

from itertools import pairwise

SURPRISING_MIN = 10
"""Characters of a token that must be neither a known word nor foreseen by others."""

# Longer ones first: what is left of a word is not known by itself.
_WORDS = (
    *("administrator", "correcthorsebatterystaple", "supersecret", "development"),
    *("passphrase", "1q2w3e4r5t6y", "production", "changethis", "replaceme"),
    *("bytereel", "changeme", "password", "iloveyou", "postgres", "asdfghjkl"),
    *("qwertyuiop", "zxcvbnm", "letmein", "welcome", "example", "default"),
    *("correct", "battery", "staple", "insert", "bearer", "secret", "access"),
    *("qwerty", "dragon", "monkey", "master", "public", "private", "passwd"),
    *("token", "admin", "horse", "login", "guest", "video", "videos", "server"),
    *("please", "change", "super", "local", "here", "your", "root", "pass"),
    *("test", "user", "demo", "temp", "this", "key", "api", "the"),
)


def token_is_weak(token: str) -> bool:
    """Report whether a token is made of known words, runs such as 123, repetitions."""
    rest = _cut_repetition(token.lower())
    for word in sorted(_WORDS, key=len, reverse=True):
        rest = rest.replace(word, " ")
    surprising = "".join(rest.split())
    return len(_cut_runs(surprising)) < SURPRISING_MIN


def _cut_repetition(text: str) -> str:
    """Return the part that a text repeats, if it is nothing else."""
    return text[: (text + text).find(text, 1)]


def _cut_runs(text: str) -> str:
    """Return a text without characters that go on as the two before them began."""
    steps = [ord(after) - ord(before) for before, after in pairwise(text)]
    kept = text[:2]
    for place in range(2, len(text)):
        before, step = steps[place - 2], steps[place - 1]
        if before != step or abs(step) > 1:
            kept += text[place]
    return kept
