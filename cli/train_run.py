"""The parts of ``posetrack train``: options become a recipe, weights a start, a run lines of
progress.
"""

from __future__ import annotations

__all__ = [
    "initialiser",
    "read_weights",
    "recipe_json",
    "recipe_of",
    "required",
    "scored",
    "task_of",
    "teller",
    "train_here",
]

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from torch import Tensor, nn

    from posetrack.checkpoints import ModelSpec
    from posetrack.datasets.people import PersonSet
    from posetrack.training.classes import ClassTask
    from posetrack.training.pose import PoseTask
    from posetrack.training.recipes import Recipe

    Weights = tuple[Mapping[str, Tensor], ModelSpec]

Report = Callable[[str], None]
Initialise = Callable[["nn.Module"], None]

_SETTINGS = (
    "net",
    "epochs",
    "lr",
    "batch_size",
    "accumulate",
    "seed",
)  # options that are settings of a recipe


def teller(quiet: bool) -> Report:
    """Sentences on stderr, or nowhere; functions of this module, since worker processes are sent
    them.
    """
    return _silent if quiet else _say


def _say(text: str) -> None:
    click.echo(text, err=True)


def _silent(_: str) -> None:
    return None


def required(data: tuple[str, ...], out: Path | None) -> Path:
    """The folder of the run. Raises UsageError without one, or without data."""
    from posetrack.errors import UsageError

    if not data:
        raise UsageError(
            "Give at least one dataset to learn from, say labels.json; posetrack train --help "
            "has more."
        )
    if out is None:
        raise UsageError("Say where the run goes with -o RUN.")
    return out


# --- recipe
# --------------------------------------------------------------------------------------------------


def recipe_of(name: str, options: Mapping[str, Any], start: Weights | None) -> Recipe:
    """The recipe ``name`` with the changes of the command line, on the network of ``start``. Raises
    UsageError.
    """
    from posetrack.errors import unknown_name
    from posetrack.training.override import changed
    from posetrack.training.recipes import RECIPES
    from posetrack.training.setup import follow

    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    changes = _changes(options)
    recipe = follow(RECIPES[name], start[1], changes) if start else RECIPES[name]
    return changed(recipe, changes)


def _changes(options: Mapping[str, Any]) -> dict[str, Any]:
    from posetrack.errors import UsageError

    changes = {name: options[name] for name in _SETTINGS if options[name] is not None}
    if options["size"] is not None:
        match = re.fullmatch(r"(\d+)x(\d+)", options["size"])
        if match is None:
            raise UsageError(f"--input is WIDTHxHEIGHT, say 192x256, not {options['size']!r}.")
        changes["size_wh"] = [int(match[1]), int(match[2])]
    for change in options["changes"]:
        key, equals, value = change.partition("=")
        if not equals:
            raise UsageError(f"--set takes KEY=VALUE, say --set ema=0.99, not {change!r}.")
        changes[key.strip()] = value.strip()
    return changes


def recipe_json(recipe: Recipe) -> str:
    """The recipe as text that ``--set`` could spell."""
    from posetrack.training.override import to_json

    return json.dumps(to_json(recipe), indent=1)


# --- what is learnt
# --------------------------------------------------------------------------------------------------


def task_of(
    recipe: Recipe,
    data: tuple[str, ...],
    val: tuple[str, ...],
    skeleton: str | None,
    metric: str | None,
    warn: Report,
) -> PoseTask | ClassTask:
    """The samples of the command line, read and checked. Raises InputError, UsageError,
    TrainingError.
    """
    if recipe.task == "classify":
        return _classes(recipe, data, val, skeleton, metric, warn)
    from posetrack.training.setup import (
        check_net,
        load_data,
        pick_skeleton,
        read_sets,
        warn_of_targets,
    )

    sets, held_out = read_sets(data), read_sets(val)
    joints = pick_skeleton(skeleton, sets, warn)
    check_net(recipe, len(joints))
    warn_of_targets(recipe, len(joints), warn)
    return scored(load_data(recipe, sets, held_out, joints, report=warn), held_out, metric or "pck")


