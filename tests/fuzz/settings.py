"""Values of settings: whatever is typed is taken, or refused in one sentence."""

from __future__ import annotations

import argparse
import os
import re
import warnings
from contextlib import suppress

from server.config import SETTINGS
from server.errors import Fault
from server.postgres.address import Address

WORDS = [
    *(b"0", b"1", b"65535", b"1e3", b"nan", b"inf", b"1_0", b"\xd9\xa3", b"json", b"-"),
    *(b"10.0.0.0/8", b"::1/128", b"fe80::1%a", b",", b"(?P<a>b)", b"{99999999999}"),
    *(b"[[a]", b"(?i)", b"*", b"+", b"(" * 40, b"postgresql://a:b@c:5/d?e=f"),
    *(b"host=/a port=b", b"'", b"%zz", b"session", b"0123456789abcdef"),
]


def fuzz_settings(data: bytes) -> None:
    """Read a text as the value of each setting."""
    text = os.fsdecode(data.replace(b"\0", b""))  # as it comes from a command line
    for setting in SETTINGS.values():
        with warnings.catch_warnings(), suppress(argparse.ArgumentTypeError):
            warnings.simplefilter("ignore")  # of patterns
            setting.type(text)
    if re.fullmatch(r"[0-9.]+", text):
        with suppress(argparse.ArgumentTypeError):
            pace = SETTINGS["pace"].type(text)
            assert pace == 0 or 1.1 <= float(text) <= 1000
    try:
        Address(text, 10.0)
    except Fault as fault:
        sentence = str(fault)
        assert len(text) < 30 or text not in sentence, "it may hold a password"
