"""Decoding a video file or network stream with PyAV: upright RGB frames with their true time
stamps.

* **Time** counts from the start of the video stream, so the first frame of a file is at 0. Time
  stamps are the file's own, whatever its rate does; where a stream repeats or loses one, the next
  is one frame's length later.
* **Shape.** Pixels that are not square (DV, DVD, broadcast) are made square, here, once: all
  coordinates are in square pixels.
* **Rotation.** The display matrix that phones write is applied here, once; ``rotation`` records it.
* **Damage.** What decodes is delivered. Packets that do not decode are skipped, a file that breaks
  off ends there, and one warning at the end says how much is missing. Only a video without a single
  frame is an error.
"""

from __future__ import annotations

__all__ = ["Decoder"]

import logging
import math
import threading
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import InputError, UsageError, unknown_name
from posetrack.structures import Frame, Image

_log = logging.getLogger(__name__)

DEFAULT_FPS = 25.0  # of a stream that does not say
MAX_FPS = 1000.0  # a higher rate is a broken header
NETWORK_TIMEOUT_S = 10.0  # to connect, and for each read
_TIME_SLACK_S = 1e-6  # of a range's ends: below any time base, above rounding
# containers with an index of all packets and their times; others are decoded from the beginning, so
# that a frame has the same index and time whatever the entry
_EXACT_SEEKS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
_MAX_ASPECT = 4.0  # of pixels; beyond, the header is broken
_NOT_VIDEO = {"tty"}  # FFmpeg plays text files as terminal art
_PLAIN = np.eye(2, dtype=np.int64)


