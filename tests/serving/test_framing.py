"""Where bodies end, however they come; chunks are those of RFC 9112, 7.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.api.errors import Refused
from server.serving.framing import BODY_BYTES, LINE_BYTES, Chunked, Sized

CHUNKS = [
    b"0\r\n\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"00A\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n",
    b'5;a;b=c;d="e f"\r\nhello\r\n0\r\n\r\n',
    b"1\r\nx\r\n0\r\nX: y\r\nZ:\r\n\r\n",
]
BROKEN = [
    b"\r\n",
    b"x\r\n",
    b"-1\r\n",
    b"5 \r\n",
    b"5\n",
    b"5;\x00\r\n",
    b"1\r\nxy\r\n",
    b"0\r\nno trailer\r\n",
    b"0" * (LINE_BYTES + 1),
    b"5;" + b"a" * LINE_BYTES,
    b"1\r\nx\r\n" * 4000,
    b"0\r\n" + b"X: y\r\n" * 4000,
]


def feed(body: Chunked, data: bytes, step: int) -> None:
    for at in range(0, len(data), step):
        body.take(data[at : at + step])


def test_body_of_a_length_ends_there() -> None:
    body = Sized(7)
    assert [body.take(b"abcde"), body.take(b"fghi"), body.take(b"j")] == [5, 2, 0]
    assert body.ended


@given(st.sampled_from(CHUNKS), st.lists(st.integers(1, 9), max_size=20))
def test_chunks_end_where_they_end_however_they_come(
    data: bytes, steps: list[int]
) -> None:
    body, sent, taken = Chunked(None), data + b"GET /", 0
    for step in [*steps, len(sent)]:
        if body.ended:
            break
        taken += body.take(sent[taken : taken + step])
    assert (body.ended, taken) == (True, len(data))


@pytest.mark.parametrize("data", BROKEN)
@pytest.mark.parametrize("step", [1, 100_000])
def test_what_is_no_chunk_is_refused(data: bytes, step: int) -> None:
    with pytest.raises(Refused) as caught:
        feed(Chunked(None), data, step)
    assert caught.value.status == 400


def test_chunks_have_a_limit_that_is_known_before_they_come() -> None:
    line = b"%x\r\n" % BODY_BYTES
    assert Chunked(BODY_BYTES).take(line) == len(line)
    with pytest.raises(Refused) as caught:
        Chunked(BODY_BYTES).take(b"%x\r\n" % (BODY_BYTES + 1))
    assert caught.value.status == 413
