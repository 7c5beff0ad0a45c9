"""Labelled people for the detector: COCO-style boxes and joints, every image decoded once and kept
in memory.

A label file says of each of its people where they are; only some say so of *all* people in their
images. ``complete`` keeps the difference, because ground that nobody looked at must not teach a
detector that it is empty.
"""

from __future__ import annotations

__all__ = [
    "JOINTS",
    "BoxImage",
    "joint_boxes",
    "merge_sources",
    "open_box_images",
    "read_box_images",
    "taught",
]

import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.datasets.images import ImageStore
from posetrack.errors import InputError
from posetrack.formats.coco_labels import TABLES, CocoLabels, CocoPerson, read_coco_labels
from posetrack.geometry import iou_matrix
from posetrack.skeletons import LSP_14, joint_map, make_skeleton
from posetrack.structures import FloatArray, Image, IntArray

LONG_SIDE = 640  # pixels of an image in memory; training pictures are smaller
MEMORY_BYTES = 4 << 30  # of images in memory
JOINTS = LSP_14  # the skeleton that joints are kept in: limbs, neck, head top
SURE_SCORE = 0.45  # of a teacher's box (NanoDet's best F1 on COCO val is at 0.4)
DOUBT_SCORE = 0.18  # below, a teacher's box is background like any other
SAME_BODY = 0.7  # part of the smaller of two boxes inside the other: a limb or a group, no one new
SAME_AS_TEACHER_IOU = 0.5  # a teacher's box and a label that overlap more are one person
SAME_PERSON_IOU = 0.7  # two label files that box the same image mean the same person from here on

# How far a body reaches beyond its joints, in head lengths (head top to neck), measured on people
# that have both joints and a box: feet beyond ankles, hands beyond wrists, flesh around the rest.
REACH = {
    "ankle": 0.55,
    "knee": 0.35,
    "hip": 0.45,
    "wrist": 0.60,
    "elbow": 0.30,
    "shoulder": 0.40,
    "neck": 0.35,
    "head_top": 0.20,
}
# head length where it is not labelled, as a part of the longer side of the joints' box
HEAD_OF_BODY = 0.14
HEAD_LIMITS = (
    0.10,
    0.25,
)  # of the longer side: a head seen from above is short, a sitting person's box is small


@dataclass(frozen=True, slots=True)
class BoxImage:
    """One image and its people: ``boxes`` (N, 4) pixels, ``joints`` (N, 14, 2) in ``JOINTS`` order,
    NaN where unknown. ``source`` is the image (H, W, 3) or, for one that stays on disk, what reads
    it.

    ``complete``: every person in the image is among them, but for those who may be in the
    ``doubtful`` boxes (M, 4), where nothing is learnt.
    """

    key: str
    source: Image | Callable[[], Image]
    boxes: FloatArray
    joints: FloatArray
    complete: bool
    doubtful: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))

    @property
    def image(self) -> Image:
        """The image (H, W, 3) RGB. Raises InputError where it cannot be read from disk."""
        return self.source() if callable(self.source) else self.source


def joint_boxes(joints: FloatArray) -> FloatArray:
    """Boxes (N, 4) of whole people around their labelled joints (N, 14, 2): every joint reaches out
    by ``REACH``.
    """
    low, high = np.nanmin(joints, axis=1), np.nanmax(joints, axis=1)
    side = np.maximum((high - low).max(axis=1), 1)
    head = np.linalg.norm(joints[:, -1] - joints[:, -2], axis=1)
    head = np.where(np.isnan(head), HEAD_OF_BODY * side, head)
    head = np.clip(head, HEAD_LIMITS[0] * side, HEAD_LIMITS[1] * side)
    reach = np.array(
        [REACH[name.removeprefix("left_").removeprefix("right_")] for name in JOINTS.joints]
    )
    margin = (head[:, None] * reach)[..., None]
    low, high = np.nanmin(joints - margin, axis=1), np.nanmax(joints + margin, axis=1)
    return np.concatenate([low, high], axis=1).astype(np.float32)


