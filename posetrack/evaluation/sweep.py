"""mAP and MOTA over the joint score below which predicted joints are dropped: the largest single
effect on MOTA.

Papers mix mAP before dropping with MOTA after it; here both are given for every threshold, from one
reading.
"""

from __future__ import annotations

__all__ = [
    "Sweep",
    "SweepPoint",
    "plot_sweep",
    "sweep_joint_thresholds",
    "sweep_table",
    "thresholds_for",
]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posetrack.errors import InputError
from posetrack.evaluation.posetrack import SequenceScores, score_posetrack
from posetrack.evaluation.tables import Table
from posetrack.files import write_beside
from posetrack.formats.table import NO_SCORE, LabelTable
from posetrack.metrics.protocols import POSEVAL, Protocol

STEPS = 20  # thresholds, besides not dropping
_METRICS = ("ap", "mot")


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """Scores in percent with joints below ``threshold`` dropped (None: none are); ``kept`` is a
    share of joints.
    """

    threshold: float | None
    kept: float
    map: float
    mota: float
    precision: float
    recall: float
    idf1: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """The points, not dropping first; ``best`` has the highest MOTA."""

    protocol: str
    points: tuple[SweepPoint, ...]

    @property
    def best(self) -> SweepPoint:
        """The point of the highest MOTA, of equals the lowest threshold."""
        return max(self.points, key=lambda p: -np.inf if np.isnan(p.mota) else p.mota)


Pair = tuple[LabelTable, LabelTable]


def thresholds_for(predictions: Sequence[LabelTable]) -> list[float]:
    """0.05, 0.10 ... for scores within 0..1, otherwise the 5 % quantiles. Raises InputError without
    any score.
    """
    scores = np.concatenate([p.score[p.present & (p.score != NO_SCORE)] for p in predictions])
    scores = scores[np.isfinite(scores)]
    if not len(scores):
        raise InputError(
            "The predictions have no joint scores, so there is no threshold to choose."
        )
    if scores.min() >= 0 and scores.max() <= 1:
        return [round(i / STEPS, 10) for i in range(1, STEPS)]
    return [float(q) for q in np.unique(np.quantile(scores, np.arange(1, STEPS) / STEPS))]


def sweep_joint_thresholds(
    pairs: Sequence[Pair],
    protocol: Protocol = POSEVAL,
    *,
    progress: Callable[[float | None], None] | None = None,
) -> Sweep:
    """Score the sequences once without dropping and once a threshold."""
    joints = sum(int(pred.present.sum()) for _, pred in pairs)
    points = []
    for threshold in (None, *thresholds_for([pred for _, pred in pairs])):
        kept = [(gt, pred if threshold is None else _drop(pred, threshold)) for gt, pred in pairs]
        report = score_posetrack(
            [(pair[0].name, _given(pair)) for pair in kept], protocol, metrics=_METRICS
        )
        points.append(
            _point(
                threshold, sum(int(p.present.sum()) for _, p in kept) / max(joints, 1), report.total
            )
        )
        if progress:
            progress(threshold)
    return Sweep(protocol.name, tuple(points))


def _given(pair: Pair) -> Callable[[], Pair]:
    return lambda: pair


def _drop(table: LabelTable, threshold: float) -> LabelTable:
    """Without the joints below the threshold, and without people who then have none."""
    table = table.without_joints(table.score < threshold)
    return table.people(np.flatnonzero(table.present.sum(axis=1)))


def _point(threshold: float | None, kept: float, scores: SequenceScores) -> SweepPoint:
    assert scores.ap is not None
    assert scores.mot is not None
    assert scores.idf1 is not None
    values = (scores.ap.ap, scores.mot.mota, scores.mot.precision, scores.mot.recall, scores.idf1)
    return SweepPoint(threshold, kept, *(float(v[-1]) for v in values))


def sweep_table(sweep: Sweep) -> Table:
    """A row a threshold; the best MOTA is marked and the title names the pair of figures
    to quote.
    """
    best, whole = sweep.best, sweep.points[0]
    title = (
        f"Joint score threshold (protocol {sweep.protocol}): best MOTA {best.mota:.1f} {_at(best)} "
        f"(mAP {best.map:.1f} after dropping, {whole.map:.1f} before)"
    )
    columns = ("threshold", "joints kept %", "mAP", "MOTA", "Prec", "Rec", "IDF1", "")
    rows = tuple(
        (
            "none" if p.threshold is None else f"{p.threshold:g}",
            p.kept * 100,
            p.map,
            p.mota,
            p.precision,
            p.recall,
            p.idf1,
            "<- best MOTA" if p is best else "",
        )
        for p in sweep.points
    )
    return Table(title, columns, rows)


def _at(point: SweepPoint) -> str:
    return "without dropping" if point.threshold is None else f"at threshold {point.threshold:g}"


def plot_sweep(sweep: Sweep, path: str | Path) -> None:
    """mAP and MOTA over the threshold as a picture. Raises OutputError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = FigureCanvasAgg(figure).figure.add_subplot()
    dropped = sweep.points[1:]
    whole, best = sweep.points[0], sweep.best
    x = [p.threshold or 0.0 for p in dropped]
    axes.plot(x, [p.map for p in dropped], marker="o", label="mAP after dropping")
    axes.plot(x, [p.mota for p in dropped], marker="s", label="MOTA")
    axes.axhline(
        whole.map, linestyle="--", color="C0", label=f"mAP before dropping ({whole.map:.1f})"
    )
    axes.axhline(
        whole.mota, linestyle=":", color="C1", label=f"MOTA before dropping ({whole.mota:.1f})"
    )
    if best.threshold is not None:
        axes.annotate(
            f"{best.mota:.1f} {_at(best)}",
            (best.threshold, best.mota),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
        )
    axes.set(
        xlabel="joint score threshold",
        ylabel="percent",
        title=f"PoseTrack, protocol {sweep.protocol}",
    )
    axes.grid(alpha=0.3)
    axes.legend()
    with write_beside(path) as part, part.open("wb") as file:
        figure.savefig(file, format=Path(path).suffix.lstrip(".") or "png", dpi=120)
