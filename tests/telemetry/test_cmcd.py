"""What players tell of themselves: read with care, counted, and nobody is named."""

from __future__ import annotations

import json
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from server.telemetry.cmcd import (
    HEADERS,
    TEXT_MAX,
    find_class,
    find_cmcd,
    parse_cmcd,
    strip_cmcd,
)
from tests.command import serving
from tests.conftest import insert_video
from tests.telemetry.test_metrics import read_samples

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.telemetry.cmcd import Told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", {}),
        ("bs", {"bs": True}),
        ("bs=false,su=true", {"bs": False, "su": True}),
        ("bl=21300,mtp=48100,su", {"bl": 21300, "mtp": 48100, "su": True}),
        ("br=3200,d=4004,ot=v,tb=6000", {"br": 3200, "d": 4004, "ot": "v", "tb": 6000}),
        ('cid="a,bs",sid="b",sf=h,pr=1.08,v=1', {"sf": "h", "pr": 1.08}),
        ('nor="..%2Fa.mp4",nrr="0-9",st=v', {"st": "v"}),
        ('com.example-key="a \\" , bs",dl=5', {"dl": 5}),
        ("br=-1,bl=1e9,d=1.5,mtp=9999999999,rtp=,ot=x,sf=hh,pr=1.2345", {}),
        ("br=(3200;v 128;a),bl=5", {"bl": 5}),
        ("br=1,br=2", {"br": 1}),
        ("bl=5,,bs", {"bl": 5}),
        ('bl=5,cid="open,bs', {"bl": 5}),
        ("bl=5 ,bs", {"bs": True}),
        ("br=\u0663", {}),
    ],
)
def test_known_keys_are_read(text: str, told: Told) -> None:
    assert parse_cmcd(text) == told


def test_what_is_too_long_is_ignored() -> None:
    assert parse_cmcd("bs," + "a" * (TEXT_MAX - 3)) == {"bs": True}
    assert parse_cmcd("bs," + "a" * (TEXT_MAX - 2)) == {}


@given(st.text(st.sampled_from('bs,=l5"\\ mtp()%C.é'), max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    told = parse_cmcd(text)
    assert told.keys() <= {"bs", "bl", "mtp", "st"}
    json.dumps(told)


def find(target: str, **headers: str) -> Told:
    pairs = CIMultiDict({f"CMCD-{name}": text for name, text in headers.items()})
    return find_cmcd(target, CIMultiDictProxy(pairs))


def test_headers_and_query_are_read() -> None:
    assert find("/v3/videos/1") == find("/v3/videos/1?a=CMCD&CMCD") == {}
    assert find("/a?CMCD=bl%3D5%2Cbs&start=1") == {"bl": 5, "bs": True}
    assert find("/a?start=1&CMCD=bl%3D5", Status="bs", Object="br=9") == {
        "bl": 5,
        "bs": True,
        "br": 9,
    }
    assert find("/a?CMCD=br%3D5", Object="br=9") == {"br": 9}
    assert find("/a?CMCD=" + "%2C" * TEXT_MAX + "bs") == find("/a?CMCD=%ff%zz") == {}


@pytest.mark.parametrize(
    ("target", "plain"),
    [
        ("/a", "/a"),
        ("/a?", "/a?"),
        ("/a?start=1&&end=2", "/a?start=1&&end=2"),
        ("/a?CMCD=sid%3D%22me%22", "/a"),
        ("/a?CMCD=b&start=1", "/a?start=1"),
        ("/a?start=1&cmcd=b&end=2&CMCD", "/a?start=1&end=2"),
        ("/CMCD?name=CMCD", "/CMCD?name=CMCD"),
    ],
)
def test_query_is_taken_from_a_target(target: str, plain: str) -> None:
    assert strip_cmcd(target) == plain


@pytest.mark.parametrize(
    ("told", "rate"),
    [
        ({}, "unknown"),
        ({"br": 0}, "500"),
        ({"br": 500}, "500"),
        ({"br": 501}, "1000"),
        ({"br": 8001}, "more"),
    ],
)
def test_bit_rates_have_classes(told: Told, rate: str) -> None:
    assert find_class(told) == rate


TOLD = (
    "br=900,bl=0,mtp=1200,bs,su,d=2000,ot=av"
    ',sid="hidden-1",cid="hidden-2",nor="hidden-3"'
)
KEPT = {"br": 900, "bl": 0, "mtp": 1200, "bs": True, "su": True, "d": 2000, "ot": "av"}
QUERY = "?CMCD=" + quote(TOLD, safe="")


def split(text: str) -> dict[str, str]:
    first, _, rest = text.partition(",mtp")
    return {"CMCD-Object": first, "cmcd-session": f"mtp{rest}"}


def ask(client: HTTPConnection, target: str, headers: Mapping[str, str]) -> object:
    client.request("GET", target, headers={"Range": "bytes=0-9", **headers})
    answer = client.getresponse()
    told = {name: answer.getheader(name) for name in ("ETag", "Cache-Control", "Vary")}
    return answer.status, answer.read(), told


@pytest.mark.parametrize("form", ["json", "combined"])
def test_players_are_heard_on_both_ways(database_url: str, form: str) -> None:
    assert insert_video(database_url, "a.mp4", b"a" * 1000) == 1
    asked: list[tuple[str, Mapping[str, str]]] = [
        ("/v3/videos/1", split(TOLD)),  # the short way, as those below
        ("/v3/videos/1.mp4", split(TOLD)),
        ("/v3/videos/1" + QUERY, {}),
        ("/v3/videos/1.mp4" + QUERY, {}),
        ("/v3/videos/1", split(TOLD) | {"Accept-Language": "\xe4"}),  # aiohttp's
        ("/v3/videos/1" + QUERY + "&viewer=1", {}),
        ("/v3/videos/1.mp4?viewer=1&" + QUERY[1:], {}),
    ]
    with serving(database_url, "--access-log", form) as server:
        with closing(HTTPConnection("127.0.0.1", server.port)) as client:
            plain = ask(client, "/v3/videos/1", {})
            answers = [ask(client, *each) for each in asked]
        with urlopen(f"{server.address}metrics") as answer:
            seen = read_samples(answer.read().decode())
        assert server.process.stdout is not None
        lines = [server.process.stdout.readline() for _ in range(len(asked) + 1)]
    assert answers == [plain] * len(asked)
    for part in ("requests", "starved", "startup"):
        assert seen[f"bytereel_cmcd_{part}_total", "1000"] == len(asked)
        assert seen[f"bytereel_cmcd_{part}_total", "500"] == 0
    name = "bytereel_cmcd_throughput_bits_per_second"
    assert seen[f"{name}_bucket", "1000", "1000000"] == 0
    assert seen[f"{name}_bucket", "1000", "2000000"] == len(asked)
    assert seen[f"{name}_sum", "1000"] == 1_200_000 * len(asked)
    for line in lines:
        assert "hidden" not in line
        assert "CMCD" not in line
    if form == "json":
        first, *others = map(json.loads, lines)
        assert "cmcd" not in first
        assert [entry["cmcd"] for entry in others] == [KEPT] * len(asked)
        assert others[2]["target"] == "/v3/videos/1"
        assert others[-1]["target"] == "/v3/videos/1.mp4?viewer=1"


def test_headers_are_those_of_the_standard() -> None:
    assert {name.removeprefix("CMCD-") for name in HEADERS} == {
        *("Request", "Object", "Status", "Session"),
    }
