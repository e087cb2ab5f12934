"""Encode clips in the sandbox, and look at what comes of it."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from struct import pack
from typing import TYPE_CHECKING, Any

import av

from server.library.clips.check import Limits
from server.library.clips.repair import open_media, transcode_clip
from server.library.files import open_file
from tests.clips import X265, Kind, make, paint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from server.library.ffmpeg.damage import Damage
    from server.library.ffmpeg.sandbox import Sandbox

FASTSTART = {"movflags": "+faststart"}
PULSE = 0.6  # seconds at which a tone sets in, and a white picture comes
H265 = ("libx265", X265)
H264 = ("libx264", (("bf", "2"), ("x264-params", "scenecut=0")))
SAME_SCENE = ("x264-params", "scenecut=0:ref=1")
NOISY = Kind(frames=60, gop=20, noise=True, options=(("bf", "0"), SAME_SCENE))


def encode(path: Path, sandbox: Sandbox, *, accept_damage: bool = False) -> Path:
    """Return what becomes of a clip, beside it."""
    return encode_and_tell(path, sandbox, accept_damage=accept_damage)[0]


def encode_and_tell(
    path: Path, sandbox: Sandbox, *, accept_damage: bool = True
) -> tuple[Path, Sequence[Damage]]:
    target = path.with_name("encoded.mp4")
    with open_file(path) as file:
        damage = transcode_clip(
            open_media(file), target, Limits(), sandbox, accept_damage=accept_damage
        )
    return target, damage


def read_pictures(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


def list_moments(path: Path) -> list[float]:
    """Return when each picture is shown, and when the last one ends."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        stream = container.streams.video[0]
        assert stream.duration is not None
        assert stream.time_base is not None
        moments = [float(frame.time or 0) for frame in frames]
        return [*moments, float(stream.duration * stream.time_base)]


def make_at(
    path: Path, moments: Sequence[float], last: float = 1 / 30, gop: int = 250
) -> Path:
    """Make a clip whose pictures are shown at these seconds."""
    with av.open(str(path), "w", options=FASTSTART) as out:
        video: Any = out.add_stream("libx264", rate=30)
        video.width = video.height = 64
        video.codec_context.time_base = video.time_base = Fraction(1, 15360)
        video.options, video.gop_size = {"bf": "0"}, gop
        lengths = {}
        for number, moment in enumerate(moments):
            frame = paint(64, 64, number).reformat(format="yuv420p")
            frame.pts, frame.time_base = round(moment * 15360), Fraction(1, 15360)
            after = moments[number + 1] if number + 1 < len(moments) else moment + last
            lengths[frame.pts] = round(after * 15360) - frame.pts
            for packet in [*video.encode(frame)]:
                packet.duration = lengths[packet.pts]
                out.mux(packet)
        for packet in video.encode(None):
            packet.duration = lengths[packet.pts]
            out.mux(packet)
    return path


