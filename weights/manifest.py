"""The table of known checkpoints, ``manifest.toml``, and the folder they are cached in."""

from __future__ import annotations

__all__ = [
    "BUNDLED_FOLDER",
    "Entry",
    "added_folder",
    "cache_folder",
    "download_folder",
    "entries",
    "entry",
    "known_names",
]

import os
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from posetrack.errors import unknown_name

BUNDLED_FOLDER = Path(__file__).parent / "bundled"
CACHE_VARIABLE = "POSETRACK_CACHE"  # environment: another cache folder


@dataclass(frozen=True, slots=True)
class Entry:
    """One checkpoint. ``manifest.toml`` explains the fields; ``net`` is "torchvision" for
    torchvision's networks.
    """

    name: str
    task: str
    file: str
    urls: tuple[str, ...] = ()
    sha256: str = ""
    size_mb: float | None = None
    licence: str = ""
    net: str = ""
    input: tuple[int, int] | None = None
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    padding: float = 1.25
    skeleton: str = ""
    rows: tuple[int, ...] = ()
    score: str = ""
    decode: str = ""
    by_hand: bool = False
    bundled: bool = False

    @property
    def path(self) -> Path:
        """Where the file lies, or will lie."""
        return (BUNDLED_FOLDER if self.bundled else download_folder()) / self.file


@cache
def entries() -> dict[str, Entry]:
    """All known checkpoints by name, in the manifest's order."""
    table = tomllib.loads((Path(__file__).parent / "manifest.toml").read_text(encoding="utf-8"))
    defaults = table.pop("defaults")
    return {name: _entry(name, {**defaults, **row}) for name, row in table.items()}


def _entry(name: str, row: dict[str, Any]) -> Entry:
    unknown = row.keys() - {f.name for f in fields(Entry)}
    if unknown:
        raise ValueError(f"manifest.toml: {name} has unknown fields {sorted(unknown)}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return Entry(name, **{"file": values.get("urls", ("",))[0].rpartition("/")[2], **values})


def entry(name: str) -> Entry:
    """The checkpoint of that name. Raises UsageError for a name that does not exist."""
    if name not in entries():
        raise unknown_name("weights", name, entries())
    return entries()[name]


def known_names(task: str) -> list[str]:
    """The names for a task ("pose", "detect" ...), those added by the user included."""
    added = (
        sorted(path.stem for path in added_folder().glob("*.safetensors")) if task == "pose" else []
    )
    return [e.name for e in entries().values() if e.task == task] + added


def cache_folder() -> Path:
    """The user's cache folder for posetrack, or what the environment variable
    POSETRACK_CACHE says.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("posetrack", appauthor=False)


def download_folder() -> Path:
    """Where downloaded files lie, under the names their publishers gave them."""
    return cache_folder() / "downloads"


def added_folder() -> Path:
    """Where ``posetrack weights add`` puts converted files."""
    return cache_folder() / "added"
