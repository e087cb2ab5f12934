"""Rows are from what the makers of edges document, and from RFC 9111 and 9211."""

from __future__ import annotations

import pytest
from yarl import URL

from server.edge.answers import EdgeAnswer, EdgeProbe, join_headers
from server.edge.caches import read_cache
from server.edge.client import find_proxy
from server.edge.examine import (
    find_middle,
    is_public,
    judge_scheme,
    list_conditional,
)
from server.edge.policies import explain_miss, find_cookies, forbids
from server.edge.refusals import find_refusal

CACHES = [
    ("", "", ""),
    ("Server: nginx", "nginx", ""),
    ("Server: cloudflare; CF-Cache-Status: HIT; X-Cache: MISS", "Cloudflare", "HIT"),
    ("CF-Ray: 1; CF-Cache-Status: DYNAMIC", "Cloudflare", "DYNAMIC"),
    ("CF-Cache-Status: BYPASS", "Cloudflare", "BYPASS"),
    ("CF-Cache-Status: MISS; Age: 9", "Cloudflare", "MISS"),
    ("CF-Cache-Status: EXPIRED", "Cloudflare", "EXPIRED"),
    ("CF-Cache-Status: REVALIDATED", "Cloudflare", "REVALIDATED"),
    ("CF-Cache-Status: UPDATING", "Cloudflare", "UPDATING"),
    ("CF-Cache-Status: STALE", "Cloudflare", "STALE"),
    ("CF-Cache-Status: NONE/UNKNOWN", "Cloudflare", ""),
    ("X-Cache: Hit from cloudfront; Via: 1.1 a.cloudfront.net", "CloudFront", "HIT"),
    ("X-Cache: Miss from cloudfront; X-Amz-Cf-Pop: FRA", "CloudFront", "MISS"),
    ("X-Cache: RefreshHit from cloudfront", "CloudFront", "REVALIDATED"),
    ("X-Cache: Error from cloudfront", "CloudFront", ""),
    ("X-Served-By: cache-fra-1, cache-ams-2; X-Cache: HIT, MISS", "Fastly", "MISS"),
    ("X-Served-By: cache-ams-2; X-Cache: MISS, HIT; Age: 0", "Fastly", "HIT"),
    ("X-Timer: S1; X-Cache: PASS; Via: 1.1 varnish", "Fastly", "BYPASS"),
    ("X-Varnish: 32770 3; Via: 1.1 host (Varnish/7.1); Age: 0", "Varnish", "HIT"),
    ("X-Varnish: 32770; Via: 1.1 host (Varnish/7.1); Age: 0", "Varnish", "MISS"),
    ("Via: 1.1 host (Varnish/7.1); X-Cache: cached; Age: 12", "Varnish", "HIT"),
    ("X-Varnish: 5 3; X-Cache-Status: MISS; Server: nginx", "Varnish", "HIT"),
    ("X-Cache-Status: HIT", "nginx", "HIT"),
    ("X-Proxy-Cache: BYPASS; Server: nginx/1.22.1", "nginx", "BYPASS"),
    ("X-Nginx-Cache: EXPIRED", "nginx", "EXPIRED"),
    ("X-Cache: TCP_HIT from a (AkamaiGHost/1)", "Akamai", "HIT"),
    ("X-Cache: TCP_REFRESH_MISS from a (AkamaiGHost/1)", "Akamai", "EXPIRED"),
    ("Server: BunnyCDN-DE1; CDN-Cache: STALE", "bunny.net", "STALE"),
    ("X-Cache: CONFIG_NOCACHE", "a cache", "BYPASS"),
    ('Cache-Status: Origin; hit, "Edge, one"; fwd=uri-miss', "Edge, one", "MISS"),
    ("Cache-Status: Edge; hit; ttl=9", "Edge", "HIT"),
    ("Cache-Status: Edge; fwd=bypass", "Edge", "BYPASS"),
    ("Cache-Status: Edge; fwd=stale; fwd-status=304", "Edge", "REVALIDATED"),
    ("Cache-Status: Edge; fwd=stale", "Edge", "EXPIRED"),
    ("Cache-Status: Edge", "Edge", ""),
    ("Cache-Status: ;", "", ""),
    ("Age: 0", "", ""),
    ("Age: 77", "a cache", "HIT"),
    ("Via: 1.1 Caddy", "1.1 Caddy", ""),
]


def parse_headers(text: str) -> dict[str, str]:
    """Return headers of a line of the table; a name follows a semicolon and a space."""
    lines: list[str] = []
    for each in text.split("; "):
        name = each.partition(":")[0]
        if ":" in each and name.replace("-", "").isalpha():
            lines.append(each)
        else:
            lines[-1:] = ["; ".join([*lines[-1:], each])]
    pairs = (line.partition(": ") for line in lines if line)
    return join_headers((name, value) for name, _, value in pairs)


