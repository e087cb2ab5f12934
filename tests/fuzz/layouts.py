"""The index of a file as HLS reads it: refused, or a layout that adds up."""

from __future__ import annotations

from itertools import islice

from server.hls.layout import Unfit, plan_layout
from server.hls.playlists import describe_variant, render_iframes, render_media
from server.library.mp4.unfit import UNFIT_CODES
from tests.fuzz.movies import WORDS, mutate

__all__ = ["WORDS", "mutate"]
_FILE_BYTES = 1 << 20
_PIECES = 2_000  # that are looked at


def fuzz_layout(data: bytes) -> None:
    """Read the bytes as what is inside a box moov, of a file of a megabyte."""
    try:
        layout = plan_layout(data, _FILE_BYTES)
    except Unfit as error:
        if error.code in UNFIT_CODES:
            str(error).encode()
            return
        raise
    sent = 0
    pieces = list(islice(layout.iter_pieces(0, layout.size - 1), _PIECES))
    for piece in pieces:
        if isinstance(piece, range):
            assert 0 <= piece.start < piece.stop <= _FILE_BYTES
            sent += len(piece)
    assert sent <= _FILE_BYTES
    if len(pieces) < _PIECES:
        assert sum(map(len, pieces)) == layout.size
    render_media(layout, "hls1.mp4").encode()
    if layout.has_pictures:
        render_iframes(layout, "hls1.mp4").encode()
    assert describe_variant(layout, "a", "i").bandwidth > 0
