"""Replaying edits over tracks: as a stream, so that a long clip never lies in memory."""

from __future__ import annotations

__all__ = ["MendedFrames", "apply_log", "mend"]

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceABC
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from posetrack.editing.edits import Edit, apply_edits, names_after
from posetrack.editing.log import default_log_path, digest, read_log
from posetrack.errors import FormatError, InputError, OutputError, UsageError
from posetrack.formats import FORMATS, detect_format, format_of_name
from posetrack.formats.folder import track_file
from posetrack.structures import FrameLabels, Sequence, Skeleton
from posetrack.track_table import frames_of, table_of

CHUNK = 256  # frames that edits are applied to at a time
NAMES = "names"  # in the header of a native file: who is called how, by identity


@dataclass(frozen=True, slots=True)
class MendedFrames:
    """Frames with edits applied, anew by each iteration."""

    frames: Iterable[FrameLabels]
    skeleton: Skeleton
    edits: tuple[Edit, ...]

    def __iter__(self) -> Iterator[FrameLabels]:
        frames = iter(self.frames)
        while chunk := tuple(islice(frames, CHUNK)):
            yield from frames_of(apply_edits(table_of(chunk, self.skeleton), self.edits), chunk)


def mend(sequence: Sequence, edits: Iterable[Edit]) -> Sequence:
    """The sequence with edits applied, frames as lazy as they were; names go to ``meta``.

    Iterating raises FormatError where an edit does not fit the tracks.
    """
    edits = tuple(edits)
    before = {int(k): str(v) for k, v in dict(sequence.meta.get(NAMES, {})).items()}
    names = {str(k): v for k, v in sorted(names_after(edits, before).items())}
    meta = {k: v for k, v in sequence.meta.items() if k != NAMES}
    frames = MendedFrames(sequence.frames, sequence.skeleton, edits)
    return replace(sequence, frames=frames, meta={**meta, **({NAMES: names} if names else {})})


def apply_log(
    tracks: str | Path, log: str | Path | None, output: str | Path, *, force: bool = False
) -> tuple[int, str | None]:
    """Write ``tracks`` with the edits of ``log`` applied to ``output``, in the format of its name.
    ``tracks`` is a file, or the folder of one video; without a ``log`` the one beside them is
    taken.

    Gives the number of edits, and a warning where the log was made for other tracks. Raises
    InputError, FormatError, UsageError, OutputError.
    """
    tracks, output = track_file(tracks), Path(output)
    log = Path(log or default_log_path(tracks))
    wanted = format_of_name(output)
    if wanted is None:
        endings = ", ".join("." + f.suffix for f in FORMATS.values())
        raise UsageError(f"The name {output} does not say its format; end it in one of {endings}.")
    _refuse([tracks, log], output, force)
    header, history = read_log(log)
    sequence = _only(detect_format(tracks).read(tracks), tracks)
    record = {"log": log.name, "count": len(history.done)}
    mended = mend(sequence, history.done)
    try:
        wanted.write(output, replace(mended, meta={**mended.meta, "edits": record}))
    except ValueError as error:
        raise FormatError(f"{tracks} cannot be mended: {error}.") from error
    fits = tracks.is_dir() or header.get("sha256") == digest(tracks)
    warning = (
        None if fits else f"{log} was made for other tracks than {tracks}; look at the result."
    )
    return len(history.done), warning


def _only(sequences: SequenceABC[Sequence], path: Path) -> Sequence:
    if len(sequences) != 1:
        raise InputError(f"{path} holds {len(sequences)} videos; edits belong to one.")
    return sequences[0]


def _refuse(inputs: list[Path], output: Path, force: bool) -> None:
    """Raise UsageError or OutputError where ``output`` would replace something."""
    if not output.exists():
        return
    if any(path.exists() and path.samefile(output) for path in inputs):
        raise UsageError(f"{output} is an input; the tracks are never overwritten, name another.")
    if not force:
        raise OutputError(f"{output} exists already; add --force to replace it.")
