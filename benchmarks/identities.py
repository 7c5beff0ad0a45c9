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

``PARTS`` are the parts of ``fused``, each taken away on its own, on the same boxes and clips. The
result is written whenever a part of it is complete.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
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
from posetrack.trackers import TRACKERS, fused
from posetrack.video.open import open_source

RESULTS = Path(__file__).parent / "results" / "identities.json"
OLD = "flow"  # what others are compared with on drawn clips
DRAWN_FRAMES, DRAWN_PEOPLE = 60, 5
KINDS: tuple[dict[str, Any], ...] = (
    {"plot": "crossing", "camera": "pan", "occluders": 2},
    {"plot": "group", "camera": "still", "alike": 0.6},
    {"plot": "crossing", "camera": "still", "poles": 2, "dummies": 2},
    {"plot": "return", "camera": "shake", "occluders": 1},
)
PEERS = {"ByteTrack": "ByteTrackTracker", "OC-SORT": "OCSORTTracker", "SORT": "SORTTracker"}

NEVER = 9.0  # no overlap, score or likeness is that high
PARTS: dict[str, dict[str, float]] = {  # constants of the module ``fused`` without a part of it
    "without colours in the affinity": {"COLOUR_WEIGHT": 0},
    "without the second round": {"MIN_WEAK_OVERLAP": NEVER},
    "without anybody known again": {"MIN_LIKENESS": NEVER},
    "without confirming": {"CONFIRMED": 1},
    "without carrying": {"CARRIED_JOINT_SCORE": NEVER},
    "sure by the box alone": {"SURE_POSE_SCORE": NEVER},
}
WAYS: tuple[tuple[str, str, dict[str, float]], ...] = (  # name, tracker, constants
    *((name, name, {}) for name in TRACKERS),
    *((f"fused {name}", "fused", constants) for name, constants in PARTS.items()),
)


@contextmanager
def changed(constants: Mapping[str, float]) -> Iterator[None]:
    """The module ``fused`` with other constants."""
    before = {name: getattr(fused, name) for name in constants}
    for name, value in constants.items():
        setattr(fused, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(fused, name, value)


class KnownBoxes:
    """The detector: every frame once."""

    def __init__(self, detector: Any) -> None:
        self._detector, self._known = detector, {}

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """The boxes of each image."""
        return [self._one(image) for image in images]

    def _one(self, image: Image) -> Boxes:
        if id(image) not in self._known:
            self._known[id(image)] = self._detector.detect([image])[0]
        return self._known[id(image)]


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
    """The pose stage: every box once, whoever asks."""

    def __init__(self, pose: Any) -> None:
        self._pose, self._known = pose, {}
        self.skeleton = pose.skeleton

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pose, name)  # what else a run writes down of its network

    def estimate(
        self, images: Sequence[Image], boxes: Sequence[Boxes], *, padded: bool = True
    ) -> list[Poses]:
        """One ``Poses`` an image."""
        return [self._one(image, found) for image, found in zip(images, boxes, strict=True)]

    def _one(self, image: Image, boxes: Boxes) -> Poses:
        keys = [(id(image), box.tobytes()) for box in boxes.xyxy]
        new = np.array([n for n, key in enumerate(keys) if key not in self._known], np.int64)
        if len(new):
            certain = Boxes(boxes.xyxy[new], np.ones(len(new), np.float32))
            found = self._pose.estimate([image], [certain])[0]
            for row, n in enumerate(new):
                self._known[keys[n]] = found[np.array([row])]
        if not keys:
            return Poses.empty(self.skeleton)
        poses = Poses.concat([self._known[key] for key in keys], self.skeleton)
        score = (poses.boxes.score * boxes.score).astype(np.float32)
        return replace(poses, boxes=Boxes(boxes.xyxy, score))


def main() -> None:
    """Track with everything, print and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clip", nargs="?", type=Path, help="without it: drawn clips alone")
    parser.add_argument("truth", nargs="?", type=Path)
    parser.add_argument("--boxes", nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("--drawn", type=int, default=22, help="number of drawn clips")
    parser.add_argument("--first", type=int, default=0, help="number of the first drawn clip")
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.clip:
        for real in on_a_real_clip(args.clip, args.truth, args.boxes):
            write(args.out, {"real": real})
    for drawn in on_drawn_clips(range(args.first, args.first + args.drawn)):
        earlier = json.loads(args.out.read_text("utf-8")) if args.out.exists() else {}
        write(args.out, {"drawn": joined(earlier.get("drawn"), drawn)})


def on_a_real_clip(clip: Path, truth_file: Path, given: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows so far: with the boxes ``given`` as NAME=FILE, and those of the bundled detector."""
    truth = read_mot(truth_file)
    with open_source(str(clip)) as video:
        frames = list(video)
    options = in_force(TrackOptions())
    loaded = build_stages(options)
    shared = replace(loaded, flow=KnownFlow(loaded.flow), pose=KnownPoses(loaded.pose))
    files = [text.partition("=")[::2] for text in given]
    sources: dict[str, Any] = {name: FileBoxes(read_boxes(file)) for name, file in files}
    sources["bundled"] = KnownBoxes(loaded.detector)
    rows = []
    made = {"clip": clip.name, "frames": len(frames), "load_average": round(os.getloadavg()[0], 1)}
    for name, detector in sources.items():
        for peer, tracks in peers(detector, frames, options.min_box_score):
            rows.append({"boxes": name, "tracker": peer, **scores(tracks, truth)})
        stages = replace(shared, detector=detector)
        for way, tracker, constants in WAYS:
            with changed(constants):
                result = followed(options, stages, tracker, frames, truth)
            rows.append({"boxes": name, "tracker": way, **result})
            print(rows[-1], flush=True)
            yield {**made, "rows": rows}


def write(path: Path, part: dict[str, Any]) -> None:
    """Set a part of the file of results; what else it says stays."""
    content = json.loads(path.read_text("utf-8")) if path.exists() else {}
    content |= part | {"processor": processor_name()}
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


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


def on_drawn_clips(numbers: Iterable[int]) -> Iterator[dict[str, dict[str, float]]]:
    """The figures of every way on each drawn clip: by the clip's number and the way."""
    for number in numbers:
        clip = draw(number, DRAWN_FRAMES, DRAWN_PEOPLE, **KINDS[number % len(KINDS)])
        truth = to_table(clip.truth)
        found = {}
        for way, tracker, constants in WAYS:
            with changed(constants):
                pair = truth, to_table(run(clip, Variant("tracker", way, tracker=tracker)))
            report = score_posetrack([(clip.truth.name, lambda pair=pair: pair)])
            found[way] = figures(report.total)
        print(f"drawn clip {number}", flush=True)
        yield {str(number): found}


def joined(earlier: Mapping[str, Any] | None, new: Mapping[str, Any]) -> dict[str, Any]:
    """The clips so far, and a row a way: means over them, and the differences from ``OLD``."""
    of_clips = {**(earlier["of_clips"] if earlier else {}), **new}
    found = {way: [clip[way] for clip in of_clips.values()] for way, _, _ in WAYS}
    rows = [
        {
            "tracker": way,
            **{k: round(float(np.mean([r[k] for r in clips])), 1) for k in clips[0]},
            "IDF1 against " + OLD: against(clips, found[OLD], "IDF1"),
            "MOTA against " + OLD: against(clips, found[OLD], "MOTA"),
        }
        for way, clips in found.items()
    ]
    made = {"frames": DRAWN_FRAMES, "people": DRAWN_PEOPLE, "kinds": list(KINDS)}
    return {**made, "clips": len(of_clips), "rows": rows, "of_clips": of_clips}


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
