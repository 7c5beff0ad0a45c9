"""What each part of the tracker is worth, on drawn clips with exact truth:
benchmarks/results/ablation.json and .png

    python benchmarks/ablation.py [--clips 6] [--frames 90] [--people 5]

The clips are hard on purpose: people cross close behind each other, things stand before them, the
camera pans and shakes. Networks are NOT run: detector and pose network are simulated from the
ground truth with fixed random errors, the same for every variant, so that only the tracking differs
(and the whole table takes minutes on one core):

* detector: boxes jittered by ``BOX_JITTER`` of their size; a person is missed in bursts
  (``MISS_START`` a frame, on average ``MISS_FRAMES`` long), always where less than ``MIN_SHARE`` of
  them shows, and the more often the less shows; ``FALSE_BOXES`` false boxes a frame;
* pose network: in a box stands the person whose true box overlaps it most (weighted by how much of
  them shows), with visible joints ``JOINT_NOISE`` of the body height off and some far off; hidden
  joints are guessed badly, with low scores; a box on nobody gives scattered joints of low score.

Optical flow is real (OpenCV DIS on the drawn pictures). Scores are those of ``posetrack eval``
(protocol poseval; HOTA by the PoseTrack21 kit), switches are summed over the 15 joints. They say
how the variants compare on such clips, not what a real network reaches on real video.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from posetrack.detect.detectors import FileBoxes
from posetrack.drawn.clip import DrawnFrame, draw_sequence
from posetrack.evaluation.posetrack import SequenceScores, score_posetrack
from posetrack.evaluation.tables import Table, provenance, render
from posetrack.evaluation.tracking import follow_true_poses
from posetrack.flow import build_flow
from posetrack.formats.label_tables import to_table
from posetrack.geometry import iou_matrix, keypoint_boxes
from posetrack.oks import rescore
from posetrack.options import (
    BOX_NMS_IOU,
    MEMORY,
    MIN_JOINT_SCORE,
    MIN_NEW_SCORE,
    MIN_OKS,
    REVIVE,
)
from posetrack.pipeline import Pipeline, PipelineSettings
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, Flow, FrameLabels, Image, Poses
from posetrack.structures import Sequence as Video
from posetrack.trackers import TrackerSettings, build_tracker

RESULTS = Path(__file__).parent / "results"
FIRST_SEED = 9100  # away from the seeds of tests and demo
SIZE_WH = (640, 360)
CAMERAS = ("pan", "shake")

BOX_JITTER = 0.04
MISS_START, MISS_FRAMES = 0.03, 6
MIN_SHARE = 0.2  # visible part of a body
FALSE_BOXES = 0.2
JOINT_NOISE = 0.012
FAR_JOINTS, FAR_NOISE = 0.05, 0.10
HIDDEN_NOISE = 0.06
VISIBLE_SCORE, FAR_SCORE, HIDDEN_SCORE, NOBODY_SCORE = 0.8, 0.4, 0.3, 0.15
MIN_OVERLAP = 0.3  # IoU of a box with the person a network would see in it


@dataclass(frozen=True)
class Variant:
    """One row: tracker and pipeline settings; everything not named is the default of ``posetrack
    track``.
    """

    group: str
    name: str
    tracker: str = "flow"
    memory: int = MEMORY
    min_oks: float = MIN_OKS
    min_new_score: float = MIN_NEW_SCORE
    min_joint_score: float = MIN_JOINT_SCORE
    box_nms: float = BOX_NMS_IOU
    detect_every: int = 1
    revive: int = REVIVE
    true_poses: bool = False  # matching alone: the true poses instead of the simulated networks


def variants() -> list[Variant]:
    """The table's rows; each group changes one thing of the default."""
    rows = [Variant("default", "default")]
    rows += [
        Variant("similarity and flow", "OKS, poses moved by flow"),
        Variant("similarity and flow", "OKS, no flow", tracker="oks"),
        Variant("similarity and flow", "IoU of boxes, no flow", tracker="iou"),
    ]
    rows += [
        Variant("true poses, matching alone", "OKS, poses moved by flow", true_poses=True),
        Variant("true poses, matching alone", "OKS, no flow", tracker="oks", true_poses=True),
        Variant(
            "true poses, matching alone", "IoU of boxes, no flow", tracker="iou", true_poses=True
        ),
    ]
    rows += [Variant("memory (frames)", f"{n}", memory=n) for n in (1, 5, 15, 30, 60)]
    rows += [Variant("known again for (frames)", f"{n}", revive=n) for n in (0, 50, 150, 300)]
    rows += [
        Variant("smallest OKS of a match", f"{v:g}", min_oks=v) for v in (0.05, 0.1, 0.2, 0.3, 0.5)
    ]
    rows += [
        Variant("score of somebody new", f"{v:g}", min_new_score=v) for v in (0.1, 0.3, 0.5, 0.7)
    ]
    rows += [
        Variant("joint score threshold", f"{v:g}", min_joint_score=v) for v in (0.0, 0.2, 0.4, 0.6)
    ]
    rows += [Variant("box NMS (IoU)", f"{v:g}", box_nms=v) for v in (0.4, 0.6, 0.8)]
    for tracker, words in (("flow", "with flow"), ("oks", "without flow")):
        group = f"detect every N frames, {words}"
        rows += [Variant(group, f"{n}", tracker=tracker, detect_every=n) for n in (1, 2, 4, 8, 15)]
    return rows