class Decoder:
    """One opened file or address, standing before the first frame of ``start_s <= time < end_s``.

    ``frames()`` delivers once; open anew to read again. ``rotation`` is how far the stored picture
    was turned, in degrees clockwise (0, 90, 180, 270). ``frame_count`` is what the header promises,
    or None.
    """

    def __init__(
        self,
        address: str,
        label: str,
        *,
        start_s: float | None,
        end_s: float | None,
        live: bool,
        device: str | None = None,
    ) -> None:
        """``address`` is what FFmpeg opens, ``label`` what messages call it; ``device`` decodes
        instead of the processor (a name that ``av.codec.hwaccel`` knows). Raises InputError,
        UsageError where it cannot.
        """
        self.label, self.live = label, live
        self._start_s, self._end_s = start_s or 0.0, math.inf if end_s is None else end_s
        self._address = address
        self._packets_read = self._packets_broken = 0
        self._lock, self._closed = threading.Lock(), False
        self._container = _open(address, label, live, device)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        self._stream = _video_stream(self._container, self.label)
        self._stream.thread_type = "AUTO"
        rate = self._stream.average_rate or self._stream.guessed_rate or 0
        self.fps = float(rate) if 0 < rate < MAX_FPS else DEFAULT_FPS
        self.has_audio = bool(self._container.streams.audio)
        self.frame_count = None if self.live else self._promised_frames()
        self._zero = self._start_of_stream()
        timed = self._timed_frames()
        exact = self._container.format.name in _EXACT_SEEKS and self._zero is not None
        if self._start_s > 0 and exact:
            timed = self._seek(timed)
        skipped, first = 0, None
        for first in timed:
            if first[0] >= self._start_s - _TIME_SLACK_S:
                break
            skipped, first = skipped + 1, None
        if first is None or first[0] >= self._end_s - _TIME_SLACK_S:
            raise self._nothing()
        self._frames = chain([first], timed)
        if self._start_s > 0:
            self._first_index = self._index_of(first[0]) if exact else 0 if self.live else skipped
        else:
            self._first_index = 0
        self._orientation = _orientation(first[1])
        (a, _), (b, _) = self._orientation
        self.rotation = round(math.degrees(math.atan2(b, a))) % 360
        self._stored_wh = width, height = _square(first[1], self._stream)
        self.size_wh = (width, height) if a else (height, width)

    def close(self) -> None:
        """Let go of the file or connection; a thread that is decoding from it ends with the packet
        it is at.
        """
        with self._lock:
            self._closed = True
            self._container.close()

    def frames(self) -> Iterator[Frame]:
        """Deliver the frames; warn at the end where some were lost."""
        width, height = self._stored_wh
        index, last_s = self._first_index, 0.0
        for time_s, picture in self._frames:
            if time_s >= self._end_s - _TIME_SLACK_S:
                return
            rgb = picture.to_ndarray(format="rgb24", width=width, height=height)
            yield Frame(index, time_s, _turn(rgb, self._orientation))
            index, last_s = index + 1, time_s
        if not self._closed:
            self._report_losses(index, last_s)

    # --- time
    # ----------------------------------------------------------------------------------------------

    def _start_of_stream(self) -> float | None:
        """Time of the stream's own clock at the first frame; None: take it from the first frame."""
        if self.live or self._stream.start_time is None:
            return None
        return float(self._stream.start_time * self._stream.time_base)

    def _promised_frames(self) -> int | None:
        """Frames in the range, as far as the header tells."""
        known = self._container.duration
        duration_s = None if known is None else known / 1_000_000  # AV_TIME_BASE is microseconds
        if self._start_s == 0 and math.isinf(self._end_s) and self._stream.frames:
            return int(self._stream.frames)
        if duration_s is None:
            return None
        seconds: float = min(self._end_s, duration_s) - self._start_s
        return max(0, round(seconds * self.fps))

    def _timed_frames(self) -> Iterator[tuple[float, Any]]:
        """Decoded pictures with strictly growing times in seconds."""
        last_s: float | None = None
        for picture in self._pictures():
            step_s = 1 / self.fps
            clock_s = None if picture.pts is None else float(picture.pts * picture.time_base)
            if self._zero is None and clock_s is not None:
                self._zero = clock_s
            time_s = None if clock_s is None else clock_s - (self._zero or 0.0)
            if time_s is None or (last_s is not None and time_s <= last_s):
                time_s = 0.0 if last_s is None else last_s + step_s
            last_s = time_s
            yield time_s, picture

    def _seek(self, timed: Iterator[tuple[float, Any]]) -> Iterator[tuple[float, Any]]:
        """Jump to the key frame before the range; decode from the beginning where that does not
        work.
        """
        import av

        try:
            self._container.seek(self._ticks(self._start_s), stream=self._stream)
            first = next(timed, None)
            if first is not None and first[0] <= self._start_s + _TIME_SLACK_S:
                return chain([first], timed)
            self._container.seek(self._ticks(0), stream=self._stream)
        except av.FFmpegError:
            pass  # a file that cannot be sought in still stands at its beginning
        return self._timed_frames()

    def _ticks(self, time_s: float) -> int:
        return int((time_s + (self._zero or 0.0)) / self._stream.time_base)

    def _index_of(self, time_s: float) -> int:
        """Index in the whole video of the frame at ``time_s``: counts packets before it, without
        decoding.
        """
        if self.live:
            return 0
        bound = self._ticks(time_s - _TIME_SLACK_S)
        count = 0
        with _open(self._address, self.label, self.live) as container:
            for packet in container.demux(_video_stream(container, self.label)):
                if packet.dts is not None and packet.dts > bound:
                    break
                if packet.pts is not None and packet.pts <= bound and not packet.is_discard:
                    count += 1
        return count

    # --- packets
    # ----------------------------------------------------------------------------------------------

    def _pictures(self) -> Iterator[Any]:
        """All pictures that can be decoded, in presentation order."""
        packets = self._container.demux(self._stream)
        pictures: list[Any] | None = []
        while pictures is not None:
            with (
                self._lock
            ):  # another thread may close the container, but not in the middle of a packet
                pictures = None if self._closed else self._next_pictures(packets)
            yield from pictures or ()

    def _next_pictures(self, packets: Iterator[Any]) -> list[Any] | None:
        """The pictures that one more packet completes; None at the end."""
        import av

        try:
            packet = next(packets, None)
        except (av.FFmpegError, OSError) as error:
            _log.warning(
                "%s: reading stopped (%s); the frames so far are used.", self.label, _reason(error)
            )
            packet = None
        try:
            if packet is None:
                return None
            self._packets_read += packet.size > 0
            return list(packet.decode())
        except (av.FFmpegError, OSError):
            self._packets_broken += 1
            return []

    def _report_losses(self, delivered: int, last_s: float) -> None:
        """Warn where packets did not decode, or the file ends long before its header says."""
        if self._packets_broken:
            _log.warning(
                "%s: %d packets could not be decoded and were skipped.",
                self.label,
                self._packets_broken,
            )
        promised, duration = self._stream.frames, self._container.duration
        whole_file = not self.live and self._start_s == 0 and math.isinf(self._end_s)
        if not whole_file or not promised or not duration or self._packets_read >= promised:
            return
        if last_s + 2 / self.fps < duration / 1_000_000:
            _log.warning(
                "%s is cut off: it has %d of %d frames; these are used.",
                self.label,
                delivered,
                promised,
            )

    def _nothing(self) -> InputError:
        if self._start_s > 0 or not math.isinf(self._end_s):
            known = self._container.duration
            length = f"; it lasts {known / 1_000_000:.2f} s" if known else ""
            end = "its end" if math.isinf(self._end_s) else f"{self._end_s:g} s"
            return InputError(
                f"{self.label} has no frames between {self._start_s:g} s and {end}{length}."
            )
        return InputError(
            f"{self.label} holds no frame that can be decoded: it is empty, cut off or damaged."
        )


