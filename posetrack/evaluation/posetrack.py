"""Score PoseTrack predictions: mAP, CLEAR MOT, identities and pose HOTA of sequences and of all
together.
"""

from __future__ import annotations

__all__ = [
    "METRICS",
    "LeftOut",
    "PoseTrackReport",
    "SequenceScores",
    "evaluate_sequence",
    "score_posetrack",
]

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError, InputError, PosetrackError, unknown_name
from posetrack.formats.label_tables import to_table
from posetrack.formats.table import LabelTable
from posetrack.metrics.clear_mot import MotCounts, clear_mot
from posetrack.metrics.hota import Hota, combine, hota
from posetrack.metrics.identity import IdentityCounts, identity_counts
from posetrack.metrics.keypoint_ap import ApInput, ApResult, ap_input, average_precision
from posetrack.metrics.mot_scores import MotScores, idf1, mot_scores
from posetrack.metrics.protocols import KIT, POSEVAL, Protocol
from posetrack.metrics.scenes import Scene, make_scene, need_identities, same_scene
from posetrack.structures import Sequence as Video

METRICS = ("ap", "mot", "hota")  # mot includes the identity scores

Counts = TypeVar("Counts", MotCounts, IdentityCounts)


@dataclass(frozen=True, slots=True)
class SequenceScores:
    """All scores of one sequence, or of all of them; None where a metric was not asked for.

    Arrays have one value a joint in the order of ``labels.JOINTS``, then the total; percent, but
    ``hota`` holds fractions. ``kit_ap`` is the pose AP under HOTA's rules, ``counts`` and
    ``identities`` are counts a joint.
    """

    name: str
    frames: int
    ap: ApResult | None = None
    counts: MotCounts | None = None
    mot: MotScores | None = None
    identities: IdentityCounts | None = None
    idf1: npt.NDArray[np.float64] | None = None
    hota: Hota | None = None
    kit_ap: ApResult | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A sequence that was not scored, and the one-sentence reason."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class PoseTrackReport:
    """Scores of every sequence and of all together (not the mean of the sequences: their joints are
    pooled).
    """

    protocol: Protocol
    hota_protocol: Protocol
    sequences: tuple[SequenceScores, ...]
    total: SequenceScores
    left_out: tuple[LeftOut, ...] = ()
    # where boxes or poses came from, when we made the predictions: printed with every table
    source: str = ""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What one sequence gives to the scores: the cleaned pairs under both sets of rules."""

    name: str
    scene: Scene
    kit_scene: Scene | None


Pair = tuple[str, Callable[[], tuple[LabelTable, LabelTable]]]


def evaluate_sequence(
    truth: Video, prediction: Video, protocol: Protocol = POSEVAL
) -> PoseTrackReport:
    """Score one sequence in memory. Raises FormatError where the two do not fit together."""
    return score_posetrack(
        [(truth.name, lambda: (to_table(truth), to_table(prediction)))], protocol
    )


def score_posetrack(
    pairs: Iterable[Pair],
    protocol: Protocol = POSEVAL,
    *,
    metrics: Collection[str] = METRICS,
    skip_bad: bool = False,
    progress: Callable[[str], None] | None = None,
) -> PoseTrackReport:
    """Score sequences given as (name, function that reads ground truth and prediction).

    HOTA follows the PoseTrack21 kit under ``POSEVAL`` and the same mended rules under
    ``CORRECTED``. A bad sequence raises PosetrackError, or with ``skip_bad`` is left out and named
    in the report; InputError where none is left.
    """
    for metric in metrics:
        if metric not in METRICS:
            raise unknown_name("metric", metric, METRICS)
    kit = KIT if protocol is POSEVAL else protocol
    parts, left_out = [], []
    for name, read in pairs:
        try:
            parts.append(_prepare(name, *read(), protocol, kit, metrics))
        except PosetrackError as error:
            if not skip_bad:
                raise
            left_out.append(LeftOut(name, str(error)))
        if progress:
            progress(name)
    if not parts:
        reasons = f": {left_out[0].reason}" if left_out else "."
        raise InputError(f"No sequence is left to score{reasons}")
    sequences, total = _score(parts, protocol, kit, metrics)
    return PoseTrackReport(protocol, kit, sequences, total, tuple(left_out))


def _prepare(
    name: str,
    gt: LabelTable,
    pred: LabelTable,
    protocol: Protocol,
    kit: Protocol,
    metrics: Collection[str],
) -> _Parts:
    scene = make_scene(gt, pred, protocol)
    if "mot" in metrics:
        need_identities(scene)
        if scene.frames == 1 and not protocol.counts_last_frame:
            raise FormatError(
                f"{gt.source}: {gt.where_frame(int(gt.frame[0]))} is the only annotated frame, "
                f"and poseval leaves the "
                "last one out of tracking; choose --protocol corrected, or --metrics ap."
            )
    kit_scene = None
    if "hota" in metrics:
        kit_scene = scene if same_scene(gt, pred, protocol, kit) else make_scene(gt, pred, kit)
        need_identities(kit_scene)
    return _Parts(name, scene, kit_scene)


def _score(
    parts: Sequence[_Parts], protocol: Protocol, kit: Protocol, metrics: Collection[str]
) -> tuple[tuple[SequenceScores, ...], SequenceScores]:
    """The scores of every sequence and of all."""
    rows: list[dict[str, object]] = [{"name": p.name, "frames": p.scene.frames} for p in parts]
    total: dict[str, object] = {"name": "total", "frames": sum(p.scene.frames for p in parts)}
    scenes = [p.scene for p in parts]
    ap_inputs = [ap_input(s) for s in scenes]
    if "ap" in metrics:
        _add_ap(rows, total, "ap", ap_inputs, protocol)
    if "mot" in metrics:
        _add_tracking(rows, total, scenes, protocol)
    if "hota" in metrics:
        kit_scenes = [p.kit_scene for p in parts if p.kit_scene is not None]
        values = [hota(s, kit) for s in kit_scenes]
        for row, value in zip(rows, values, strict=True):
            row["hota"] = value
        total["hota"] = combine(values)
        kit_inputs = [
            a if k is s else ap_input(k)
            for a, s, k in zip(ap_inputs, scenes, kit_scenes, strict=True)
        ]
        _add_ap(rows, total, "kit_ap", kit_inputs, kit)
    return tuple(SequenceScores(**row) for row in rows), SequenceScores(**total)  # type: ignore[arg-type]


def _add_ap(
    rows: list[dict[str, object]],
    total: dict[str, object],
    key: str,
    inputs: Sequence[ApInput],
    protocol: Protocol,
) -> None:
    for row, part in zip(rows, inputs, strict=True):
        row[key] = average_precision([part], protocol)
    total[key] = average_precision(inputs, protocol)


def _add_tracking(
    rows: list[dict[str, object]],
    total: dict[str, object],
    scenes: Sequence[Scene],
    protocol: Protocol,
) -> None:
    tracking = clear_mot(scenes, protocol)
    identities = identity_counts(scenes, tracking)
    for s, row in enumerate(rows):
        row |= _tracking_scores(_one(tracking.counts, s), _one(identities, s), protocol)
    total |= _tracking_scores(_sum(tracking.counts), _sum(identities), protocol)


def _tracking_scores(
    counts: MotCounts, identities: IdentityCounts, protocol: Protocol
) -> dict[str, object]:
    return {
        "counts": counts,
        "mot": mot_scores(counts, protocol),
        "identities": identities,
        "idf1": idf1(identities.true_positives, counts),
    }


def _one(counts: Counts, sequence: int) -> Counts:
    """The counts of one sequence, (J,)."""
    return type(counts)(*(getattr(counts, f.name)[sequence] for f in fields(counts)))


def _sum(counts: Counts) -> Counts:
    """The counts of all sequences, (J,)."""
    return type(counts)(*(getattr(counts, f.name).sum(axis=0) for f in fields(counts)))
