"""Video out: H.264 in MP4 that plays everywhere, with the source's time stamps, size and sound;
with opacity ProRes 4444 in MOV or VP9 in WebM. The file's name says which (``video.containers``).

Index at the front ("faststart"), colours tagged BT.709. An odd width or height, which yuv420p
cannot hold, grows by one pixel that repeats the edge. The file is written as ``NAME.part`` and
renamed by ``close``, after a look whether all frames are in it; ``abort`` leaves nothing.

Sound comes from the source, shifted and cut to the frames that are written (see ``video.sound``).
Without libx264 the file is MPEG-4 Part 2, and a warning says so.
"""

from __future__ import annotations

__all__ = ["VideoWriter"]

import logging
import math
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from posetrack.errors import OutputError, UsageError
from posetrack.files import cannot_write, part_path, remove_part
from posetrack.structures import Image
from posetrack.video.containers import coding_of, hardware_coding
from posetrack.video.sound import Sound

_log = logging.getLogger(__name__)

MPEG4_BITS_PER_PIXEL = 0.25  # of the fallback codec, which knows no constant quality
MIN_TICKS_PER_S = 10_000  # time stamps are kept to 0.1 ms at least
MAX_FPS_DENOMINATOR = 1001  # of broadcast rates such as 30000/1001
BT709 = 1  # code of the colour matrix, primaries and transfer curve, ITU-T H.273
LIMITED_RANGE = 1  # code of "16..235" luma in FFmpeg
WRITE_BEHIND_FRAMES = 8  # that wait to be encoded, at most


