"""From file names and a recipe to the task that ``training.learn`` takes: all is checked first."""

from __future__ import annotations

__all__ = [
    "check_net",
    "check_recipe",
    "check_share",
    "follow",
    "load_classes",
    "load_data",
    "pick_skeleton",
    "read_sets",
    "recipe_on_disk",
    "remember_recipe",
    "say_sides",
    "warn_of_targets",
]

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from posetrack import nets
from posetrack.checkpoints import ModelSpec
from posetrack.datasets import read
from posetrack.datasets.people import PersonSet, unite
from posetrack.errors import FormatError, TrainingError, UsageError, unknown_name
from posetrack.files import read_json, write_beside
from posetrack.heatmaps import STRIDE
from posetrack.samples.augment import GEOMETRIES, NO_AUGMENTATION
from posetrack.samples.classes import read_classes
from posetrack.samples.crops import CropStore
from posetrack.samples.crops_on_disk import CropFiles, memory_bytes
from posetrack.samples.warp import Reach
from posetrack.skeletons import SKELETONS, canonical_joint, joint_map, make_skeleton
from posetrack.structures import Skeleton
from posetrack.training.classes import CLASS_LOSSES, ClassTask
from posetrack.training.detector import DETECTOR_LOSSES
from posetrack.training.detector_setup import check_detector
from posetrack.training.losses import LOSSES
from posetrack.training.optimizer import INITIAL, OPTIMIZERS
from posetrack.training.override import to_json
from posetrack.training.pose import PoseTask, heatmap_stride
from posetrack.training.recipes import Recipe
from posetrack.training.validation import Validation

CROP_MEMORY = (
    4 << 30
)  # bytes of crops that are kept in memory; larger datasets are read from disk all along
TARGETS = ("subpixel", "official")
WIDEST_TARGET = 0.5  # of a heatmap's shorter side; about 0.27 in all official configurations
RECIPE_FILE = "recipe.json"
LOSSES_OF_TASK: dict[str, Collection[str]] = {
    "pose": LOSSES,
    "classify": CLASS_LOSSES,
    "detect": DETECTOR_LOSSES,
}

Report = Callable[[str], None]


def check_recipe(recipe: Recipe) -> None:
    """Raise UsageError for values that no run can have."""
    known_losses = LOSSES_OF_TASK[recipe.task]
    for kind, name, known in (
        ("loss", recipe.loss, known_losses),
        ("optimizer", recipe.optimizer, OPTIMIZERS),
        ("targets", recipe.targets, TARGETS),
        ("initial", recipe.initial, INITIAL),
        *(("geometry", stage.augmentation.geometry, GEOMETRIES) for stage in recipe.stages),
    ):
        if name not in known:
            raise unknown_name(kind, name, known)
    numbers = {"lr": recipe.lr, "padding": recipe.padding, "accumulate": recipe.accumulate}
    for number, stage in enumerate(recipe.stages):
        numbers |= {
            f"epochs of stage {number + 1}": stage.epochs,
            "batch_size": stage.batch_size,
            "sigma": stage.sigma,
        }
        if min(stage.size_wh) < 1 or any(side % STRIDE for side in stage.size_wh):
            raise UsageError(
                f"The input size {stage.size_wh} must be a multiple of 4, say 192x256."
            )
    for name, value in numbers.items():
        if not value > 0:
            raise UsageError(f"The setting {name} is {value}; it must be more than 0.")
    for stage in recipe.stages:
        if recipe.task == "classify" and not 0 < stage.augmentation.area <= 1:
            raise UsageError(
                f"The setting augmentation.area is {stage.augmentation.area}; it is a share, up "
                f"to 1."
            )
    if not 0 <= recipe.ema < 1:
        raise UsageError(f"The setting ema is {recipe.ema}; it must be from 0 to less than 1.")
    nets.NETS[recipe.net]
    if recipe.task == "detect":
        check_detector(recipe)


