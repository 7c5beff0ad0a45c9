"""Writing the native format while a run goes on, so that a kill loses nothing finished, and going
on from there.

Each frame is handed to the operating system as soon as it is written: a killed process loses no
finished frame. The disk itself is asked to catch up every few seconds, which bounds what a power
cut takes. With any frame the run may leave its memory (the tracker's remembered poses, say) in
``NAME.state`` beside the file; ``NativeWriter.resume`` cuts the file back to the frame that memory
belongs to and gives it back. At each of those moments an older memory is put on the disk for good
(``NAME.state.safe``), for the case that a loss of power cuts both files off: the newest that can be
read and whose frames are there is taken. ``close`` removes the memory, ``complete`` keeps it until
the file has its final name.
"""

from __future__ import annotations

__all__ = ["NativeWriter", "forget_state", "has_state", "state_path"]

import logging
import os
import time
from collections.abc import Iterator
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
    is_json,
    parse_frame,
    parse_header,
)
from posetrack.structures import FrameLabels, Sequence

_log = logging.getLogger(__name__)

# at most this much work is lost in a power cut; a sync a frame would cost milliseconds each
SYNC_EVERY_S = 5.0


def state_path(path: str | Path) -> Path:
    """Where the memory of an unfinished run lies."""
    path = Path(path)
    return path.with_name(path.name + ".state")


def has_state(path: str | Path) -> bool:
    """Whether a run left a memory beside a file."""
    return any(kept.exists() for kept in _memories(path))


def forget_state(path: str | Path) -> None:
    """Remove the memory beside a file."""
    for kept in _memories(path):
        kept.unlink(missing_ok=True)
        part_path(kept).unlink(missing_ok=True)


def _memories(path: str | Path) -> tuple[Path, Path]:
    """The newest memory, and the one that outlives a loss of power."""
    newest = state_path(path)
    return newest, newest.with_name(newest.name + ".safe")


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
            forget_state(self.path)
            self._file: BinaryIO = self.path.open("wb")
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._synced = time.monotonic()
        self._memory_due = False
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
        writer._memory_due = False
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
        self.sequence = parse_header(self._file.readline(), str(self.path))
        begin = self._file.tell()
        ends = [begin, *self._frame_ends(begin)]
        saved = self._newest_memory(len(ends) - 1)
        self.frame_count = saved["frames"] if saved else 0 if self._had_memory else len(ends) - 1
        self.state = None if saved is None else saved["state"]
        end, last = ends[self.frame_count], b""
        if self.frame_count:
            self._file.seek(ends[self.frame_count - 1])
            last = self._file.readline()
        where = f"{self.path}, line {self.frame_count + 1}"
        self.last_index = parse_frame(last, self.sequence.skeleton, where).index if last else -1
        self._file.seek(end)
        self._file.truncate()

    def _frame_ends(self, begin: int) -> Iterator[int]:
        """Where each whole frame ends; what follows a broken line is lost."""
        end = begin
        for line in self._file:
            if not line.endswith(b"}\n") or line.startswith(b'{"end"') or not is_json(line):
                return
            end += len(line)
            yield end

    def _newest_memory(self, frames: int) -> dict[str, Any] | None:
        """The newest memory that can be read and knows no more than ``frames``; None: start
        again.
        """
        kept = [path for path in _memories(self.path) if path.exists()]
        self._had_memory = bool(kept)
        found = [saved for path in kept if (saved := _read_state(path)) is not None]
        fitting = [saved for saved in found if 0 <= saved["frames"] <= frames]
        if kept and (len(fitting) < len(kept) or not fitting):
            best = max((saved["frames"] for saved in fitting), default=0)
            _log.warning(
                "%s was cut off, as by a loss of power: %d frames are whole, the run goes on "
                "behind frame %d.",
                self.path,
                frames,
                best,
            )
        return max(fitting, key=lambda saved: saved["frames"], default=None)

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
        self.complete()
        forget_state(self.path)

    def complete(self) -> None:
        """Write the closing line, keep the memory: what follows may be broken off and repeated.
        Raises OutputError.
        """
        if self._file.closed:
            return
        self._put(encode_end(self.frame_count))
        self._sync()
        self.release()

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
        self._memory_due = True

    def _keep_state(self, state: Any) -> None:
        """The memory of the frames so far; once after each moment of catching up, for good too."""
        newest, safe = _memories(self.path)
        self._put_memory(newest, state)
        if self._memory_due:
            self._sync()  # the frames it knows of, before it
            self._put_memory(safe, state, lasting=True)
            self._memory_due = False

    def _put_memory(self, target: Path, state: Any, *, lasting: bool = False) -> None:
        data = orjson.dumps(
            {"frames": self.frame_count, "state": state}, option=orjson.OPT_SERIALIZE_NUMPY
        )
        try:
            with part_path(target).open("wb") as file:
                file.write(data)
                if lasting:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(part_path(target), target)
        except OSError as error:
            raise cannot_write(target, error) from error


def _read_state(path: Path) -> dict[str, Any] | None:
    """The memory of an unfinished run, None where it cannot be read."""
    try:
        saved = orjson.loads(path.read_bytes())
        return {"frames": int(saved["frames"]), "state": saved["state"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
