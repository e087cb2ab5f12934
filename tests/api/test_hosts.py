"""What may stand in a Host header; rows are written from RFC 3986, 3.2.2."""

from __future__ import annotations

import pytest

from server.api.hosts import is_host

HOSTS = [
    *("", "a", "video.example", "a:80", "a:", "a:0", "a:65535", "192.0.2.1:8080"),
    *("[::1]", "[2001:db8::1]:443", "[v1.a:b]", "a_b", "%C3%A4.example", "-", "a,b"),
    "a" * 300,
]
NO_HOSTS = [
    *("a b", "a/b", "a:b", "a:1:2", ":80", "a:65536", "a:000080", "user@a", "a?b"),
    *("[::1", "::1", "[::1]x", "[::g]", "[]", "[::1%eth0]", "[v1.]", "ä", "a%", "a#b"),
    *("http://a", "a\t", "%zz", "a\\b", "<a>", 'a"b'),
]


@pytest.mark.parametrize("text", HOSTS)
def test_hosts_are_taken(text: str) -> None:
    assert is_host(text)


@pytest.mark.parametrize("text", NO_HOSTS)
def test_what_is_no_host_is_refused(text: str) -> None:
    assert not is_host(text)