def check_net(recipe: Recipe, outputs: int) -> None:
    """Raise UsageError where the network cannot be built for so many joints or classes, or does not
    give such.

    Heatmaps, or the last of several, must be as many times smaller than the input in both
    directions; the numbers of a classifier one a class. Nothing is computed: shapes go through the
    network on torch's "meta" device.
    """
    if recipe.task == "detect":
        check_detector(recipe)
        return
    kind = "classes" if recipe.task == "classify" else "joints"
    try:
        with torch.device("meta"):
            net = nets.build(recipe.net, **{kind: outputs}, **recipe.net_args).eval()
            made = [
                net(torch.zeros(1, 3, stage.size_wh[1], stage.size_wh[0]))
                for stage in recipe.stages
            ]
    except (TypeError, ValueError, KeyError) as error:
        raise UsageError(f"The network {recipe.net} cannot be trained so: {error}.") from error
    for stage, output in zip(recipe.stages, made, strict=True):
        parts = output if isinstance(output, list) else [output]
        if kind == "classes":
            fits = all(_shape(part) == (1, outputs) for part in parts)
        else:
            fits = all(_are_heatmaps(_shape(part), outputs, stage.size_wh) for part in parts)
        if not fits:
            what = "is no classifier" if kind == "classes" else "makes no heatmaps of the joints"
            raise UsageError(f"{recipe.net} {what}; posetrack nets lists others.")


def _shape(output: Any) -> tuple[int, ...]:
    return tuple(output.shape) if isinstance(output, torch.Tensor) else ()


def _are_heatmaps(shape: tuple[int, ...], joints: int, size_wh: tuple[int, int]) -> bool:
    """Whether a shape is (1, joints, H / s, W / s) for one whole number s."""
    if len(shape) != 4 or shape[:2] != (1, joints):
        return False
    height, width = shape[2:]
    stride = size_wh[0] // width
    return (width * stride, height * stride) == size_wh


def warn_of_targets(recipe: Recipe, joints: int, report: Report) -> None:
    """Say where Gaussians are as large as the heatmaps they stand in: nothing is learnt then."""
    for stage in recipe.stages:
        shorter = min(stage.size_wh) // heatmap_stride(recipe, stage, joints)
        wide = 6 * stage.sigma + 1  # of a target that is cut at 3 sigma on both sides
        if wide > WIDEST_TARGET * shorter:
            report(
                f"The targets (sigma {stage.sigma:g}) are {wide:g} pixels wide, but the heatmaps "
                f"only {shorter}: a larger input (--input) or a smaller sigma (--set sigma=...) "
                f"learns more."
            )


def say_sides(skeleton: Skeleton, report: Report) -> None:
    """Tell which joints of the user's own change places in a mirrored picture: what their names
    were taken for.
    """
    joints = skeleton.joints
    if any(joints == known.joints for known in SKELETONS.values()):
        return
    if pairs := [f"{joints[a]} with {joints[b]}" for a, b in skeleton.flip_pairs]:
        report(f"Mirrored pictures exchange {', '.join(pairs)}.")


def check_share(recipe: Recipe, processes: int) -> None:
    """Raise UsageError where a batch cannot be shared equally."""
    for stage in recipe.stages:
        if stage.batch_size % processes:
            raise UsageError(
                f"A batch of {stage.batch_size} cannot be shared by {processes} devices equally; "
                f"change --batch-size."
            )


def follow(recipe: Recipe, spec: ModelSpec, changes: Mapping[str, Any]) -> Recipe:
    """The recipe on the network of a checkpoint, unless ``changes`` ask for another; a classifier's
    trunk for poses.

    "finetune" also takes the input size of a pose checkpoint, because weights know people at one
    size best.
    """
    args = {k: v for k, v in spec.net_args.items() if k not in ("joints", "classes")}
    if spec.task == "classify":
        name = spec.net if recipe.task == "classify" else spec.net.removesuffix("_cls")
        return (
            replace(recipe, net=name, net_args=args) if changes.get("net", name) == name else recipe
        )
    if spec.task == recipe.task == "detect" and changes.get("net", spec.net) == spec.net:
        return replace(recipe, net=spec.net, net_args=args)
    if spec.task != "pose" or recipe.task != "pose":
        return recipe
    if changes.get("net", spec.net) == spec.net:
        recipe = replace(recipe, net=spec.net, net_args=args, padding=spec.input.padding)
    if recipe.name == "finetune" and "size_wh" not in changes:
        stages = tuple(stage.resized(spec.input.size_wh) for stage in recipe.stages)
        recipe = replace(recipe, stages=stages)
    return recipe


