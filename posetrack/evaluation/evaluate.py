"""The three benchmarks from files to figures, each one call: with a network, which writes its
predictions first, or on predictions that are there. ``posetrack eval`` is these.
"""

from __future__ import annotations

__all__ = [
    "SPLITS",
    "CocoScores",
    "MpiiScores",
    "PoseTrackScores",
    "evaluate_coco",
    "evaluate_mpii",
    "evaluate_posetrack",
]

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posetrack.errors import UsageError, unknown_name
from posetrack.evaluation.coco import coco_json, read_coco_truth, score_coco
from posetrack.evaluation.mpii import (
    mpii_json,
    read_mpii_prediction,
    read_mpii_truth,
    score_mpii,
)
from posetrack.evaluation.mpii_test import read_mpii_test, write_mpii_test
from posetrack.evaluation.posetrack import METRICS
from posetrack.evaluation.run import ScoredFiles, score_files
from posetrack.files import read_json
from posetrack.formats.label_tables import write_json
from posetrack.metrics.pckh import PckhResult
from posetrack.metrics.protocols import POSEVAL, Protocol

# What runs networks is imported where one is run: scoring alone is spared torch's start-up.
if TYPE_CHECKING:
    from posetrack.evaluation.model import ModelRun

SPLITS = ("train", "test")  # parts of MPII's release: with labels, and without

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class CocoScores:
    """``figures``: name -> AP or AR in percent (``COCO_FIGURES``), None where the file has no
    annotations; ``ran``: what made the predictions, empty where they were there.
    """

    truth: Path
    results: Path
    figures: dict[str, float] | None
    ran: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Everything at full precision, with versions, settings and the hash of every file."""
        return coco_json(self.figures or {}, self.truth, self.results, self.ran)


@dataclass(frozen=True, slots=True)
class MpiiScores:
    """``result``: PCKh, None for the test images, which have no labels; ``ran`` as in
    ``CocoScores``.
    """

    truth: Path
    prediction: Path
    result: PckhResult | None
    ran: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Everything at full precision, with versions, settings and the hash of every file."""
        if self.result is None:
            return {"task": "mpii", "settings": dict(self.ran), "written": str(self.prediction)}
        return mpii_json(self.result, (self.truth, self.prediction), self.ran)


@dataclass(frozen=True, slots=True)
class PoseTrackScores:
    """``scored``: the report and what it was made from; ``settings``: metrics, and what ran."""

    scored: ScoredFiles
    settings: dict[str, Any]


def evaluate_coco(
    truth: Path, results: Path, run: ModelRun | None = None, *, progress: Progress | None = None
) -> CocoScores:
    """COCO keypoint AP and AR of a results file, by pycocotools; with ``run`` the file is written
    first.

    ``truth`` is an annotation file. With ``run`` it may be one without annotations
    (``image_info_test-dev2017.json``): then the results are only written, to be submitted. Raises
    InputError, FormatError, UsageError, OutputError.

        evaluate_coco(Path("val.json"), Path("out.json"), ModelRun("accurate", images=folder))
    """
    labels, ran = read_coco_truth(truth, labelled=run is None), {}
    if run is not None:
        from posetrack.evaluation.model import write_coco_predictions

        ran = write_coco_predictions(labels, truth, results, run, progress)
    figures = None
    if run is None or labels["annotations"]:
        rows = read_json(results, allow_nan=True)
        figures = score_coco(labels, rows, str(truth), str(results))
    return CocoScores(truth, results, figures, ran)


def evaluate_mpii(
    truth: Path,
    prediction: Path,
    run: ModelRun | None = None,
    *,
    split: str = "train",
    progress: Progress | None = None,
) -> MpiiScores:
    """MPII's PCKh of predicted joints; with ``run`` they are predicted and written first.

    ``truth`` is MPII's own .mat, or the HRNet code's gt_valid.mat or JSON. ``split`` "test" takes
    the people of the .mat without labels: ``prediction`` (a .mat file) is written as MPII's server
    wants it, and nothing is scored. Raises InputError, FormatError, UsageError, OutputError.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    if split == "test":
        if run is None:
            raise UsageError("The test images have no labels; give the network to run (--model).")
        _need_suffix(prediction, ".mat", "Predictions for MPII's server are")
        from posetrack.evaluation.model import write_mpii_predictions

        run.check(prediction)
        test = read_mpii_test(truth)
        xy, ran = write_mpii_predictions(test.people, truth, run, progress)
        write_mpii_test(prediction, test, xy)
        return MpiiScores(truth, prediction, None, {**ran, "split": split})
    ran = {}
    if run is not None:
        _need_suffix(prediction, ".json", "Predictions on MPII are")
        run.check(prediction)
    people = read_mpii_truth(truth)
    if run is not None:
        from posetrack.evaluation.model import write_mpii_predictions

        xy, ran = write_mpii_predictions(people, truth, run, progress)
        rows = zip(people.image, xy.tolist(), strict=True)
        write_json(prediction, [{"image": name, "keypoints": points} for name, points in rows])
    result = score_mpii(people, read_mpii_prediction(prediction, people))
    return MpiiScores(truth, prediction, result, ran)


def _need_suffix(path: Path, suffix: str, what: str) -> None:
    if path.suffix != suffix:
        kind = {".json": "JSON", ".mat": "a .mat file"}[suffix]
        raise UsageError(f"{what} written as {kind}; {path} does not end in {suffix}.")


def evaluate_posetrack(
    truth: Path,
    prediction: Path,
    run: ModelRun | None = None,
    *,
    protocol: Protocol = POSEVAL,
    metrics: Collection[str] = METRICS,
    skip_bad: bool = False,
    sweep: bool = False,
    progress: Progress | None = None,
) -> PoseTrackScores:
    """mAP, MOTA, IDF1 and HOTA of files or folders of PoseTrack labels, paired by name; with
    ``run`` the sequences are tracked and the folder ``prediction`` is written first, all joints in
    it.

    ``sweep`` scores once more for every joint threshold: mAP before dropping and MOTA after it are
    two numbers of one file then. ``progress`` is told of frames while a network runs, else
    of sequences. Raises PosetrackError.
    """
    settings: dict[str, Any] = {"metrics": list(metrics), "skip_bad": skip_bad}
    source = ""
    if run is not None:
        from posetrack.evaluation.model import write_posetrack_predictions

        source, settings["run"] = write_posetrack_predictions(truth, prediction, run, progress)
    scored = score_files(
        truth,
        prediction,
        protocol,
        metrics=metrics,
        skip_bad=skip_bad,
        sweep=sweep,
        source=source,
        progress=progress if run is None else None,
    )
    return PoseTrackScores(scored, settings)
