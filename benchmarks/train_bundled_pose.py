"""Make the bundled pose network: LSPET without its last 1,000 images, and COCO's people repeated.

    python benchmarks/train_bundled_pose.py RUN_DIR --lspet lspet/person_keypoints.json \
        --coco coco/person_keypoints_train2017.json --coco-val coco/person_keypoints_val2017.json

With ``--drawn FOLDER`` the drawn people of that folder are trained on as well; ``--draw 130`` makes
it. ``--teacher`` names another network's joints for LSPET, which put exchanged sides right and fill
in joints, ``--taught`` people of COCO that only such a network labelled
(``posetrack/datasets/teacher.py``). Resumes by itself when it is started again with the same
folder. ``--export weights/bundled/pose_lite.safetensors`` then writes the averaged weights for the
package: convolutions as float16, the rest as they are, with the ranges for INT8
(``posetrack/quantisation.py``) seen on some people of LSPET and of the first ``--coco``.
``--mean-with`` takes their mean with those of an earlier run that this one went on from (Wortsman
et al., Model soups, ICML 2022).
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import torch
from bundled_recipes import BUNDLED_RECIPES

from posetrack import checkpoints, nets
from posetrack.datasets import read
from posetrack.datasets.people import PersonSet, unite
from posetrack.datasets.teacher import corrected, read_joints, read_people
from posetrack.drawn.clip import draw_sequence
from posetrack.drawn.dataset import write_posetrack_dataset
from posetrack.inference.quantisation import calibrate
from posetrack.samples.augment import NO_AUGMENTATION
from posetrack.samples.crops import CropStore
from posetrack.samples.keypoints import Sampler
from posetrack.skeletons import POSETRACK_15
from posetrack.training.fabric import is_first, make_engine
from posetrack.training.feed import to_input
from posetrack.training.loop import Validation, learn_poses

HELD_BACK = 1000  # images at the end of LSPET; the last 500 are the test
MAX_SIDE_PX = 256.0
DRAWN_SEED, DRAWN_FRAMES, DRAWN_FPS = (
    500_000,
    4,
    1.0,
)  # far from the seeds of any test; frames that differ
CALIBRATION_BATCHES, CALIBRATION_BATCH = 8, 32
COCO_JOINTS = tuple(
    i for i, j in enumerate(POSETRACK_15.joints) if j not in ("head_bottom", "head_top")
)


def tell(text: str) -> None:
    """Progress goes to stderr."""
    print(text, file=sys.stderr, flush=True)


def crops(*sources: str | PersonSet) -> CropStore:
    """All people of some sources on the PoseTrack skeleton."""
    people = unite([read(s) if isinstance(s, str) else s for s in sources], POSETRACK_15).people
    return CropStore(people, MAX_SIDE_PX, tell)


def lspet(labels: str, teacher: Path | None) -> PersonSet:
    """LSPET's people to train on, put right by a teacher's joints where there are any."""
    people = read(f"{labels}[:-{HELD_BACK}]").mapped(POSETRACK_15)
    if teacher is None:
        return people
    people, counts = corrected(people, read_joints(teacher, Path(labels)))
    tell(f"LSPET: {counts}")
    return people


def draw(folder: Path, clips: int) -> None:
    """Clips of three people each, some of them half hidden, as a PoseTrack 2018 folder."""
    drawn = (
        draw_sequence(
            DRAWN_SEED + i, frames=DRAWN_FRAMES, fps=DRAWN_FPS, size_wh=(640, 360), occluders=i % 3
        )
        for i in range(clips)
    )
    write_posetrack_dataset(folder, drawn, "2018")


def ranges(
    spec: checkpoints.ModelSpec, state: dict[str, torch.Tensor], people: CropStore
) -> dict[str, list[float]]:
    """The ranges of the network's activations on some of ``people``, in four digits."""
    net = nets.build(spec.net, **spec.net_args)
    net.load_state_dict(state)
    sampler = Sampler(
        people, POSETRACK_15, spec.input, 1.0, NO_AUGMENTATION, CALIBRATION_BATCH, seed=0
    )
    pictures = (
        to_input(sampler.batch(0, n).image, spec.input, torch.device("cpu"))
        for n in range(CALIBRATION_BATCHES)
    )
    return {
        place: [float(f"{v:.4g}") for v in pair] for place, pair in calibrate(net, pictures).items()
    }


def export(checkpoint: Path, others: list[Path], target: Path, people: CropStore) -> None:
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
        "data": "Leeds Sports Pose Extended (8,930 images), COCO 2017 (1,964 images), drawn people",
        "trained": spec.notes["history"],
        "recipe": spec.notes["recipe"],
        "decode": "smooth",
        "int8": ranges(spec, state, people),
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
    parser.add_argument(
        "--coco", required=True, nargs="+", help="label files, each --coco-times over"
    )
    parser.add_argument("--coco-val", required=True)
    parser.add_argument("--recipe", default="bundled_pose", choices=sorted(BUNDLED_RECIPES))
    parser.add_argument("--coco-times", type=int, default=5)
    parser.add_argument(
        "--teacher", type=Path, help="a teacher's joints for LSPET, by annotation id"
    )
    parser.add_argument(
        "--taught", type=Path, help="a teacher's people on images of COCO, by image name"
    )
    parser.add_argument("--precision", default="float32", help="float32 or bfloat16")
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
        people = crops(f"{args.lspet}[:200]", f"{args.coco[0]}")
        export(args.out / "last.safetensors", args.mean_with, args.export, people)
        return
    if args.draw:
        draw(args.drawn, args.draw)
        return
    recipe = BUNDLED_RECIPES[args.recipe]
    others: list[str | PersonSet] = [f"{source}*{args.coco_times}" for source in args.coco]
    others += [read_people(args.taught)] if args.taught else []
    others += [str(args.drawn / "annotations" / "train")] if args.drawn else []
    data = crops(lspet(args.lspet, args.teacher), *others)
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
        engine=make_engine("cpu", args.precision, args.devices),
        report=tell if is_first() else lambda _: None,
        initialise=lambda net: net.load_state_dict(weights) if weights else None,
    )


if __name__ == "__main__":
    main()
