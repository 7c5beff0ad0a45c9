"""Training pictures for the detector, drawn from labelled images: mosaics, whole scenes, pasted
people and clutter.

Few images are boxed completely, many show one labelled person among others. A mosaic cuts around
labelled people, at sizes from a fifth of a cell to more than all of it, and keeps a map of the
ground: looked at by the labellers (``TRUSTED``: what is not labelled is no person), not looked at
(``UNKNOWN``), or known to be unfit (``IGNORED``: people cut to a sliver, too small, or covered by a
paste).
"""

from __future__ import annotations

__all__ = [
    "GROUND_STRIDE",
    "IGNORED",
    "MIXED",
    "MIXES",
    "NATURAL",
    "REAL",
    "TRUSTED",
    "UNKNOWN",
    "Mix",
    "MosaicSampler",
    "Picture",
]

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from posetrack.samples.boxes import JOINTS, BoxImage, joint_boxes
from posetrack.samples.silhouettes import silhouette
from posetrack.structures import FloatArray, Image, IntArray

TRUSTED, UNKNOWN, IGNORED = 0, 1, 2
DRAWN_ANEW = 12  # joints, the head's top among them, that say more of a turned person than a box
GROUND_STRIDE = 8  # pixels of a picture per cell of its map of the ground
MIN_SIDES = (5.0, 12.0)  # pixels, shorter and longer side of the smallest box that is learnt
MIN_VISIBLE = 0.3  # part of a box that must lie inside its cell of the mosaic
MAX_COVERED = 0.7  # part of a box that a paste may cover
# the same for a person's shape, which rarely fills more than half of a box
MAX_COVERED_BY_SHAPE = 0.5
PEOPLED = 0.75  # share of scenes drawn from those that show people
SINGLES = 0.55  # share of mosaic cells from the images with one labelled person
CUT_OUT = 0.6  # share of pasted people that are cut out along their shape; others are rectangles
# share of single people turned towards upright: athletes are often upside down, people seldom
UPRIGHT = 0.6
MIRROR = np.array(JOINTS.flip_order)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Mix:
    """What pictures are made of: the share that is one whole scene, cells a side of a mosaic and
    how often, the share with pasted people and with pasted empty ground, the share of cells from
    images with one labelled person.
    """

    scenes: float
    grids: tuple[tuple[int, float], ...]
    people_pasted: float
    clutter_pasted: float
    singles: float = SINGLES


# many people a picture: fast learning
MIXED = Mix(0.25, ((1, 0.2), (2, 0.4), (3, 0.28), (4, 0.12)), 0.35, 0.3)
# nearer to real pictures, for the end of a run
NATURAL = Mix(0.55, ((1, 0.45), (2, 0.45), (3, 0.1)), 0.3, 0.15)
# where there are many real scenes: mostly these
REAL = Mix(0.6, ((1, 0.4), (2, 0.4), (3, 0.2)), 0.12, 0.12, singles=0.25)
MIXES: dict[str, Mix] = {"mixed": MIXED, "natural": NATURAL, "real": REAL}  # as recipes name them


@dataclass(slots=True)
class Picture:
    """A square training picture: ``image`` (S, S, 3), its people, and the map of the ground (S/8,
    S/8).
    """

    image: Image
    ground: npt.NDArray[np.uint8]
    boxes: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    joints: FloatArray = field(default_factory=lambda: np.zeros((0, len(JOINTS), 2), np.float32))


