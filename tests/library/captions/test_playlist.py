"""The playlist of captions, as RFC 8216 has it."""

from __future__ import annotations

import pytest

from server.library.captions.playlist import measure_captions, render_captions_playlist


def test_playlist_has_one_segment() -> None:
    assert render_captions_playlist("en.vtt", 4.25).splitlines() == [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        "#EXT-X-TARGETDURATION:5",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXTINF:4.250,",
        "en.vtt",
        "#EXT-X-ENDLIST",
    ]


@pytest.mark.parametrize(
    ("vtt", "seconds"),
    [
        (
            "WEBVTT\n\n00:00:01.000 --> 01:01:02.500\na\n\n"
            "00:00:02.000 --> 00:00:03.000\nb",
            3662.5,
        ),
        ("WEBVTT\n\n00:00:00.000 --> 00:00:00.100\na\n", 1.0),
        ("of others", 1.0),
    ],
)
def test_captions_last_until_their_last_cue_ends(vtt: str, seconds: float) -> None:
    assert measure_captions(vtt) == seconds
