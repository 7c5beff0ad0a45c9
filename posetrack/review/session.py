"""One clip under review: its tracks, the log of edits, and the table that both come to."""

from __future__ import annotations

__all__ = ["Session", "State"]

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posetrack.editing.edits import Accept, Edit, apply_edits, names_after
from posetrack.editing.encoding import decode_edit
from posetrack.editing.log import EditLog, History, digest
from posetrack.editing.replay import NAMES
from posetrack.errors import FormatError, InputError, OutputError
from posetrack.formats.folder import read_one
from posetrack.structures import Sequence
from posetrack.track_table import TrackTable, table_of

KEPT = 16  # tables of earlier steps that are kept for undo; older ones are replayed


@dataclass(frozen=True, slots=True)
class State:
    """What the page shows: a ``version`` that grows with every change, the edits, and the tracks
    with these applied, ``table``, with the ``names`` of people.
    """

    version: int
    history: History
    table: TrackTable
    names: dict[int, str]

    @property
    def accepted(self) -> frozenset[Accept]:
        """The suspicious moments that somebody found right."""
        return frozenset(e for e in self.history.done if isinstance(e, Accept))


class Session:
    """The tracks of a clip and their edits; ``state`` is what they come to now.

    Every change is in the log, on the disk, before a call returns. Calls may come from several
    threads.
    """

    def __init__(self, tracks: str | Path, log: str | Path) -> None:
        """Read the tracks, and the log where there is one. Raises InputError, FormatError."""
        self.tracks, self.log_path = Path(tracks), Path(log)
        self.sequence: Sequence = read_one(self.tracks)
        try:
            self.base = table_of(self.sequence.frames, self.sequence.skeleton)
        except ValueError as error:
            raise FormatError(f"{self.tracks} cannot be shown: {error}.") from error
        if not len(self.base.frames):
            raise InputError(f"{self.tracks} holds no frames; there is nothing to review.")
        before = dict(self.sequence.meta.get(NAMES, {}))
        self._names = {int(k): str(v) for k, v in before.items()}
        self._lock = threading.Lock()
        # after the first n of what was done and undone
        self._tables: dict[int, TrackTable] = {}
        self._log = EditLog(self.log_path, self.tracks)
        self._refuse_other_tracks()
        self.state = self._state(0, self._log.history)

    def _refuse_other_tracks(self) -> None:
        known = self._log.header.get("sha256")
        if known and not self.tracks.is_dir() and known != digest(self.tracks):
            raise InputError(
                f"{self.log_path} was made for other tracks than {self.tracks}; move it away, or "
                f"name another log with --edits."
            )

    # --- changes
    # ----------------------------------------------------------------------------------------------

    def edit(self, data: Any, version: int) -> State:
        """Do the edit that a JSON object describes, to the state of that ``version``. Raises
        FormatError where it does not fit, OutputError where it is out of date or cannot be written.
        """
        with self._lock:
            self._refuse_old(version)
            edit = decode_edit(data, "The edit")
            self._refuse_strangers(edit)
            # refuses before anything is written
            table = edit.apply(self.state.table)
            self._log.add(edit)
            count = len(self._log.history.done)
            self._tables = {n: t for n, t in self._tables.items() if n < count}
            self._keep(count, table)
            return self._remember()

    def undo(self, version: int) -> State:
        """Take the last edit back. Raises InputError, OutputError."""
        with self._lock:
            self._refuse_old(version)
            self._log.undo()
            return self._remember()

    def redo(self, version: int) -> State:
        """Do again what was undone last. Raises InputError, OutputError."""
        with self._lock:
            self._refuse_old(version)
            self._log.redo()
            return self._remember()

    def reload(self) -> State:
        """Read the log again, as another program may have written to it. Raises InputError,
        FormatError.
        """
        with self._lock:
            log = EditLog(self.log_path, self.tracks)
            same = log.history == self.state.history
            self._log = log
            if same:
                return self.state
            self._tables.clear()
            return self._remember()

    def next_identity(self) -> int:
        """An identity that nobody has or had: for who is split off."""
        used = [int(self.base.id.max(initial=0))]
        history = self.state.history
        used += [i for e in (*history.done, *history.undone) for i in _spoken_of(e)]
        return max(used) + 1

    # --- state
    # ----------------------------------------------------------------------------------------------

    def _refuse_old(self, version: int) -> None:
        if version != self.state.version:
            raise OutputError(
                "The tracks were changed in another window in the meantime; this one shows them "
                "now, so look and do it again."
            )

    def _refuse_strangers(self, edit: Edit) -> None:
        for identity in edit.people():
            if not (self.state.table.id == identity).any():
                raise FormatError(f"There is no person {identity} in the tracks as they are now.")

    def _remember(self) -> State:
        self.state = self._state(self.state.version + 1, self._log.history)
        return self.state

    def _state(self, version: int, history: History) -> State:
        table = self._table(history.done)
        return State(version, history, table, names_after(history.done, self._names))

    def _table(self, done: tuple[Edit, ...]) -> TrackTable:
        """The tracks after these edits, from the nearest table that is known. Raises
        FormatError.
        """
        start = max((n for n in self._tables if n <= len(done)), default=0)
        table = apply_edits(self._tables.get(start, self.base), done[start:])
        self._keep(len(done), table)
        return table

    def _keep(self, count: int, table: TrackTable) -> None:
        self._tables[count] = table
        while len(self._tables) > KEPT:
            del self._tables[next(iter(self._tables))]


def _spoken_of(edit: Edit) -> tuple[int, ...]:
    new = getattr(edit, "new", None)
    return edit.people() if new is None else (*edit.people(), int(new))
