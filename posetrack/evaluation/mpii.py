"""PCKh of MPII: ground truth as the official .mat or in the HRNet code's .mat / JSON, predictions
as .mat, .npy, JSON.

MATLAB counts pixels from 1. Ground truth of MPII and ``preds`` in a .mat file are such; JSON and
.npy predictions count from 0, as everywhere in posetrack, and 1 is added.
"""

from __future__ import annotations

__all__ = [
    "MpiiTruth",
    "mpii_json",
    "mpii_tables",
    "read_mpii_prediction",
    "read_mpii_truth",
    "score_mpii",
]

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError, InputError
from posetrack.evaluation.files import file_hash
from posetrack.evaluation.tables import Table, plain_json, provenance
from posetrack.files import read_json
from posetrack.formats.mpii_labels import (
    ONE_BASED,
    MpiiPerson,
    load_mat,
    read_hrnet_json,
    read_release,
)
from posetrack.metrics.pckh import PckhResult, head_sizes, pckh
from posetrack.skeletons import MPII_16

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
            return _from_release(path, content)
        if "pos_gt_src" in content:
            return _from_hrnet_mat(content, path)
        raise FormatError(
            f"{path} has neither RELEASE (MPII's own) nor pos_gt_src (the HRNet code's "
            f"{HRNET_MAT})."
        )
    return _from_hrnet_json(path)


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
    """The people of HRNet's JSON; head boxes as "headbox" or beside."""
    people = read_hrnet_json(path)
    if all(p.head_xyxy is not None for p in people):
        return _truth(people)
    beside = path.with_name(HRNET_MAT)
    if not beside.is_file():
        raise InputError(
            f"{path} has no head boxes (headbox); put the HRNet code's {HRNET_MAT} beside it."
        )
    other = _from_hrnet_mat(load_mat(beside), beside)
    if len(other) != len(people):
        raise FormatError(f"{path} has {len(people)} people, but {beside} has {len(other)}.")
    mine = _truth(people)
    return replace(mine, xy=other.xy, missing=other.missing, head_xyxy=other.head_xyxy)


def _from_release(path: Path, content: dict[str, Any]) -> MpiiTruth:
    """MPII's own file: everybody with joints, head box and position in the images marked for
    training, in file order.
    """
    everyone, _ = read_release(path, content=content)
    people = [p for p in everyone if p.labelled and p.place is not None and p.head_xyxy is not None]
    if not people:
        raise FormatError(f"{path} holds no training image with annotated people.")
    return _truth(people)


def _truth(people: list[MpiiPerson]) -> MpiiTruth:
    """People as arrays; NaN for places and head boxes that the file does not have."""
    nowhere, headless = np.full(3, np.nan), np.full(4, np.nan)
    return MpiiTruth(
        np.stack([p.xy for p in people]),
        np.stack([p.flag == 0 for p in people]),
        np.stack([headless if p.head_xyxy is None else p.head_xyxy for p in people]),
        tuple(p.image for p in people),
        np.stack([nowhere if p.place is None else p.place for p in people]),
        tuple(p.row for p in people),
    )


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
