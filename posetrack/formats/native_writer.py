"""Writing the native format while a run goes on, so that a kill loses nothing finished, and going
on from there.

Each frame is handed to the operating system as soon as it is written: a killed process loses no
finished frame. The disk itself is asked to catch up every few seconds, which bounds what a power
cut takes. With any frame the run may leave its memory (the tracker's remembered poses, say) in
``NAME.state`` beside the file; ``NativeWriter.resume`` cuts the file back to the frame that memory
belongs to and gives it back. Closing the file removes the memory.
"""

from __future__ import annotations

__all__ = ["NativeWriter", "state_path"]

import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import orjson

from posetrack.errors import InputError
from posetrack.files import cannot_write, part_path
from posetrack.formats.native import (
    encode_end,
    encode_frame,
    encode_header,
    parse_frame,
    parse_header,
)
from posetrack.structures import FrameLabels, Sequence

# at most this much work is lost in a power cut; a sync a frame would cost milliseconds each
SYNC_EVERY_S = 5.0


def state_path(path: str | Path) -> Path:
    """Where the memory of an unfinished run lies."""
    path = Path(path)
    return path.with_name(path.name + ".state")


class NativeWriter:
    """Streams frames into a native file, a line each.

    ``sequence`` gives the header (its ``frames`` are not read). ``frame_count`` is the number of
    frames in the file, ``last_index`` the index of the last one (-1: none), ``state`` what
    ``write`` was given last: the memory to go on with after ``resume``, in plain lists and numbers
    (arrays come back as lists; float32 values are exact).
    """

    def __init__(self, path: str | Path, sequence: Sequence) -> None:
        """Start a new file, over any old one. Raises OutputError."""
        self.path = Path(path)
        self.sequence = sequence
        self.frame_count = 0
        self.last_index = -1
        self.state: Any = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            state_path(self.path).unlink(missing_ok=True)
            self._file: BinaryIO = self.path.open("wb")
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._synced = time.monotonic()
        self._put(encode_header(sequence))

    @classmethod
    def resume(cls, path: str | Path) -> NativeWriter:
        """Go on with the file of an interrupted run: cut off what is not whole, stand behind the
        last finished frame.

        Raises InputError where there is nothing to go on from, FormatError where the file is of
        another kind.
        """
        writer = cls.__new__(cls)
        writer.path = Path(path)
        try:
            writer._file = writer.path.open("r+b")
        except FileNotFoundError as error:
            raise InputError(
                f"There is no file {path} to resume from; start without --resume."
            ) from error
        except OSError as error:
            raise cannot_write(path, error) from error
        writer._synced = time.monotonic()
        try:
            writer._find_end()
        except BaseException:
            writer._file.close()
            raise
        return writer

    def _find_end(self) -> None:
        """Read the header, find the last whole frame the memory belongs to, cut the file
        behind it.
        """
        saved = _read_state(state_path(self.path))
        self.sequence = parse_header(self._file.readline(), str(self.path))
        self.frame_count, last, end = 0, b"", self._file.tell()
        self.state = None if saved is None else saved["state"]
        for line in self._file:
            whole_frame = line.endswith(b"\n") and not line.startswith(b'{"end"')
            if not whole_frame or (saved and self.frame_count == saved["frames"]):
                break
            self.frame_count, last, end = self.frame_count + 1, line, end + len(line)
        if saved and saved["frames"] != self.frame_count:
            raise InputError(
                f"{self.path} has lost frames that its memory {state_path(self.path).name} knows "
                f"of; "
                "start again without --resume."
            )
        where = f"{self.path}, line {self.frame_count + 1}"
        self.last_index = parse_frame(last, self.sequence.skeleton, where).index if last else -1
        self._file.seek(end)
        self._file.truncate()

    def write(self, labels: FrameLabels, state: Any = None) -> None:
        """Append one frame; keep ``state`` (JSON and numpy arrays; None: none) for ``resume``.
        Raises OutputError.
        """
        self._put(encode_frame(labels))
        self.frame_count += 1
        self.last_index = labels.index
        self.state = state
        if state is not None:
            self._keep_state(state)
        if time.monotonic() - self._synced > SYNC_EVERY_S:
            self._sync()

    def close(self) -> None:
        """Write the closing line and remove the memory: the file is complete. Raises
        OutputError.
        """
        if self._file.closed:
            return
        self._put(encode_end(self.frame_count))
        self._sync()
        self.release()
        state_path(self.path).unlink(missing_ok=True)

    def release(self) -> None:
        """Let go of the file without completing it: it stays readable, and ``resume`` can go on
        from it.
        """
        try:
            self._file.close()
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def __enter__(self) -> NativeWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Complete the file, or leave it resumable where the block failed or was interrupted."""
        if kind is None:
            self.close()
        else:
            self.release()

    def _put(self, line: bytes) -> None:
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            with suppress(OSError):  # closing tries to flush what cannot be written
                self._file.close()
            raise cannot_write(self.path, error) from error

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._synced = time.monotonic()

    def _keep_state(self, state: Any) -> None:
        target = state_path(self.path)
        data = orjson.dumps(
            {"frames": self.frame_count, "state": state}, option=orjson.OPT_SERIALIZE_NUMPY
        )
        try:
            part_path(target).write_bytes(data)
            os.replace(part_path(target), target)
        except OSError as error:
            raise cannot_write(target, error) from error


def _read_state(path: Path) -> dict[str, Any] | None:
    """The memory of an unfinished run, None where there is none. Raises InputError where it is
    broken.
    """
    try:
        saved = orjson.loads(path.read_bytes())
        return {"frames": int(saved["frames"]), "state": saved["state"]}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The memory {path} of the broken-off run cannot be read; start without --resume."
        ) from error
