"""From files of labelled boxes and a recipe to the task of a detector: all is checked first."""

from __future__ import annotations

__all__ = ["check_detector", "load_boxes"]

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from posetrack import nets
from posetrack.datasets import kind_of, parse_source
from posetrack.datasets.images import ImageStore
from posetrack.errors import InputError, UsageError, unknown_name
from posetrack.formats.coco_labels import TABLES, read_coco_labels
from posetrack.nets.person_detector import STRIDES
from posetrack.samples.boxes import BoxImage, open_box_images
from posetrack.samples.mosaics import DRAWN_ANEW, MIXES
from posetrack.training.detector import DetectorTask
from posetrack.training.recipes import GRAIN, Recipe

Report = Callable[[str], None]


def check_detector(recipe: Recipe) -> None:
    """Raise UsageError for pictures that a detector cannot be shown, or for a network that is none.

    Nothing is computed: shapes go through the network on torch's "meta" device.
    """
    for stage in recipe.stages:
        if stage.mix not in MIXES:
            raise unknown_name("mix", stage.mix, MIXES)
        for side in (*stage.size_wh, *stage.sides):
            if side < GRAIN or side % GRAIN:
                raise UsageError(
                    f"A detector's pictures have sides that are multiples of {GRAIN}, say 384x384, "
                    f"not {side}."
                )
    side = max(recipe.stages[0].size_wh)
    try:
        with torch.device("meta"):
            net = nets.build(recipe.net, joints=0, **recipe.net_args).eval()
            made = net(torch.zeros(1, 3, side, side))
    except (TypeError, ValueError, KeyError) as error:
        raise UsageError(f"The network {recipe.net} cannot be trained so: {error}.") from error
    cells = sum((side // stride) ** 2 for stride in STRIDES)
    shapes = [tuple(m.shape) for m in made if m is not None] if isinstance(made, tuple) else []
    if shapes != [(1, cells), (1, cells, 4)]:
        raise UsageError(f"{recipe.net} finds no boxes; the recipe's own is person_detector.")


def load_boxes(
    recipe: Recipe,
    train: Sequence[str | Path],
    held_out: Sequence[str | Path],
    *,
    images: str | Path | None = None,
    report: Report = lambda _: None,
) -> DetectorTask:
    """The labelled boxes of COCO-style files (``datasets.parse_source``); their images lie beside
    them, or below the folder ``images``.

    Raises InputError, UsageError, FormatError.
    """
    items = [item for source in train for item in _read(source, recipe, images, report)]
    if not any(len(item.boxes) for item in items):
        raise InputError(f"{train[0]} has no person with a box (bbox); check the file.")
    names = [Path(parse_source(source).path).stem for source in held_out]
    words = ["".join(c if c.isalnum() else "_" for c in name) for name in names]
    several = len(set(words)) < len(words)
    sets = tuple(
        (f"{word}_{n + 1}" if several else word, _read(source, recipe, images, report))
        for n, (word, source) in enumerate(zip(words, held_out, strict=True))
    )
    # somebody alone whose joints are known can be cut out and turned, beside being seen in place
    return DetectorTask([item for item in items if _is_single(item)], items, sets)


def _is_single(item: BoxImage) -> bool:
    known = np.isfinite(item.joints).all(axis=2).sum(axis=1)
    return len(item.boxes) == 1 and not len(item.doubtful) and int(known[0]) >= DRAWN_ANEW


def _read(
    source: str | Path, recipe: Recipe, images: str | Path | None, report: Report
) -> list[BoxImage]:
    parts = parse_source(source)
    file = _label_file(parts.path)
    if (parts.kind or kind_of(file)) != "coco":
        raise UsageError(
            f"The recipe {recipe.name} learns COCO-style boxes, and {file} is laid out otherwise; "
            f"posetrack convert writes such."
        )
    store = _store(file, images)
    complete = recipe.complete
    items = open_box_images(
        read_coco_labels(file, TABLES),
        store,
        complete=complete,
        which=parts.which,
        report=report,
    )
    return items * parts.times


def _label_file(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.glob("*.json")) or sorted(path.glob("annotations/*.json"))
    if len(found) != 1:
        names = ", ".join(f.name for f in found) or "none"
        raise InputError(
            f"{path} must hold one .json file of labels (found: {names}); give the file itself."
        )
    return found[0]


def _store(file: Path, images: str | Path | None) -> ImageStore:
    if images is None:
        return ImageStore(file.parent, file.stem)
    if not Path(images).is_dir():
        raise InputError(f"There is no image folder {images}; check the path given with --images.")
    return ImageStore(Path(images), file.stem, inside=True)
