"""Write a clip anew with FFmpeg, by PyAV; only ever inside the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import av

from server.library.ffmpeg.copying import plan_copy, read_packets
from server.library.ffmpeg.decoding import Decoder, TrackDecoder
from server.library.ffmpeg.output import explain, open_output
from server.library.ffmpeg.picture import (
    USUAL,
    EncodeLimits,
    PictureWriter,
    Style,
    UnevenError,
)
from server.library.ffmpeg.probe import read_rational
from server.library.ffmpeg.remux import PictureCopier
from server.library.ffmpeg.sound import BIT_RATE, SoundWriter
from server.library.ffmpeg.tracks import (
    lacks_base_layer,
    open_tracks,
    pick_tracks,
    read_aperture,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from server.library.ffmpeg.damage import Damage
    from server.library.ffmpeg.output import Answer
    from server.library.ffmpeg.source import Source

_TRIES = 4
_LEAST_BIT_RATE = 60_000  # of the picture


class Attempt(NamedTuple):
    """What came of encoding once."""

    seconds: float
    damage: list[Damage]
    is_whole: bool = True  # not given up because it was too large


class DamagedError(Exception):
    """Something of it cannot be decoded, and that was not accepted."""

    def __init__(self, damage: Sequence[Damage]) -> None:
        super().__init__(explain_damage(damage))
        self.damage = damage


def explain_damage(damage: Sequence[Damage]) -> str:
    """Return why damage is in the way."""
    return " and ".join(f"it {each.describe()}" for each in damage)


def transcode(
    source: Source,
    target: str,
    limit: tuple[int, int, float],
    *,
    accept_damage: bool = False,
) -> Answer:
    """Make an MP4 that plays everywhere; return why that failed, and what is damaged.

    limit holds the fields of EncodeLimits. First at a constant quality; if that is too
    large, at the bit rate that fits. Damage is a failure unless it is accepted.
    """
    within = EncodeLimits(*limit)
    bit_rate = None
    try:
        for _ in range(_TRIES):
            seconds, damage, is_whole = try_encoding(source, target, within, bit_rate)
            judge(damage, accept_damage=accept_damage)
            size = Path(target).stat().st_size
            if is_whole and size <= within.bytes:
                return "", damage
            fitting = int(within.bytes * 8 * 0.94 / seconds)
            bit_rate = fitting if bit_rate is None else bit_rate * within.bytes // size
            bit_rate = min(bit_rate, fitting) * 97 // 100
            if bit_rate < _LEAST_BIT_RATE * 5 // 4:
                break
    except DamagedError as error:
        return str(error), error.damage
    except (av.FFmpegError, OSError, ValueError) as error:
        return explain(error), []
    return f"{seconds:.0f} s do not fit into {within.bytes} bytes", damage


def transcode_sound(
    source: Source, target: str, *, accept_damage: bool = False
) -> Answer:
    """Encode the sound and copy the pictures into an MP4.

    Return why that failed, and what is damaged of the sound and of the start.
    """
    try:
        plan = plan_copy(source)
        with open_tracks(source) as container, open_output(target) as out:
            tracks = pick_tracks(container)
            if tracks.sound is None:
                raise ValueError("it has no sound")
            picture = PictureCopier(out, tracks.picture, plan)
            sound = SoundWriter(out, tracks.sound, BIT_RATE, plan.start)
            decoder = TrackDecoder(tracks.sound, plan.start)
            for packet in read_packets(container, tracks):
                if packet.stream.index == tracks.picture.index:
                    picture.write(packet)
                else:
                    for frame in decoder.decode(packet):
                        sound.write(frame)
            for frame in decoder.decode(None):
                sound.write(frame)
            sound.finish()
        damage = [*plan.damage, *decoder.tell()]
        judge(damage, accept_damage=accept_damage)
    except DamagedError as error:
        return str(error), error.damage
    except (av.FFmpegError, OSError, ValueError) as error:
        return explain(error), []
    return "", damage


def judge(damage: Sequence[Damage], *, accept_damage: bool) -> None:
    """Raise DamagedError if there is damage in the way."""
    refused = [each for each in damage if each.is_refused]
    if refused and not accept_damage:
        raise DamagedError(refused)


def try_encoding(
    source: Source,
    path: str,
    limit: EncodeLimits,
    bit_rate: int | None = None,
    style: Style = USUAL,
) -> Attempt:
    """Write one attempt.

    ValueError without pictures, DamagedError if they are all damaged.
    """
    try:
        return _encode(source, path, limit, bit_rate, style, steady=True)
    except UnevenError:
        return _encode(source, path, limit, bit_rate, style, steady=False)


def _encode(
    source: Source,
    path: str,
    limit: EncodeLimits,
    bit_rate: int | None,
    style: Style,
    *,
    steady: bool,
) -> Attempt:
    if lacks_base_layer(source):
        raise ValueError("it is Dolby Vision without a base layer that others show")
    aperture = read_aperture(source)
    early: list[av.AudioFrame] = []  # before the first picture tells its size
    with open_tracks(source) as container, open_output(path) as out:
        tracks = pick_tracks(container)
        known = (container.duration or 0) / av.time_base
        decoder = Decoder(container, tracks)
        most = min(style.sound_bit_rate, (bit_rate or 1 << 30) // 5)
        rate = most if tracks.sound else 0
        picture = PictureWriter(
            out,
            tracks.picture,
            limit,
            bit_rate and bit_rate - rate,
            steady=steady,
            aperture=aperture,
            style=style,
        )
        sound = None
        if tracks.sound:
            sound = SoundWriter(out, tracks.sound, rate, tracks.start)
        for frame in decoder.frames():
            if isinstance(frame, av.VideoFrame):
                picture.write(frame, tell_moment(frame, tracks.start))
            else:
                early.append(frame)
            if sound and picture.is_open:
                for tone in early:
                    sound.write(tone)
                early.clear()
            if known and bit_rate is None and picture.bytes > limit.bytes:
                return Attempt(known, [], is_whole=False)  # it would only be larger
        if damage := (not picture.is_open and decoder.list_damage()):
            raise DamagedError(damage)
        picture.finish()
        if sound:
            sound.finish()
        return Attempt(max(picture.seconds, 0.1), decoder.list_damage())


def tell_moment(frame: av.VideoFrame, start: Fraction) -> Fraction | None:
    """Return when a frame is shown, in seconds from the start, if that is known."""
    at = frame.pts if frame.pts is not None else frame.dts
    if at is None or not frame.time_base:
        return None
    return at * read_rational(frame.time_base) - start