def read_sets(
    sources: Sequence[str | Path],
    *,
    part: str | None = None,
    images: str | Path | None = None,
    report: Report = lambda _: None,
) -> list[PersonSet]:
    """The people of every source, images unopened; of a PoseTrack folder that holds several parts
    the ``part`` ("train", "val"), and ``report`` is told. ``images`` is the folder of the images,
    where they lie elsewhere than the labels. Raises InputError and UsageError before anything is
    loaded.
    """
    return [read(source, part=part, images=images, report=report) for source in sources]


def pick_skeleton(
    name: str | None, sets: Sequence[PersonSet], report: Report = lambda _: None
) -> Skeleton:
    """The joints to learn: a name in ``SKELETONS``, joint names with commas between them, or (None)
    those of the data.

    Raises UsageError where datasets with different joints are not told how to join, or a joint is
    in none of them.
    """
    if name is None:
        return _joints_of_all(sets)
    if "," not in name:
        if name not in SKELETONS:
            raise unknown_name("skeleton", name, SKELETONS)
        skeleton = SKELETONS[name]
        missing = [
            j
            for i, j in enumerate(skeleton.joints)
            if all(joint_map(s.skeleton, skeleton)[i] < 0 for s in sets)
        ]
        if len(missing) == len(skeleton):
            raise UsageError(
                f"No dataset has a joint of {name}; leave --skeleton out to learn the joints of "
                f"the data."
            )
        if missing:
            report(
                f"No dataset labels {', '.join(missing)}: these joints of {name} are not learnt."
            )
        return skeleton
    wanted = [j.strip() for j in name.split(",") if j.strip()]
    known = {canonical_joint(j) for s in sets for j in s.skeleton.joints}
    for joint in wanted:
        if canonical_joint(joint) not in known:
            raise unknown_name("joint", joint, known)
    try:
        return make_skeleton("custom", wanted)
    except ValueError as error:
        raise UsageError(f"These joints make no skeleton: {error}.") from error


def _joints_of_all(sets: Sequence[PersonSet]) -> Skeleton:
    if any(s.skeleton.joints != sets[0].skeleton.joints for s in sets):
        names = ", ".join(f"{s.name} has {len(s.skeleton)}" for s in sets)
        raise UsageError(
            f"The datasets have different joints ({names}); say which to learn with --skeleton: "
            f"one of {', '.join(sorted(SKELETONS))}, or joint names with commas between them."
        )
    return sets[0].skeleton


def load_data(
    recipe: Recipe,
    train: Sequence[PersonSet],
    held_out: Sequence[PersonSet],
    skeleton: Skeleton,
    *,
    report: Report = lambda _: None,
    memory: int = CROP_MEMORY,
) -> PoseTask:
    """Crops of all people on the joints ``skeleton``; what takes more than ``memory`` bytes stays
    on disk.

    Validation counts the joints that the held-out set has. Raises TrainingError where no image can
    be read.
    """
    side = recipe.detail * max(max(stage.size_wh) for stage in recipe.stages) or None
    crops = ((stage.size_wh, recipe.padding, stage.augmentation) for stage in recipe.stages)
    region = Reach(skeleton, tuple(crops))
    plain = ((stage.size_wh, recipe.padding, NO_AUGMENTATION) for stage in recipe.stages)
    tested = Reach(skeleton, tuple(plain))
    names = _different([s.name for s in held_out])
    validations = tuple(
        _validation(n, s, skeleton, tested, report) for n, s in zip(names, held_out, strict=True)
    )
    people = unite(train, skeleton).people
    keep = CropFiles if memory_bytes(people, side, region) > memory else CropStore
    return PoseTask(skeleton, keep(people, side, report, region), validations)


def load_classes(
    recipe: Recipe, train: Path, held_out: Sequence[Path], report: Report = lambda _: None
) -> ClassTask:
    """The pictures of a folder of classes, unopened; held-out folders have some of its classes.

    Raises InputError and UsageError, also where the network does not fit.
    """
    images = read_classes(train, report=report)
    check_net(recipe, len(images.names))
    names = _different([folder.resolve().name for folder in held_out])
    sets = tuple(
        (n, read_classes(f, images.names, report)) for n, f in zip(names, held_out, strict=True)
    )
    return ClassTask(images, sets)


def _different(names: Sequence[str]) -> list[str]:
    """The names as words, with a number where one comes again."""
    words = ["".join(c if c.isalnum() else "_" for c in name) for name in names]
    return [f"{word}_{i + 1}" if words.count(word) > 1 else word for i, word in enumerate(words)]


