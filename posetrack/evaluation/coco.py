"""COCO keypoint AP by pycocotools, its output silenced, with bad results named in one sentence."""

from __future__ import annotations

__all__ = [
    "COCO_FIGURES",
    "coco_json",
    "coco_table",
    "read_coco_truth",
    "score_coco",
]

import contextlib
import copy
import io
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.errors import FormatError, InputError
from posetrack.evaluation.files import file_hash
from posetrack.evaluation.tables import Table, provenance
from posetrack.formats.coco_labels import (
    PERSON_CATEGORY,
    CocoLabels,
    CocoPerson,
    is_number,
    read_coco_labels,
)
from posetrack.skeletons import COCO_17, canonical_joint, make_skeleton

# The figures of COCOeval for keypoints, in its order.
COCO_FIGURES = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L")
# fields of a result that are scored; by others pycocotools would take it for a caption or a mask
_RESULT = ("image_id", "category_id", "keypoints", "score", "bbox")
NO_OBJECTS = -1  # pycocotools' value of a figure without ground truth

Json = dict[str, Any]


def read_coco_truth(path: Path, *, labelled: bool = True) -> Json:
    """COCO annotations, completed where fields are missing that follow from others. Without
    ``labelled`` there may be none, as for the images of a test set. Raises InputError, FormatError.
    """
    labels = read_coco_labels(path, ("images", "annotations") if labelled else ("images",))
    joints = labels.joint_count(len(COCO_17))
    people = [_completed(labels, person) for person in labels.people(joints)]
    listed = {str(c.get("id")) for c in labels.categories}
    used = {p["category_id"] for p in people} or {PERSON_CATEGORY}
    # one that people are of and that is not listed would be skipped
    more = [{"id": c, "name": "person"} for c in sorted(used, key=str) if str(c) not in listed]
    images = [image.row for image in labels.images.values()]
    return {"images": images, "annotations": people, "categories": [*labels.categories, *more]}


def _completed(labels: CocoLabels, person: CocoPerson) -> Json:
    """An annotation with all that pycocotools asks for. Raises FormatError."""
    row = labels.annotations[person.number]
    if "keypoints" not in row:
        raise labels.wrong(person.number, "keypoints: the field is missing")
    joints = labels.joint_count(len(COCO_17))
    points = np.zeros((joints, 3)) if person.keypoints is None else person.keypoints
    box = _box_of(points) if person.xywh is None else person.xywh.tolist()
    known = labels.images.get(person.image)
    return {
        **row,
        "id": person.id,
        "image_id": known.id if known else row["image_id"],
        "category_id": row.get("category_id", PERSON_CATEGORY),
        "keypoints": np.nan_to_num(points).ravel().tolist(),
        "num_keypoints": int((points[:, 2] > 0).sum()),
        "bbox": box,
        "area": person.area or box[2] * box[3],
        "iscrowd": int(person.crowd),
    }


def _box_of(points: npt.NDArray[np.float64]) -> list[float]:
    """The box x, y, width, height around the labelled joints (K, 3); zeros where there is none."""
    xy = points[points[:, 2] > 0, :2]
    if not len(xy):
        return [0.0] * 4
    return [*xy.min(axis=0).tolist(), *np.ptp(xy, axis=0).tolist()]


def score_coco(
    truth: Json, results: Any, truth_name: str = "truth", results_name: str = "results"
) -> dict[str, float]:
    """AP and AR in percent of result rows; NaN for a figure without people of its size.

    Other skeletons than COCO's 17 joints take their sigmas by joint name: those of COCO where it
    has the joint, 0.072 (``skeletons.DEFAULT_SIGMA``) for a name of the user's own. Rows of
    ``posetrack track`` are found by ``file_name`` where the truth has it, and are of the truth's
    category where that has only one. Raises FormatError for the first bad row.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    joints = _joints(truth)
    results = _as_labelled(truth, results)
    _check_categories(truth, results, results_name)
    _check(results, {image["id"] for image in truth["images"]}, joints, truth_name, results_name)
    with contextlib.redirect_stdout(io.StringIO()):
        known = COCO()
        known.dataset = _numbered(truth)
        known.createIndex()
        found = known.loadRes([{k: row[k] for k in _RESULT if k in row} for row in results])
        evaluation = COCOeval(known, found, "keypoints")
        sigmas = _sigmas(truth, joints)
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = (float(v) for v in evaluation.stats)
    return {
        k: math.nan if v == NO_OBJECTS else 100 * v
        for k, v in zip(COCO_FIGURES, values, strict=True)
    }


def _numbered(truth: Json) -> Json:
    """A copy whose annotations are numbered from 1: pycocotools takes a match with annotation 0 for
    none.
    """
    content = copy.deepcopy(truth)
    for n, person in enumerate(content["annotations"]):
        person["id"] = n + 1
    return content


def _as_labelled(truth: Json, results: Any) -> Any:
    """The rows with the truth's image ids and category: a tracker counts pictures from 0 and calls
    everybody 1.
    """
    if not isinstance(results, list):
        return results
    ids = _ids_by_name(truth["images"])
    categories = {person["category_id"] for person in truth["annotations"]}
    given = {str(r.get("category_id", PERSON_CATEGORY)) for r in results if isinstance(r, dict)}
    only = {"category_id": next(iter(categories))} if len(categories) == 1 else {}
    wanted = {image["id"] for image in truth["images"]}

    def named(row: Any) -> Any:
        if not isinstance(row, dict):
            return row
        # one category on both sides is the same, whatever its number
        same = len(given) == 1 or row.get("category_id", PERSON_CATEGORY) == PERSON_CATEGORY
        return {**row, **_image_of(row, ids, wanted), **(only if same else {})}

    return [named(row) for row in results]


def _image_of(row: Json, ids: Json, wanted: set[Any]) -> Json:
    """The truth's image id of a row: by ``file_name``, or where ``image_id`` is itself a name
    (AlphaPose) or a number written as text.
    """
    given = row.get("image_id")
    for name in (row.get("file_name"), given if isinstance(given, str) else None):
        if isinstance(name, str):
            last = PureWindowsPath(name).name  # takes both separators
            found = ids.get(name, ids.get(last))
            if found is not None:
                return {"image_id": found}
    if isinstance(given, str) and given.isdecimal() and int(given) in wanted:
        return {"image_id": int(given)}
    return {}


def _ids_by_name(images: list[Json]) -> Json:
    """Image ids by name, and by the name's last part where only one image has it."""
    named = [(str(image["file_name"]), image["id"]) for image in images if "file_name" in image]
    times = Counter(PurePosixPath(name).name for name, _ in named)
    last = ((PurePosixPath(name).name, number) for name, number in named)
    return {**{name: number for name, number in last if times[name] == 1}, **dict(named)}


