"""``posetrack train``: networks from labelled people."""

from __future__ import annotations

__all__ = ["train"]

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]

_SETTINGS: tuple[tuple[str, str, type, str], ...] = (
    ("--net", "net", str, "Network: hrnet_w32, simple_baseline_50, ... (posetrack nets)."),
    ("--epochs", "epochs", int, "Epochs of every stage; milestones move along."),
    ("--lr", "lr", float, "Learning rate."),
    ("--batch-size", "batch_size", int, "People in a step."),
    ("--accumulate", "accumulate", int, "Parts that a batch is split into, to need less memory."),
    ("--seed", "seed", int, "Decides weights, order and augmentation."),
)


_MACHINE = (
    "device",
    "devices",
    "nodes",
    "precision",
    "compiled",
    "threads",
    "workers",
    "tensorboard",
)
_NO_DATA = (
    "Give at least one dataset to learn from, say labels.json; posetrack train --help has more."
)


def _recipe_options(command: Command) -> Command:
    for flag, name, kind, text in reversed(_SETTINGS):
        command = click.option(flag, name, type=kind, help=f"{text} [the recipe's]")(command)
    return command


@click.command()
@click.argument("data", nargs=-1, metavar="DATA...")
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Folder of the run.",
)
@click.option(
    "--recipe",
    "name",
    default="finetune",
    show_default=True,
    metavar="NAME",
    help="coco, mpii, posetrack17, imagenet, finetune, detector.",
)
@click.option(
    "--val", multiple=True, metavar="DATA", help="Held out, scored after every epoch; repeatable."
)
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder below which the images of all labels lie. [where the labels are]",
)
@click.option(
    "--metric",
    metavar="NAME",
    help="What decides which epoch is best: pck (the "
    "default), or ap (--val is "
    "COCO-style), pckh (MPII), map (PoseTrack): by posetrack eval, from the labelled "
    "boxes.",
)
@click.option(
    "--init", "weights", metavar="NAME", help="Start from these weights: a name or a file."
)
@click.option(
    "--skeleton",
    metavar="NAME",
    help="coco17, mpii16, posetrack15, lsp14, or joint names with commas. [the data's]",
)
@_recipe_options
@click.option("--input", "size", metavar="WxH", help="Input size of the network. [the recipe's]")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any other value of the recipe, say augmentation.rotation_deg=30; repeatable.",
)
@click.option("--print-recipe", is_flag=True, help="Print the recipe as JSON and do nothing.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in RUN, or begin it; more epochs go on to the new end.",
)
@click.option(
    "--device", default="auto", show_default=True, metavar="NAME", help="cpu, cuda, cuda:1, mps."
)
@click.option(
    "--devices",
    type=click.IntRange(1),
    default=1,
    help="How many of them; a batch is shared among them.",
)
@click.option(
    "--nodes",
    type=click.IntRange(1),
    default=1,
    help="Machines, each started with this command or torchrun.",
)
@click.option(
    "--precision",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="float32, bfloat16 or float16; auto: a half one on CUDA.",
)
@click.option(
    "--compile",
    "compiled",
    is_flag=True,
    help="Compile the network first "
    "(torch.compile): minutes at the "
    "start, faster steps; needs a C++ compiler.",
)
@click.option("--threads", type=click.IntRange(1), help="Processor threads of PyTorch.")
@click.option(
    "--workers", type=click.IntRange(0), default=0, help="Processes that make batches; 0: a thread."
)
@click.option("--tensorboard", is_flag=True, help="Also write RUN/tensorboard.")
@click.option("--quiet", is_flag=True, help="Only warnings and errors.")
def train(
    data: tuple[str, ...],
    out: Path | None,
    name: str,
    val: tuple[str, ...],
    images: Path | None,
    weights: str | None,
    metric: str | None,
    skeleton: str | None,
    print_recipe: bool,
    resume: bool,
    quiet: bool,
    **rest: Any,
) -> None:
    """Train or fine-tune a network on labelled people.

    DATA is a COCO-style JSON file with any joints of its own, MPII's .mat or JSON, or PoseTrack
    label files; the images lie beside them, in folders or tar and zip files, or below --images DIR.
    DATA[START:STOP] takes some of the images, DATA*3 counts everybody three times. Writes
    RUN/best.safetensors and RUN/last.safetensors, which "posetrack track --weights" takes as they
    are, metrics.jsonl and curves.png, and prints the name of the best.

    With --recipe imagenet DATA is a folder that holds a folder of pictures for each class, and what
    comes out is a start (--init) for networks that find poses.

    With --recipe detector a detector learns the boxes of COCO-style files, best from --init
    detector_lite. Everybody in their images has a box, or (--set complete=false) some have. --val
    is scored by AP; "posetrack track --detector RUN/best.safetensors" takes what comes out.
    """
    from posetrack.cli.train_progress import training_progress
    from posetrack.errors import UsageError
    from posetrack.training.fabric import is_first
    from posetrack.training.train import train as learn

    if print_recipe:
        click.echo(_recipe_text(name, _changes(rest), weights))
        return
    if out is None:
        raise UsageError("Say where the run goes with -o RUN." if data else _NO_DATA)
    try:
        with training_progress(quiet or not is_first()) as watchers:
            best = learn(
                data,
                out,
                recipe=name,
                changes=_changes(rest),
                val=val,
                images=images,
                metric=metric,
                init=weights,
                skeleton=skeleton,
                resume=resume,
                report=_silent if quiet else _say,
                warn=_say,
                watchers=watchers,
                **{option: rest[option] for option in _MACHINE},
            )
    except KeyboardInterrupt:
        if (out / "state.pt").exists():
            _say(f"Stopped; the same command with --resume goes on with {out}.")
        raise
    click.echo(best)


def _say(text: str) -> None:
    """A sentence on stderr; a function of this module, since worker processes are sent it."""
    click.echo(text, err=True)


def _silent(_: str) -> None:
    """Nothing, likewise."""


def _recipe_text(name: str, changes: dict[str, Any], weights: str | None) -> str:
    """The recipe as JSON that ``--set`` could spell."""
    import json

    from posetrack.assemble import read_weights
    from posetrack.training.override import to_json
    from posetrack.training.setup import check_recipe
    from posetrack.training.train import Source, make_recipe

    start = Source(*read_weights(weights)) if weights else None
    recipe = make_recipe(name, changes, start, _say)
    check_recipe(recipe)
    return json.dumps(to_json(recipe), indent=1)


def _changes(options: dict[str, Any]) -> dict[str, Any]:
    """The values of the recipe that the command line changes. Raises UsageError."""
    from posetrack.errors import UsageError

    settings = [name for _, name, _, _ in _SETTINGS]
    changes = {name: options[name] for name in settings if options[name] is not None}
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