def read_box_images(
    labels: str | Path, images: Iterable[str | Path], *, complete: bool, around_joints: bool = False
) -> list[BoxImage]:
    """Read a COCO-style label file and its images (folders or tar files). Images without people
    stay in; crowds (``iscrowd``) are doubtful ground.

    ``around_joints`` ignores the file's boxes and puts ``joint_boxes`` around the joints. Raises
    InputError.
    """
    found = _people_by_image(read_coco_labels(labels, TABLES), around_joints)
    items = []
    for name, data in _files(images, found):
        boxes, joints, crowds = found[name]
        image = _decode(name, data)
        items.append(BoxImage(Path(name).stem, image, boxes, joints, complete, crowds))
    if not items:
        raise InputError(
            f"None of the images that {labels} names was found; check the image folders."
        )
    return items


def open_box_images(
    labels: CocoLabels,
    store: ImageStore,
    *,
    complete: bool,
    which: slice = slice(None),
    memory: int = MEMORY_BYTES,
    report: Callable[[str], None] = lambda _: None,
) -> list[BoxImage]:
    """The images ``which`` of a label file, from ``store``, with their people.

    They are kept in memory, their longer side at most ``LONG_SIDE``; where that would take more
    than ``memory`` bytes they stay on disk. Images that cannot be read are left out, and ``report``
    is told. Raises InputError where none can.
    """
    found = list(_people_by_image(labels, around_joints=False).items())[which]
    on_disk = len(found) * LONG_SIDE**2 * 3 > memory
    items, lost = [], []
    for name, (boxes, joints, crowds) in found:
        item = BoxImage(name, partial(store.read, name), boxes, joints, complete, crowds)
        try:
            items.append(item if on_disk else _shrunk(item))
        except InputError as error:
            lost.append(str(error))
    if not items:
        first = f" ({lost[0]})" if lost else ""
        raise InputError(f"{labels.path}: none of its images can be read{first}.")
    if lost:
        report(f"{labels.path}: {len(lost)} of {len(found)} images are left out: {lost[0]}")
    return items


def _shrunk(item: BoxImage) -> BoxImage:
    """The item with its image in memory, no larger than ``LONG_SIDE``."""
    import cv2

    image = item.image
    height, width = image.shape[:2]
    scale = min(1.0, LONG_SIDE / max(height, width))
    if scale == 1.0:
        return replace(item, source=image)
    size_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    by = np.float32(scale)
    return replace(
        item,
        source=small,
        boxes=item.boxes * by,
        joints=item.joints * by,
        doubtful=item.doubtful * by,
    )


def merge_sources(complete: Iterable[BoxImage], partial: Iterable[BoxImage]) -> list[BoxImage]:
    """Join two readings of overlapping images: boxes of the complete one, joints of the partial one
    where they fit.
    """
    known: Mapping[str, BoxImage] = {item.key: item for item in partial}
    merged, used = [], set()
    for item in complete:
        other = known.get(item.key)
        joints = item.joints.copy()
        if other is not None and len(other.boxes) and len(item.boxes):
            iou = iou_matrix(other.boxes, item.boxes)
            for source, target in enumerate(iou.argmax(axis=1)):
                if iou[source, target] >= SAME_PERSON_IOU:
                    joints[target] = other.joints[source]
        used.add(item.key)
        merged.append(BoxImage(item.key, item.source, item.boxes, joints, True))
    return merged + [item for key, item in known.items() if key not in used]


def taught(
    items: Iterable[BoxImage],
    teacher: Mapping[str, Sequence[Sequence[float]]],
    *,
    joints_only: bool = False,
) -> list[BoxImage]:
    """Images with the people whom another detector finds beside the labelled ones.

    ``teacher`` has rows x1, y1, x2, y2, score (pixels) for each image's name without its suffix.
    From ``SURE_SCORE`` on they are people, below they are doubtful. With ``joints_only`` the
    labels' boxes were drawn around joints, and the teacher's takes their place where it fits.
    Images that are complete already stay as they are; all others with a row become complete.
    """
    return [
        _taught(item, np.array(teacher[item.key], np.float32).reshape(-1, 5), joints_only)
        if item.key in teacher and not item.complete
        else item
        for item in items
    ]


