"""The sound of a written video: the source's own packets, copied without coding them again, as the
pictures go on.

What the container does not hold (PCM or Vorbis in MP4, ...) is coded again, with a warning that
says so. Sound can fail alone: an encoder is tried before its stream is added to the file, and
whatever goes wrong later ends the sound with one warning. The pictures never fail because of it.
"""

from __future__ import annotations

__all__ = ["Sound"]

import logging
import stat
from pathlib import Path
from typing import Any

from posetrack.video.containers import Container

_log = logging.getLogger(__name__)

OPUS_RATE = 48000  # samples a second: what Opus is coded at
# rates that AAC knows (ISO/IEC 14496-3, table 1.18); other sound is resampled to the next
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_DECODERS = {"mp3float": "mp3", "mp3adufloat": "mp3adu", "libopus": "opus", "libvorbis": "vorbis"}


class Sound:
    """Moves the first readable sound track of one container into another, cut and shifted to the
    pictures.

    Times are the source's, counted from its first picture as ``open_source`` does.
    """

    def __init__(self, source: Any, container: Any, kind: Container) -> None:
        self._source, self._container = source, container
        # a codec that FFmpeg does not know has no context
        known = [s for s in source.streams.audio if getattr(s, "codec_context", None)]
        if not known:
            raise ValueError("its codec is unknown")
        self._stream = known[0]
        self.codec = _codec_of(self._stream)
        self.recoded = self.codec not in kind.sound
        self._resampler: Any = None
        if self.recoded:
            self._target = self._add_encoder(container, kind.sound_fallback)
        else:
            self._target = container.add_stream_from_template(self._stream)
        self._packets = source.demux(self._stream)
        self._waiting: Any = None
        self._dead = False
        video = source.streams.video
        timed = bool(video) and video[0].start_time is not None
        self._zero_s = float(video[0].start_time * video[0].time_base) if timed else 0.0

    @classmethod
    def find(cls, path: Path, container: Any, kind: Container) -> Sound | None:
        """The sound of the file ``path``, to be written into ``container`` of that ``kind``; None
        where there is none to be had.
        """
        import av

        source = None
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # a pipe can be read only once
                raise ValueError("it can be read only once")
            source = av.open(f"file:{path}", metadata_errors="replace")
            if source.streams.audio:
                sound = cls(source, container, kind)
                _say_recoded(sound, path, kind)
                return sound
            source.close()
        except Exception as error:  # whatever it is: the pictures go on
            _log.warning(
                "The sound of %s cannot be used (%s); the video is written without.",
                path,
                str(error) or type(error).__name__,
            )
            if source is not None:
                source.close()
        return None

    def _add_encoder(self, container: Any, codec: str) -> Any:
        """A stream of the fallback codec in a rate and layout it has; tried on silence first,
        because a stream cannot be taken out of a file again. Raises what the trial raises.
        """
        import av

        context = self._stream.codec_context
        rate = OPUS_RATE if codec == "libopus" else _aac_rate(context.sample_rate)
        layout = "mono" if context.channels == 1 else "stereo"
        trial: Any = av.CodecContext.create(codec, "w")
        trial.sample_rate, trial.layout = rate, layout
        trial.format = trial.codec.audio_formats[0].name
        trial.open()
        self._resampler = av.AudioResampler(trial.format.name, layout, rate)
        return container.add_stream(codec, rate, layout=layout)

    def write_until(self, time_s: float, origin_s: float) -> None:
        """Write what sounds from ``origin_s`` to ``time_s`` and was not written yet; ``origin_s``
        becomes 0.
        """
        if self._dead:
            return
        try:
            self._move(time_s, origin_s)
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._dead = True
        _log.warning(
            "The sound ends early: it cannot be written (%s). The pictures go on.",
            str(error) or type(error).__name__,
        )

    def _move(self, time_s: float, origin_s: float) -> None:
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
        if not self.recoded:
            packet.stream = self._target
            self._container.mux(packet)
            return
        try:
            blocks = packet.decode()
        except av.FFmpegError:
            return  # a damaged packet: a moment of silence
        for block in blocks:
            for even in self._resampler.resample(block):
                self._container.mux(self._target.encode(even))

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
            if packet.pts is None:  # AVI gives some packets only the other time
                packet.pts = packet.dts
            if packet.pts is not None and packet.size > 0:
                self._waiting = packet
        return self._waiting

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if not self.recoded or self._dead:
            return
        try:
            for even in self._resampler.resample(None):
                self._container.mux(self._target.encode(even))
            self._container.mux(self._target.encode(None))
        except Exception as error:
            self._give_up(error)

    def close(self) -> None:
        """Let go of the source."""
        self._source.close()


def _codec_of(stream: Any) -> str:
    """The codec's own name: a decoder may have another (mp3float decodes mp3)."""
    name: str = stream.codec_context.name
    return _DECODERS.get(name, name)


def _aac_rate(rate: int) -> int:
    """The nearest rate of AAC that loses nothing, or its highest."""
    return next((known for known in AAC_RATES if known >= rate), AAC_RATES[-1])


def _say_recoded(sound: Sound, path: Path, kind: Container) -> None:
    if sound.recoded:
        _log.warning(
            "The sound of %s (%s) does not fit into %s; it is coded again as %s.",
            path,
            sound.codec,
            kind.name.upper(),
            kind.sound_fallback.removeprefix("lib").upper(),
        )
