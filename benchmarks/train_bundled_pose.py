"""Make the bundled pose network: LSPET without its last 1,000 images, and COCO train with its people repeated.

    python benchmarks/train_bundled_pose.py RUN_DIR --lspet lspet/person_keypoints.json \
        --coco coco/person_keypoints_train2017.json --coco-val coco/person_keypoints_val2017.json

Resumes by itself when it is started again with the same folder.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import torch

from posetrack.datasets import read
from posetrack.datasets.crops import CropStore
from posetrack.datasets.people import unite
from posetrack.recipes import RECIPES
from posetrack.skeletons import POSETRACK_15
from posetrack.training import Validation, train

HELD_BACK = 1000  # images at the end of LSPET; the last 500 are the test
MAX_SIDE_PX = 256.0
COCO_JOINTS = tuple(i for i, j in enumerate(POSETRACK_15.joints) if j not in ("head_bottom", "head_top"))


def tell(text: str) -> None:
    """Progress goes to stderr."""
    print(text, file=sys.stderr, flush=True)


def crops(*sources: str) -> CropStore:
    """All people of some sources on the PoseTrack skeleton."""
    people = unite([read(s) for s in sources], POSETRACK_15).people
    return CropStore(people, MAX_SIDE_PX, tell)


def main() -> None:
    """Read, train, leave the checkpoints in the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--lspet", required=True)
    parser.add_argument("--coco", required=True)
    parser.add_argument("--coco-val", required=True)
    parser.add_argument("--recipe", default="bundled_pose", choices=sorted(RECIPES))
    parser.add_argument("--coco-times", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--lr", type=float)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    recipe = RECIPES[args.recipe]
    if args.lr:
        recipe = dataclasses.replace(recipe, lr=args.lr)
    data = crops(f"{args.lspet}[:-{HELD_BACK}]", f"{args.coco}*{args.coco_times}")
    tell(f"{len(data)} people, {data.skipped} skipped")
    validations = (
        Validation("lspet", crops(f"{args.lspet}[-{HELD_BACK}:-{HELD_BACK // 2}]"), tuple(range(3, 15))),
        Validation("coco", crops(args.coco_val), COCO_JOINTS),
    )
    train(recipe, POSETRACK_15, data, args.out, validations=validations, resume=True, report=tell)


if __name__ == "__main__":
    main()
