"""What is to be tracked: names, patterns, folders and addresses as one list of inputs."""

from __future__ import annotations

__all__ = ["Input", "list_inputs", "read_list"]

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from posetrack.errors import InputError, UsageError
from posetrack.files import read_bytes
from posetrack.recording.results import TRACKED_MARK
from posetrack.running import remote
from posetrack.video.images import IMAGE_SUFFIXES, VIDEO_SUFFIXES


@dataclass(frozen=True, slots=True)
class Input:
    """One video. ``name`` is what ``PoseTracker.record`` takes (or an address); ``under`` is the
    folder below the output folder where its results go, so that a tree is mirrored.
    """

    name: str
    under: Path = Path()

    @property
    def label(self) -> str:
        """File and folder, short enough for a progress bar."""
        parts = Path(self.name).parts
        return "/".join(parts[-2:]) if parts[:-1] != ("/",) else self.name

    @property
    def size(self) -> int:
        """Bytes on the disk; 0 where that is not known."""
        try:
            return os.stat(self.name).st_size
        except OSError:
            return 0


def read_list(file: str) -> list[str]:
    """The inputs of a text file, one a line; ``-`` is standard input. Empty lines and those that
    begin with ``#`` are left out. Raises InputError.
    """
    try:
        text = sys.stdin.read() if file == "-" else read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is no text in UTF-8; give one input a line.") from error
    lines = (line.strip() for line in text.splitlines())
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise InputError(f"{file} names no input; give one a line.")
    return names


def list_inputs(
    names: Sequence[str], folder: Path | str | None = None, *, offline: bool = False
) -> list[Input]:
    """The videos behind ``names``, each once, in order.

    A pattern of videos (``**`` goes deep) is the videos that fit; a folder without pictures is the
    videos in it, also deep. Their places below the pattern's or folder's root are kept. Hidden
    files, results of ours (``NAME.tracked.mp4``) and what lies under ``folder``, the output folder,
    are no inputs of patterns and folders. Whatever exists under its very name is that; folders and
    patterns of pictures stay one input. Raises InputError, UsageError.
    """
    out = None if folder is None or remote.is_address(str(folder)) else Path(folder).resolve()
    found = [_behind(name, out, offline) for name in names]
    roots = [inputs for inputs in found if len(inputs) > 1 or inputs[0].under != Path()]
    if len(roots) > 1:  # trees beside each other: each under its own name
        found = [
            [_below(one, name) for one in inputs] if inputs in roots else inputs
            for name, inputs in zip(names, found, strict=True)
        ]
    unique = {one.name: one for inputs in found for one in reversed(inputs)}
    ordered = dict.fromkeys(one.name for inputs in found for one in inputs)
    return _apart([unique[name] for name in ordered], len(names), has_folder=folder is not None)


def _behind(name: str, out: Path | None, offline: bool) -> list[Input]:
    if remote.is_address(name):
        return [_there(a, name) for a in remote.expanded(name, offline=offline)]
    path = Path(name)
    if path.is_dir() and not _has_pictures(path):
        return _placed(_walk(path, _inside(out, path)), path) or [Input(name)]
    video = path.suffix.lower() in VIDEO_SUFFIXES
    if path.exists() or not video or not glob.has_magic(name):
        return [Input(name)]
    root = _root(path)
    matches = (Path(found) for found in sorted(glob.glob(name, recursive=True)))
    return _placed((p for p in matches if _is_input(p, _inside(out, root))), root) or [Input(name)]


def _inside(out: Path | None, root: Path) -> Path | None:
    """The output folder where it lies in the tree, so that its videos are not tracked again."""
    return out if out and root.resolve() in out.parents else None


def _placed(paths: Iterable[Path], root: Path) -> list[Input]:
    return [Input(str(path), path.relative_to(root).parent) for path in paths]


def _there(address: str, pattern: str) -> Input:
    """An address with its place below the part of the pattern that is none."""
    root = glob.escape(pattern).split("[", 1)[0].rpartition("/")[0] + "/"
    below = address.removeprefix(root) if address != pattern else ""
    return Input(address, Path(below).parent)


def _root(pattern: Path) -> Path:
    """The folder ahead of the first part of a pattern that is one."""
    parts: list[str] = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def _has_pictures(folder: Path) -> bool:
    return any(p.suffix.lower() in IMAGE_SUFFIXES for p in folder.iterdir())


def _walk(folder: Path, out: Path | None) -> Iterator[Path]:
    """The videos of a tree, sorted; links are not followed."""
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for file in sorted(files):
            path = Path(here, file)
            if path.suffix.lower() in VIDEO_SUFFIXES and _is_input(path, out):
                yield path


def _is_input(path: Path, out: Path | None) -> bool:
    ours = path.name.startswith(".") or path.stem.endswith(TRACKED_MARK)
    return not ours and path.is_file() and (out is None or out not in path.resolve().parents)


def _below(one: Input, name: str) -> Input:
    root = _root(Path(name)) if glob.has_magic(name) else Path(name)
    return replace(one, under=Path(root.resolve().name) / one.under)


def _apart(inputs: list[Input], given: int, *, has_folder: bool) -> list[Input]:
    """Videos of a tree that differ in their ending alone get a folder each, of their whole name.

    Names that the user gave one by one and that would write the same files are refused by
    ``recording.results.refuse_same_names``. Raises UsageError where there is no output folder.
    """
    if len(inputs) <= given:
        return inputs
    keys = [(one.under, Path(one.name).stem, has_folder or Path(one.name).parent) for one in inputs]
    twice = {key for key in keys if keys.count(key) > 1} if len(set(keys)) < len(keys) else set()
    if twice and not has_folder:
        names = [one.name for one, key in zip(inputs, keys, strict=True) if key in twice]
        raise UsageError(
            f"{names[0]} and {names[1]} would write the same files; give an output folder with -o."
        )
    return [
        replace(one, under=one.under / Path(one.name).name) if key in twice else one
        for one, key in zip(inputs, keys, strict=True)
    ]