class MosaicSampler:
    """Draws pictures without end; equal seeds give equal pictures.

    ``singles`` are images of one labelled person each with joints, ``scenes`` all others. Either
    may be empty.
    """

    def __init__(
        self, singles: Sequence[BoxImage], scenes: Sequence[BoxImage], seed: int | Sequence[int] = 0
    ) -> None:
        if not len(singles) + len(scenes):
            raise ValueError("MosaicSampler: no images")
        self.singles = [item for item in singles if len(item.boxes)]
        self.scenes = list(scenes)
        self.peopled = [item for item in scenes if len(item.boxes)]
        self.clutter = [item for item in scenes if item.complete]
        self.rng = np.random.default_rng(seed)

    def seeded(self, seed: int | Sequence[int]) -> MosaicSampler:
        """A sampler of the same images that draws from another seed."""
        other = copy.copy(self)
        other.rng = np.random.default_rng(seed)
        return other

    def draw(self, size: int, mix: Mix = MIXED) -> Picture:
        """A picture of ``size`` x ``size`` pixels."""
        cells = size // GROUND_STRIDE
        picture = Picture(np.zeros((size, size, 3), np.uint8), np.zeros((cells, cells), np.uint8))
        rng = self.rng
        if self.scenes and rng.random() < mix.scenes:
            self._scene(picture)
        else:
            self._mosaic(picture, mix)
        if self.singles and rng.random() < mix.people_pasted:
            for _ in range(rng.integers(1, 5)):
                self._paste_person(picture)
        if self.clutter and rng.random() < mix.clutter_pasted:
            for _ in range(rng.integers(1, 4)):
                self._paste_clutter(picture)
        picture.image = _change_colours(picture.image, rng)
        return picture

    # Whole cells

    def _scene(self, picture: Picture) -> None:
        item, size, rng = self._pick_scene(), len(picture.image), self.rng
        height, width = item.image.shape[:2]
        scale = size / max(height, width) * np.exp(rng.uniform(np.log(0.75), np.log(2.2)))
        spare = size - np.array([width, height]) * scale
        self._place(
            picture,
            item,
            (0, 0, size, size),
            _affine(scale, 0, rng.uniform(0, 1, 2) * spare, (0, 0)),
        )

    def _mosaic(self, picture: Picture, mix: Mix) -> None:
        size, rng = len(picture.image), self.rng
        sides = int(rng.choice([n for n, _ in mix.grids], p=[p for _, p in mix.grids]))
        xs, ys = (self._cuts(size, sides) for _ in range(2))
        for x1, x2 in itertools.pairwise(xs):
            for y1, y2 in itertools.pairwise(ys):
                single = bool(self.singles) and (not self.scenes or rng.random() < mix.singles)
                item = self._pick(self.singles) if single else self._pick_scene()
                self._cell(picture, item, (x1, y1, x2, y2), single)

    def _cuts(self, size: int, sides: int) -> list[int]:
        jitter = self.rng.uniform(-0.2, 0.2, sides - 1) if sides > 1 else np.zeros(0)
        return [0, *(int((i + 1 + j) * size / sides) for i, j in enumerate(jitter)), size]

    def _cell(
        self, picture: Picture, item: BoxImage, rect: tuple[int, int, int, int], single: bool
    ) -> None:
        """Fill a cell with a piece of an image around one of its people, or around any
        point of it.
        """
        rng = self.rng
        room = np.array([rect[2] - rect[0], rect[3] - rect[1]], float)
        target = (np.array(rect[:2]) + rect[2:]) / 2 + room * rng.uniform(-0.3, 0.3, 2)
        if len(item.boxes) and (single or rng.random() < 0.7):
            index = int(rng.integers(len(item.boxes)))
            box = item.boxes[index]
            wanted = room.max() * np.exp(rng.uniform(np.log(0.4), np.log(1.35)))
            scale = min(wanted / max(box[2] - box[0], box[3] - box[1], 8), 3.0)
            anchor = (box[:2] + box[2:]) / 2
        else:
            anchor = rng.uniform(0.2, 0.8, 2) * item.image.shape[1::-1]
            scale = np.exp(rng.uniform(np.log(0.25), np.log(1.5)))
        angle = self._angle(item) if single else rng.normal(0, 0.06)
        self._place(picture, item, rect, _affine(scale, angle, target, anchor), reflect=single)

    def _angle(self, item: BoxImage) -> float:
        """Radians to turn a single person: a little, or until the trunk is about upright."""
        hips, shoulders = item.joints[0, 2:4].mean(axis=0), item.joints[0, 8:10].mean(axis=0)
        trunk = hips - shoulders
        if self.rng.random() >= UPRIGHT or np.isnan(trunk).any():
            return float(self.rng.normal(0, 0.15))
        return float(np.arctan2(trunk[0], trunk[1]) + self.rng.normal(0, 0.25))

    def _place(
        self,
        picture: Picture,
        item: BoxImage,
        rect: tuple[int, int, int, int],
        affine: FloatArray,
        reflect: bool = False,
    ) -> None:
        """Draw ``item`` through ``affine`` into the cell ``rect``, mirrored half of the time, with
        its people.
        """
        x1, y1, x2, y2 = rect
        mirrored = bool(self.rng.random() < 0.5)
        border = None if reflect else self.rng.integers(0, 256, 3)
        patch = _warp(item.image, affine, rect, border)
        picture.image[y1:y2, x1:x2] = patch[:, ::-1] if mirrored else patch
        _mark(picture.ground, rect, TRUSTED if item.complete else UNKNOWN)
        if reflect:  # beyond the image its people appear again, and nobody boxed them there
            _mark_beyond(picture.ground, rect, affine, item.image.shape[1::-1], mirrored)
        boxes, joints = _move(item, affine)
        doubtful = _move_boxes(item.doubtful, affine)
        if mirrored:
            boxes, joints = _mirror(boxes, joints, x1 + x2 - 1)
            doubtful = _mirror(doubtful, joints[:0], x1 + x2 - 1)[0]
        for box in np.clip(doubtful, [x1, y1] * 2, [x2, y2] * 2):
            _mark(picture.ground, box, IGNORED)
        self._add(picture, rect, boxes, joints)

    def _add(
        self,
        picture: Picture,
        rect: tuple[int, int, int, int],
        boxes: FloatArray,
        joints: FloatArray,
    ) -> None:
        """Cut people to the cell; those left too small or too little of become ignored ground."""
        inside = np.clip(boxes, [rect[0], rect[1]] * 2, [rect[2] - 1, rect[3] - 1] * 2).astype(
            np.float32
        )
        sides = inside[:, 2:] - inside[:, :2]
        visible = sides.prod(axis=1) / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-6)
        fit: Mask = (
            (sides.min(axis=1) >= MIN_SIDES[0])
            & (sides.max(axis=1) >= MIN_SIDES[1])
            & (visible >= MIN_VISIBLE)
        )
        for box in inside[~fit & (sides.min(axis=1) > 0)]:
            _mark(picture.ground, box, IGNORED)
        out: Mask = np.any(
            (joints < [rect[0], rect[1]]) | (joints > [rect[2] - 1, rect[3] - 1]), axis=2
        )
        joints = np.where(out[..., None], np.nan, joints).astype(np.float32)
        picture.boxes = np.concatenate([picture.boxes, inside[fit]])
        picture.joints = np.concatenate([picture.joints, joints[fit]])

    # Pastes

    def _paste_person(self, picture: Picture) -> None:
        """Paste somebody, cut out or as a rectangle, often partly over or beside somebody who is
        there already.
        """
        item, size, rng = _first_only(self._pick(self.singles)), len(picture.image), self.rng
        long_side = np.exp(rng.uniform(np.log(20), np.log(0.6 * size)))
        center = rng.uniform(0, size, 2)
        cut_out = rng.random() < CUT_OUT
        if len(picture.boxes) and rng.random() < 0.6:
            near = picture.boxes[rng.integers(len(picture.boxes))]
            sides = near[2:] - near[:2]
            apart = rng.uniform(0.15 if cut_out else 0.3, 0.9, 2)  # a shape may stand closer
            center = (near[:2] + near[2:]) / 2 + sides * apart * rng.choice([-1, 1], 2) * [1, 0.4]
            long_side = min(sides.max() * rng.uniform(0.7, 1.3), size)
        box = item.boxes[0]
        scale = min(long_side / (box[2:] - box[:2]).max(), 2.0)
        affine = _affine(scale, self._angle(item), center, (box[:2] + box[2:]) / 2)
        boxes, joints = _move(item, affine)
        margin = (boxes[0, 2:] - boxes[0, :2]) * (0.1 if cut_out else rng.uniform(0.0, 0.15))
        rect = _whole(np.concatenate([boxes[0, :2] - margin, boxes[0, 2:] + margin]), size)
        if min(rect[2] - rect[0], rect[3] - rect[1]) < MIN_SIDES[0]:
            return
        shape = (
            silhouette(joints[0], np.array(rect[:2]), (rect[2] - rect[0], rect[3] - rect[1]))
            if cut_out
            else None
        )
        if shape is None:
            self._cover(picture, rect)
            self._place(picture, item, rect, affine, reflect=True)
            return
        self._cover(picture, rect, shape > 0.5)
        x1, y1, x2, y2 = rect
        patch, old = _warp(item.image, affine, rect, None), picture.image[y1:y2, x1:x2]
        picture.image[y1:y2, x1:x2] = np.round(
            old + (patch.astype(np.float32) - old) * shape[..., None]
        )
        self._add(picture, rect, boxes, joints)

    def _paste_clutter(self, picture: Picture) -> None:
        """Paste a rectangle of ground that shows nobody: not every rectangle with an edge is a
        person.
        """
        item, size, rng = self._pick(self.clutter), len(picture.image), self.rng
        sides = np.exp(rng.uniform(np.log(16), np.log(0.4 * size), 2))
        corner = rng.uniform(-0.2, 1, 2) * size
        rect = _whole(np.concatenate([corner, corner + sides]), size)
        scale = np.exp(rng.uniform(np.log(0.3), np.log(1.5)))
        anchor = rng.uniform(0.1, 0.9, 2) * item.image.shape[1::-1]
        affine = _affine(scale, rng.normal(0, 0.3), (np.array(rect[:2]) + rect[2:]) / 2, anchor)
        boxes = np.concatenate([_move(item, affine)[0], _move_boxes(item.doubtful, affine)])
        apart = (boxes[:, :2] > rect[2:]).any(axis=1) | (boxes[:, 2:] < rect[:2]).any(axis=1)
        if min(rect[2] - rect[0], rect[3] - rect[1]) < MIN_SIDES[1] or not apart.all():
            return
        self._cover(picture, rect)
        x1, y1, x2, y2 = rect
        picture.image[y1:y2, x1:x2] = _warp(item.image, affine, rect, rng.integers(0, 256, 3))
        _mark(picture.ground, rect, TRUSTED)

    @staticmethod
    def _cover(
        picture: Picture, rect: tuple[int, int, int, int], shape: Mask | None = None
    ) -> None:
        """Forget people whom the paste ``rect`` (of ``shape``) hides; what still shows of them is
        ignored ground.
        """
        x1, y1, x2, y2 = rect
        over = np.zeros(picture.image.shape[:2], bool)
        over[y1:y2, x1:x2] = True if shape is None else shape
        covered = np.array(
            [
                over[b[1] : b[3] + 1, b[0] : b[2] + 1].mean()
                for b in picture.boxes.round().astype(int)
            ]
        )
        hidden: Mask = covered > (MAX_COVERED if shape is None else MAX_COVERED_BY_SHAPE)
        for box in picture.boxes[hidden]:
            _mark(picture.ground, box, IGNORED)
        last = np.array(over.shape[::-1]) - 1
        at = np.clip(np.nan_to_num(picture.joints, nan=0.0).round(), 0, last).astype(int)
        under = over[at[..., 1], at[..., 0]]
        picture.joints = np.where(under[..., None], np.nan, picture.joints)[~hidden].astype(
            np.float32
        )
        picture.boxes = picture.boxes[~hidden]

    def _pick_scene(self) -> BoxImage:
        return self._pick(
            self.peopled if self.peopled and self.rng.random() < PEOPLED else self.scenes
        )

    def _pick(self, items: Sequence[BoxImage]) -> BoxImage:
        return items[int(self.rng.integers(len(items)))]


