"""Settings: what is taken, and one sentence for what is not."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

import pytest

from server.cli import build_parser
from server.config import default_data_dir
from server.errors import Fault
from server.postgres.embedded import running


@pytest.mark.parametrize(
    ("flag", "text", "value"),
    [
        ("--port", "0", 0),
        ("--host", "::", "::"),
        ("--socket", "unix:/run/b.sock", "unix:/run/b.sock"),
        ("--socket", "unix:b.sock", "unix:b.sock"),
        ("--socket", "/run/b.sock", "/run/b.sock"),
        ("--socket", "", ""),
        ("--pace", "0", 0),
        ("--pace", "1.5", 1.5),
        ("--pace-whom", "AppleCoreMedia|ExoPlayer", "AppleCoreMedia|ExoPlayer"),
        ("--access-log", "json", "json"),
        ("--trusted-proxies", "", ()),
        ("--trusted-proxies", "127.0.0.1, ", (ip_network("127.0.0.1"),)),
        ("--admin-token", "", ""),
        ("--admin-token", "sixteen-or-more!", "sixteen-or-more!"),
    ],
)
def test_setting_is_taken(flag: str, text: str, value: object) -> None:
    options = build_parser().parse_args(["serve", f"{flag}={text}"])
    assert getattr(options, flag[2:].replace("-", "_")) == value


@pytest.mark.parametrize(
    ("flag", "text", "said"),
    [
        ("--port", "65536", "0"),
        ("--port", "0000000000080", "0"),
        ("--host", "", "the address is empty: write 127.0.0.1 for this machine only"),
        ("--host", " ", "the address is empty"),
        ("--socket", "tcp:1", "'tcp:1' is no unix socket: write its path, like unix:/"),
        ("--socket", "tcp://a:1", "is no unix socket"),
        ("--socket", "unix:", "'unix:' is no unix socket"),
        ("--pace", "1", "0 for no limit, or 1.1 to 1000"),
        ("--pace", "fast", "'fast' is not a pace"),
        ("--pace", "nan", "'nan' is not a pace"),
        ("--pace-whom", "(", "'(' is not a regular expression"),
        ("--pace-whom", "a{99999999999}", "is not a regular expression"),
        ("--access-log", "xml", "'xml' is not one of: none, json, combined"),
        ("--trusted-proxies", "10.0.0.1/8", "10.0.0.1/8 has host bits set: write"),
        ("--trusted-proxies", "proxy", "'proxy' does not appear to be"),
        ("--admin-token", "too-short", "16 to 200 characters"),
        ("--admin-token", "sixteen letters, with blanks", "16 to 200 characters"),
    ],
)
def test_setting_that_is_wrong_gets_one_sentence(
    flag: str, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args(["serve", f"{flag}={text}"])
    error = capsys.readouterr().err.splitlines()[-1]
    assert stopped.value.code == 2
    assert f"argument {flag}: " in error
    assert said in error
    if flag == "--admin-token":
        assert text not in error


def test_environment_gives_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYTEREEL_TRUSTED_PROXIES", "10.0.0.0/8")
    monkeypatch.setenv("BYTEREEL_PACE", "2")
    monkeypatch.setenv("BYTEREEL_HOST", "")
    options = build_parser().parse_args(["serve"])
    assert options.trusted_proxies == (ip_network("10.0.0.0/8"),)
    assert options.pace == 2
    assert options.host == "127.0.0.1", "an empty variable says nothing"
    assert build_parser().parse_args(["serve", "--pace", "3"]).pace == 3


@pytest.mark.parametrize(
    ("user", "variable", "place"),
    [
        (0, "/data", "/var/lib/bytereel"),
        (1000, "/data", "/data/bytereel"),
        (1000, "relative", "/home/ada/.local/share/bytereel"),
        (1000, "", "/home/ada/.local/share/bytereel"),
    ],
)
def test_default_data_dir(
    user: int, variable: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setenv("XDG_DATA_HOME", variable)
    monkeypatch.setenv("HOME", "/home/ada")
    assert default_data_dir() == Path(place)


def test_user_without_a_home_needs_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", find_none)
    assert default_data_dir() is None
    with pytest.raises(Fault, match="no home folder: give --data-dir"), running(None):
        pass
