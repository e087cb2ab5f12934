"""Sample entries, parameter sets and AAC: any bytes, and only MalformedError."""

from __future__ import annotations

from contextlib import suppress

from server.library.mp4.aac import count_contradictions, read_config
from server.library.mp4.boxes import MalformedError, Tree
from server.library.mp4.codecs import read_codings
from server.library.mp4.headers import fits_aperture, has_wrong_size, set_entry
from server.library.mp4.key_frames import split_units
from server.library.mp4.parameter_sets import read_avc_sequence, read_hevc_sequence
from tests.fuzz.movies import WORDS

__all__ = ["WORDS"]


def fuzz_entries(data: bytes) -> None:
    """Read the bytes as a sample description, and mend its entries."""
    for handler in ("vide", "soun", "text"):
        with suppress(MalformedError):
            tree = Tree(data, "stsd")
            codings = read_codings(tree, handler)
            for entry, coding in zip(tree.children(8), codings, strict=True):
                fits_aperture(coding)
                mended = set_entry(entry, coding, references=1)
                assert len(mended) <= len(entry.data)
                again = set_entry(Tree(mended, entry.kind), coding, references=1)
                assert handler != "vide" or again == mended
                if coding.parameters and has_wrong_size(coding):
                    told = coding.parameters
                    assert 0 < told.width < 1 << 16 > told.height > 0


def fuzz_parameters(data: bytes) -> None:
    """Read the bytes as parameter sets of both standards, and as units."""
    for read in (read_avc_sequence, read_hevc_sequence):
        with suppress(MalformedError):
            told = read(data)
            assert 0 < told.width < 1 << 16
            assert 0 < told.height < 1 << 16
            assert 0 <= told.profile < 256 > told.level >= 0
    for width in (1, 2, 3, 4):
        units = list(split_units(data, width))
        assert all(units)
        assert sum(map(len, units)) + len(units) * width <= len(data)


def fuzz_aac(data: bytes) -> None:
    """Read the bytes as a configuration and a frame behind it."""
    config = read_config(data[:8])
    if config is None:
        return
    assert 0 < config.object_type < 96
    assert 0 <= config.channels < 16
    assert 0 <= config.rate < 1 << 24
    config.can_last(0.02)
    found = count_contradictions(config, [data[8:], b""])
    assert set(found) <= {"one channel", "two channels"}