def _open(address: str, label: str, live: bool, device: str | None = None) -> Any:
    """Open a container for reading. Raises InputError, UsageError."""
    import av

    hardware = _accelerator(device) if device else None
    options = {"rtsp_transport": "tcp"} if address.startswith("rtsp") else {}
    try:
        container = av.open(
            address,
            options=options,
            timeout=NETWORK_TIMEOUT_S if live else None,
            metadata_errors="replace",  # titles in other encodings are of no use here
            hwaccel=hardware,
        )
    except RuntimeError as error:  # PyAV's class where the device knows none of the codecs
        raise _no_hardware(label, device, error) from error
    except (av.error.InvalidDataError, av.error.EOFError, av.error.PermissionError) as error:
        if isinstance(error, PermissionError):
            if hardware:  # what FFmpeg says of a device that is not there
                raise _no_hardware(label, device, error) from error
            raise InputError(f"{label} cannot be read: permission denied.") from error
        raise InputError(f"{label} is not a video, or it is cut off before its index.") from error
    except (av.FFmpegError, OSError, ValueError) as error:
        if hardware and not isinstance(error, FileNotFoundError | ConnectionError):
            raise _no_hardware(label, device, error) from error
        raise InputError(f"{label} cannot be opened: {_reason(error)}.") from error
    if container.format.name in _NOT_VIDEO:
        container.close()
        raise InputError(f"{label} is not a video.")
    return container


def _accelerator(device: str) -> Any:
    """What makes FFmpeg decode on a device. Raises UsageError for one that this build has not."""
    from av.codec.hwaccel import HWAccel, hwdevices_available

    if device not in hwdevices_available():
        raise unknown_name("decoding device", device, hwdevices_available())
    return HWAccel(device, allow_software_fallback=False)


def _no_hardware(label: str, device: str | None, error: Exception) -> UsageError:
    return UsageError(
        f"{label} cannot be decoded on {device} here ({_reason(error)}); leave out --decode-on."
    )


def _video_stream(container: Any, label: str) -> Any:
    """The first moving picture of a container: cover art of a song is not one. Raises
    InputError.
    """
    import av

    streams = [
        s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        raise InputError(f"{label} holds no video stream.")
    usable = [s for s in streams if getattr(s, "codec_context", None) is not None]
    if not usable:
        raise InputError(
            f"The codec of {label} is not supported; convert the file, to H.264 in MP4 for example."
        )
    return usable[0]


def _square(picture: Any, stream: Any) -> tuple[int, int]:
    """Width and height of a stored picture in square pixels: the wider side of flat or narrow ones
    grows, so that people have their shape.
    """
    aspect = float(stream.sample_aspect_ratio or 1)
    width, height = picture.width, picture.height
    if not 1 / _MAX_ASPECT <= aspect <= _MAX_ASPECT:
        return width, height
    return round(width * max(1, aspect)), round(height * max(1, 1 / aspect))


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")


# --- orientation
# --------------------------------------------------------------------------------------------------


def _orientation(picture: Any) -> npt.NDArray[np.int64]:
    """The display matrix as 2x2 signs ``[[a, c], [b, d]]``: x' = a x + c y, y' = b x + d y (one of
    eight).
    """
    data = next((bytes(s) for s in picture.side_data if s.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return _PLAIN
    a, b, _, c, d = (int(v) for v in np.frombuffer(data, np.int32)[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        b = c = 0
    else:
        a = d = 0
    matrix = np.sign(np.array([[a, c], [b, d]], np.int64))
    return matrix if abs(round(np.linalg.det(matrix))) == 1 else _PLAIN


def _turn(image: Image, orientation: npt.NDArray[np.int64]) -> Image:
    """Bring a stored picture upright."""
    (a, c), (b, d) = orientation
    if a == d == 1:
        return image
    upright = image if a else image.transpose(1, 0, 2)
    x_step, y_step = (a, d) if a else (c, b)
    return np.ascontiguousarray(upright[::y_step, ::x_step])
