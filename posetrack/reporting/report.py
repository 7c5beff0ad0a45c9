"""Reports on disk: one clip or many, with an index, and the numbers as tables."""

from __future__ import annotations

__all__ = ["ReportOptions", "report"]

import csv
from collections.abc import Callable
from collections.abc import Sequence as SequenceABC
from dataclasses import dataclass, field
from pathlib import Path

from posetrack.errors import InputError, OutputError, PosetrackError, UsageError
from posetrack.files import write_beside
from posetrack.formats.folder import base_name, read_one, track_files
from posetrack.measuring.measure import MeasureOptions, write_table
from posetrack.reporting.facts import ClipFacts, clip_facts
from posetrack.reporting.page import clip_page, index_page
from posetrack.reporting.pictures import Pictures, take_pictures

Progress = Callable[[int, int | None], None]

REPORT_MARK = ".report"  # in names of reports that lie beside their tracks
INDEX = "index.html"
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v", ".mpg", ".mpeg")


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """``output``: a file for one clip, a folder for several; None: beside the tracks. ``video``: of
    the clip, or a folder with those of all, by their names. ``measures``: scale and signs. ``raw``:
    curves of the tracks as they are. ``tables``: the numbers as CSV, too.
    """

    output: Path | None = None
    video: Path | None = None
    measures: MeasureOptions = field(default_factory=MeasureOptions)
    raw: bool = False
    tables: bool = False
    force: bool = False


def report(
    tracks: SequenceABC[str | Path],
    options: ReportOptions | None = None,
    *,
    progress: Progress | None = None,
) -> tuple[list[Path], list[str]]:
    """Write the report of one clip, or those of several and an index. Each of ``tracks`` is a file
    of any format or a folder of them.

    Gives the files written, the index first, and a sentence for every clip that failed (one clip
    alone raises). Raises InputError, UsageError, OutputError.
    """
    options = options or ReportOptions()
    files = [file for path in tracks for file in _files(Path(path))]
    if len(files) == 1:
        return _one(files[0], options), []
    return _many(files, options, progress)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InputError(f"There is no file or folder {path}; check the path.")
    return track_files(path)


def _one(file: Path, options: ReportOptions) -> list[Path]:
    path = options.output or file.parent / f"{base_name(file)}{REPORT_MARK}.html"
    if path.is_dir():
        path = path / f"{base_name(file)}.html"
    if path.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"{path} must end in .html, or be a folder that exists.")
    _refuse([path, *_table_paths(path)] if options.tables else [path], options)
    facts, pictures = _read(file, _video(file, options))(options)
    return _write(path, facts, pictures, options)


def _many(
    files: list[Path], options: ReportOptions, progress: Progress | None
) -> tuple[list[Path], list[str]]:
    folder = options.output or files[0].parent / "report"
    if folder.suffix.lower() == ".html":
        raise UsageError(f"Several clips make a folder of reports; give a folder, not {folder}.")
    if options.video is not None and not options.video.is_dir():
        raise UsageError("For several clips --video is the folder of their videos, not a file.")
    names = _names(files)
    _refuse([folder / INDEX, *(folder / f"{name}.html" for name in names)], options)
    written, clips, failed = [], [], []
    for number, (file, name) in enumerate(zip(files, names, strict=True)):
        try:
            facts, pictures = _read(file, _video(file, options))(options)
            written += _write(folder / f"{name}.html", facts, pictures, options, home=INDEX)
            clips.append((f"{name}.html", facts, pictures))
        except PosetrackError as error:
            failed.append(str(error))
        if progress:
            progress(number + 1, len(files))
    if not clips:
        raise InputError(f"None of {len(files)} clips could be reported; the first: {failed[0]}")
    with write_beside(folder / INDEX) as part:
        part.write_text(index_page(clips, failed), encoding="utf-8")
    return [folder / INDEX, *written], failed


def _names(files: list[Path]) -> list[str]:
    """A name for each report: the clip's, with its folder's where it repeats, never the index's."""
    plain = [base_name(file) for file in files]
    names: list[str] = []
    for file, name in zip(files, plain, strict=True):
        if plain.count(name) > 1 or name == "index":
            name = f"{file.parent.name}_{name}"
        while name in names:
            name += "_"
        names.append(name)
    return names


def _read(file: Path, video: Path | None) -> Callable[[ReportOptions], tuple[ClipFacts, Pictures]]:
    def read(options: ReportOptions) -> tuple[ClipFacts, Pictures]:
        facts = clip_facts(read_one(file), options.measures, raw=options.raw)
        return facts, take_pictures(facts, video) if video else Pictures()

    return read


def _video(file: Path, options: ReportOptions) -> Path | None:
    """The video of a clip: the one given, or in the folder given the one of its name, or of the
    beginning of its name (``clip.tracked`` and ``clip.refined`` are of ``clip``).
    """
    given = options.video
    if given is None or not given.is_dir() or any(given.glob("*.jpg")):
        return given
    name = base_name(file)
    while name:
        for suffix in VIDEO_SUFFIXES:
            if (given / f"{name}{suffix}").is_file():
                return given / f"{name}{suffix}"
        name = name.rpartition(".")[0]
    return None


def _table_paths(path: Path) -> list[Path]:
    base = path.with_suffix("")
    return [base.with_name(f"{base.name}.{kind}.csv") for kind in ("people", "measures")]


def _refuse(paths: list[Path], options: ReportOptions) -> None:
    for path in paths:
        if path.exists() and not options.force:
            raise OutputError(f"{path} exists already; add --force to replace it.")


def _write(
    path: Path, facts: ClipFacts, pictures: Pictures, options: ReportOptions, home: str = ""
) -> list[Path]:
    with write_beside(path) as part:
        part.write_text(clip_page(facts, pictures, home), encoding="utf-8")
    if not options.tables:
        return [path]
    people, measures = _table_paths(path)
    _write_people(people, facts)
    write_table(measures, facts.measures)
    return [path, people, measures]


def _write_people(path: Path, facts: ClipFacts) -> None:
    """A row a person: the figures of their cards, and how often each joint was seen."""
    with write_beside(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        head = "id name begin_s end_s presence score gaps longest_gap_s filled corrected".split()
        unit = facts.people[0].speed[0].removesuffix("/s") if facts.people else "px"
        writer.writerow([*head, f"way_{unit}", *(f"seen_{joint}" for joint in facts.joints)])
        for p in facts.people:
            longest = max((b - a for a, b in p.gaps), default=0.0)
            row = [p.begin_s, p.end_s, p.presence, p.score, len(p.gaps), longest]
            figures = [*row, p.filled, p.corrected, p.distance, *p.joints]
            writer.writerow([p.identity, p.name, *(f"{float(value):.6g}" for value in figures)])
