"""Encoded sound keeps step with the pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import pytest

from server.library.clips.check import Limits
from server.library.clips.checking import check_media
from server.library.clips.repair import RepairError, open_media, transcode_sound
from server.library.ffmpeg.sandbox import Sandbox
from server.library.files import open_file
from tests.clips import Kind, make
from tests.library.ffmpeg.encoding import (
    encode,
    make_late_sound,
    read_loudness,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def test_late_sound_begins_with_silence(tmp_path: Path, sandbox: Sandbox) -> None:
    encoded = encode(make_late_sound(tmp_path / "a.mp4"), sandbox)
    with av.open(str(encoded)) as container:
        start = container.streams.audio[0].start_time or 0
        assert start < 4800
    loud = read_loudness(encoded)
    assert max(loud[:5]) < 0.05
    assert min(loud[6:9]) > 0.3


def hash_samples(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


@pytest.mark.parametrize("codec", ["libmp3lame", "libopus", "flac", "ac3"])
def test_pictures_stay_as_they_are_when_only_sound_is_encoded(
    codec: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make(tmp_path / "a.mp4", Kind(frames=60, noise=True, audio=codec))
    made = [tmp_path / name for name in ("b.mp4", "c.mp4")]
    with open_file(path) as file:
        for target in made:
            assert transcode_sound(open_media(file), target, Limits(), sandbox) == ()
    assert hash_samples(made[0], "video") == hash_samples(path, "video")
    with av.open(str(made[0])) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    with open_file(made[0]) as file:
        assert check_media(open_media(file), sandbox, Limits()).flaws == []
    assert made[0].read_bytes() == made[1].read_bytes()


def test_late_sound_alone_is_padded(tmp_path: Path, sandbox: Sandbox) -> None:
    path, target = make_late_sound(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    with open_file(path) as file:
        transcode_sound(open_media(file), target, Limits(), sandbox)
    assert hash_samples(target, "video") == hash_samples(path, "video")
    loud = read_loudness(target)
    assert max(loud[:5]) < 0.05
    assert min(loud[6:9]) > 0.3


def test_clip_without_sound_has_none_to_encode(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    path = make(tmp_path / "a.mp4", Kind(audio=None))
    with open_file(path) as file, pytest.raises(RepairError, match="it has no sound"):
        transcode_sound(open_media(file), tmp_path / "b.mp4", Limits(), sandbox)
