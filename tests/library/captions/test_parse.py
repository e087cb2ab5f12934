"""Captions as they come, in all their kinds, and what is kept of them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import Fault
from server.library.captions.blocks import MAX_BYTES
from server.library.captions.parse import (
    MAX_CUES,
    CaptionFault,
    parse_captions,
)

BEGINNING = "WEBVTT\n\n00:00:01.000 --> 00:00:02.000"

# What WebVTT allows (https://www.w3.org/TR/webvtt1/#file-structure), strictly.
TIME = r"\d\d:[0-5]\d:[0-5]\d\.\d{3}"
TAG = (
    r"</?(?:b|i|u|ruby|rt|v|lang|c)>|<(?:b|i|u|ruby|rt|c)(?:\.[\w-]+)+>"
    r"|<(?:v|lang)(?:\.[\w-]+)* [^<>\n]+>"
)
PLAIN = re.compile(
    rf"WEBVTT\n(?:\n{TIME} --> {TIME}(?: [a-z]+:[\w%,.-]+)*\n"
    rf"(?:(?:[^<>&\n\r\0]|&(?:amp|lt|gt);|{TAG})+\n)+)+"
)


def keep(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    return parse_captions(data, "a.vtt").vtt


def refuse(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(Fault) as caught:
        parse_captions(data, "a.vtt")
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "WEBVTT\n\n00:01.000 --> 00:02.000\nHi",
        "\ufeffWEBVTT - English\nKind: captions\n\nid\n00:01.000-->00:02.000\nHi\n\n\n",
        "WEBVTT\r\n\r\n1\r\n00:00:01.000 --> 00:00:02.000\r\nHi\r\n",
        "WEBVTT\r\r00:01.000 --> 00:02.000\rHi\r",
        "WEBVTT\n00:01.000 --> 00:02.000\nHi",
        "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n"
        "00:01.000 --> 00:02.000\nHi",
        "WEBVTT\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:a\n\nNOTE\n<b>\n\n"
        "NOTE one\n\n00:01.000 --> 00:02.000 region:a\nHi\n\nNOTE the end",
        "1\n00:00:01,000 --> 00:00:02,000\nHi\n",
        "\ufeff1\r\n00:00:01,000 --> 00:00:02,000  X1:0 X2:9 Y1:0 Y2:9\r\nHi\r\n\r\n",
        "1\n0:00:01.0 --> 0:00:02\nHi\n",
        "00:01,000 --> 00:02,000\n{\\an8}Hi\n",
        "\n\n1\n00:00:01,000 --> 00:00:02,000\nHi\n2\n\n",
        "WEBVTT\n\n00:01.000 --> 00:02.000\n \nHi\n \n\n00:03.000 --> 00:04.000\n\n",
        "WEBVTT\n\n00:01.000 --> 00:02.000\nH\0i\0\n\n\0\n",
    ],
)
def test_every_way_to_write_a_cue_is_read(text: str) -> None:
    kept = keep(text).replace("\n2\n", "\n")  # a last number looks like text
    assert kept == f"{BEGINNING}\nHi\n"


def test_utf_16_is_read_by_its_mark() -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\nПривет"
    expected = f"{BEGINNING}\nПривет\n"
    assert keep(text.encode("utf-16")) == expected
    assert keep(b"\xfe\xff" + text.encode("utf-16-be")) == expected


def test_cues_need_no_blank_lines_between_them() -> None:
    text = "1\n00:00:01,000 --> 00:00:02,000\na\n2\n00:00:02,000 --> 00:00:03,000\nb"
    expected = f"{BEGINNING}\na\n\n00:00:02.000 --> 00:00:03.000\nb\n"
    assert keep(text) == expected
    assert keep(text.replace("\n2\n", "\n")) == expected


def test_cues_are_put_in_order_and_may_overlap() -> None:
    text = (
        "WEBVTT\n\n00:02.000 --> 00:09.000\nc\n\n00:01.000 --> 00:05.000\na\n\n"
        "00:01.000 --> 00:02.000\nb"
    )
    assert [cue.text for cue in parse_captions(text.encode(), "").cues] == [*"abc"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("align:start position:10%,line-left size:50%", None),
        ("line:-1 vertical:rl", None),
        ("line:84.66%,end align:middle", " line:84.66%,end align:center"),
        ("line:0 line:1 region:x size:101% align:top foo <b>", " line:0"),
    ],
)
def test_known_settings_are_kept(given: str, kept: str | None) -> None:
    text = f"WEBVTT\n\n00:01.000 --> 00:02.000 {given}\nHi"
    assert keep(text) == f"{BEGINNING}{kept or f' {given}'}\nHi\n"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("<b>a</b> <i.x>b</i> <u>c</u>", "<b>a</b> <i.x>b</i> <u>c</u>"),
        ("<v.loud Fred &amp; Bob>a</v>", "<v.loud Fred &amp; Bob>a</v>"),
        ("<ruby>漢<rt>kan</rt></ruby>", "<ruby>漢<rt>kan</rt></ruby>"),
        ("<lang en-GB>a</lang>", "<lang en-GB>a</lang>"),
        ("<B>a<I>b</B>c</I>", "<b>a<i>b</i></b>c"),
        ("a</b></i> <b>", "a <b></b>"),
        ("<rt>a</rt> <v>b</v> <v >c", "a b c"),
        ("<c.x.é.y>a", "<c.x.y>a</c>"),
        (f"<c{'.a' * 200_000}>a", f"<c{'.a' * 8}>a</c>"),
        (f"<c.{'x' * 33}.{'y' * 32}>a", f"<c.{'y' * 32}>a</c>"),
        (f"{'<b>' * 90_000}a{'</i>' * 90_000}", f"{'<b>' * 16}a{'</b>' * 16}"),
        (
            f"{'<b>' * 16}<i>a</i>b</b>c<i>d</i>{'</b>' * 15}<u>e</u>",
            f"{'<b>' * 16}ab</b>c<i>d</i>{'</b>' * 15}<u>e</u>",
        ),
        (
            f"{'<b>' * 16}<i>a</b>b<i>c</i>d",
            f"{'<b>' * 16}a</b>b<i>c</i>d{'</b>' * 15}",
        ),
        ("a<00:00:01.500><c> b</c>", "a<c> b</c>"),
        ("a < b > c & d <3 <- ->", "a &lt; b &gt; c &amp; d &lt;3 &lt;- -&gt;"),
        ("&lt;b&gt; &amp;lt; &nbsp;&quot;&eacute;", '&lt;b&gt; &amp;lt; \xa0"é'),
        ("<script>alert(1)</script>", "alert(1)"),
        ('<img src=x onerror="alert(1)">a', "a"),
        ('<b onclick="alert(1)">a</b>', "<b>a</b>"),
        ('<v "><img src=x>a', '<v ">a</v>'),
        ("<scr<b>ipt>a</script>", "&lt;scr<b>ipt&gt;a</b>"),
        ("&#60;script&#62;a", "&lt;script&gt;a"),
        ("&#10;&#10;00:05 --&gt; 00:06&#13;a", "00:05 --&gt; 00:06a"),
        ("<!-- a >b<![CDATA[c]]><?d>", "b"),
        ("<font color=red>a</font>", "a"),
        ("a\x01\x7f\x85b\ufeff", "ab"),
    ],
)
def test_text_has_known_tags_alone(given: str, kept: str) -> None:
    text = f"1\n00:00:01,000 --> 00:00:02,000\n{given}\n"
    vtt = keep(text)
    assert vtt == f"{BEGINNING}\n{kept}\n"
    assert PLAIN.fullmatch(vtt)
    assert keep(vtt) == vtt


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "WEBVTT\n\n00:01.000 --> 00:02.000\na\n\n00:02.000 --> 00:02.000\nb",
            "line 6 of a.vtt ends at 00:00:02.000, which is not after its start at "
            "00:00:02.000: correct its times",
        ),
        (
            "WEBVTT\n\n00:02.000 --> 00:01.000\nb",
            "line 3 of a.vtt ends at 00:00:01.000, which is not after its start at "
            "00:00:02.000: correct its times",
        ),
        (
            "1\n00:61:00,000 --> 00:99:00,000\nb",
            "line 2 of a.vtt has no time of a day in 00:61:00.000 --> 00:99:00.000: "
            "give minutes and seconds to 59",
        ),
        (
            "1\r\n00:00:01,000 --> soon\r\nb",
            "line 2 of a.vtt has --> and not two times: write 00:01.000 --> "
            "00:02.500; in a text write --&gt;",
        ),
        (
            "WEBVTT\n\n00:01.000 --> 00:02.000\na\n\nlost\n\n<!-- a -->",
            "line 6 of a.vtt belongs to no cue: remove the blank line above it, or put "
            "its times there, like 00:01.000 --> 00:02.500 (see line 8 too)",
        ),
        (
            b"1\n00:00:01,000 --> 00:00:02,000\nol\xe9\n",
            "line 3 of a.vtt is not UTF-8: save the file as UTF-8",
        ),
        (
            b"\xff\xfea\0\n",
            "line 1 of a.vtt is not UTF-16: save the file as UTF-8",
        ),
        ("", "a.vtt has no cue with a text: give WebVTT or SubRip (SRT)"),
        ("WEBVTT\n", "a.vtt has no cue with a text: give WebVTT or SubRip (SRT)"),
        (
            "WEBVTT\n\n" + "00:01.000 --> 00:02.000\na\n\n" * (MAX_CUES + 1),
            "a.vtt has more than 10,000 cues: make it shorter",
        ),
        (
            b"a" * (MAX_BYTES + 1),
            "a.vtt has more than 1,048,576 bytes: make it shorter",
        ),
        (
            "00:01.000 --> 00:02.000\n" + "&" * 300_000,
            "a.vtt has more than 1,048,576 bytes: make it shorter",
        ),
    ],
)
def test_fault_names_line_and_remedy(text: str | bytes, sentence: str) -> None:
    assert refuse(text) == sentence


def test_all_faulty_lines_are_named_but_not_endlessly() -> None:
    told = refuse("a\n\n" * 300_000)
    assert told.endswith("(see line 3, 5, 7, 9, 11, … too)")


def test_language_that_the_file_names_is_found() -> None:
    text = "WEBVTT\nKind: captions\nlanguage: pt-BR\n\n00:01.000 --> 00:02.000\nHi"
    assert parse_captions(text.encode(), "").language == "pt-BR"
    assert parse_captions(b"00:01.000 --> 00:02.000\nHi", "").language is None


PIECES = st.sampled_from(
    [
        *("WEBVTT", "\n", "\n\n", "\r\n", "\r", " ", "\0", "1", "NOTE", "STYLE", "-->"),
        *("00:01.000 --> 00:02.000\n", "\n\n00:00:03,000 --> 00:00:04,000\n", "<", ">"),
        *("&", ";", "&lt", "&#10;", "<b>", "</b>", "<v ", "<c.", "<ruby>", "</ruby>"),
        *("<rt>", "<!--", "</script>", "<00:01.000>", "x", "é", "\u202e", "{\\an8}"),
    ]
)


@given(st.lists(PIECES | st.text(max_size=3), max_size=30).map("".join))
def test_whatever_comes_only_plain_webvtt_is_kept(text: str) -> None:
    data = ("00:00.500 --> 00:00.900\nx\n" + text).encode(errors="replace")
    lines: list[int] = []
    kept = None
    try:
        kept = parse_captions(data, "a.vtt")
    except CaptionFault as fault:
        lines += [flaw.line for flaw in fault.flaws]
    assert set(lines) <= set(range(1, len(re.split("\r\n|\r|\n", text)) + 3))
    assert (kept is None) == bool(lines)
    if kept is not None:
        assert PLAIN.fullmatch(kept.vtt)
        assert parse_captions(kept.vtt.encode(), "a.vtt").vtt == kept.vtt
