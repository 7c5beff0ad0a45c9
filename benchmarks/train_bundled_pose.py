"""Make the bundled pose network: LSPET without its last 1,000 images, and COCO train with its
people repeated.

    python benchmarks/train_bundled_pose.py RUN_DIR --lspet lspet/person_keypoints.json \
        --coco coco/person_keypoints_train2017.json --coco-val coco/person_keypoints_val2017.json

With ``--drawn FOLDER`` the drawn people of that folder are trained on as well; ``--draw 130`` makes
it. Resumes by itself when it is started again with the same folder. ``--export
weights/bundled/pose_lite.safetensors`` then writes the averaged weights for the package:
convolutions as float16, the rest as they are. ``--mean-with`` takes their mean with those of an
earlier run that this one went on from (Wortsman et al., Model soups, ICML 2022).
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import torch
from bundled_recipes import BUNDLED_RECIPES

from posetrack import checkpoints
from posetrack.datasets import read
from posetrack.datasets.people import unite
from posetrack.drawn.clip import draw_sequence
from posetrack.drawn.dataset import write_posetrack_dataset
from posetrack.samples.crops import CropStore
from posetrack.skeletons import POSETRACK_15
from posetrack.training.fabric import is_first, make_engine
from posetrack.training.loop import Validation, learn_poses

HELD_BACK = 1000  # images at the end of LSPET; the last 500 are the test
MAX_SIDE_PX = 256.0
DRAWN_SEED, DRAWN_FRAMES, DRAWN_FPS = (
    500_000,
    4,
    1.0,
)  # far from the seeds of any test; frames that differ
COCO_JOINTS = tuple(
    i for i, j in enumerate(POSETRACK_15.joints) if j not in ("head_bottom", "head_top")
)


def tell(text: str) -> None:
    """Progress goes to stderr."""
    print(text, file=sys.stderr, flush=True)


def crops(*sources: str) -> CropStore:
    """All people of some sources on the PoseTrack skeleton."""
    people = unite([read(s) for s in sources], POSETRACK_15).people
    return CropStore(people, MAX_SIDE_PX, tell)


def draw(folder: Path, clips: int) -> None:
    """Clips of three people each, some of them half hidden, as a PoseTrack 2018 folder."""
    drawn = (
        draw_sequence(
            DRAWN_SEED + i, frames=DRAWN_FRAMES, fps=DRAWN_FPS, size_wh=(640, 360), occluders=i % 3
        )
        for i in range(clips)
    )
    write_posetrack_dataset(folder, drawn, "2018")


def export(checkpoint: Path, others: list[Path], target: Path) -> None:
    """The mean of a run's checkpoint and others at half the size, with what a user must know about
    it in its notes.
    """
    spec, state = checkpoints.read_spec(checkpoint), checkpoints.read_state(checkpoint)
    for number, other in enumerate(others):
        for key, value in checkpoints.read_state(other).items():
            state[key] = torch.lerp(state[key].float(), value.float(), 1 / (number + 2)).to(
                value.dtype
            )
    notes = {
        "name": "pose_lite",
        "licence": "Apache-2.0 (weights); trained on images with terms of their own, see the "
        "model card",
        "data": "Leeds Sports Pose Extended (8,991 images), COCO train2017 (124 images), drawn "
        "people",
        "trained": spec.notes["history"],
        "recipe": spec.notes["recipe"],
        "decode": "dark",
    }
    small = {k: v.half() if v.ndim > 1 else v for k, v in state.items()}
    checkpoints.save(target, small, dataclasses.replace(spec, notes=notes))


def main() -> None:
    """Read, train, leave the checkpoints in the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--lspet", required=True)
    parser.add_argument("--coco", required=True)
    parser.add_argument("--coco-val", required=True)
    parser.add_argument("--recipe", default="bundled_pose", choices=sorted(BUNDLED_RECIPES))
    parser.add_argument("--coco-times", type=int, default=5)
    parser.add_argument("--drawn", type=Path, help="folder of drawn people to train on as well")
    parser.add_argument(
        "--draw", type=int, metavar="CLIPS", help="only draw that many clips into --drawn"
    )
    parser.add_argument("--init", type=Path, help="checkpoint of another run to start from")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--devices", type=int, default=1, help="processes that share every batch")
    parser.add_argument("--export", type=Path, help="only write RUN_DIR's last checkpoint there")
    parser.add_argument(
        "--mean-with", type=Path, nargs="+", default=[], help="checkpoints to average with"
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.export:
        export(args.out / "last.safetensors", args.mean_with, args.export)
        return
    if args.draw:
        draw(args.drawn, args.draw)
        return
    recipe = BUNDLED_RECIPES[args.recipe]
    drawn = [str(args.drawn / "annotations" / "train")] if args.drawn else []
    data = crops(f"{args.lspet}[:-{HELD_BACK}]", f"{args.coco}*{args.coco_times}", *drawn)
    tell(f"{len(data)} people, {data.skipped} skipped")
    validations = (
        Validation(
            "lspet", crops(f"{args.lspet}[-{HELD_BACK}:-{HELD_BACK // 2}]"), tuple(range(3, 15))
        ),
        Validation("coco", crops(args.coco_val), COCO_JOINTS),
    )
    weights = checkpoints.read_state(args.init) if args.init else None
    learn_poses(
        recipe,
        POSETRACK_15,
        data,
        args.out,
        validations=validations,
        resume=True,
        engine=make_engine("cpu", "float32", args.devices),
        report=tell if is_first() else lambda _: None,
        initialise=lambda net: net.load_state_dict(weights) if weights else None,
    )


if __name__ == "__main__":
    main()
