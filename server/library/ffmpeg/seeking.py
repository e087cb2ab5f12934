"""Find the frame that is shown at a moment; only ever inside the sandbox."""

from __future__ import annotations

from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

import av

from server.library.ffmpeg.probe import read_rational

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_ROUNDING_SECONDS = 0.0005  # by which a moment in milliseconds may be too early
_FURTHER_SECONDS = 1.0  # back, where a seek has ended behind the moment
_FORWARD_SECONDS = 10.0  # that are decoded where no index tells of key frames


class FrameFinder:
    """Decodes forward, and seeks where a key frame saves decoding."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        stream.codec_context.thread_count = 1  # more would decode ahead for nothing
        self._container, self._stream = container, stream
        self._frames: Iterator[VideoFrame] | None = None
        self._shown: VideoFrame | None = None  # at the moment that was asked for last
        self._ahead: VideoFrame | None = None  # the next, decoded already

    def find(self, moment: float, until: float) -> VideoFrame | None:
        """Return the frame that is shown at a moment, in seconds.

        Of what lies outside of the clip it is the first or the last; once monotonic()
        is past until, it is the best so far. None if there is none at all.
        """
        moment += _ROUNDING_SECONDS
        if not self._leads_to(moment):
            self._seek(moment)
            self._go_on(moment, until)
            if self._shown is None and moment > _FURTHER_SECONDS:
                self._seek(moment - _FURTHER_SECONDS)  # it was told decoding times
        self._go_on(moment, until)
        return self._shown or self._ahead

    def _leads_to(self, moment: float) -> bool:
        """Report whether decoding on is the shortest way."""
        here = self._shown or self._ahead
        if self._frames is None or here is None:
            return False
        at = here.time or 0.0
        if moment < at:
            return False
        key = self._find_key(moment)
        return moment - at < _FORWARD_SECONDS if key is None else key <= at

    def _find_key(self, moment: float) -> float | None:
        """Return when the key frame of a moment is, if an index tells."""
        base, index = read_rational(self._stream.time_base), self._stream.index_entries
        place = index.search_timestamp(int(moment / base))
        return float(index[place].timestamp * base) if place >= 0 else None

    def _seek(self, moment: float) -> None:
        base = read_rational(self._stream.time_base)
        self._shown = self._ahead = None
        with suppress(av.FFmpegError):  # then it goes on from where it is
            self._container.seek(int(moment / base), stream=self._stream)
        self._frames = self._decode()

    def _go_on(self, moment: float, until: float) -> None:
        """Decode until the next frame is behind the moment, or the time is up."""
        while self._ahead is None or (self._ahead.time or 0.0) <= moment:
            if self._ahead is not None:
                self._shown, self._ahead = self._ahead, None
            is_late = monotonic() > until and self._shown is not None
            frame = None if is_late else next(self._frames or iter(()), None)
            if frame is None:
                return
            self._ahead = frame

    def _decode(self) -> Iterator[VideoFrame]:
        """Yield frames that are whole, as far as the file can be read."""
        with suppress(av.FFmpegError, OSError):
            for packet in self._container.demux(self._stream):
                frames: list[VideoFrame] = []
                with suppress(av.FFmpegError, ValueError):
                    frames = packet.decode()
                yield from (frame for frame in frames if not frame.is_corrupt)