def _joints(truth: Json) -> int:
    """Number of joints of the annotations: of the first that has any, else of the category."""
    for rows in (truth["annotations"], truth.get("categories") or []):
        lists = (row.get("keypoints") for row in rows if isinstance(row, dict))
        found = next((v for v in lists if isinstance(v, list) and v), None)
        if found:
            return len(found) // 3 if rows is truth["annotations"] else len(found)
    return len(COCO_17)


def _sigmas(truth: Json, joints: int) -> Any:
    """The sigmas of a skeleton that is not COCO's; None for COCO's own, which 17 joints without
    names are. Raises FormatError for names that are no texts.
    """
    names = next((c["keypoints"] for c in truth["categories"] if c.get("keypoints")), None)
    if not all(isinstance(name, str) for name in names or ()):
        raise FormatError("Not all keypoints of the labels' category are names.")
    if joints == len(COCO_17) and (
        names is None or tuple(map(canonical_joint, names)) == COCO_17.joints
    ):
        return None
    if names is None or len(names) != joints:
        names = [f"joint_{j}" for j in range(joints)]
    return np.array(make_skeleton("given", names).oks_sigmas)


def _check_categories(truth: Json, results: Any, name: str) -> None:
    """Raises FormatError where no result is of a category of the truth."""
    wanted = {str(person["category_id"]) for person in truth["annotations"]}
    rows = [row for row in results if isinstance(row, dict)] if isinstance(results, list) else []
    given = {str(row.get("category_id", PERSON_CATEGORY)) for row in rows}
    if wanted and given and not wanted & given:
        raise FormatError(
            f"{name}: the results are of category {', '.join(sorted(given))}, the people of the "
            f"truth of category {', '.join(sorted(wanted))}."
        )


def _check(results: Any, images: set[Any], joints: int, truth_name: str, name: str) -> None:
    """Raise FormatError for the first row that pycocotools would stumble over."""
    if not isinstance(results, list):
        raise FormatError(
            f"{name}: COCO results are a list of people; this is a {type(results).__name__}."
        )
    if not results:
        raise InputError(f"{name} holds no results, so there is nothing to score.")
    for n, row in enumerate(results):
        if not isinstance(row, dict):
            raise FormatError(f"{name}: result {n} is not an object with named fields.")
        for key in ("image_id", "keypoints", "score"):
            if key not in row:
                raise FormatError(f"{name}: result {n}: {key}: the field is missing.")
        if isinstance(row["image_id"], (list, dict)) or row["image_id"] not in images:
            raise FormatError(
                f"{name}: result {n}: image_id: {row['image_id']!r} is no image of {truth_name}."
            )
        numbers = row["keypoints"] if isinstance(row["keypoints"], list) else [None]
        if len(numbers) != 3 * joints:
            raise FormatError(
                f"{name}: result {n}: keypoints: {len(numbers)} values, but {joints} joints need "
                f"{3 * joints}."
            )
        for value in (*numbers, row["score"]):
            if not is_number(value):
                raise FormatError(
                    f"{name}: result {n}: keypoints or score: {value!r} is not a finite number."
                )
        row.setdefault("category_id", 1)
    _check_boxes(results, name)


def _check_boxes(results: list[Json], name: str) -> None:
    """pycocotools takes the areas from the boxes where the first row has one, so then all must."""
    if not results[0].get("bbox"):
        return
    for n, row in enumerate(results):
        box = row.get("bbox")
        if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
            raise FormatError(
                f"{name}: result {n}: bbox: {box!r} is not [x, y, width, height]; give every "
                f"result a box, or none."
            )


def coco_table(figures: Mapping[str, float], title: str) -> Table:
    """One row of all figures."""
    return Table(title, ("", *figures), (("keypoints", *figures.values()),))


def coco_json(
    figures: Mapping[str, float], truth: Path, results: Path, settings: Mapping[str, Any]
) -> Json:
    """The figures at full precision with versions, settings and file hashes; a figure without
    people is null.
    """
    return {
        "task": "coco",
        "units": "percent",
        "figures": {k: None if math.isnan(v) else v for k, v in figures.items()},
        **provenance(settings, ("numpy", "pycocotools")),
        "files": [{"path": str(path), "sha256": file_hash(path)} for path in (truth, results)],
    }
