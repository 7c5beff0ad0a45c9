"""The test part of MPII: people without labels, and the file of predictions that its server takes.

The server wants a struct array ``pred`` like the release's ``annolist`` of the test images, each
person's joints in ``annorect.annopoints.point`` (x, y counted from 1, id). The official HRNet code
writes an array ``preds`` (N, 16, 2) instead; both stand in the file.
"""

from __future__ import annotations

__all__ = ["MpiiTest", "read_mpii_test", "write_mpii_test"]

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError
from posetrack.evaluation.mpii import MpiiTruth
from posetrack.files import write_beside
from posetrack.formats.mpii_labels import JOINTS, ONE_BASED, load_mat, read_release


@dataclass(frozen=True, slots=True)
class MpiiTest:
    """The people of the test images: ``people`` without joints and head boxes, and for each of them
    ``image`` and ``rect``, the numbers of the test image and of the person in it.

    ``names`` are all test images, ``counts`` how many people the release has in each, those without
    a position too.
    """

    people: MpiiTruth
    image: tuple[int, ...]
    rect: tuple[int, ...]
    names: tuple[str, ...]
    counts: tuple[int, ...]


def read_mpii_test(path: Path) -> MpiiTest:
    """Everybody with a position and a scale in the images of MPII's release that are not for
    training; others are left out, as in training. Raises InputError, FormatError.
    """
    content = load_mat(path)
    if "RELEASE" not in content:
        raise FormatError(f"{path} has no RELEASE; the test images are in MPII's own .mat only.")
    everyone, names = read_release(path, test=True, content=content)
    found = [p for p in everyone if p.place is not None]
    if not found:
        raise FormatError(f"{path} holds no test image with people whose position is known.")
    counts = Counter(p.image_number for p in everyone)
    count = len(found)
    people = MpiiTruth(
        np.full((count, JOINTS, 2), np.nan),
        np.ones((count, JOINTS), np.bool_),
        np.full((count, 4), np.nan),
        tuple(p.image for p in found),
        np.array([p.place for p in found], np.float64),
    )
    return MpiiTest(
        people,
        tuple(p.image_number for p in found),
        tuple(p.rect for p in found),
        names,
        tuple(counts[i] for i in range(len(names))),
    )


def write_mpii_test(path: Path, test: MpiiTest, xy: npt.NDArray[np.float64]) -> None:
    """Write joints (N, 16, 2), counted from 0, as ``pred`` and ``preds``. Raises OutputError."""
    from scipy.io import savemat

    of_image: dict[int, dict[int, npt.NDArray[np.float64]]] = {}
    for image, rect, points in zip(test.image, test.rect, xy + ONE_BASED, strict=True):
        of_image.setdefault(image, {})[rect] = points
    pred = np.zeros((1, len(test.names)), [("image", object), ("annorect", object)])
    for i, name in enumerate(test.names):
        pred[0, i]["image"] = {"name": name}
        pred[0, i]["annorect"] = _rects(test.counts[i], of_image.get(i, {}))
    with write_beside(path) as part, part.open("wb") as file:
        savemat(file, {"pred": pred, "preds": xy + ONE_BASED}, do_compression=True)


def _rects(count: int, predicted: dict[int, npt.NDArray[np.float64]]) -> Any:
    """A struct array (1, count), empty points where nobody was predicted."""
    rects = np.zeros((1, count), [("annopoints", object)])
    for rect in range(count):
        points = predicted.get(rect, np.zeros((0, 2)))
        struct = np.zeros((1, len(points)), [("x", object), ("y", object), ("id", object)])
        for joint, (x, y) in enumerate(points.tolist()):
            struct[0, joint] = (x, y, float(joint))
        rects[0, rect]["annopoints"] = {"point": struct}
    return rects
