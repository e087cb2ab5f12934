"""Who the client is behind proxies."""

import pytest

from server.telemetry.proxies import find_client, parse_networks

TRUSTED = parse_networks("10.0.0.0/8, 2001:db8::/32,192.0.2.7")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.2.3.4", "198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1, "], "10.0.0.1"),
        ("192.0.2.8", ["198.51.100.1"], "192.0.2.8"),
        ("2001:db8::1", ["2001:0DB9::00a"], "2001:db9::a"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("", ["198.51.100.1"], ""),
        ("unix:", [], "unix:"),
        ("unix:", ["1.2.3.4, 198.51.100.1, 10.0.0.1"], "198.51.100.1"),
    ],
)
def test_client_is_the_nearest_that_is_not_trusted(
    peer: str, forwarded: list[str], client: str
) -> None:
    assert find_client(peer, forwarded, TRUSTED) == client


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert find_client("10.0.0.1", ["198.51.100.1"], ()) == "10.0.0.1"


@pytest.mark.parametrize("text", ["10.0.0.1/8", "example.com", "10.0.0.0/33"])
def test_networks_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|has host bits"):
        parse_networks(text)