class VideoWriter:
    """Writes RGB frames of ``size_wh`` to a video file; with ``alpha``, RGB and opacity.

    ``fps`` sets the tick of the file's clock; the frames come when their own ``time_s`` says, so a
    variable rate survives. The first frame is at 0 in the file. ``audio_from`` is a video whose
    sound is copied: its time 0 is that of its first frame, as ``open_source`` counts. ``end_s``
    ends the sound (default: with the last frame). ``encoder`` is one of
    ``containers.hardware_encoders``.
    """

    def __init__(
        self,
        path: str | Path,
        size_wh: tuple[int, int],
        fps: float,
        *,
        audio_from: str | Path | None = None,
        end_s: float | None = None,
        alpha: bool = False,
        encoder: str | None = None,
    ) -> None:
        """Open ``path.part`` for writing. Raises OutputError, UsageError."""
        self.path, self.size_wh = Path(path), size_wh
        self._kind, self._coding = coding_of(self.path, alpha=alpha)
        self._in_hardware = encoder is not None
        if encoder:
            self._coding = hardware_coding(self._coding, encoder)
        self._channels = 4 if alpha else 3
        self.frame_count = 0
        self._part = part_path(self.path)
        self._rate = Fraction(fps).limit_denominator(MAX_FPS_DENOMINATOR)
        ticks = self._rate.numerator * math.ceil(MIN_TICKS_PER_S / self._rate.numerator)
        self._tick = Fraction(1, ticks)
        self._origin_s = 0.0
        self._last_tick = -1
        self._end_s = end_s
        self._sound: Sound | None = None
        self._container: Any = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="video-writer")
        self._behind: deque[Future[None]] = deque()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # FFmpeg opens it with the first packet; a bad place is told before the work
            self._part.touch()
            self._open(audio_from)
        except BaseException as error:
            self._fail(error)

    def _open(self, audio_from: str | Path | None) -> None:
        import av

        kind = self._kind
        self._container = av.open(f"file:{self._part}", "w", format=kind.name, options=kind.options)
        self._stream = self._add_stream()
        if audio_from is not None:
            self._sound = Sound.find(Path(audio_from), self._container, kind)

    def _add_stream(self) -> Any:
        width, height = (n + n % 2 * self._coding.even for n in self.size_wh)
        if self._coding.codec == "libx264" and not _has_x264():
            _log.warning(
                "This build of PyAV has no H.264 encoder; %s is written as MPEG-4 Part 2.",
                self.path,
            )
            stream = self._container.add_stream("mpeg4", self._rate)
            stream.bit_rate = int(width * height * float(self._rate) * MPEG4_BITS_PER_PIXEL)
            self._tick = (
                1 / self._rate if self._rate.numerator < 1 << 16 else Fraction(1, 1000)
            )  # 16 bits in MPEG-4
        else:
            stream = self._container.add_stream(
                self._coding.codec, self._rate, options=dict(self._coding.options)
            )
        stream.width, stream.height, stream.pix_fmt = width, height, self._coding.pix_fmt
        context = stream.codec_context
        context.time_base = self._tick
        context.thread_type = "AUTO"
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        if self._in_hardware:
            self._try_hardware(context)
        return stream

    def _try_hardware(self, context: Any) -> None:
        """Open an encoder of hardware now, not with the first frame. Raises UsageError where this
        machine has none of the kind.
        """
        import av

        try:
            context.open()
        except (av.FFmpegError, OSError) as error:
            raise UsageError(
                f"{self._coding.codec} does not work on this machine "
                f"({getattr(error, 'strerror', error)}); leave out --encode-on."
            ) from error

    def write(self, image: Image, time_s: float) -> None:
        """Append a frame (H, W, 3) uint8 RGB, or (H, W, 4) with opacity, shown from ``time_s`` on.
        Times must grow. Raises OutputError.

        The frame is encoded on another thread while the caller goes on: ``image`` must not be
        changed any more, and a fault may be raised by a later call.
        """
        width, height = self.size_wh
        expected = (height, width, self._channels)
        if image.shape != expected:
            raise ValueError(f"VideoWriter.write: expected shape {expected}, got {image.shape}")
        if self.frame_count == 0:
            self._origin_s = time_s
        try:
            self._behind.append(self._worker.submit(self._encode, image, time_s))
            self.frame_count += 1
            self._wait_until(WRITE_BEHIND_FRAMES)
        except BaseException as error:
            self._fail(error)

    def _wait_until(self, waiting: int) -> None:
        """Wait until no more than that many frames are not encoded; raises what encoding raised."""
        while len(self._behind) > waiting:
            self._behind.popleft().result()

    def _encode(self, image: Image, time_s: float) -> None:
        """Encode and write one frame, and the sound up to it. Runs on the worker thread."""
        import av

        width, height = self.size_wh
        if self._coding.even and (width % 2 or height % 2):
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        layout = "rgba" if self._channels == 4 else "rgb24"
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=layout)
        frame = frame.reformat(format=self._coding.pix_fmt, dst_colorspace=BT709)
        self._last_tick = max(round((time_s - self._origin_s) / self._tick), self._last_tick + 1)
        frame.pts, frame.time_base = self._last_tick, self._tick
        self._container.mux(self._stream.encode(frame))
        if self._sound:
            self._sound.write_until(time_s, self._origin_s)

    def close(self) -> None:
        """Finish the file, check it, and give it its name. A writer without frames leaves none.
        Raises OutputError.
        """
        if self._container is None:
            return
        if self.frame_count == 0:
            self.abort()
            return
        try:
            self._wait_until(0)
            self._worker.shutdown()
            self._container.mux(self._stream.encode(None))
            if self._sound:
                last_s = self._origin_s + float(
                    (self._last_tick + 1 / (self._rate * self._tick)) * self._tick
                )
                self._sound.write_until(
                    last_s if self._end_s is None else min(self._end_s, last_s), self._origin_s
                )
                self._sound.finish()
                self._sound.close()
            self._container.close()
            self._check()
            os.replace(self._part, self.path)
            self._container = None
        except BaseException as error:
            self._fail(error)

    def abort(self) -> None:
        """Give up: remove what was written."""
        import av

        self._worker.shutdown(cancel_futures=True)
        container, self._container = self._container, None
        try:
            if self._sound:
                self._sound.close()
            if container is not None:
                container.close()
        except (av.FFmpegError, OSError):
            pass  # the disk is the likely reason for giving up: closing fails as writing did
        remove_part(self._part)

    def _fail(self, error: BaseException) -> None:
        """Abort and raise: faults of the disk and of FFmpeg as OutputError, anything else
        as it is.
        """
        import av

        self.abort()
        if isinstance(error, (av.FFmpegError, OSError)):
            raise cannot_write(self.path, error) from error
        raise error

    def _check(self) -> None:
        """Reopen the finished file: its index must hold every frame. Raises OutputError."""
        import av

        with av.open(f"file:{self._part}") as container:
            stream = container.streams.video[0]
            # WebM has no count in its index
            found = stream.frames or sum(packet.size > 0 for packet in container.demux(stream))
        if found != self.frame_count:
            raise OutputError(
                f"{self.path} came out with {found} of {self.frame_count} frames; it was not kept."
            )

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, or abort where the block failed or was interrupted."""
        if kind is None:
            self.close()
        else:
            self.abort()


def _has_x264() -> bool:
    import av

    return "libx264" in av.codecs_available
