"""The model card's picture of failures: drawn frames in which the bundled weights do worst, truth
left, found right.

    python benchmarks/failures_picture.py assets/failures.png [--seeds 1 2 3 ...]

People and places are drawn by posetrack.drawn.clip, so that no photograph of anybody is shown. Of
every clip the frame is taken that has the most people without a found box on them, boxes on nobody,
and joints farther off than half a head.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from posetrack import PoseTracker, Tracks
from posetrack.drawn.clip import DrawnSequence, draw_sequence
from posetrack.geometry import iou_matrix
from posetrack.recording.draw import draw_tracks
from posetrack.structures import Image

SEEDS = (3, 8, 12, 19)
FRAMES, SIZE_WH, PEOPLE = 40, (480, 270), 3
SAME_PERSON_IOU = 0.5
FAR = 0.1  # of the box's height: a joint farther off is wrong; about half a head


def faults(truth: Tracks, found: Tracks) -> float:
    """People missed, boxes on nobody, and the share of wrong joints of the others, added up."""
    overlap = iou_matrix(truth.poses.boxes.xyxy, found.poses.boxes.xyxy)
    if not overlap.size:
        return float(len(truth) + len(found))
    partner, hit = overlap.argmax(axis=1), overlap.max(axis=1) >= SAME_PERSON_IOU
    alone = int((overlap.max(axis=0) < SAME_PERSON_IOU).sum())
    off = np.linalg.norm(truth.poses.xy[hit] - found.poses.xy[partner[hit]], axis=2)
    wrong = off > FAR * truth.poses.boxes.wh[hit][:, 1:]
    return float(
        (~hit).sum() + alone + np.nanmean(np.where(np.isfinite(off), wrong, np.nan), axis=1).sum()
    )


def worst(clip: DrawnSequence) -> Image:
    """The worst frame of a clip, its truth beside what was found."""
    found = [tracks for _, tracks in PoseTracker(device="cpu").follow(clip.frames)]
    truth = [labels.tracks for labels in clip.labels.frames]
    index = int(np.argmax([faults(t, f) for t, f in zip(truth, found, strict=True)]))
    picture = clip[index].frame.image
    return np.concatenate(
        [draw_tracks(picture, tracks) for tracks in (truth[index], found[index])], axis=1
    )


def main() -> None:
    """One row a clip."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    args = parser.parse_args()
    clips = (
        draw_sequence(seed, frames=FRAMES, size_wh=SIZE_WH, people=PEOPLE, noise=0.0)
        for seed in args.seeds
    )
    picture = np.concatenate([worst(clip) for clip in clips], axis=0)
    cv2.imwrite(str(args.output), picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