def make_late_sound(path: Path) -> Path:
    """Make a second of pictures with a loud tone in its second half."""
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=30)
        video.width = video.height = 64
        audio: Any = out.add_stream("aac", rate=48000, layout="mono")
        for number in range(30):
            frame = paint(64, 64, number).reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for start in range(24576, 48000, 1024):
            sound = av.AudioFrame("fltp", "mono", 1024)
            tone = [0.5 if n // 24 % 2 else -0.5 for n in range(1024)]
            sound.planes[0].update(pack("=1024f", *tone))
            sound.sample_rate, sound.pts = 48000, start
            sound.time_base = Fraction(1, 48000)
            out.mux(audio.encode(sound))
        out.mux(audio.encode(None))
    return path


def read_loudness(path: Path) -> list[float]:
    """Return the mean strength of each tenth of a second."""
    with av.open(str(path)) as container:
        parts: list[float] = []
        for frame in container.decode(audio=0):
            at = round((frame.time or 0) * frame.sample_rate)
            parts += [0.0] * (at - len(parts))
            parts += abs(frame.to_ndarray()[0]).tolist()
    return [
        sum(parts[at : at + 4800]) / 4800 for at in range(0, len(parts) - 4799, 4800)
    ]


def damage_picture(path: Path, target: Path, number: int) -> Path:
    """Write a clip with the larger part of one sample, in decoding order, zeroed."""
    with av.open(str(path)) as container:
        chosen = [p for p in container.demux(video=0) if p.size][number]
        place, size = chosen.pos, chosen.size
    assert place is not None
    data = bytearray(path.read_bytes())
    start = place + size // 3
    data[start : place + size] = bytes(place + size - start)
    target.write_bytes(data)
    return target


def join(path: Path, kinds: Sequence[Kind]) -> Path:
    """Make an MPEG-TS of several recordings, one behind the other."""
    parts = [
        make(path.with_name(f"{number}.ts"), kind).read_bytes()
        for number, kind in enumerate(kinds)
    ]
    path.write_bytes(b"".join(parts))
    return path


def make_pulse(
    path: Path,
    kind: str,
    video: tuple[str, tuple[tuple[str, str], ...]] = H264,
    *,
    rate: int = 48_000,
    gop: int = 15,
    fps: int = 30,
    frames: int = 45,
    options: dict[str, str] | None = None,
) -> Path:
    """Make a clip in which picture and sound change at the same moment."""
    with av.open(str(path), "w", format=kind, options=options or {}) as out:
        stream: Any = out.add_stream(video[0], rate=fps)
        stream.width, stream.height, stream.gop_size = 64, 64, gop
        stream.options, stream.codec_context.thread_count = dict(video[1]), 1
        sound: Any = out.add_stream("aac", rate=rate, layout="mono")
        for number in range(frames):
            frame = paint(64, 64, number)
            if number >= round(PULSE * fps):
                frame.planes[0].update(b"\xe6" * frame.planes[0].buffer_size)
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        random = Random(1)
        for start in range(0, frames * rate // fps, 1024):
            strength = 0.5 if start >= PULSE * rate else 0.001
            tone = [random.uniform(-strength, strength) for _ in range(1024)]
            wave = av.AudioFrame("fltp", "mono", 1024)
            wave.planes[0].update(pack("=1024f", *tone))
            wave.sample_rate, wave.pts = rate, start
            wave.time_base = Fraction(1, rate)
            out.mux(sound.encode(wave))
        out.mux(sound.encode(None))
    return path


def cut_off(whole: Path, target: Path, number: int) -> Path:
    """Write an MPEG-TS without its first pictures, so many in decoding order."""
    with av.open(str(whole)) as container:
        places = [p.pos or 0 for p in container.demux(video=0) if p.size]
    data = whole.read_bytes()
    target.write_bytes(data[:564] + data[places[number] :])
    return target


def find_pulse(path: Path) -> tuple[float, float]:
    """Return when the picture turns white and the sound loud, in seconds."""
    with av.open(str(path)) as container:
        frames = container.decode(video=0)
        seen = next(f.time for f in frames if f.to_ndarray()[:64].mean() > 180)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = abs(frame.to_ndarray()[0]) > 0.1
            if loud.any():
                heard = (frame.time or 0) + int(loud.argmax()) / frame.sample_rate
                return float(seen or 0), heard
    raise AssertionError("it is silent")


def decode(path: Path) -> list[bytes]:
    """Return each picture, in the order in which they are shown."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray().tobytes() for frame in container.decode(video=0)]


def list_times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


def list_sounds(path: Path) -> list[bytes]:
    """Return the frames of AAC without the headers that streams have."""
    with av.open(str(path)) as container:
        packets = [bytes(p) for p in container.demux(audio=0) if p.size]
    return [p[7:] if p[:2] in (b"\xff\xf1", b"\xff\xf9") else p for p in packets]


def make_cut(folder: Path, number: int) -> Path:
    """Make a clip whose edit lists leave out its first pictures, and their sound."""
    whole = make_pulse(folder / "whole.mp4", "mp4", options={"movflags": "+faststart"})
    data = bytearray(whole.read_bytes())
    for which, rate in ((0, 15360), (1, 48000)):
        at = -1
        for _ in range(which + 1):
            at = data.index(b"elst", at + 1)
        media = int.from_bytes(data[at + 16 : at + 20], "big") + number * rate // 30
        data[at + 16 : at + 20] = pack(">I", media)
        length = int.from_bytes(data[at + 12 : at + 16], "big")
        data[at + 12 : at + 16] = pack(">I", length * (45 - number) // 45)
    path = folder / "a.mp4"
    path.write_bytes(data)
    return path