@dataclass
class Clip:
    """A drawn clip with its flows, and what the simulated networks make of it."""

    drawn: list[DrawnFrame]
    truth: Video
    seed: int
    flows: dict[int, Flow] = field(default_factory=dict)  # by id of the later image

    def __post_init__(self) -> None:
        self.frames = [one.frame for one in self.drawn]
        self.number = {id(frame.image): f for f, frame in enumerate(self.frames)}
        self.boxes = [keypoint_boxes(one.everyone.poses.xy) for one in self.drawn]
        rng = np.random.default_rng(self.seed)
        self.detections = self._detect(rng)
        self.guesses = [self._guess(rng, one) for one in self.drawn]

    def _detect(self, rng: np.random.Generator) -> dict[int, Boxes]:
        missed = np.zeros(
            len(self.drawn[0].everyone), int
        )  # frames for which each person goes on being missed
        found = {}
        for f, (one, true) in enumerate(zip(self.drawn, self.boxes, strict=True)):
            starts = (missed == 0) & (rng.random(len(missed)) < MISS_START)
            missed = np.where(
                starts, rng.geometric(1 / MISS_FRAMES, len(missed)), np.maximum(missed - 1, 0)
            )
            seen = (
                (one.share >= MIN_SHARE)
                & (rng.random(len(missed)) < np.sqrt(one.share))
                & (missed == 0)
            )
            box = true + rng.normal(0, BOX_JITTER, true.shape) * np.tile(
                true[:, 2:] - true[:, :2], 2
            )
            score = rng.uniform(0.55, 0.98, len(missed)) * np.sqrt(one.share)
            false = self._false_boxes(rng)
            xyxy = np.concatenate([box[seen], false]).astype(np.float32)
            found[f] = Boxes(
                xyxy,
                np.concatenate([score[seen], rng.uniform(0.3, 0.6, len(false))]).astype(np.float32),
            )
        return found

    @staticmethod
    def _false_boxes(rng: np.random.Generator) -> np.ndarray:
        count = rng.poisson(FALSE_BOXES)
        wh = rng.uniform((30, 80), (90, 220), (count, 2))
        low = rng.random((count, 2)) * (np.array(SIZE_WH) - wh)
        return np.concatenate([low, low + wh], axis=1)

    @staticmethod
    def _guess(rng: np.random.Generator, one: DrawnFrame) -> tuple[np.ndarray, np.ndarray]:
        """What the pose network would say of each person: joints (N, 15, 2) and scores (N, 15)."""
        xy = one.everyone.poses.xy.astype(np.float64)
        height = (xy[..., 1].max(axis=1) - xy[..., 1].min(axis=1))[:, None, None]
        far = rng.random(xy.shape[:2]) < FAR_JOINTS
        noise = np.where(one.visible, np.where(far, FAR_NOISE, JOINT_NOISE), HIDDEN_NOISE)
        score = np.where(one.visible, np.where(far, FAR_SCORE, VISIBLE_SCORE), HIDDEN_SCORE)
        guess = xy + rng.normal(0, 1, xy.shape) * noise[..., None] * height
        return guess, np.clip(rng.normal(score, 0.12), 0.02, 1)

    def estimate(
        self, images: Sequence[Image], boxes: Sequence[Boxes], *, padded: bool = True
    ) -> list[Poses]:
        """The pose stage: as ``pose.PoseEstimator.estimate``."""
        return [
            self._poses(self.number[id(image)], given)
            for image, given in zip(images, boxes, strict=True)
        ]

    def _poses(self, f: int, boxes: Boxes) -> Poses:
        guess, score = self.guesses[f]
        xy, scores = np.zeros((len(boxes), 15, 2)), np.zeros((len(boxes), 15))
        overlap = iou_matrix(boxes.xyxy, self.boxes[f])
        seen = overlap * (0.3 + 0.7 * self.drawn[f].share)
        for n, box in enumerate(boxes.xyxy.astype(np.float64)):
            best = int(seen[n].argmax())
            if overlap[n, best] >= MIN_OVERLAP:
                xy[n], scores[n] = guess[best], score[best]
            else:  # nobody there: scattered joints, fixed by where the box is
                rng = np.random.default_rng([self.seed, f, *np.abs(box).astype(int)])
                xy[n] = box[:2] + rng.random((15, 2)) * (box[2:] - box[:2])
                scores[n] = np.clip(rng.normal(NOBODY_SCORE, 0.08, 15), 0.02, 1)
        total = rescore(scores, boxes.score).astype(np.float32)
        return Poses(
            xy.astype(np.float32), scores.astype(np.float32), Boxes(boxes.xyxy, total), POSETRACK_15
        )


