"""Training from files to a checkpoint, as one call: ``posetrack train`` is this."""

from __future__ import annotations

__all__ = ["Source", "initialiser", "make_recipe", "make_task", "scored", "train"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from posetrack.assemble import read_weights
from posetrack.checkpoints import ModelSpec
from posetrack.datasets.people import PersonSet
from posetrack.errors import UsageError, unknown_name
from posetrack.training.classes import ClassTask
from posetrack.training.curves import BoardWatcher, draw_curves
from posetrack.training.detector import DetectorTask
from posetrack.training.detector_setup import load_boxes
from posetrack.training.fabric import is_first, make_engine
from posetrack.training.loop import Watcher, learn
from posetrack.training.override import changed
from posetrack.training.pose import PoseTask
from posetrack.training.recipes import RECIPES, Recipe
from posetrack.training.scores import METRICS
from posetrack.training.setup import (
    check_net,
    check_recipe,
    check_share,
    follow,
    load_classes,
    load_data,
    pick_skeleton,
    read_sets,
    remember_recipe,
    say_sides,
    warn_of_targets,
)
from posetrack.training.start import load_same, load_weights

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Source:
    """Weights to start from: the tensors, and what they are of."""

    state: Mapping[str, Tensor]
    spec: ModelSpec


def _nowhere(_: str) -> None:
    """Where sentences go that nobody wants; a function of this module, as workers are sent it."""


def train(
    data: Sequence[str | Path],
    out: str | Path,
    *,
    recipe: str = "finetune",
    changes: Mapping[str, Any] | None = None,
    val: Sequence[str | Path] = (),
    images: str | Path | None = None,
    metric: str | None = None,
    init: str | None = None,
    skeleton: str | None = None,
    resume: bool = False,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    precision: str = "auto",
    compiled: bool = False,
    threads: int | None = None,
    workers: int = 0,
    tensorboard: bool = False,
    report: Report = _nowhere,
    warn: Report = _nowhere,
    watchers: Sequence[Watcher] = (),
) -> Path:
    """Train or fine-tune a network on labelled people (or pictures of classes, or boxes); returns
    the best checkpoint.

        train(["labels.json[:-200]"], "run", val=["labels.json[-200:]"], init="pose_lite",
              changes={"epochs": 20, "augmentation.rotation_deg": 30}, report=print)

    ``data`` and ``val`` are sources as ``datasets.read`` takes them: a COCO-style JSON file, MPII's
    .mat or JSON, PoseTrack's label files, with images beside them, or below the folder ``images``,
    where they are found by the last parts of their names. ``recipe`` is a name in ``RECIPES``
    ("detector" learns the boxes of COCO-style files, "imagenet" folders of pictures), ``changes``
    its values to be changed, by name (``override.changed``); ``init`` are weights to start from, a
    name or a file; ``skeleton`` the joints to learn, the data's own without it. ``metric`` decides
    which epoch is best: "pck", or "ap", "pckh" and "map" as ``posetrack eval`` has them.

    The folder ``out`` gets best.safetensors and last.safetensors, which ``PoseTracker`` takes as
    ``weights`` (or as ``detector``), metrics.jsonl, curves.png, and the state from which ``resume``
    goes on exactly, or with more epochs to the new end.

    ``report`` and ``warn`` are told sentences, ``watchers`` everything (``training.loop.Watcher``).
    Ctrl-C saves the state and raises KeyboardInterrupt. Raises InputError, UsageError,
    TrainingError, WeightsError, OutputError, most of them before anything is learnt.
    """
    if not data:
        raise UsageError(
            "Give at least one dataset to learn from, say labels.json; posetrack train --help "
            "has more."
        )
    out = Path(out)
    start = Source(*read_weights(init)) if init else None
    chosen = make_recipe(recipe, changes or {}, start, warn)
    check_recipe(chosen)
    task = make_task(chosen, data, val, images=images, skeleton=skeleton, metric=metric, warn=warn)
    if threads:
        torch.set_num_threads(threads)
    if is_first():
        remember_recipe(out, chosen, len(task), resume, report=report)
    engine = make_engine(device, precision, devices, nodes, compiled)
    check_share(chosen, engine.world)
    first = engine.rank == 0
    tell = report if first else _nowhere
    if isinstance(task, PoseTask):
        say_sides(task.skeleton, tell)
    kinds = " and ".join(f"{n} {what}" for what, n in task.outputs.items() if n)
    tell(
        f"{len(task)} {'people' if chosen.task == 'pose' else 'pictures'}"
        f"{f' with {kinds}' if kinds else ''}; {chosen.net}; results go to {out}."
    )
    board = [BoardWatcher(out / "tensorboard")] if tensorboard and first else []
    run = learn(
        chosen,
        task,
        out,
        resume=resume,
        initialise=initialiser(start, chosen, task, tell),
        watchers=[*watchers, *board] if first else (),
        workers=workers,
        engine=engine,
    )
    if run.step < run.total_steps:
        tell(f"Ended early: no better score within the recipe's patience ({chosen.patience}).")
    if first:
        draw_curves(run.history, out / "curves.png")
    return out / "best.safetensors"


def make_recipe(
    name: str, changes: Mapping[str, Any], start: Source | None, warn: Report = _nowhere
) -> Recipe:
    """The recipe ``name`` with ``changes``, on the network of ``start``. Raises UsageError.

    Where a recipe of a paper gets another network by that, ``warn`` is told.
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    recipe = RECIPES[name]
    if start is None:
        return changed(recipe, changes)
    mine = follow(recipe, start.spec, changes)
    if name != "finetune" and "net" not in changes and mine.net != recipe.net:
        warn(
            f"The weights are of {mine.net}, so that is trained, not {recipe.net} as in the recipe "
            f"{name}; --net {recipe.net} keeps the recipe's."
        )
    return changed(mine, changes)


# --- what is learnt
# --------------------------------------------------------------------------------------------------


def make_task(
    recipe: Recipe,
    data: Sequence[str | Path],
    val: Sequence[str | Path] = (),
    *,
    images: str | Path | None = None,
    skeleton: str | None = None,
    metric: str | None = None,
    warn: Report = _nowhere,
) -> PoseTask | ClassTask | DetectorTask:
    """The samples of ``train``, read and checked. Raises InputError, UsageError, TrainingError."""
    if recipe.task == "classify":
        if images is not None:
            raise UsageError(
                f"The recipe {recipe.name} learns folders of pictures, without labels; leave "
                f"--images out."
            )
        return _classes(recipe, data, val, skeleton, metric, warn)
    if recipe.task == "detect":
        if skeleton is not None or metric not in (None, "ap"):
            raise UsageError(
                f"The recipe {recipe.name} learns boxes and is scored by their AP; leave "
                f"--skeleton and --metric out."
            )
        return load_boxes(recipe, data, val, images=images, report=warn)
    sets = read_sets(data, part="train", images=images, report=warn)
    held_out = read_sets(val, part="val", images=images, report=warn)
    joints = pick_skeleton(skeleton, sets, warn)
    check_net(recipe, len(joints))
    warn_of_targets(recipe, len(joints), warn)
    task = load_data(recipe, sets, held_out, joints, report=warn)
    return scored(task, held_out, metric or "pck", recipe)


def _classes(
    recipe: Recipe,
    data: Sequence[str | Path],
    val: Sequence[str | Path],
    skeleton: str | None,
    metric: str | None,
    warn: Report,
) -> ClassTask:
    if len(data) > 1:
        raise UsageError(
            f"The recipe {recipe.name} learns one folder of classes; put theirs into one, or "
            f"link them."
        )
    if skeleton is not None:
        raise UsageError(
            f"The recipe {recipe.name} learns classes, not joints; leave --skeleton out."
        )
    if metric not in (None, "top1"):
        raise unknown_name("metric", str(metric), ("top1",))
    return load_classes(recipe, Path(data[0]), [Path(folder) for folder in val], warn)


def scored(data: PoseTask, held_out: Sequence[PersonSet], metric: str, recipe: Recipe) -> PoseTask:
    """The data with validations that give ``metric``. Raises UsageError where the labels cannot."""
    if metric == "pck":  # every validation has it
        return data
    if metric not in METRICS:
        raise unknown_name("metric", metric, ("pck", *METRICS))
    kind, labels, make = METRICS[metric]
    if not held_out or any(people.kind != kind for people in held_out):
        raise UsageError(
            f"The metric {metric} needs --val with {labels}; use --metric pck for others."
        )
    spec = recipe.spec(recipe.stages[-1])
    pairs = zip(data.validations, held_out, strict=True)
    validations = tuple(
        replace(v, score=make(people, v.crops, data.skeleton, spec)) for v, people in pairs
    )
    return replace(data, validations=validations)


# --- weights to start from
# --------------------------------------------------------------------------------------------------


def initialiser(
    start: Source | None, recipe: Recipe, task: PoseTask | ClassTask | DetectorTask, report: Report
) -> Callable[[nn.Module], None]:
    """What puts the weights into a fresh network and tells what became of them."""

    def initialise(net: nn.Module) -> None:
        if start is None:
            report("All weights are random (--init starts from a checkpoint).")
            return
        if not isinstance(task, PoseTask):
            report(load_same(net, recipe.net, start.state).describe())
            return
        spec = start.spec
        if spec.task == "classify":
            report(
                f"The head that tells {spec.net_args.get('classes', 'its')} classes apart is "
                f"left out."
            )
        source = spec.skeleton if spec.task == "pose" else None
        build = (recipe.net, recipe.net_args)
        report(load_weights(net, build, task.skeleton, start.state, source).describe())

    return initialise