def _classes(
    recipe: Recipe,
    data: tuple[str, ...],
    val: tuple[str, ...],
    skeleton: str | None,
    metric: str | None,
    warn: Report,
) -> ClassTask:
    from posetrack.errors import UsageError, unknown_name
    from posetrack.training.setup import load_classes

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


def scored(data: PoseTask, held_out: Sequence[PersonSet], metric: str) -> PoseTask:
    """The data with validations that give ``metric``. Raises UsageError where the labels cannot."""
    from posetrack.cli.train_scores import METRICS
    from posetrack.errors import UsageError, unknown_name

    if metric == "pck":  # every validation has it
        return data
    if metric not in METRICS:
        raise unknown_name("metric", metric, ("pck", *METRICS))
    kind, labels, make = METRICS[metric]
    if not held_out or any(people.kind != kind for people in held_out):
        raise UsageError(
            f"The metric {metric} needs --val with {labels}; use --metric pck for others."
        )
    pairs = zip(data.validations, held_out, strict=True)
    scored = tuple(replace(v, score=make(people, v.crops, data.skeleton)) for v, people in pairs)
    return replace(data, validations=scored)


# --- weights to start from
# -------------------------------------------------------------------------------------------


def read_weights(name: str) -> Weights:
    """State and description of a checkpoint: a file of posetrack for any task, else a name or a
    published file.
    """
    from posetrack import checkpoints
    from posetrack.weights.load import read_start

    if Path(name).suffix == ".safetensors":
        return checkpoints.read_state(name), checkpoints.read_spec(name)
    return read_start(name)


def initialiser(
    start: Weights | None, recipe: Recipe, task: PoseTask | ClassTask, report: Report
) -> Initialise:
    """What puts the weights into a fresh network and tells what became of them."""
    from posetrack.training.pose import PoseTask
    from posetrack.training.start import load_same, load_weights

    def initialise(net: nn.Module) -> None:
        if start is None:
            report("All weights are random (--init starts from a checkpoint).")
            return
        state, spec = start
        if not isinstance(task, PoseTask):
            report(load_same(net, recipe.net, state).describe())
            return
        if spec.task == "classify":
            report(
                f"The head that tells {spec.net_args.get('classes', 'its')} classes apart is "
                f"left out."
            )
        source = spec.skeleton if spec.task == "pose" else None
        report(
            load_weights(
                net, (recipe.net, recipe.net_args), task.skeleton, state, source
            ).describe()
        )

    return initialise


# --- the run
# --------------------------------------------------------------------------------------------------


def train_here(
    recipe: Recipe,
    task: PoseTask | ClassTask,
    out: Path,
    initialise: Initialise,
    resume: bool,
    quiet: bool,
    options: Mapping[str, Any],
) -> Path:
    """Train, draw the curves; returns the best checkpoint."""
    import torch

    from posetrack.cli.train_progress import training_progress
    from posetrack.training.curves import BoardWatcher, draw_curves
    from posetrack.training.fabric import is_first, make_engine
    from posetrack.training.loop import learn
    from posetrack.training.setup import check_share, remember_recipe

    if options["threads"]:
        torch.set_num_threads(options["threads"])
    if is_first():
        remember_recipe(out, recipe, len(task), resume)
    engine = make_engine(
        options["device"],
        options["precision"],
        options["devices"],
        options["nodes"],
        options["compiled"],
    )
    check_share(recipe, engine.world)
    first = engine.rank == 0
    teller(quiet or not first)(
        f"{len(task)} {'people' if recipe.task == 'pose' else 'pictures'} with "
        f"{' and '.join(f'{n} {what}' for what, n in task.outputs.items())}; {recipe.net}; "
        f"results go to {out}."
    )
    try:
        with training_progress(quiet or not first) as watchers:
            if options["tensorboard"] and first:
                watchers = [*watchers, BoardWatcher(out / "tensorboard")]
            run = learn(
                recipe,
                task,
                out,
                resume=resume,
                initialise=initialise,
                watchers=watchers,
                workers=options["workers"],
                engine=engine,
            )
    except KeyboardInterrupt:
        teller(not (out / "state.pt").exists())(
            f"Stopped; the same command with --resume goes on with {out}."
        )
        raise
    if first:
        draw_curves(run.history, out / "curves.png")
    return out / "best.safetensors"