class KnownFlow:
    """The flow stage: computed once a clip."""

    def __init__(self, clip: Clip) -> None:
        self.flows = clip.flows

    def estimate(self, pairs: Iterable[tuple[Image, Image]]) -> list[Flow]:
        return [self.flows[id(later)] for _, later in pairs]


def draw(number: int, frames: int, people: int, **kind: Any) -> Clip:
    """One clip with its flows; ``kind`` as ``draw_sequence`` takes it."""
    seed = FIRST_SEED + number
    kind = kind or {"camera": CAMERAS[number % len(CAMERAS)], "occluders": 2}
    drawn = draw_sequence(seed, frames=frames, size_wh=SIZE_WH, people=people, **kind)
    pictures = list(drawn)
    truth = Video(
        drawn.name, SIZE_WH, drawn.fps, POSETRACK_15, tuple(one.labels for one in pictures)
    )
    clip = Clip(pictures, truth, seed)
    flow = build_flow("dis")
    for before, after in pairwise(clip.frames):
        clip.flows[id(after.image)] = flow.estimate([(before.image, after.image)])[0]
    return clip


def run(clip: Clip, v: Variant) -> Video:
    """Track a clip; the prediction in frame order."""
    tracker = TrackerSettings(
        memory=v.memory,
        min_oks=v.min_oks,
        min_new_score=v.min_new_score,
        min_joint_score=v.min_joint_score,
        revive=v.revive,
    )
    settings = PipelineSettings(
        detect_every=v.detect_every, box_nms=v.box_nms, min_joint_score=v.min_joint_score
    )
    stages = (FileBoxes(clip.detections), KnownFlow(clip), clip)
    follower = build_tracker(v.tracker, POSETRACK_15, tracker)
    if v.true_poses:
        followed = follow_true_poses(clip.frames, clip.truth, follower, KnownFlow(clip))
    else:
        followed = Pipeline(*stages, follower, settings).run(iter(clip.frames))
    labels = [FrameLabels(f.index, f.time_s, tracks) for f, tracks in followed]
    return replace(clip.truth, frames=tuple(labels))


