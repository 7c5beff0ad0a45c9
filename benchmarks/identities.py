"""Identities on a clip with true boxes (PETS2009 S2.L1, first 400 frames): every tracker of the
table on the same boxes, and with the bundled detector; and on drawn clips, against the first
edition's tracker (``flow``).

    python benchmarks/identities.py CLIP gt.txt --boxes nanodet=boxes_nanodet.json [--drawn 22]

Where the package ``trackers`` (roboflow; tried with 2.6.1) can be imported, its trackers of boxes
follow the same boxes: ``pip install --target FOLDER trackers``, and ``PYTHONPATH=FOLDER`` before
the command.

Drawn clips have simulated networks (``ablation.py``), those of ``KINDS`` in turn: crossings and
groups, like clothes, dummies, poles, a camera that pans, shakes or stands. Differences are means
over clips with their standard error.

``gt.txt`` is in MOTChallenge's layout; scores are TrackEval's (``posetrack eval mot``). Detection,
flow and poses are computed once and shared, so that only the tracker differs; its milliseconds a
frame are of ``track`` (matching, looks), not of networks or flow. The constants of ``fused`` were
chosen on this half of this clip: other clips have to judge them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from ablation import Variant, against, draw, figures, run
from machine import processor_name

from posetrack.assemble import Stages, build_pipeline, build_stages, in_force
from posetrack.detect.detectors import FileBoxes, detect_frames
from posetrack.evaluation.posetrack import score_posetrack
from posetrack.formats.boxes import read_boxes
from posetrack.formats.label_tables import to_table
from posetrack.formats.mot import MotTable, read_mot
from posetrack.metrics.mot import BoxTracks, box_scene, clear, hota, identity_true_positives
from posetrack.options import TrackOptions
from posetrack.skeletons import BOXES_ONLY
from posetrack.structures import Boxes, Flow, Frame, Image, Poses, Tracks
from posetrack.trackers import TRACKERS
from posetrack.video.open import open_source

RESULTS = Path(__file__).parent / "results" / "identities.json"
OLD = "flow"  # what others are compared with on drawn clips
DRAWN_FRAMES, DRAWN_PEOPLE = 75, 5
KINDS: tuple[dict[str, Any], ...] = (
    {"plot": "crossing", "camera": "pan", "occluders": 2},
    {"plot": "group", "camera": "still", "alike": 0.6},
    {"plot": "crossing", "camera": "still", "poles": 2, "dummies": 2},
    {"plot": "return", "camera": "shake", "occluders": 1},
)
PEERS = {"ByteTrack": "ByteTrackTracker", "OC-SORT": "OCSORTTracker", "SORT": "SORTTracker"}


class KnownFlow:
    """The flow stage: every pair of frames once."""

    def __init__(self, flow: Any) -> None:
        self._flow, self._known = flow, {}

    def estimate(self, pairs: Iterable[tuple[Image, Image]]) -> list[Flow]:
        """The flow of each pair, by the later picture."""
        return [self._one(before, after) for before, after in pairs]

    def _one(self, before: Image, after: Image) -> Flow:
        if id(after) not in self._known:
            self._known[id(after)] = self._flow.estimate([(before, after)])[0]
        return self._known[id(after)]


class KnownPoses:
    """The pose stage: every box of a frame once."""

    def __init__(self, pose: Any) -> None:
        self._pose, self._known = pose, {}
        self.skeleton, self.decode = pose.skeleton, pose.decode

    def estimate(
        self, images: Sequence[Image], boxes: Sequence[Boxes], *, padded: bool = True
    ) -> list[Poses]:
        """One ``Poses`` an image."""
        return [self._one(image, found) for image, found in zip(images, boxes, strict=True)]

    def _one(self, image: Image, boxes: Boxes) -> Poses:
        key = (id(image), boxes.xyxy.tobytes(), boxes.score.tobytes())
        if key not in self._known:
            self._known[key] = self._pose.estimate([image], [boxes])[0]
        return self._known[key]


def main() -> None:
    """Track with everything, print and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--boxes", nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("--drawn", type=int, default=22, help="number of drawn clips")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    truth = read_mot(args.truth)
    with open_source(str(args.clip)) as video:
        frames = list(video)
    options = in_force(TrackOptions())
    loaded = build_stages(options)
    shared = replace(loaded, flow=KnownFlow(loaded.flow), pose=KnownPoses(loaded.pose))
    sources = {"bundled": shared.detector}
    for text in args.boxes:
        name, _, file = text.partition("=")
        sources[name] = FileBoxes(read_boxes(file))
    rows = [
        {"boxes": name, "tracker": peer, **scores(tracks, truth)}
        for name, detector in sources.items()
        for peer, tracks in peers(detector, frames, options.min_box_score)
    ]
    rows += [
        {"boxes": name, "tracker": tracker, **followed(options, stages, tracker, frames, truth)}
        for name, detector in sources.items()
        for stages in [replace(shared, detector=detector)]
        for tracker in TRACKERS
    ]
    made = {"clip": args.clip.name, "frames": len(frames), "processor": processor_name()}
    content = {**made, "rows": rows, "drawn": on_drawn_clips(args.drawn)}
    args.out.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    for row in (*rows, *content["drawn"]["rows"]):
        print(row)


