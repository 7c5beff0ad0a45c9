"""PCKh of MPII: ground truth as the official .mat or in the HRNet code's .mat / JSON, predictions
as .mat, .npy, JSON.

MATLAB counts pixels from 1. Ground truth of MPII and ``preds`` in a .mat file are such; JSON and
.npy predictions count from 0, as everywhere in posetrack, and 1 is added.
"""

from __future__ import annotations

__all__ = [
    "MpiiTruth",
    "load_mat",
    "mpii_json",
    "mpii_tables",
    "place_of",
    "read_mpii_prediction",
    "read_mpii_truth",
    "score_mpii",
]

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError, InputError
from posetrack.evaluation.files import file_hash
from posetrack.evaluation.tables import Table, plain_json, provenance
from posetrack.files import read_json
from posetrack.metrics.pckh import PckhResult, head_sizes, pckh
from posetrack.skeletons import MPII_16

ONE_BASED = 1  # MATLAB's first pixel
HRNET_MAT = "gt_valid.mat"  # holds the head boxes that the HRNet code's JSON lacks; lies beside it

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MpiiTruth:
    """N people: ``xy`` (N, 16, 2) counted from 1, ``missing`` (N, 16), ``head_xyxy`` (N, 4),
    ``image`` names or "".

    ``center_scale`` (N, 3) is the rough position (x, y from 1) and the person's height / 200 px,
    NaN where unknown: what the HRNet code crops by. ``row`` is the number of each person in the
    file, as ``datasets.people.Person`` has it.
    """

    xy: Floats
    missing: npt.NDArray[np.bool_]
    head_xyxy: Floats
    image: tuple[str, ...]
    center_scale: Floats
    row: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.xy)


def score_mpii(truth: MpiiTruth, predicted: Floats) -> PckhResult:
    """Score joints (N, 16, 2) counted from 0, in the order of the ground truth."""
    return pckh(predicted + ONE_BASED, truth.xy, truth.missing, head_sizes(truth.head_xyxy))


def read_mpii_truth(path: Path) -> MpiiTruth:
    """Ground truth from a .mat or JSON file; the content decides which layout it is. Raises
    InputError, FormatError.
    """
    if path.suffix == ".mat":
        content = load_mat(path)
        if "RELEASE" in content:
            return _from_release(content["RELEASE"], path)
        if "pos_gt_src" in content:
            return _from_hrnet_mat(content, path)
        raise FormatError(
            f"{path} has neither RELEASE (MPII's own) nor pos_gt_src (the HRNet code's "
            f"{HRNET_MAT})."
        )
    return _from_hrnet_json(path)


def load_mat(path: Path) -> dict[str, Any]:
    """The variables of a .mat file, structs as objects. Raises InputError, FormatError."""
    from scipy.io import loadmat

    if not path.is_file():
        raise InputError(f"There is no file {path}; check the path.")
    try:
        content: dict[str, Any] = loadmat(path, struct_as_record=False, squeeze_me=True)
    except Exception as error:  # scipy raises whatever its parser stumbles over
        raise FormatError(f"{path} is not a MATLAB file that can be read ({error}).") from error
    return content


def _from_hrnet_mat(content: Mapping[str, Any], path: Path) -> MpiiTruth:
    """``pos_gt_src`` (16, 2, N), ``jnt_missing`` (16, N), ``headboxes_src`` (2, 2, N)."""
    try:
        xy = np.asarray(content["pos_gt_src"], np.float64).reshape(16, 2, -1).transpose(2, 0, 1)
        missing = np.asarray(content["jnt_missing"]).reshape(16, -1).T.astype(np.bool_)
        boxes = np.asarray(content["headboxes_src"], np.float64).reshape(2, 2, -1)
    except (KeyError, ValueError) as error:
        raise FormatError(
            f"{path}: pos_gt_src, jnt_missing or headboxes_src is missing or wrong ({error})."
        ) from error
    count = len(xy)
    return MpiiTruth(
        xy,
        missing,
        np.concatenate([boxes[0], boxes[1]]).T,
        ("",) * count,
        np.full((count, 3), np.nan),
        tuple(range(count)),
    )


def _from_hrnet_json(path: Path) -> MpiiTruth:
    """A list of ``{"image", "joints", "joints_vis", "center", "scale"}``; head boxes as "headbox"
    or beside.
    """
    rows = read_json(path)
    if not isinstance(rows, list) or not rows:
        raise FormatError(f"{path}: MPII ground truth in JSON is a list of people.")
    for n, row in enumerate(rows):
        if not isinstance(row, dict) or np.shape(row.get("joints", ())) != (16, 2):
            raise FormatError(f"{path}: person {n}: joints: 16 pairs x, y are needed.")
    beside = path.with_name(HRNET_MAT)
    boxed = all(len(row.get("headbox") or ()) == 4 for row in rows)
    if not boxed and not beside.is_file():
        raise InputError(
            f"{path} has no head boxes (headbox); put the HRNet code's {HRNET_MAT} beside it."
        )
    names = tuple(str(row.get("image", "")) for row in rows)
    places = [[*row.get("center", (np.nan, np.nan)), row.get("scale", np.nan)] for row in rows]
    numbers = tuple(range(len(rows)))
    if boxed:
        xy = np.array([row["joints"] for row in rows], np.float64)
        missing = ~np.array([row.get("joints_vis", [1] * 16) for row in rows]).astype(np.bool_)
        heads = np.array([row["headbox"] for row in rows], np.float64)
        return MpiiTruth(xy, missing, heads, names, np.array(places, np.float64), numbers)
    other = _from_hrnet_mat(load_mat(beside), beside)
    if len(other) != len(rows):
        raise FormatError(f"{path} has {len(rows)} people, but {beside} has {len(other)}.")
    where = np.array(places, np.float64)
    return MpiiTruth(other.xy, other.missing, other.head_xyxy, names, where, numbers)


