"""Turning files of one format into another."""

from __future__ import annotations

__all__ = ["convert"]

import logging
from pathlib import Path

from posetrack.errors import InputError, OutputError, UsageError
from posetrack.files import file_name
from posetrack.formats import FORMATS, Format, detect_format, format_of_name, get_format, native
from posetrack.formats.folder import label_files, track_files
from posetrack.structures import Sequence

_log = logging.getLogger(__name__)

_DATA_SUFFIXES = (".txt", ".gz")  # of files whose content alone tells their format


def convert(
    source: str | Path,
    target: str | Path,
    *,
    source_format: str | None = None,
    target_format: str | None = None,
    force: bool = False,
) -> list[Path]:
    """Convert a file, or every video of a folder (from one file each); gives the files written.

    Formats are guessed from names and contents where they are not named. ``target`` is a folder
    where ``source`` is one or holds several videos; the files in it are called ``<video>.json`` (or
    ``.jsonl``, ``.csv``), as PoseTrack's own are. An existing file is only replaced with ``force``.
    Of a ``.jsonl`` that was cut off all whole frames are converted, and a warning says so. Raises
    UsageError, InputError, OutputError.
    """
    source, target = Path(source), Path(target)
    wanted = get_format(target_format) if target_format else format_of_name(target)
    if wanted is None:
        raise UsageError(
            f"The name {target} does not say its format; add --to with one of "
            f"{', '.join(sorted(FORMATS))}."
        )
    given = get_format(source_format) if source_format else None
    if not source.is_dir() or (given or detect_format(source)).folder:
        inside = target.is_dir() and format_of_name(target) is None
        return _convert_file(
            source, target, given or detect_format(source), wanted, force, into_folder=inside
        )
    files = track_files(source) if label_files(source) else _plain_files(source)
    if not files:
        raise InputError(f"The folder {source} holds no file of a known format.")
    written: list[Path] = []
    for file in files:
        written += _convert_file(
            file, target, given or detect_format(file), wanted, force, into_folder=True
        )
    return written


def _say_missing(source: Path, sequences: list[Sequence]) -> None:
    """A table or a list of labels may not say what the video was like; what needs it should not be
    the first to tell.
    """
    lacking = [
        what
        for what, of in (("size of the pictures", "size_wh"), ("frame rate", "fps"))
        if any(getattr(sequence, of) is None for sequence in sequences)
    ]
    if lacking:
        _log.warning(
            "%s does not say the %s: the tracks have none then, and what is measured in seconds "
            "or drawn without the video asks for it.",
            source,
            " nor the ".join(lacking),
        )


def _plain_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file() and p.suffix in _DATA_SUFFIXES)


def _convert_file(
    source: Path, target: Path, given: Format, wanted: Format, force: bool, *, into_folder: bool
) -> list[Path]:
    sequences = given.read(source)
    if not sequences:
        raise InputError(f"{source} holds no video.")
    paths = [target]
    if into_folder or len(sequences) > 1:
        ending = wanted.suffix.rsplit(".", 1)[-1]
        paths = [target / f"{file_name(s.name)}.{ending}" for s in sequences]
    if len(set(paths)) != len(paths):
        raise InputError(f"Two videos of {source} have one name; the files would be the same.")
    for path in paths:
        if path.exists() and not force:
            raise OutputError(f"{path} exists already; add --force to replace it.")
    if not (wanted.boxes_only or all(len(sequence.skeleton) for sequence in sequences)):
        able = ", ".join(name for name, found in sorted(FORMATS.items()) if found.boxes_only)
        raise InputError(
            f"{source} holds boxes without joints, but {wanted.name} is made of joints; "
            f"take {able}."
        )
    whole = given.name != "native" or native.is_complete(source)  # before it may be replaced
    for path, sequence in zip(paths, sequences, strict=True):
        wanted.write(path, sequence)
    if wanted.name == "native":
        _say_missing(source, sequences)
    if not whole:
        _log.warning(
            "%s was cut off, its closing line is missing: only the whole frames up to there are in "
            "%s; track the video again for all of it.",
            source,
            paths[0],
        )
    return paths