def figures(scores: SequenceScores) -> dict[str, float]:
    assert scores.ap is not None
    assert scores.mot is not None
    assert scores.idf1 is not None
    assert scores.hota is not None
    assert scores.counts is not None
    return {
        "mAP": float(scores.ap.ap[-1]),
        "MOTA": float(scores.mot.mota[-1]),
        "IDF1": float(scores.idf1[-1]),
        "HOTA": float(scores.hota.mean("HOTA")[-1] * 100),
        "AssA": float(scores.hota.mean("AssA")[-1] * 100),
        "switches": int(scores.counts.switches.sum()),
    }


def against(clips: list[dict[str, float]], default: list[dict[str, float]], key: str) -> str:
    """Mean difference from the default over the clips, and its standard error: within two of it
    nothing is said.
    """
    difference = np.array([a[key] - b[key] for a, b in zip(clips, default, strict=True)])
    error = (
        difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else float("nan")
    )
    return f"{difference.mean():+.1f} +- {error:.1f}"


def given(pair: Any) -> Callable[[], Any]:
    return lambda: pair


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """A panel a group: MOTA, IDF1 and HOTA."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups = [g for g in dict.fromkeys(row["group"] for row in rows) if g != "default"]
    figure = Figure(figsize=(15, 6.6), layout="constrained")
    panels = FigureCanvasAgg(figure).figure.subplots(2, (len(groups) + 1) // 2, sharey=True).ravel()
    for axes, group in zip(panels, groups, strict=False):
        chosen = [row for row in rows if row["group"] == group]
        names = [row["name"].replace(", ", ",\n") for row in chosen]
        for key, marker in (("MOTA", "o"), ("IDF1", "s"), ("HOTA", "^")):
            axes.plot(names, [row[key] for row in chosen], marker=marker, label=key)
        axes.set_title(group, fontsize=10)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    for axes in panels[len(groups) :]:
        axes.axis("off")
    panels[0].legend()
    figure.suptitle("Drawn clips, simulated detector and pose network, real optical flow (percent)")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--people", type=int, default=5)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    table = variants()
    predictions: dict[int, list[Any]] = {n: [] for n in range(len(table))}
    for number in range(args.clips):
        clip = draw(number, args.frames, args.people)
        truth = to_table(clip.truth)
        for n, variant in enumerate(table):
            predictions[n].append((truth, to_table(run(clip, variant))))
        print(f"clip {number + 1} of {args.clips}", flush=True)
    rows = []
    for n, variant in enumerate(table):
        report = score_posetrack([(pair[0].name, given(pair)) for pair in predictions[n]])
        clips = [figures(scores) for scores in report.sequences]
        rows.append(
            {
                "group": variant.group,
                "name": variant.name,
                **figures(report.total),
                "per_clip": clips,
            }
        )
    for row in rows:
        for key in ("MOTA", "IDF1"):
            row[f"{key} against default"] = against(row["per_clip"], rows[0]["per_clip"], key)
    settings = {
        "clips": args.clips,
        "frames": args.frames,
        "people": args.people,
        "size_wh": SIZE_WH,
        "cameras": CAMERAS,
        "first_seed": FIRST_SEED,
        "protocol": "poseval",
        "simulated": {
            "box_jitter": BOX_JITTER,
            "miss_start": MISS_START,
            "miss_frames": MISS_FRAMES,
            "min_share": MIN_SHARE,
            "false_boxes": FALSE_BOXES,
            "joint_noise": JOINT_NOISE,
            "far_joints": FAR_JOINTS,
            "hidden_noise": HIDDEN_NOISE,
        },
        "default": {
            f.name: getattr(table[0], f.name)
            for f in fields(Variant)
            if f.name not in ("group", "name")
        },
    }
    note = (
        "Simulated detector and pose network (see the script), real DIS flow; not scores on "
        "real video."
    )
    content = {"note": note, "rows": rows, **provenance(settings, ("numpy", "opencv-python"))}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "ablation.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    plot(rows, RESULTS / "ablation.png")
    keys = tuple(key for key in rows[0] if key != "per_clip")
    print(
        render(
            [
                Table(
                    "Ablation on drawn clips", keys, tuple(tuple(r[k] for k in keys) for r in rows)
                )
            ],
            "text",
        )
    )


if __name__ == "__main__":
    main()
