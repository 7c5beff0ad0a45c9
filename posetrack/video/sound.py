"""The sound of a written video: the source's own packets, copied without coding them again, as the
pictures go on.

What the container does not hold (PCM or Vorbis in MP4, ...) is coded again, with a warning that
says so; sound that cannot be read at all is left out, with a warning too. The pictures never fail
because of the sound.
"""

from __future__ import annotations

__all__ = ["Sound"]

import logging
from pathlib import Path
from typing import Any

from posetrack.video.containers import Container

_log = logging.getLogger(__name__)

OPUS_RATE = 48000  # samples a second: what Opus is coded at


class Sound:
    """Moves the first sound track of one container into another, cut and shifted to the pictures.

    Times are the source's, counted from its first picture as ``open_source`` does.
    """

    def __init__(self, source: Any, container: Any, kind: Container) -> None:
        self._source, self._container = source, container
        self._stream = source.streams.audio[0]
        self._recoded = self._stream.codec_context.name not in kind.sound
        if self._recoded:
            rate, layout = self._stream.codec_context.sample_rate, self._stream.codec_context.layout
            rate = OPUS_RATE if kind.sound_fallback == "libopus" else rate
            self._target = container.add_stream(kind.sound_fallback, rate, layout=layout.name)
        else:
            self._target = container.add_stream_from_template(self._stream)
        self._packets = source.demux(self._stream)
        self._waiting: Any = None
        video = source.streams.video
        known = bool(video) and video[0].start_time is not None
        self._zero_s = float(video[0].start_time * video[0].time_base) if known else 0.0

    @classmethod
    def find(cls, path: Path, container: Any, kind: Container) -> Sound | None:
        """The sound of the file ``path``, to be written into ``container`` of that ``kind``; None
        where there is none to be had.
        """
        import av

        try:
            source = av.open(f"file:{path}")
            if not source.streams.audio:
                source.close()
                return None
            codec = source.streams.audio[0].codec_context.name
            if codec not in kind.sound:
                _log.warning(
                    "The sound of %s (%s) does not fit into %s; it is coded again as %s.",
                    path,
                    codec,
                    kind.name.upper(),
                    kind.sound_fallback.removeprefix("lib").upper(),
                )
            return cls(source, container, kind)
        except (av.FFmpegError, OSError, ValueError) as error:
            _log.warning(
                "The sound of %s cannot be read (%s); the video is written without.", path, error
            )
            return None

    def write_until(self, time_s: float, origin_s: float) -> None:
        """Write what sounds from ``origin_s`` to ``time_s`` and was not written yet; ``origin_s``
        becomes 0.
        """
        tick = self._stream.time_base
        shift = round((self._zero_s + origin_s) / tick)
        while (packet := self._next()) is not None and packet.pts * tick - self._zero_s < time_s:
            self._waiting = None
            if packet.pts >= shift:
                self._write(packet, shift)

    def _write(self, packet: Any, shift: int) -> None:
        import av

        packet.pts -= shift
        packet.dts = packet.pts  # sound is never reordered
        if not self._recoded:
            packet.stream = self._target
            self._container.mux(packet)
            return
        try:
            blocks = packet.decode()
        except av.FFmpegError:
            return  # a damaged packet: a moment of silence
        for block in blocks:
            self._container.mux(self._target.encode(block))

    def _next(self) -> Any:
        """The packet that comes next, without taking it; None at the end."""
        import av

        while self._waiting is None:
            try:
                packet = next(self._packets, None)
            except (av.FFmpegError, OSError):
                return None  # the source is cut off here: the sound ends with it
            if packet is None:
                return None
            if packet.pts is not None and packet.size > 0:
                self._waiting = packet
        return self._waiting

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._recoded:
            self._container.mux(self._target.encode(None))

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()