def _validation(
    name: str, people: PersonSet, skeleton: Skeleton, region: Reach, report: Report
) -> Validation:
    """Held-out people as large as they are, as every test sees them."""
    joints = tuple(i for i, j in enumerate(joint_map(people.skeleton, skeleton)) if j >= 0)
    if not joints:
        raise UsageError(
            f"The validation set {people.name} has none of the joints of {skeleton.name}."
        )
    crops = CropStore(people.mapped(skeleton).people, None, report, region)
    return Validation(name, crops, joints)


# --- the recipe beside the run
# ---------------------------------------------------------------------------------------


def remember_recipe(
    out: Path,
    recipe: Recipe,
    crops: int,
    resume: bool,
    *,
    report: Report = lambda _: None,
) -> None:
    """Write the recipe into the run's folder; a resumed run must have the same one, but may be
    longer: then ``report`` is told, and the longer one is written.

    Raises TrainingError where the folder holds a run that is not to be resumed, or one of another
    recipe.
    """
    path, mine = out / RECIPE_FILE, {**to_json(recipe), "people": crops}
    there = recipe_on_disk(out)
    if there is not None and not resume and (out / "state.pt").exists():
        raise TrainingError(
            f"{out} holds a run already; go on with it (--resume), or name another folder."
        )
    if there is not None and resume:
        longer = _lengthened(there, mine)
        agreed = longer or there
        other = [k for k in mine if not _same(mine[k], agreed.get(k, mine[k]))]
        if other:
            name, now, was = next(_leaves(other[0], mine[other[0]], agreed.get(other[0])))
            raise TrainingError(
                f"{out} was begun with other settings ({', '.join(other)}): {name} was {was} and "
                f"is now {now}; resume with the same ones, or begin another run."
            )
        if longer is None:
            return
        report(
            f"The run had {_epochs(there)} epochs and now has {_epochs(mine)}: it goes on to the "
            f"new end, and the learning rate follows the new length from here on."
        )
    with write_beside(path) as part:
        part.write_text(json.dumps(mine, indent=1) + "\n", encoding="utf-8")


def _lengthened(there: Mapping[str, Any], mine: Mapping[str, Any]) -> dict[str, Any] | None:
    """``there`` with the length of ``mine``: its epochs of the last stage and its milestones, which
    move along; None where that stage is not longer.

    A longer earlier stage would move the steps behind it, of which some may be done.
    """
    try:
        *before, last = there["stages"]
        epochs = mine["stages"][-1]["epochs"]
        if epochs <= last["epochs"]:
            return None
        stages = [*before, {**last, "epochs": epochs}]
    except (KeyError, TypeError, ValueError):  # a recipe that somebody edited: it differs
        return None
    return {**there, "stages": stages, "milestones": mine["milestones"]}


def _epochs(recipe: Mapping[str, Any]) -> int:
    return sum(stage["epochs"] for stage in recipe["stages"])


def _leaves(name: str, mine: Any, there: Any) -> Iterator[tuple[str, Any, Any]]:
    """Name and both values of what differs, not of all that it is part of."""
    if isinstance(mine, dict) and isinstance(there, dict):
        for key in (k for k in mine if not _same(mine[k], there.get(k, mine[k]))):
            yield from _leaves(key, mine[key], there.get(key))
    elif isinstance(mine, list) and isinstance(there, list) and len(mine) == len(there):
        for a, b in zip(mine, there, strict=True):
            if not _same(a, b):
                yield from _leaves(name, a, b)
    else:
        yield name, mine, there


def _same(mine: Any, there: Any) -> bool:
    """Whether two settings are equal; parts that an older version did not write are."""
    if isinstance(mine, dict) and isinstance(there, dict):
        return all(_same(value, there.get(key, value)) for key, value in mine.items())
    if isinstance(mine, list) and isinstance(there, list) and len(mine) == len(there):
        return all(_same(a, b) for a, b in zip(mine, there, strict=True))
    return bool(mine == there)


def recipe_on_disk(out: Path) -> dict[str, Any] | None:
    """What ``remember_recipe`` wrote, None where there is no run. Raises FormatError."""
    if not (out / RECIPE_FILE).is_file():
        return None
    content = read_json(out / RECIPE_FILE)
    if not isinstance(content, dict):
        raise FormatError(f"{out / RECIPE_FILE} is no recipe; begin another run.")
    return content
