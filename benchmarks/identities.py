"""Identities on a clip with true boxes (PETS2009 S2.L1, first 400 frames): every tracker of the
table on the same boxes, and with the bundled detector.

    python benchmarks/identities.py CLIP gt.txt --boxes nanodet=boxes_nanodet.json

``gt.txt`` is in MOTChallenge's layout; scores are TrackEval's (``posetrack eval mot``). Detection,
flow and poses are computed once and shared, so that only the tracker differs; its milliseconds a
frame are of ``track`` (matching, looks), not of networks or flow. The constants of ``fused`` were
chosen on this half of this clip: other clips have to judge them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from machine import processor_name

from posetrack.assemble import Stages, build_pipeline, build_stages, in_force
from posetrack.detect.detectors import FileBoxes
from posetrack.formats.boxes import read_boxes
from posetrack.formats.mot import MotTable, read_mot
from posetrack.metrics.mot import BoxTracks, box_scene, clear, hota, identity_true_positives
from posetrack.options import TrackOptions
from posetrack.structures import Boxes, Flow, Frame, Image, Poses, Tracks
from posetrack.trackers import TRACKERS
from posetrack.video.open import open_source

RESULTS = Path(__file__).parent / "results" / "identities.json"


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
        {"boxes": name, "tracker": tracker, **followed(options, stages, tracker, frames, truth)}
        for name, detector in sources.items()
        for stages in [replace(shared, detector=detector)]
        for tracker in TRACKERS
    ]
    made = {"clip": args.clip.name, "frames": len(frames), "processor": processor_name()}
    args.out.write_text(json.dumps({**made, "rows": rows}, indent=1) + "\n", "utf-8")
    for row in rows:
        print(row)


def followed(
    options: TrackOptions, stages: Stages, tracker: str, frames: list[Frame], truth: MotTable
) -> dict[str, Any]:
    """Scores and milliseconds a frame of one tracker."""
    pipeline = build_pipeline(replace(options, tracker=tracker), stages, live=False)
    tracks = [found for _, found in pipeline.run(iter(frames))]
    seconds = pipeline.stopwatch.seconds["track"]
    return {**scores(tracks, truth), "ms_a_frame": round(1000 * seconds / len(frames), 2)}


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