def _taught(item: BoxImage, rows: FloatArray, joints_only: bool) -> BoxImage:
    fits = iou_matrix(rows[:, :4], item.boxes) >= SAME_AS_TEACHER_IOU
    boxes = item.boxes.copy()
    if joints_only and len(rows):
        best = np.where(fits, rows[:, 4:5], -1).argmax(axis=0)
        boxes = np.where(fits.T.any(axis=1, keepdims=True), rows[best, :4], boxes)
    rows = rows[~fits.any(axis=1)]
    alone = _shared(rows[:, :4], boxes).max(axis=1, initial=0) < SAME_BODY
    sure = rows[:, 4] >= SURE_SCORE
    people = np.concatenate([boxes, rows[sure & alone, :4]]).astype(np.float32)
    apart = _shared(rows[:, :4], people).max(axis=1, initial=0) < SAME_BODY
    nobody = np.full((len(people) - len(boxes), len(JOINTS), 2), np.nan, np.float32)
    return replace(
        item,
        boxes=people,
        joints=np.concatenate([item.joints, nobody]),
        complete=True,
        doubtful=rows[(sure & ~alone) | (~sure & apart & (rows[:, 4] >= DOUBT_SCORE)), :4],
    )


def _shared(a: FloatArray, b: FloatArray) -> FloatArray:
    """Overlap of boxes (N, 4) and (M, 4) as a part of the smaller one, (N, M)."""
    low, high = (
        np.maximum(a[:, None, :2], b[None, :, :2]),
        np.minimum(a[:, None, 2:], b[None, :, 2:]),
    )
    smaller = np.minimum(
        (a[:, 2:] - a[:, :2]).prod(1)[:, None], (b[:, 2:] - b[:, :2]).prod(1)[None]
    )
    return (high - low).clip(0).prod(-1) / np.maximum(smaller, 1e-6)


def _people_by_image(
    labels: CocoLabels, around_joints: bool
) -> dict[str, tuple[FloatArray, FloatArray, FloatArray]]:
    """Boxes (N, 4), joints (N, 14, 2) and boxes of crowds (M, 4) by the names of the images."""
    category = labels.person_category()
    names = (category or {}).get("keypoints") or []
    rows: dict[str, list[CocoPerson]] = {str(image.name): [] for image in labels.images.values()}
    for number in range(len(labels.annotations)):
        if category is None or labels.is_of(number, category):
            person = labels.person(number, len(names))
            rows[str(labels.image_of(person).name)].append(person)
    order = np.array(joint_map(make_skeleton("file", names), JOINTS)) if names else None
    return {name: _people(people, order, around_joints) for name, people in rows.items()}


def _people(
    people: list[CocoPerson], order: IntArray | None, around_joints: bool
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Boxes, joints and crowds of one image. People without a single joint are left out where boxes
    come from joints, those without a box where they do not.
    """
    crowds = [p.xyxy for p in people if p.crowd and p.xyxy is not None]
    alone = [p for p in people if not p.crowd and (around_joints or p.xyxy is not None)]
    joints: FloatArray = np.full((len(alone), len(JOINTS), 2), np.nan, np.float32)
    for into, person in zip(joints, alone, strict=True):
        if order is not None and person.keypoints is not None:
            points = person.keypoints[order]
            into[:] = np.where((order < 0) | (points[:, 2] <= 0), np.nan, points[:, :2].T).T
    if around_joints:
        joints = joints[~np.isnan(joints).all(axis=(1, 2))]
        boxes = joint_boxes(joints) if len(joints) else np.zeros((0, 4))
    else:
        boxes = np.array([p.xyxy for p in alone]).reshape(-1, 4)
    around = np.array(crowds, np.float32).reshape(-1, 4)
    return boxes.astype(np.float32), joints, around


def _files(images: Iterable[str | Path], wanted: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of the wanted files in folders and tar files."""
    for place in map(Path, images):
        if place.is_dir():
            yield from (
                (p.name, p.read_bytes()) for p in sorted(place.iterdir()) if p.name in wanted
            )
            continue
        try:
            with tarfile.open(place) as tar:
                for member in tar:
                    name = Path(member.name).name
                    if name in wanted and (file := tar.extractfile(member)) is not None:
                        yield name, file.read()
        except (OSError, tarfile.TarError) as error:
            raise InputError(
                f"{place} is neither a folder nor a readable tar file: {error}."
            ) from error


def _decode(name: str, data: bytes) -> Image:
    import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"The image {name} cannot be decoded.")
    return np.ascontiguousarray(image[..., ::-1])
