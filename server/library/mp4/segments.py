"""Where pictures and sound are cut into segments. No I/O."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from itertools import pairwise
from operator import lt, sub
from typing import TYPE_CHECKING, NamedTuple

from server.library.mp4.boxes import MalformedError, Tree
from server.library.mp4.qualify import choose_tracks
from server.library.mp4.streams import Times
from server.library.mp4.unfit import Unfit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.library.mp4.qualify import Chosen
    from server.library.mp4.streams import Stream

SEGMENT_SECONDS = 2  # at least, but for the last
MOST_SECONDS = 20  # of a segment
MOST_BYTES = 32 << 20  # of a segment
_HIDDEN_PARTS = 4  # of a second: what an edit hides of a GOP may be one
_PRIMING = 3  # samples of sound before the first that is heard
_SHORTEST = 0.001  # seconds
# By how many seconds a track may end before another: about one segment, for which its
# last sample lasts. No decoder was made for samples that last much longer.
MOST_TAIL = 2
_ROUNDED = 0.1  # seconds of a tail that are a matter of whole samples


class Segments(NamedTuple):
    """A file as it is cut; each segment begins with a key frame, if it has pictures."""

    tracks: tuple[Chosen, ...]
    borders: tuple[array[int], ...]  # of each track: the first samples, and the end
    times: array[float]  # when each segment is shown, in seconds, and the end


def plan_segments(moov: Tree, size: int) -> Segments:
    """Return how a file of a size is cut; Unfit if HLS can't play it as it is."""
    if size >= 1 << 32:
        raise Unfit("hls-malformed", f"has {size} bytes, over 4 GiB", "transcode")
    try:
        tracks = choose_tracks(moov, size)
        if tracks[0].stream.handler == "vide":
            streams, borders = _cut_pictures([each.stream for each in tracks])
        else:
            streams, borders = _cut_sound(tracks[0].stream)
        cuts, borders = len(borders[0]), _merge(streams, borders)
        streams = _lengthen(streams)
        times = _list_times(streams, borders)
    except MalformedError as error:
        raise Unfit("hls-malformed", str(error)) from error
    kept = zip(tracks, streams, strict=True)
    _check_lengths(streams, borders, times, is_merged=len(times) < cuts)
    return Segments(
        tuple(track._replace(stream=stream) for track, stream in kept), borders, times
    )


def _cut_pictures(
    streams: Sequence[Stream],
) -> tuple[list[Stream], tuple[array[int], ...]]:
    """Return pictures and sound from where they begin, and where these are cut."""
    picture, *sounds = streams
    first = _find_start(picture)
    hidden = max(picture.delay - picture.show(first), 0)
    if hidden * _HIDDEN_PARTS > picture.timescale:
        seconds = hidden / picture.timescale
        reason = f"begins {seconds:.2f} s after a key frame, by its edit list"
        raise Unfit("hls-cut-inside-gop", reason, "transcode")
    kept = [_delay(each, hidden, picture.timescale) for each in streams]
    picture, sounds = kept[0]._replace(first=first), kept[1:]
    borders = [_cut(picture, picture.keys)]
    for place, sound in enumerate(sounds, 1):
        borders.append(_follow(sound, picture, borders[0]))
        kept[place] = sound._replace(first=borders[-1][0])
    return [picture, *kept[1:]], tuple(borders)


def _find_start(picture: Stream) -> int:
    """Return the key frame with which to begin: the last before what is shown."""
    latest = picture.delay + picture.measure_half()
    there = bisect_left(picture.keys, picture.after)
    place = bisect_right(picture.keys, latest, hi=there, key=picture.show)
    if place:
        return picture.keys[place - 1]
    if picture.keys and picture.keys[0] == 0:
        return 0  # whose pictures that are shown before it come after it
    reason = "does not begin with a key frame"
    raise Unfit("hls-no-key-first", reason, "transcode")


def _delay(stream: Stream, units: int, timescale: int) -> Stream:
    """Return a stream that is shown later; the time is given in units of another."""
    delay = (2 * units * stream.timescale + timescale) // (2 * timescale)
    return stream._replace(delay=stream.delay + delay)


def _cut(stream: Stream, keys: Sequence[int]) -> array[int]:
    """Return with which samples segments begin, all of them keys, and the end."""
    borders = array("I", [stream.first])
    changes = _list_changes(stream)
    for sample in changes:
        place = bisect_left(keys, sample)
        if place == len(keys) or keys[place] != sample:
            raise Unfit("hls-entries", "changes its coding inside a GOP", "transcode")
    least = SEGMENT_SECONDS * stream.timescale - stream.measure_half()
    place = bisect_left(keys, stream.first)
    while True:
        time = max(stream.show(borders[-1]), 0) + least
        place = bisect_left(keys, time, min(place + 1, len(keys)), key=stream.show)
        following = keys[place] if place < len(keys) else stream.after
        if changes and changes[0] <= following:
            following = changes.pop(0)
            place = bisect_left(keys, following)
        if following >= stream.after:
            borders.append(stream.after)
            return borders
        borders.append(following)


def _list_changes(stream: Stream) -> list[int]:
    """Return the samples from which on another sample entry is meant."""
    return [first for first, _ in stream.entries if stream.first < first < stream.after]


