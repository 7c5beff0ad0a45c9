"""What a run leaves on disk and what it did: the names of the result files, and the summary at the
end.

``OUT/<stem>.jsonl``, ``OUT/<stem>.mp4`` and ``OUT/<stem>.<suffix>`` for every other format; without
a folder they lie beside the input as ``<stem>.tracked.jsonl`` and so on.
"""

from __future__ import annotations

__all__ = [
    "OutputOptions",
    "ResultPaths",
    "Summary",
    "is_finished",
    "plan_results",
    "refuse_same_names",
]

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posetrack.clip import read
from posetrack.errors import OutputError, UsageError
from posetrack.files import part_path, refuse_folder
from posetrack.formats import get_format
from posetrack.recording.style import DEFAULT_STYLE, DrawStyle
from posetrack.structures import Tracks
from posetrack.video.open import VideoSource

TRACKED_MARK = ".tracked"  # in names of results that lie beside their input


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What is written where.

    ``folder`` None: beside the input. ``formats`` are names of ``FORMATS`` wanted besides the
    native one. ``force`` replaces what exists, ``resume`` goes on from an interrupted run (and
    skips what is complete). ``style`` is how the video is drawn; without a background it is a
    ``.mov``. ``encode_on`` is the encoder of hardware that writes it, by FFmpeg's name
    (``h264_nvenc``); default: the processor.
    """

    folder: Path | None = None
    formats: tuple[str, ...] = ()
    video: bool = True
    force: bool = False
    resume: bool = False
    style: DrawStyle = DEFAULT_STYLE
    encode_on: str | None = None


@dataclass(frozen=True, slots=True)
class ResultPaths:
    """Where the results of one video go; ``video`` None: not rendered. ``others`` by
    format name. ``encode_on`` as in ``OutputOptions``.
    """

    native: Path
    video: Path | None
    others: dict[str, Path]
    encode_on: str | None = None

    def all(self) -> list[Path]:
        """Every file, the rendered video first."""
        return [p for p in (self.video, self.native, *self.others.values()) if p]


@dataclass(slots=True)
class Summary:
    """What a run did: frames, poses (people over all frames), identities, the most people at once,
    seconds by stage.
    """

    name: str
    files: list[Path]
    frames: int = 0
    poses: int = 0
    most_people: int = 0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    skipped: bool = False  # the results were complete before
    _ids: set[int] = field(default_factory=set)

    def __repr__(self) -> str:
        people = f"{self.tracks} identities, at most {self.most_people} at once"
        return f"Summary({self.name!r}: {self.frames} frames, {people}; {self.seconds:.1f} s)"

    def _repr_html_(self) -> str:
        """For a notebook: what was done, where the results are, and the ways of the people."""
        files = "".join(f"<li><code>{html.escape(str(path))}</code></li>" for path in self.files)
        native = next((path for path in self.files if path.suffix == ".jsonl"), None)
        ways = read(native).ways() if native and native.exists() else ""
        return f"<p>{html.escape(repr(self))}</p><ul>{files}</ul>{ways}"

    def count(self, tracks: Tracks) -> None:
        """Add one frame."""
        self.frames += 1
        self.poses += len(tracks)
        self.most_people = max(self.most_people, len(tracks))
        self._ids.update(tracks.id.tolist())

    @property
    def tracks(self) -> int:
        """Identities given."""
        return len(self._ids)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "frames": self.frames,
            "tracks": self.tracks,
            "poses": self.poses,
            "most_people": self.most_people,
            "seconds": round(self.seconds, 3),
            "stages": {stage: round(s, 3) for stage, s in self.stages.items()},
            "files": [str(path) for path in self.files],
            "skipped": self.skipped,
        }


def plan_results(source: VideoSource, options: OutputOptions) -> ResultPaths:
    """The names of the results of ``source``, checked: nothing that exists is in the way, and never
    the input itself.

    Raises OutputError, UsageError.
    """
    mark = "" if options.folder else TRACKED_MARK
    folder = options.folder or (source.path.resolve().parent if source.path else Path())
    base = f"{source.stem}{mark}"
    others = {
        name: folder / f"{base}.{get_format(name).suffix}"
        for name in options.formats
        if name != "native"
    }
    ending = ".mov" if options.style.background == "none" else ".mp4"
    video = folder / f"{base}{ending}" if options.video else None
    paths = ResultPaths(folder / f"{base}.jsonl", video, others, options.encode_on)
    for path in paths.all():
        if source.path and path.exists() and path.samefile(source.path):
            raise UsageError(f"{path} is the input itself; choose another folder with -o.")
    _refuse_folders(paths)
    if not options.force and not options.resume:
        _refuse_existing(paths)
    return paths


def _refuse_folders(paths: ResultPaths) -> None:
    """What cannot be replaced is told before the work. Raises OutputError."""
    for path in (paths.native, paths.video):
        if path:
            refuse_folder(path)
            refuse_folder(part_path(path))
    for name, path in paths.others.items():
        if not get_format(name).folder:
            refuse_folder(path)
            refuse_folder(part_path(path))
        elif path.is_dir() and any(not p.match("*_keypoints.json") for p in path.iterdir()):
            raise OutputError(f"{path} holds other files too; move it, or write elsewhere.")


def refuse_same_names(sources: Sequence[str | Path | int], options: OutputOptions) -> None:
    """Several inputs in one call must not write to the same files. Raises UsageError."""
    seen: dict[tuple[Path | None, str], str] = {}
    for source in map(str, sources):
        path = Path(source)
        key = (None if options.folder else path.parent, path.name if path.is_dir() else path.stem)
        if key in seen:
            raise UsageError(
                f"{seen[key]} and {source} would write the same files; track them in two calls."
            )
        seen[key] = source


def _refuse_existing(paths: ResultPaths) -> None:
    for path in paths.all():
        if path.exists():
            raise OutputError(
                f"{path} exists already; use --force to replace it, or another folder with -o."
            )
    if part_path(paths.native).exists():
        part = part_path(paths.native)
        raise OutputError(
            f"{part} is there from an interrupted run; --resume goes on with it, --force starts "
            f"again."
        )


def is_finished(paths: ResultPaths) -> bool:
    """Whether an earlier run tracked all of it: what else is missing is made from its tracks."""
    return paths.native.exists() and not part_path(paths.native).exists()