def _first_only(item: BoxImage) -> BoxImage:
    """The image with its first person alone: of the others a paste shows a part at most, on which
    nothing is learnt.
    """
    others = np.concatenate([item.boxes[1:], item.doubtful])
    return replace(item, boxes=item.boxes[:1], joints=item.joints[:1], doubtful=others)


def _change_colours(image: Image, rng: np.random.Generator) -> Image:
    """Gain, gamma and tint by a table; at times grey, blurred, coarse, noisy or JPEG-coded."""
    import cv2

    gain = rng.uniform(0.7, 1.3) * rng.uniform(0.88, 1.12, (1, 3))
    ramp = (np.arange(256) / 255.0)[:, None] ** np.exp(rng.uniform(-0.4, 0.4))
    table = np.clip(255 * (ramp * gain + rng.uniform(-0.1, 0.1)), 0, 255).astype(np.uint8)
    image = cv2.LUT(image, table[:, None])
    if rng.random() < 0.5:
        saturation = 0.0 if rng.random() < 0.25 else rng.uniform(0.3, 1.6)
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        image = cv2.addWeighted(image, saturation, grey, 1 - saturation, 0)
    kind = rng.random()
    if kind < 0.12:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6))
    elif kind < 0.2:
        small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    elif kind < 0.28:
        noise = rng.normal(0, rng.uniform(2, 12), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    elif kind < 0.36:
        coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))])[
            1
        ]
        image = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return image


