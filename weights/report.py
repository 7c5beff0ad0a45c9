"""What there is, as rows for ``posetrack weights list`` and ``verify``."""

from __future__ import annotations

__all__ = ["list_rows", "verify_rows"]

from pathlib import Path
from typing import Any

from posetrack.downloads import sha256_of
from posetrack.errors import WeightsError
from posetrack.files import PART_SUFFIX
from posetrack.weights.hashes import LOCK_NAME, check_file
from posetrack.weights.manifest import Entry, added_folder, download_folder, entries


def list_rows(task: str | None = None) -> list[dict[str, Any]]:
    """One row a checkpoint: the manifest's, then those added by the user."""
    rows = [_row(e) for e in entries().values()]
    rows += [_file_row(path, "added") for path in sorted(added_folder().glob("*.safetensors"))]
    return [row for row in rows if task in (None, row["task"])]


def _row(e: Entry) -> dict[str, Any]:
    if e.bundled and e.path.is_file():
        return {**_file_row(e.path, "bundled"), "name": e.name}
    if e.path.is_file():
        where = "cached"
    else:
        where = "by hand" if e.by_hand else "missing" if e.bundled else "download"
    return {
        "name": e.name,
        "task": e.task,
        "net": e.net,
        "input": _size(e.input),
        "skeleton": e.skeleton,
        "score": e.score,
        "licence": e.licence,
        "where": where,
        "size_mb": e.size_mb,
        "urls": list(e.urls),
        "sha256": e.sha256,
        "path": str(e.path),
    }


def _file_row(path: Path, where: str) -> dict[str, Any]:
    """A row from what posetrack's own file says of itself."""
    from posetrack.checkpoints import read_spec

    try:
        spec = read_spec(path)
    except WeightsError as error:
        return {
            "name": path.stem,
            "task": "pose",
            "where": "corrupt",
            "path": str(path),
            "error": str(error),
        }
    return {
        "name": path.stem,
        "task": spec.task,
        "net": spec.net,
        "input": _size(spec.input.size_wh),
        "skeleton": spec.skeleton.name if spec.task == "pose" else "",
        "score": str(spec.notes.get("score", "")),
        "licence": str(spec.notes.get("licence", "")),
        "where": where,
        "size_mb": round(path.stat().st_size / 2**20, 1),
        "urls": [],
        "sha256": "",
        "path": str(path),
    }


def _size(wh: tuple[int, int] | None) -> str:
    """Height x width, as the papers write it."""
    return f"{wh[1]}x{wh[0]}" if wh else ""


def verify_rows() -> list[dict[str, Any]]:
    """Every file there is, read in full again: name, state ("ok" or what is wrong),
    SHA-256, path.
    """
    by_file = {e.file: e for e in entries().values() if not e.bundled}
    rows = [_verify(e.name, e.path, e.sha256) for e in entries().values() if e.bundled]
    for folder in (download_folder(), added_folder()):
        for path in sorted(folder.glob("*")):
            if path.is_file() and path.name != LOCK_NAME and path.suffix != PART_SUFFIX:
                known = by_file.get(path.name)
                rows.append(
                    _verify(known.name if known else path.stem, path, known.sha256 if known else "")
                )
    return rows


def _verify(name: str, path: Path, expected: str) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "state": "ok", "sha256": "", "path": str(path)}
    if not path.is_file():
        return {**row, "state": "missing"}
    row["sha256"] = sha256_of(path)
    if expected and not row["sha256"].startswith(expected):
        return {**row, "state": f"corrupt: SHA-256 should start with {expected}"}
    try:
        if path.parent in (download_folder(), added_folder()):
            check_file(path, expected, again=True)
    except WeightsError:
        return {**row, "state": "changed since it was first used"}
    return row
