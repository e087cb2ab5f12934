"""What may be wrong with the sound of a clip. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.library.clips.check import (
    EXPORT,
    FAULT,
    FIX,
    TRANSCODE,
    WARNING,
    Flaw,
    repairable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.library.mp4.inspection import Inspection
    from server.library.mp4.movie import Movie
    from server.library.mp4.track import Track

# Object types (ISO/IEC 14496-1, 7.2.6.6).
_AAC = (0x40, 0x66, 0x67, 0x68)
_MP3 = (0x69, 0x6B)
_APPLE_SOUND = {".mp3", "ac-3", "ec-3", "alac", "lpcm", "sowt", "twos", "in24", "fl32"}
_APPLE_SOUND |= {"mp3", "ac3", "eac3"}  # as FFmpeg names them
_CHANNELS = {1: "one channel", 2: "two channels"}


def list_sound_flaws(movie: Movie, seen: Inspection, bad: int) -> Iterator[Flaw]:
    """Yield what is wrong with the sound that players are to play.

    bad is how many of its frames cannot be decoded.
    """
    track, sounds = movie.sound, movie.list_tracks("soun")
    if track is None:
        return
    if len(sounds) > 1:
        others = ", ".join(
            f"{other.coding.codec!r}" for other in sounds if other is not track
        )
        sentence = f"has {len(sounds)} tracks of sound, where players play one: besides"
        sentence = f"{sentence} {track.coding.codec!r} there is {others}"
        yield repairable("several-audio-tracks", WARNING, sentence, FIX)
    if len(set(track.codings)) > 1:
        sentence = (
            f"has sound of {len(set(track.codings))} kinds one after the other (stsd), "
            "of which browsers play the first"
        )
        yield repairable("audio-entries", FAULT, sentence, TRANSCODE)
    codec, kind = track.coding.codec, track.coding.object_type
    is_aac = codec == "mp4a" and kind in (*_AAC, 0)  # 0: nothing says what it is
    yield from name_sound("mp3" if kind in _MP3 else codec, is_aac)
    if is_aac:
        yield from _list_config(track, seen, bad)


def name_sound(codec: str, is_aac: bool) -> Iterator[Flaw]:
    """Yield that a codec is not the one that plays everywhere."""
    if is_aac:
        return
    name = "MP3" if codec == "mp3" else codec
    sentence = f"has sound of the codec {name!r}, not AAC"
    severity = WARNING if codec in _APPLE_SOUND else FAULT
    yield repairable("audio-codec", severity, sentence, TRANSCODE)


def _list_config(track: Track, seen: Inspection, bad: int) -> Iterator[Flaw]:
    """Yield how a configuration lacks or contradicts (ISO/IEC 14496-3, 1.6)."""
    if track.coding.aac is None:
        sentence = "has AAC without its configuration (AudioSpecificConfig)"
        yield repairable("audio-config", FAULT, sentence, TRANSCODE)
    elif track.samples.total > 1 and not track.coding.aac.can_last(track.common_sample):
        sentence = (
            f"says that a frame of sound lasts {track.common_sample * 1000:.1f} ms "
            f"(stts), which none of {track.coding.aac.rate} Hz does"
        )
        yield Flaw("sample-times", FAULT, sentence, EXPORT)
    elif seen.contradicting and not _is_mere_damage(track, seen, bad):
        told = track.coding.aac.channels
        name = _CHANNELS.get(told, f"channelConfiguration {told}")
        sentence = (
            f"has AAC configured for {name}, and {seen.contradiction} in "
            f"{seen.contradicting} of {track.samples.total} frames"
        )
        yield repairable("audio-config", FAULT, sentence, TRANSCODE)


def _is_mere_damage(track: Track, seen: Inspection, bad: int) -> bool:
    """Report whether frames that are not as configured are just some damaged ones."""
    few = seen.contradicting * 2 < track.samples.total
    return few and seen.contradicting <= bad