def _affine(scale: float, angle: float, target: npt.ArrayLike, anchor: npt.ArrayLike) -> FloatArray:
    """(2, 3): turn by ``angle`` and scale, so that the image point ``anchor`` lands on the
    picture's ``target``.
    """
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.asarray(target, float) - linear @ np.asarray(anchor, float)
    return np.column_stack([linear, shift])


def _warp(
    image: Image, affine: FloatArray, rect: tuple[int, int, int, int], border: IntArray | None
) -> Image:
    """The cell ``rect`` of ``image`` seen through ``affine``; beyond the image one colour, or
    (None) its reflection.
    """
    import cv2

    linear, shift = affine[:, :2], affine[:, 2] - rect[:2]
    scale = np.hypot(*linear[:, 0])
    while scale < 0.6 and min(image.shape[:2]) > 8:  # bilinear sampling alone would alias
        height, width = image.shape[:2]
        half = cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        ratio = np.array([width / half.shape[1], height / half.shape[0]])
        shift = shift + linear @ ((ratio - 1) / 2)
        image, linear, scale = half, linear * ratio, scale * 2
    size = (rect[2] - rect[0], rect[3] - rect[1])
    mode = cv2.BORDER_REFLECT_101 if border is None else cv2.BORDER_CONSTANT
    value = (0, 0, 0) if border is None else tuple(int(v) for v in border)
    matrix = np.column_stack([linear, shift])
    patch: Image = cv2.warpAffine(
        image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=mode, borderValue=value
    )
    return patch


