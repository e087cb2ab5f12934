"""What a Host header may say (RFC 9110, 7.2; RFC 3986, 3.2.2). No I/O."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address

PORT_MAX = 65535

_NAME = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+(?::([0-9]*))?")
_LITERAL = re.compile(r"\[([^]%]*)\](?::([0-9]*))?")
_FUTURE = re.compile(r"[vV][0-9A-Fa-f]+\.[A-Za-z0-9._~!$&'()*+,;=:-]+")


def is_host(text: str) -> bool:
    """Report whether text is a host with or without a port, or empty.

    A client whose target has no authority must send an empty one (RFC 9112, 3.2).
    """
    if not text:
        return True
    if found := _NAME.fullmatch(text):
        return _is_port(found[1])
    found = _LITERAL.fullmatch(text)
    return found is not None and _is_port(found[2]) and _is_address(found[1])


def _is_port(digits: str | None) -> bool:
    return not digits or (len(digits) <= 5 and int(digits) <= PORT_MAX)


def _is_address(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return _FUTURE.fullmatch(text) is not None
    return True
