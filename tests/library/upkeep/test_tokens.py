from __future__ import annotations

import random
import string

import pytest

from server.library.upkeep.tokens import token_is_weak


@pytest.mark.parametrize(
    "token",
    [
        "aaaaaaaaaaaaaaaa",
        "changemechangeme",
        "ChangeMe-ChangeMe-ChangeMe",
        "0123456789abcdef",
        "fedcba9876543210",
        "abababababababababab",
        "password12345678",
        "bytereel-admin-token",
        "secret-token-for-the-admin",
        "correct-horse-battery-staple",
        "my-super-secret-key!",
        "x7Qx7Qx7Qx7Qx7Qx7Q",
    ],
)
def test_token_that_is_guessed_first_is_weak(token: str) -> None:
    assert token_is_weak(token)


@pytest.mark.parametrize(
    ("signs", "length"),
    [
        ("0123456789abcdef", 16),
        ("0123456789abcdef", 64),
        (string.ascii_letters + string.digits + "-_", 16),
        (string.ascii_letters + string.digits + "-_", 43),
        (string.digits, 24),
    ],
)
def test_random_token_is_not_weak(signs: str, length: int) -> None:
    source = random.Random(5)
    tokens = ["".join(source.choices(signs, k=length)) for _ in range(5000)]
    assert not [token for token in tokens if token_is_weak(token)]