def _move(item: BoxImage, affine: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Boxes (N, 4) and joints (N, 14, 2) of ``item`` in the picture. Where it is turned, the boxes
    of people whose joints are known are drawn anew.
    """
    joints = item.joints @ affine[:, :2].T + affine[:, 2]
    boxes = _move_boxes(item.boxes, affine)
    if abs(affine[0, 1]) > 0.1 * abs(affine[0, 0]):
        known = ~np.isnan(joints).any(axis=2)
        drawn = (known.sum(axis=1) >= DRAWN_ANEW) & known[:, -1]
        if drawn.any():
            boxes[drawn] = joint_boxes(joints[drawn])
    return boxes, joints


def _move_boxes(boxes: FloatArray, affine: FloatArray) -> FloatArray:
    """Upright boxes (N, 4) around boxes moved by ``affine``."""
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ affine[:, :2].T + affine[:, 2]
    if abs(affine[0, 1]) > 0:  # the corners of a turned box reach beyond the person: meet half way
        middle = corners[:, [0, 1, 2, 3]] + corners[:, [1, 2, 3, 0]]
        corners = np.concatenate([0.5 * middle, 0.5 * (corners + 0.5 * middle)], axis=1)
        corners = corners[:, 4:]
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _mirror(boxes: FloatArray, joints: FloatArray, total: float) -> tuple[FloatArray, FloatArray]:
    """Mirror x to ``total - x``, left joints becoming right ones."""
    across = np.array([-1, 1], np.float32)
    origin = np.array([total, 0], np.float32)
    return boxes[:, [2, 1, 0, 3]] * np.tile(across, 2) + np.tile(origin, 2), joints[
        :, MIRROR
    ] * across + origin


def _whole(box: FloatArray, size: int) -> tuple[int, int, int, int]:
    """The box in whole pixels inside the picture."""
    x1, y1, x2, y2 = np.clip(np.round(box), 0, size).astype(int)
    return int(x1), int(y1), int(x2), int(y2)


def _mark_beyond(
    ground: npt.NDArray[np.uint8],
    rect: tuple[int, int, int, int],
    affine: FloatArray,
    size_wh: Sequence[int],
    mirrored: bool,
) -> None:
    """Ignore the cells of ``rect`` whose centres ``affine`` takes from beyond an image of
    ``size_wh``.
    """
    x1, y1, x2, y2 = np.round(np.array(rect) / GROUND_STRIDE).astype(int)
    xs, ys = ((np.arange(a, b) + 0.5) * GROUND_STRIDE - 0.5 for a, b in ((x1, x2), (y1, y2)))
    at = np.stack(np.meshgrid(rect[0] + rect[2] - 1 - xs if mirrored else xs, ys), axis=-1)
    source = (at - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T
    beyond = ((source < 0) | (source > np.array(size_wh) - 1)).any(axis=-1)
    ground[y1:y2, x1:x2][beyond] = IGNORED


def _mark(ground: npt.NDArray[np.uint8], box: npt.ArrayLike, value: int) -> None:
    """Set the cells whose centres lie in ``box``."""
    x1, y1, x2, y2 = np.clip(
        np.round(np.asarray(box, float) / GROUND_STRIDE), 0, len(ground)
    ).astype(int)
    ground[y1:y2, x1:x2] = value