def _follow(sound: Stream, picture: Stream, borders: Sequence[int]) -> array[int]:
    """Return where sound is cut, by the time at which the picture is."""
    found = array("I", [_find_priming(sound)])
    for border in borders[1:-1]:
        sample = _find_heard(sound, picture.show(border), picture.timescale)
        found.append(min(max(sample, found[-1]), sound.after))
    found.append(sound.after)
    for sample in _list_changes(sound._replace(first=found[0])):
        if sample not in found:
            reason = "changes the coding of its sound in the middle"
            raise Unfit("hls-entries", reason, "transcode")
    return found


def _find_priming(sound: Stream) -> int:
    """Return the sample with which to begin: decoders need a few before the first."""
    return max(min(_find_heard(sound, 0, 1), sound.after) - _PRIMING, 0)


def _find_heard(sound: Stream, time: int, timescale: int) -> int:
    """Return the first sample that is heard from a time on, give or take half of it."""
    units = -(-time * sound.timescale // timescale)
    units += sound.media_time - sound.delay - sound.measure_half()
    return sound.times.find(units)


def _cut_sound(sound: Stream) -> tuple[list[Stream], tuple[array[int], ...]]:
    """Return sound without pictures from where it begins, and where it is cut."""
    sound = sound._replace(first=_find_priming(sound))
    return [sound], (_cut(sound, range(sound.after)),)


def _merge(
    streams: Sequence[Stream], borders: Sequence[array[int]]
) -> tuple[array[int], ...]:
    """Return the borders between which each track has samples.

    Of a segment without samples of one track, browsers find nothing buffered that is of
    both: a seek to there never ends.
    """
    count = len(borders[0]) - 1
    kept = [0]
    for place in range(1, count):
        if all(each[place] > each[kept[-1]] for each in borders):
            kept.append(place)
    while len(kept) > 1 and any(each[kept[-1]] == each[count] for each in borders):
        kept.pop()
    kept.append(count)
    merged = tuple(array("I", map(each.__getitem__, kept)) for each in borders)
    for stream, each in zip(streams, merged, strict=True):
        if not set(_list_changes(stream)).issubset(each):
            reason = "changes its coding where it has only pictures or only sound"
            raise Unfit("hls-entries", reason, "transcode")
    return merged


def _lengthen(streams: Sequence[Stream]) -> list[Stream]:
    """Return streams that end together: the last sample of a short one lasts longer.

    Else a seek to after its end never ends, as above. Unfit beyond MOST_TAIL.
    """
    ends = [stream.end / stream.timescale for stream in streams]
    tails = [max(ends) - end for end in ends]
    if max(tails) > MOST_TAIL:
        short = "sound" if ends[0] == max(ends) else "pictures"
        reason = f"has no {short} in its last {max(tails):.1f} s, over {MOST_TAIL}"
        raise Unfit("hls-short-track", reason)
    return [
        _stretch(stream, max(ends)) if tail > _ROUNDED else stream
        for stream, tail in zip(streams, tails, strict=True)
    ]


def _stretch(stream: Stream, end: float) -> Stream:
    """Return a stream whose last sample, as they are decoded, lasts up to an end."""
    last, times = stream.after - 1, stream.times
    start, lasting = times.at(last), round(end * stream.timescale) - stream.show(last)
    rows = bisect_left(times.firsts, last)
    firsts, starts, deltas = times.firsts[:rows], times.starts[:rows], times.deltas
    firsts.extend((last, last + 1))
    starts.extend((start, start + lasting))
    deltas = deltas[:rows]
    deltas.extend((lasting, lasting))
    return stream._replace(times=Times(firsts, starts, deltas))


def _list_times(
    streams: Sequence[Stream], borders: Sequence[Sequence[int]]
) -> array[float]:
    """Return when each segment is shown, in seconds; the first at 0; and the end."""
    lead, scale = streams[0], streams[0].timescale
    times = array("d", [0.0])
    times.extend(lead.show(border) / scale for border in borders[0][1:-1])
    end = max(stream.end / stream.timescale for stream in streams)
    times.append(max(end, times[-1] + _SHORTEST))
    if not all(map(lt, times, times[1:])):
        raise MalformedError("has key frames that are shown out of order")
    return times


def _check_lengths(
    streams: Sequence[Stream],
    borders: Sequence[Sequence[int]],
    times: Sequence[float],
    *,
    is_merged: bool,
) -> None:
    """Raise Unfit for a segment that is too long to wait for."""
    longest = max(map(sub, times[1:], times))
    if longest > MOST_SECONDS and is_merged:
        reason = f"has only pictures or only sound for a part of {longest:.0f} s"
        raise Unfit("hls-short-track", reason)
    if longest > MOST_SECONDS:
        reason = f"has a key frame only after {longest:.0f} s, over {MOST_SECONDS}"
        raise Unfit("hls-long-gop", reason, "transcode")
    sizes = [
        [stream.upto[after] - stream.upto[first] for first, after in pairwise(each)]
        for stream, each in zip(streams, borders, strict=True)
    ]
    largest = max(map(sum, zip(*sizes, strict=True)))
    if largest > MOST_BYTES:
        reason = f"has {largest} bytes between two key frames, over {MOST_BYTES}"
        raise Unfit("hls-long-gop", reason, "transcode")
