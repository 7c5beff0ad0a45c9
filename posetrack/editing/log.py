"""The log of edits, ``clip.edits.jsonl``: a header, then a line for everything that was done.

    {"posetrack_edits": 1, "tracks": "clip.jsonl", "sha256": ".."}
    {"op": "swap", "a": 3, "b": 5, "start": 120, "at": "2026-03-01T10:20:30+00:00"}
    {"op": "undo", "at": ".."}

Nothing is ever taken out of it: undo and redo are lines too. A line is on the disk before the
answer is given, so that a crash loses nothing; a last line that a crash cut short is left aside.
"""

from __future__ import annotations

__all__ = ["SCHEMA", "EditLog", "History", "default_log_path", "digest", "read_log"]

import hashlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from posetrack.editing.edits import Edit
from posetrack.editing.encoding import decode_edit, encode_edit
from posetrack.errors import FormatError, InputError, OutputError
from posetrack.files import cannot_write, read_bytes

SCHEMA = 1


def default_log_path(tracks: str | Path) -> Path:
    """Where the edits of a file of tracks lie: ``clip.jsonl`` has ``clip.edits.jsonl``."""
    tracks = Path(tracks)
    return tracks.with_name(f"{tracks.name.removesuffix('.jsonl')}.edits.jsonl")


def digest(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal digits. Raises InputError."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


@dataclass(frozen=True, slots=True)
class History:
    """What was done and not undone, oldest first, and what can be done again, next one last."""

    done: tuple[Edit, ...] = ()
    undone: tuple[Edit, ...] = ()

    def after(self, edit: Edit) -> History:
        """With one more edit; what was undone before is gone from here on."""
        return History((*self.done, edit))

    def undo(self) -> History:
        """Without the last edit. Raises InputError where there is none."""
        if not self.done:
            raise InputError("There is nothing to undo.")
        return History(self.done[:-1], (*self.undone, self.done[-1]))

    def redo(self) -> History:
        """With the edit that was undone last. Raises InputError where there is none."""
        if not self.undone:
            raise InputError("There is nothing to redo.")
        return History((*self.done, self.undone[-1]), self.undone[:-1])


def read_log(path: str | Path) -> tuple[dict[str, Any], History]:
    """The header of a log and what its lines come to. Raises InputError, FormatError."""
    header, history, _ = _parse(read_bytes(path), str(path))
    return header, history


def _parse(content: bytes, where: str) -> tuple[dict[str, Any], History, int]:
    """Header, history, and how many bytes of whole lines there are."""
    whole = content.rfind(b"\n") + 1
    lines = content[:whole].splitlines()
    header = _object(lines[0], f"{where}, line 1") if lines else {}
    if not isinstance(header.get("posetrack_edits"), int):
        raise FormatError(f"{where} is no log of edits: its first line has no 'posetrack_edits'.")
    if header["posetrack_edits"] > SCHEMA:
        raise FormatError(
            f"{where} has schema {header['posetrack_edits']}, newer than {SCHEMA}: update "
            f"posetrack."
        )
    history = History()
    for number, line in enumerate(lines[1:], start=2):
        history = _follow(history, line, f"{where}, line {number}")
    return header, history, whole


def _follow(history: History, line: bytes, where: str) -> History:
    data = _object(line, where)
    try:
        if data.get("op") == "undo":
            return history.undo()
        if data.get("op") == "redo":
            return history.redo()
    except InputError as error:
        raise FormatError(f"{where}: {error}") from error
    return history.after(decode_edit(data, where))


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise FormatError(f"{where} is not JSON.") from error
    if not isinstance(data, dict):
        raise FormatError(f"{where} is no JSON object.")
    return data


class EditLog:
    """A log that grows: ``history`` is its state, every change is on the disk when a call returns.

    The file is made with the first edit. It belongs to one program at a time: where another one has
    written to it, the next change raises OutputError.
    """

    def __init__(self, path: str | Path, tracks: str | Path) -> None:
        """Open the log of ``tracks`` at ``path``, or begin one. Raises InputError, FormatError."""
        self.path, self.tracks = Path(path), Path(tracks)
        self.header: dict[str, Any] = {}
        self.history = History()
        self._size = 0  # bytes of whole lines; what a crash left behind them is written over
        self._seen = 0  # bytes of the file
        if self.path.exists():
            content = read_bytes(self.path)
            if content.find(b"\n") >= 0:
                self.header, self.history, self._size = _parse(content, str(self.path))
            self._seen = len(content)

    def add(self, edit: Edit) -> None:
        """Append an edit. Raises OutputError."""
        self._change(self.history.after(edit), encode_edit(edit))

    def undo(self) -> None:
        """Take the last edit back. Raises InputError, OutputError."""
        self._change(self.history.undo(), {"op": "undo"})

    def redo(self) -> None:
        """Do again what was undone last. Raises InputError, OutputError."""
        self._change(self.history.redo(), {"op": "redo"})

    def _change(self, history: History, entry: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._append(orjson.dumps({**entry, "at": now}, option=orjson.OPT_APPEND_NEWLINE))
        self.history = history

    def _append(self, line: bytes) -> None:
        try:
            if not self._size:
                self.header = {
                    "posetrack_edits": SCHEMA,
                    "tracks": self.tracks.name,
                    "sha256": digest(self.tracks),
                }
                line = orjson.dumps(self.header, option=orjson.OPT_APPEND_NEWLINE) + line
            with self.path.open("r+b" if self.path.exists() else "xb") as file:
                if file.seek(0, os.SEEK_END) != self._seen:
                    raise OutputError(
                        f"{self.path} was changed by another program; close it there, then load "
                        f"the page again."
                    )
                file.truncate(self._size)
                file.seek(self._size)
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._size += len(line)
        self._seen = self._size