def _from_release(release: Any, path: Path) -> MpiiTruth:
    """MPII's own file: everybody with joints in the images marked for training, in file order."""
    images = np.atleast_1d(release.annolist)
    train = np.atleast_1d(release.img_train)
    everyone = [
        (image, rect)
        for image in images[train == 1]
        for rect in np.atleast_1d(getattr(image, "annorect", ()))
    ]
    found = ((n, _release_person(*both)) for n, both in enumerate(everyone))
    people = [(*person, number) for number, person in found if person is not None]
    if not people:
        raise FormatError(f"{path} holds no training image with annotated people.")
    xy, missing, heads, names, places, rows = zip(*people, strict=True)
    where = np.array(places, np.float64)
    return MpiiTruth(np.stack(xy), np.stack(missing), np.array(heads), names, where, rows)


def _release_person(
    image: Any, rect: Any
) -> tuple[Floats, npt.NDArray[np.bool_], list[float], str, list[float]] | None:
    """Joints, which are missing, head box, image and place; None for somebody without joints, head
    box or position (left out in training, too).
    """
    points = getattr(getattr(rect, "annopoints", None), "point", None)
    place = place_of(rect)
    if points is None or place is None or not hasattr(rect, "x1"):
        return None
    xy, missing = np.zeros((16, 2)), np.ones(16, np.bool_)
    for point in np.atleast_1d(points):
        xy[int(point.id)] = point.x, point.y
        missing[int(point.id)] = False
    head = [float(getattr(rect, key)) for key in ("x1", "y1", "x2", "y2")]
    return xy, missing, head, str(image.image.name), place


def place_of(rect: Any) -> list[float] | None:
    """Rough position (x, y from 1) and height / 200 px of somebody in MPII's file; None without."""
    position: Any = getattr(rect, "objpos", None)
    scale: Any = getattr(rect, "scale", ())
    if not hasattr(position, "x") or not np.size(scale):
        return None
    return [float(position.x), float(position.y), float(scale)]


def read_mpii_prediction(path: Path, truth: MpiiTruth) -> Floats:
    """Joints (N, 16, 2) counted from 0, in the order of the ground truth.

    A .mat with ``preds`` (counted from 1), an .npy, or a JSON list of ``{"image", "keypoints"}`` or
    plain joint lists; image names are compared where both sides have them. Raises InputError,
    FormatError.
    """
    if path.suffix == ".mat":
        content = load_mat(path)
        if "preds" not in content:
            raise FormatError(f"{path}: preds: the variable is missing.")
        xy = np.asarray(content["preds"], np.float64) - ONE_BASED
    elif path.suffix == ".npy":
        if not path.is_file():
            raise InputError(f"There is no file {path}; check the path.")
        xy = np.load(path, allow_pickle=False)
    else:
        xy = _from_json_rows(path, truth)
    if xy.ndim != 3 or xy.shape[:2] != (len(truth), 16) or xy.shape[2] < 2:
        raise FormatError(
            f"{path}: {xy.shape} values, but {len(truth)} people with 16 joints x, y are needed."
        )
    if not np.isfinite(xy[..., :2]).all():
        person = int(np.argwhere(~np.isfinite(xy[..., :2]))[0, 0])
        raise FormatError(
            f"{path}: person {person}: keypoints: a coordinate is not a finite number."
        )
    found: Floats = xy[..., :2].astype(np.float64)
    return found


def _from_json_rows(path: Path, truth: MpiiTruth) -> Floats:
    rows = read_json(path, allow_nan=True)
    if not isinstance(rows, list):
        raise FormatError(f"{path}: MPII predictions in JSON are a list of people.")
    joints = []
    for n, row in enumerate(rows):
        name = row.get("image") if isinstance(row, dict) else None
        if name and n < len(truth) and truth.image[n] and name != truth.image[n]:
            raise FormatError(
                f"{path}: person {n}: image: {name!r}, but there the truth has {truth.image[n]!r}."
            )
        try:
            values = np.asarray(row["keypoints"] if isinstance(row, dict) else row, np.float64)
            joints.append(values.reshape(16, -1)[:, :2])
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"{path}: person {n}: keypoints: 16 joints of numbers are needed ({error})."
            ) from error
    return np.array(joints).reshape(len(joints), 16, 2)


def mpii_tables(result: PckhResult) -> list[Table]:
    """The official columns, and every joint."""
    groups = (*result.groups.items(), ("Mean", result.mean))
    fine = (
        ("Mean@0.1", result.mean_at_0_1),
        ('official "Mean@0.1" (at 0.11)', result.official_mean_at_0_1),
    )
    everything = dict((*groups, *fine))
    row = ("PCKh@0.5", *(v for _, v in groups), *(v for _, v in fine))
    joints = tuple(
        (name, float(result.joints[j]), int(result.counts[j]))
        for j, name in enumerate(MPII_16.joints)
    )
    return [
        Table("MPII, percent", ("", *everything), (row,)),
        Table("By joint, PCKh@0.5 in percent", ("joint", "PCKh", "annotated"), joints),
    ]


def mpii_json(
    result: PckhResult, files: tuple[Path, ...], settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything at full precision with versions, settings and file hashes."""
    return {
        "task": "mpii",
        "units": "percent",
        "joint_names": list(MPII_16.joints),
        **plain_json(result),
        **provenance(settings),
        "files": [{"path": str(path), "sha256": file_hash(path)} for path in files],
    }
