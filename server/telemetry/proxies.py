"""Who asks, where proxies that are trusted stand in between. No I/O."""

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Networks = Sequence[IPv4Network | IPv6Network]

UNIX = "unix:"
"""The peer on a unix socket, which only a proxy uses: it is trusted."""


def parse_networks(text: str) -> Networks:
    """Return addresses and networks from a list with commas; raise ValueError."""
    parts = (part.strip() for part in text.split(","))
    return tuple(ip_network(part) for part in parts if part)


def find_client(peer: str, forwarded: Sequence[str], trusted: Networks) -> str:
    """Return the address nearest to us that is not a trusted proxy's.

    peer is the other end of the connection, forwarded the X-Forwarded-For headers in
    their order: each proxy adds at the end whom it heard, and what stands before the
    first one that is not trusted may be made up.
    """
    if not trusted and peer != UNIX:
        return peer
    told = [part.strip() for header in forwarded for part in header.split(",")]
    client = peer
    for heard in reversed(told):
        if not is_trusted(client, trusted) or parse_address(heard) is None:
            break
        client = str(parse_address(heard))
    return client


def is_trusted(text: str, trusted: Networks) -> bool:
    """Report whether an address is a trusted proxy's."""
    if text == UNIX:
        return True
    address = parse_address(text)
    return address is not None and any(address in network for network in trusted)


def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, that of IPv4 where it is mapped into IPv6; None for no one."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
