"""X-Forwarded-For: nobody can name himself whom a trusted proxy has not heard."""

from __future__ import annotations

from ipaddress import ip_address

from server.telemetry.proxies import find_client, parse_networks

WORDS = [
    *(b"10.0.0.1", b"192.0.2.7", b"::1", b"::ffff:10.0.0.1", b"fe80::1%eth0", b", "),
    *(b"\n", b"10.0.0.0/8", b"2001:db8::/32", b"[::1]:80", b"10.0.0.1:80", b"unknown"),
    *(b"010.0.0.1", b"1.2.3", b"_hidden", b'for="a"', b"0.0.0.0/0", b"::/0"),
]
TRUSTED = parse_networks("10.0.0.0/8, 2001:db8::/32")


def fuzz_forwarded(data: bytes) -> None:
    """Read lines as headers, and as a list of networks."""
    lines = data.decode(errors="surrogateescape").split("\n")
    for peer in ("10.0.0.1", "192.0.2.1", "::ffff:10.0.0.1", "2001:db8::5", ""):
        client = find_client(peer, lines, TRUSTED)
        assert client == find_slowly(peer, lines)
        assert find_client(peer, lines, ()) == peer
    for line in lines:
        try:
            networks = parse_networks(line)
        except ValueError as error:
            str(error).encode(errors="surrogateescape")
        else:
            find_client("10.0.0.1", lines, networks)


def find_slowly(peer: str, lines: list[str]) -> str:
    """Go from the server outwards, as long as the one who tells is trusted."""
    chain = ", ".join(lines).split(",")
    client = peer
    while chain and is_ours(client):
        heard = chain.pop().strip()
        try:
            address = ip_address(heard)
        except ValueError:
            return client
        client = str(address)
        if address.version == 6 and address.ipv4_mapped:
            client = str(address.ipv4_mapped)
    return client


def is_ours(text: str) -> bool:
    """Report whether an address is one of TRUSTED, by its digits."""
    plain = text.removeprefix("::ffff:").partition("%")[0]
    try:
        address = ip_address(plain)
    except ValueError:
        return False
    packed = address.packed
    return packed[0] == 10 if address.version == 4 else packed[:4] == b"\x20\1\r\xb8"
