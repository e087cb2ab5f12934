"""Damage is found, told with its place, and never stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import pytest

from server.library.clips.repair import RepairError
from server.library.ffmpeg.sandbox import Sandbox
from tests.clips import Kind, make
from tests.library.ffmpeg.encoding import (
    NOISY,
    damage_picture,
    encode,
    encode_and_tell,
    list_moments,
    make_late_sound,
    make_pulse,
    read_loudness,
    read_pictures,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def test_damage_is_told_with_its_place(tmp_path: Path, sandbox: Sandbox) -> None:
    whole = make(tmp_path / "whole.mp4", NOISY)
    damage_picture(whole, tmp_path / "a.mp4", 30)
    with pytest.raises(RepairError) as refused:
        encode(tmp_path / "a.mp4", sandbox)
    assert str(refused.value) == (
        "it is damaged at 1.0 s: 10 of 60 pictures cannot be decoded; "
        "--accept-damage keeps the rest of it"
    )


def test_last_good_picture_is_held_over_damage(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    whole = make(tmp_path / "whole.mp4", NOISY)
    damage_picture(whole, tmp_path / "a.mp4", 30)
    encoded, damage = encode_and_tell(tmp_path / "a.mp4", sandbox)
    [lost] = damage
    assert (lost.kind, lost.lost, lost.total) == ("pictures", 10, 60)
    assert lost.describe_loss() == "lost 10 of 60 pictures at 1.0 s"
    *moments, end = list_moments(encoded)
    kept = [*range(30), *range(40, 60)]
    assert moments == pytest.approx([n / 30 for n in kept], abs=0.001)
    assert end == pytest.approx(2, abs=0.001)
    sources, pictures = read_pictures(whole), read_pictures(encoded)
    for number, picture in zip(kept, pictures, strict=True):
        assert abs(picture.astype(int) - sources[number]).mean() < 20


def test_damaged_sound_is_told_and_silenced(tmp_path: Path, sandbox: Sandbox) -> None:
    whole = make_late_sound(tmp_path / "whole.mp4")
    with av.open(str(whole)) as container:
        packets = [p for p in container.demux(audio=0) if p.size]
        places = [(p.pos or 0, p.size) for p in packets]
    data = bytearray(whole.read_bytes())
    for start, size in places[10:16]:
        data[start : start + size] = b"\xff" * size
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(RepairError, match="6 of 24 packets of sound cannot be decoded"):
        encode(tmp_path / "a.mp4", sandbox)
    encoded, [lost] = encode_and_tell(tmp_path / "a.mp4", sandbox)
    assert (lost.kind, lost.lost) == ("sound", 6)
    loud = read_loudness(encoded)
    assert len(loud) == 10
    assert min(loud[7:8]) < 0.1
    assert loud[9] > 0.3


def test_file_that_ends_before_its_time_is_refused(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    whole = make(tmp_path / "whole.mkv", Kind(format="matroska", frames=150))
    data = whole.read_bytes()
    (tmp_path / "a.mkv").write_bytes(data[: len(data) // 3])
    with pytest.raises(RepairError, match=r"it ends at \d.\d s, which should last 5 s"):
        encode(tmp_path / "a.mkv", sandbox)
    _, [lost] = encode_and_tell(tmp_path / "a.mkv", sandbox)
    assert lost.kind == "end"


def test_clip_of_nothing_but_damage_is_refused(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    whole = make(tmp_path / "whole.mp4", NOISY._replace(frames=3))
    damage_picture(whole, tmp_path / "a.mp4", 0)
    with pytest.raises(RepairError, match=r"3 of 3 pictures cannot be decoded$"):
        encode(tmp_path / "a.mp4", sandbox, accept_damage=True)


def test_pictures_without_a_key_frame_are_told_of(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    whole = make(tmp_path / "a.ts", Kind(format="mpegts", frames=60, gop=20))
    with av.open(str(whole)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        assert packets[5].pos is not None
        start = packets[5].pos
    (tmp_path / "b.ts").write_bytes(
        whole.read_bytes()[:564] + whole.read_bytes()[start:]
    )
    encoded, [lost] = encode_and_tell(tmp_path / "b.ts", sandbox, accept_damage=False)
    assert (lost.kind, lost.lost) == ("start", 14)
    assert len(read_pictures(encoded)) == 41


def test_order_of_pictures_in_avi_is_that_of_display(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    kind = Kind(format="avi", frames=30, options=(("bf", "2"),))
    path = make(tmp_path / "a.avi", kind)
    pictures = read_pictures(encode(path, sandbox))
    assert len(pictures) == 30
    columns = [int(picture[:64].mean(axis=0).argmax()) for picture in pictures]
    assert columns == [n * 5 % 64 for n in range(30)]


@pytest.mark.parametrize("form", ["flv", "matroska", "mp4"])
def test_nothing_behind_a_lost_reference_is_kept(
    form: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    """Also where samples of sound lie between those of pictures."""
    video = ("libx264", (("bf", "2"), ("x264-params", "scenecut=0:b-adapt=0:ref=1")))
    whole = make_pulse(tmp_path / "whole", form, video, frames=12, gop=60)
    with av.open(str(whole)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        moments = [float((p.pts or 0) * p.time_base) for p in packets]
    lost = next(
        at for at in range(4, 12) if moments[at] > max(moments[:at])
    )  # shown after all that were decoded before it, so others refer to it
    path = damage_picture(whole, tmp_path / "a", lost)
    encoded, [damage] = encode_and_tell(path, sandbox)
    kept = len(read_pictures(encoded))
    assert kept <= lost
    assert damage.total == 12
    assert kept + damage.lost == 12


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_pictures_that_lead_an_open_group_are_cut_off_not_damaged(
    codec: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    """Recordings of broadcasts begin so: with pictures of the group before."""
    params = "x264-params" if codec == "libx264" else "x265-params"
    more = "scenecut=0:b-adapt=0" + (":log-level=none" if codec == "libx265" else "")
    video = (codec, (("bf", "2"), (params, f"open-gop=1:keyint=12:{more}")))
    whole = make_pulse(tmp_path / "whole.ts", "mpegts", video, frames=48, gop=12)
    with av.open(str(whole)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        keys = [at for at, packet in enumerate(packets) if packet.is_keyframe]
        place = packets[keys[1]].pos
        leading = [
            p for p in packets[keys[1] :] if (p.pts or 0) < (packets[keys[1]].pts or 0)
        ]
    assert leading, "the second group is closed"
    assert place is not None
    data = whole.read_bytes()
    path = tmp_path / "a.ts"
    path.write_bytes(data[:564] + data[place:])
    encoded, damage = encode_and_tell(path, sandbox, accept_damage=False)
    assert [(each.kind, each.lost) for each in damage] == [("start", len(leading))]
    assert len(read_pictures(encoded)) == len(packets) - keys[1] - len(leading)


@pytest.mark.parametrize(
    ("codec", "kind"),
    [("libx264", 0x1F), ("libx264", 0x06), ("libx265", 0x7E), ("libx265", 0x4E)],
)
def test_sample_whose_kind_is_damaged_is_lost(
    codec: str, kind: int, tmp_path: Path, sandbox: Sandbox
) -> None:
    """A decoder passes over units of unknown types, and over mere messages."""
    params = (("x265-params", "log-level=none"),) if codec == "libx265" else ()
    whole = make_pulse(
        tmp_path / "whole.mkv", "matroska", (codec, params), frames=12, gop=60
    )
    with av.open(str(whole)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
        last = bytes(packets[-1])
    data = whole.read_bytes()
    place = data.index(last) + 4  # behind the length of its unit
    path = tmp_path / "a.mkv"
    path.write_bytes(data[:place] + bytes([kind]) + data[place + 1 :])
    with pytest.raises(RepairError, match="1 of 12 pictures cannot be decoded"):
        encode(path, sandbox)