def followed(
    options: TrackOptions, stages: Stages, tracker: str, frames: list[Frame], truth: MotTable
) -> dict[str, Any]:
    """Scores and milliseconds a frame of one tracker."""
    pipeline = build_pipeline(replace(options, tracker=tracker), stages, live=False)
    tracks = [found for _, found in pipeline.run(iter(frames))]
    seconds = pipeline.stopwatch.seconds["track"]
    return {**scores(tracks, truth), "ms_a_frame": round(1000 * seconds / len(frames), 2)}


def peers(
    detector: Any, frames: list[Frame], min_score: float
) -> Iterator[tuple[str, list[Tracks]]]:
    """What trackers of the package ``trackers`` make of the same boxes, with their own defaults."""
    if find_spec("trackers") is None:
        return
    package = import_module("trackers")
    for name, of_class in PEERS.items():
        if hasattr(package, of_class):
            follower = getattr(package, of_class)()
            yield name, [_followed_by(follower, detector, f, min_score) for f in frames]


def _followed_by(follower: Any, detector: Any, frame: Frame, min_score: float) -> Tracks:
    from supervision import Detections

    found = detect_frames(detector, [frame])[0]
    found = found[found.score >= min_score]
    given = Detections(found.xyxy, confidence=found.score, class_id=np.zeros(len(found), int))
    out = follower.update(given)
    named = np.asarray(out.tracker_id) >= 0  # -1: not confirmed yet
    none = np.zeros((int(named.sum()), 0))
    boxes = Boxes(out.xyxy[named], np.ones(len(none), np.float32))
    people = Poses(none[..., None].repeat(2, axis=2), none, boxes, BOXES_ONLY)
    return Tracks(out.tracker_id[named], people)


def on_drawn_clips(count: int) -> dict[str, Any]:
    """IDF1, MOTA and switches of every tracker over drawn clips; differences from ``OLD``."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in TRACKERS}
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        clip = draw(number, DRAWN_FRAMES, DRAWN_PEOPLE, **kind)
        truth = to_table(clip.truth)
        for name in TRACKERS:
            pair = truth, to_table(run(clip, Variant("tracker", name, tracker=name)))
            report = score_posetrack([(clip.truth.name, lambda pair=pair: pair)])
            found[name].append(figures(report.total))
        print(f"drawn clip {number + 1} of {count}", flush=True)
    rows = [
        {
            "tracker": name,
            **{k: round(float(np.mean([r[k] for r in clips])), 1) for k in clips[0]},
            "IDF1 against " + OLD: against(clips, found[OLD], "IDF1"),
            "MOTA against " + OLD: against(clips, found[OLD], "MOTA"),
        }
        for name, clips in found.items()
        if clips
    ]
    kinds = [{**kind} for kind in KINDS]
    return {"clips": count, "frames": DRAWN_FRAMES, "kinds": kinds, "rows": rows}


def scores(tracks: Sequence[Tracks], truth: MotTable) -> dict[str, Any]:
    """What ``posetrack eval mot`` says, the main figures."""
    frame = np.repeat(np.arange(len(tracks)), [len(found) for found in tracks])
    ids = np.concatenate([found.id for found in tracks])
    boxes = np.concatenate([found.poses.boxes.xyxy for found in tracks]).astype(np.float64)
    predicted = BoxTracks(frame, ids, boxes)
    scene = box_scene(BoxTracks(truth.frame, truth.id, truth.xyxy), predicted, len(tracks))
    counts = clear(scene)
    return {
        "MOTA": round(100 * counts.mota, 1),
        "IDF1": round(200 * identity_true_positives(scene) / (counts.objects + len(ids)), 1),
        "HOTA": round(100 * hota(scene).values()["HOTA"], 1),
        "switches": counts.switches,
        "false": counts.false_positives,
        "missed": counts.misses,
        "identities": len(np.unique(ids)),
    }


if __name__ == "__main__":
    main()