@pytest.mark.parametrize(("headers", "edge", "state"), CACHES)
def test_cache_is_read_from_headers(headers: str, edge: str, state: str) -> None:
    cached = read_cache(parse_headers(headers))
    assert (cached.edge, cached.state) == (edge, state)


WHY = [
    ("CF-Cache-Status: BYPASS; Set-Cookie: a=b", "/1.mp4", "cookie"),
    ("CF-Cache-Status: BYPASS; Cache-Control: private", "/1.mp4", "private"),
    ("X-Cache: MISS; Vary: *", "/1.mp4", "Vary"),
    ("CF-Cache-Status: DYNAMIC", "/v3/videos/1", "no extension"),
    ("CF-Cache-Status: DYNAMIC", "/v3/videos/1.mp4", "rule"),
    ("X-Cache: MISS; Transfer-Encoding: chunked", "/1.mp4", "Content-Length"),
    ("CF-Cache-Status: BYPASS; Content-Length: 2", "/1.mp4", "rule"),
    ("X-Cache: EXPIRED; Content-Length: 2", "/1.mp4", "too old"),
    ("X-Cache: MISS; Content-Length: 2", "/1.mp4", "anew"),
]


@pytest.mark.parametrize(("headers", "path", "why"), WHY)
def test_why_nothing_is_kept(headers: str, path: str, why: str) -> None:
    answer = EdgeAnswer(EdgeProbe("again"), 206, parse_headers(headers))
    assert why in explain_miss(answer, path, 2)[0]


def test_cloudflare_keeps_no_large_video() -> None:
    answer = EdgeAnswer(EdgeProbe("again"), 206, {"cf-cache-status": "MISS"})
    assert "512" in explain_miss(answer, "/1.mp4", 600_000_000)[0]


def test_only_cookies_of_cloudflare_itself_are_let_pass() -> None:
    pairs = [("Set-Cookie", "__cf_bm=1"), ("set-cookie", "a=b"), ("Vary", "b")]
    assert find_cookies(EdgeAnswer(EdgeProbe("full"), 200, join_headers(pairs))) == [
        "a"
    ]


@pytest.mark.parametrize(
    ("control", "forbidden"),
    [
        ("public, max-age=31536000, immutable", False),
        ("max-age=60, s-maxage=0", True),
        ("No-Store", True),
        ('private="set-cookie"', True),
        ("max-age=2.5", False),
        ("", False),
    ],
)
def test_what_caches_may_not_keep(control: str, forbidden: bool) -> None:
    assert forbids(control) == forbidden


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("cdn.example.com", True),
        ("8.8.8.8", True),
        ("localhost", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("10.0.0.1", False),
        ("edge", False),
        ("a.localhost", False),
        ("nas.local.", False),
    ],
)
def test_http_is_a_fault_in_public_only(host: str, public: bool) -> None:
    assert is_public(host) == public
    (found,) = judge_scheme(URL.build(scheme="http", host=host))
    assert found.code == ("http" if public else "http-local")
    assert judge_scheme(URL.build(scheme="https", host=host)) == []


@pytest.mark.parametrize(
    ("size", "start", "stop"),
    [
        (1, 0, 1),
        (2, 1, 2),
        (1000, 500, 1000),
        (2**20, 2**19, 2**19 + 65536),
        (2**20 + 1, 2**20 - 1000, 2**20 + 1),
        (10 * 2**20, 5 * 2**20 - 1000, 5 * 2**20 + 64536),
    ],
)
def test_middle_crosses_a_slice(size: int, start: int, stop: int) -> None:
    assert find_middle(size) == range(start, stop)


def test_proxy_is_the_one_given_or_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "inside.test")
    assert find_proxy(URL("https://cdn.test/1")) == "http://proxy:3128"
    assert find_proxy(URL("https://cdn.test/1"), "http://a:1") == "http://a:1"
    assert find_proxy(URL("https://inside.test/1")) is None


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({"etag": '"a"', "last-modified": "then"}, {"If-None-Match": '"a"'}),
        ({"last-modified": "then"}, {"If-Modified-Since": "then"}),
        ({}, None),
    ],
)
def test_condition_is_on_what_there_is(
    headers: dict[str, str], asked: dict[str, str] | None
) -> None:
    answer = EdgeAnswer(EdgeProbe("full"), 200, headers)
    questions = list(list_conditional(answer, answer))
    assert [each.headers for each in questions] == ([] if asked is None else [asked])


def test_first_answer_may_be_of_any_kind_that_plays() -> None:
    for headers in ({}, {"content-type": "video/mp4"}, {"content-type": "text/plain"}):
        answer = EdgeAnswer(EdgeProbe("probe"), 206, headers, 2, b"\0\0")
        assert find_refusal(answer) is None
    empty = EdgeAnswer(EdgeProbe("probe"), 416, {"content-range": "bytes */0"})
    refusal = find_refusal(empty)
    assert refusal is not None
    assert refusal.sentence == "it is a 416, for the video is empty"
