"""Finding and reading what is to be scored: ground truth and prediction files, paired by their
names.
"""

from __future__ import annotations

__all__ = ["FilePair", "file_hash", "pair_files", "read_labels"]

import hashlib
from dataclasses import dataclass
from pathlib import Path

from posetrack.errors import InputError
from posetrack.formats import format_of_name
from posetrack.formats.folder import base_name, label_files
from posetrack.formats.label_tables import to_table
from posetrack.formats.posetrack_files import read_table
from posetrack.formats.table import LabelTable


@dataclass(frozen=True, slots=True)
class FilePair:
    """A sequence's ground truth and prediction file; ``prediction`` may not exist (reading it then
    says so).
    """

    name: str
    truth: Path
    prediction: Path

    def read(self) -> tuple[LabelTable, LabelTable]:
        """Both files. Raises InputError, FormatError."""
        return read_labels(self.truth), read_labels(self.prediction, heads=False)


def read_labels(path: Path, *, heads: bool = True) -> LabelTable:
    """A label file as a table: PoseTrack JSON, or another format with people and identities by its
    name's ending.
    """
    found = format_of_name(path)
    if found is None or found.name.startswith("posetrack"):
        return read_table(path, heads=heads)
    sequences = found.read(path)
    if len(sequences) != 1:
        raise InputError(f"{path} holds {len(sequences)} videos; give one video a file.")
    return to_table(sequences[0])


def pair_files(truth: Path, prediction: Path) -> tuple[list[FilePair], list[Path]]:
    """The pairs, sorted by name, and the prediction files without ground truth.

    Both may be files (whatever their names), or folders; a file goes with the file of the same base
    name in a folder, in the first format where there are several (``formats.folder``). Raises
    InputError where a folder or file is missing, empty or ambiguous.
    """
    for path in (truth, prediction):
        if not path.exists():
            raise InputError(f"There is no file or folder {path}; check the path.")
    if truth.is_file() and prediction.is_file():
        return [FilePair(base_name(truth), truth, prediction)], []
    truths = _by_name(truth)
    predictions = _by_name(prediction)
    if not truths:
        raise InputError(
            f"The folder {truth} holds no label files (.json, .json.gz); give the folder with them."
        )
    folder = prediction if prediction.is_dir() else prediction.parent
    pairs = [
        FilePair(name, path, predictions.get(name, folder / path.name))
        for name, path in sorted(truths.items())
    ]
    return pairs, [path for name, path in sorted(predictions.items()) if name not in truths]


def _by_name(path: Path) -> dict[str, Path]:
    """Label files by base name, of a folder or of one file."""
    if path.is_file():
        return {base_name(path): path}
    return label_files(path)


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hexadecimal; "" where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
