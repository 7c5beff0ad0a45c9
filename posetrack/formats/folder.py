"""What stands in a folder of tracks or labels: one file a video, whatever else lies beside it.

``track`` leaves ``clip.jsonl`` and, when asked, ``clip.posetrack17.json``, ``clip.csv`` and so on:
one video in several formats. Of those the one that keeps the most is taken, in the order of
``FORMATS``. Other files that posetrack itself writes into such a folder (logs of edits, measures,
scores, summaries) are no labels.
"""

from __future__ import annotations

__all__ = [
    "base_name",
    "is_label_file",
    "label_files",
    "read_one",
    "track_file",
    "track_files",
]

from pathlib import Path

from posetrack.errors import InputError
from posetrack.formats import FORMATS, detect_format, format_of_name
from posetrack.structures import Sequence

# Ends of names that look like labels and are none.
OTHER_ENDS = (
    ".edits.jsonl",
    ".measures.csv",
    ".measures.parquet",
    ".events.csv",
    ".people.csv",
    "_metrics.json",
    "posetrack_eval.json",
)
DERIVED = (".refined", ".mended")  # ends of base names of tracks made from others
_SUFFIXES = sorted((f".{f.suffix}" for f in FORMATS.values()), key=len, reverse=True)


def base_name(path: Path) -> str:
    """The name of a file's video: without ``.gz`` and the suffixes of the known formats."""
    name = path.name.removesuffix(".gz")
    for suffix in _SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name.removesuffix(".json")


def is_label_file(path: Path) -> bool:
    """Whether a file's name is that of tracks or labels."""
    name = path.name.lower()
    if name.startswith(".") or name.endswith(OTHER_ENDS):
        return False
    return name.removesuffix(".gz").endswith(".json") or format_of_name(path) is not None


def label_files(folder: Path) -> dict[str, Path]:
    """The label files of a folder by base name, sorted; of several formats of one video the first
    in the order of ``FORMATS``, a plain ``.json`` behind them.

    Raises InputError where two files of one format have the same base name.
    """
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if not file.is_file() or not is_label_file(file):
            continue
        name = base_name(file)
        rival = found.get(name)
        if rival is not None and _rank(rival) == _rank(file):
            raise InputError(
                f"{rival} and {file} have the same base name; keep one of them in the folder."
            )
        if rival is None or _rank(file) < _rank(rival):
            found[name] = file
    return found


def _rank(path: Path) -> int:
    """Place of a file's format among the formats of one video."""
    found = format_of_name(path)
    return len(FORMATS) if found is None else list(FORMATS).index(found.name)


def read_one(path: str | Path) -> Sequence:
    """The one video of a file of any format, or of a folder that holds one video.

    Raises InputError, FormatError; where there are several, the sentence names them.
    """
    file = track_file(path)
    sequences = detect_format(file).read(file)
    if len(sequences) != 1:
        raise InputError(f"{file} holds {len(sequences)} videos; give a file of one.")
    return sequences[0]


def track_file(path: str | Path) -> Path:
    """A file itself, or the file of a folder that holds one video. Raises InputError; where there
    are several, the sentence names them.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no file or folder {path}; check the path.")
    files = track_files(path)
    if len(files) != 1:
        names = ", ".join(sorted(file.name for file in files)[:5])
        raise InputError(f"{path} holds {len(files)} videos ({names}); give the file of one.")
    return files[0]


def track_files(path: Path) -> list[Path]:
    """The files of a folder, one a video; a file, and a folder that is itself one video, is its own
    list. ``clip.refined`` and ``clip.mended`` are left out where ``clip`` is there, too: they are
    the same video, and are given by their own names. Raises InputError where a folder holds none.
    """
    if path.is_file() or _is_one_video(path):
        return [path]
    found = label_files(path)
    files = [
        file
        for name, file in found.items()
        if not (name.endswith(DERIVED) and name.rpartition(".")[0] in found)
    ]
    if not files:
        raise InputError(f"The folder {path} holds no file of a known format.")
    return files


def _is_one_video(path: Path) -> bool:
    named = format_of_name(path)
    return bool(named and named.folder) or next(path.glob("*_keypoints.json"), None) is not None
