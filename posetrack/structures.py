"""The types that flow through posetrack: frozen dataclasses of parallel numpy arrays.

Conventions, written here once:

* **Pixels.** ``(0, 0)`` is the *centre* of the first pixel of an image, x to the right, y down, as
  OpenCV and the official HRNet code have it. The geometry of crops follows the official code to the
  letter, see ``geometry.py``.
* **Boxes** are ``x1, y1, x2, y2`` in pixels, width = ``x2 - x1``.
* **Absent keypoints** (not annotated, or dropped for a low score) have ``xy = NaN``. A keypoint
  without a score has ``score = NaN``.
* **Images** are ``(H, W, 3)`` uint8 RGB.
"""

from __future__ import annotations

__all__ = [
    "MAX_INDEX",
    "Boxes",
    "Flow",
    "Frame",
    "FrameLabels",
    "InputSpec",
    "Poses",
    "Sequence",
    "Skeleton",
    "Tracks",
    "as_float32",
]

import math
from collections.abc import Iterable, Sized
from collections.abc import Sequence as SequenceABC
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posetrack.svg import figure, svg
from posetrack.tabular import joint_columns, need

if TYPE_CHECKING:
    import pandas

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Image = npt.NDArray[np.uint8]
MAX_INDEX = 2**53  # of a frame: what every format holds exactly
MAX_TIME_S = 1e10  # of a frame; clocks that count from 1970 are below
MAX_INPUT_SIDE = 8192  # pixels of a network's input
MAX_PADDING = 16.0  # of a box; networks in use have 1 to 1.5
STD_RANGE = 1e-4, 1e4  # of the normalisation, and how far from 0 its mean may be
Index = slice | npt.NDArray[np.bool_] | npt.NDArray[np.int64] | list[int]


def _check_shape(what: str, array: npt.NDArray[Any], expected: tuple[int | None, ...]) -> None:
    """Raise ValueError unless ``array.shape`` fits ``expected`` (None: any length)."""
    fits = array.ndim == len(expected) and all(
        e is None or e == a for e, a in zip(expected, array.shape, strict=True)
    )
    if not fits:
        wanted = tuple("any" if e is None else e for e in expected)
        raise ValueError(f"{what}: expected shape {wanted}, got {array.shape}")


def _set_array(owner: object, name: str, dtype: type, expected: tuple[int | None, ...]) -> None:
    """Convert field ``name`` of a frozen dataclass to ``dtype`` and check its shape."""
    array: npt.NDArray[Any] = np.asarray(getattr(owner, name), dtype=dtype)
    _check_shape(f"{type(owner).__name__}.{name}", array, expected)
    object.__setattr__(owner, name, array)


def as_float32(values: Any) -> FloatArray:
    """Numbers of a file as float32, of any shape. Raises ValueError for a finite one that is too
    large for it, and what numpy raises where they are none.
    """
    wide = np.asarray(values, np.float64)
    with np.errstate(over="ignore"):
        narrow = wide.astype(np.float32)
    if not (np.isinf(narrow) <= np.isinf(wide)).all():
        raise ValueError("a number is too large for a place in a picture or a score")
    return narrow


def _is_number(value: object) -> bool:
    """Whether it is a finite number of Python's, as JSON has them; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


MOST_IDS = 8  # that a short description names


def _ids(identities: IntArray) -> str:
    """People in a few words: how many, and the first ones' identities."""
    if not len(identities):
        return "nobody"
    more = ", ..." if len(identities) > MOST_IDS else ""
    return f"{len(identities)}: {', '.join(map(str, identities[:MOST_IDS]))}{more}"


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The keypoints of a body: names, order, limbs and the sigmas of object keypoint similarity.

    ``limbs`` and ``flip_pairs`` are index pairs into ``joints``; ``oks_sigmas`` has one value a
    joint (the COCO "k_i / 2" convention, so that OKS uses ``(2 * sigma) ** 2``).
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    flip_pairs: tuple[tuple[int, int], ...]
    oks_sigmas: tuple[float, ...]

    def __post_init__(self) -> None:
        if not all(isinstance(name, str) for name in (self.name, *self.joints)):
            raise ValueError(f"Skeleton.joints: not all are names in {self.joints}")
        if not all(_is_number(sigma) and sigma > 0 for sigma in self.oks_sigmas):
            raise ValueError("Skeleton.oks_sigmas: all must be numbers above 0")
        if len(self.oks_sigmas) != len(self.joints):
            raise ValueError(
                f"Skeleton.oks_sigmas: expected {len(self.joints)} values, got "
                f"{len(self.oks_sigmas)}"
            )
        if len(set(self.joints)) != len(self.joints):
            raise ValueError(f"Skeleton.joints: names repeat in {self.joints}")
        for what, pairs in (("limbs", self.limbs), ("flip_pairs", self.flip_pairs)):
            if any(i not in range(len(self.joints)) for pair in pairs for i in pair):
                raise ValueError(
                    f"Skeleton.{what}: an index lies outside 0..{len(self.joints) - 1}"
                )

    def __repr__(self) -> str:
        return f"Skeleton({self.name!r}, {len(self)} joints)"

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def flip_order(self) -> tuple[int, ...]:
        """Joint order after mirroring: ``mirrored = keypoints[list(skeleton.flip_order)]``."""
        order = list(range(len(self.joints)))
        for a, b in self.flip_pairs:
            order[a], order[b] = b, a
        return tuple(order)


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded frame: ``index`` counts from 0 in the source, ``time_s`` is its presentation time
    in seconds.

    ``name`` is that of the picture where the source is a folder of them, as label files give it.
    """

    index: int
    time_s: float
    image: Image
    name: str | None = None

    def __post_init__(self) -> None:
        _set_array(self, "image", np.uint8, (None, None, 3))

    def __repr__(self) -> str:
        size = "{}x{}".format(*self.size_wh)
        named = f", {self.name!r}" if self.name else ""
        return f"Frame({self.index}, {self.time_s:.3f} s, {size}{named})"

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]


@dataclass(frozen=True, slots=True)
class Boxes:
    """N boxes: ``xyxy`` (N, 4) float32 pixels, ``score`` (N,) float32 in 0..1."""

    xyxy: FloatArray
    score: FloatArray

    def __post_init__(self) -> None:
        _set_array(self, "xyxy", np.float32, (None, 4))
        _set_array(self, "score", np.float32, (len(self.xyxy),))

    def __repr__(self) -> str:
        return f"Boxes({len(self)})"

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, index: Index) -> Boxes:
        return Boxes(self.xyxy[index], self.score[index])

    @property
    def wh(self) -> FloatArray:
        """Width and height, (N, 2) pixels, never negative."""
        wh: FloatArray = np.maximum(self.xyxy[:, 2:] - self.xyxy[:, :2], 0)
        return wh

    @property
    def area(self) -> FloatArray:
        """Area, (N,) square pixels."""
        wh = self.wh
        area: FloatArray = wh[:, 0] * wh[:, 1]
        return area

    @classmethod
    def empty(cls) -> Boxes:
        """No boxes."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    @classmethod
    def concat(cls, parts: SequenceABC[Boxes]) -> Boxes:
        """All boxes of ``parts``, in order."""
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([p.xyxy for p in parts]), np.concatenate([p.score for p in parts])
        )


@dataclass(frozen=True, slots=True)
class Poses:
    """N poses of one skeleton: ``xy`` (N, K, 2) float32 pixels, ``score`` (N, K) float32, and the
    boxes they came from.

    Absent keypoints have ``xy = NaN``; a keypoint without a score has ``score = NaN``. The
    confidence of a whole pose is ``boxes.score``.
    """

    xy: FloatArray
    score: FloatArray
    boxes: Boxes
    skeleton: Skeleton

    def __post_init__(self) -> None:
        _set_array(self, "xy", np.float32, (len(self.boxes), len(self.skeleton), 2))
        _set_array(self, "score", np.float32, (len(self.boxes), len(self.skeleton)))

    def __repr__(self) -> str:
        return f"Poses({len(self)} of {self.skeleton.name})"

    def __len__(self) -> int:
        return len(self.xy)

    def __getitem__(self, index: Index) -> Poses:
        return Poses(self.xy[index], self.score[index], self.boxes[index], self.skeleton)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which keypoints exist, (N, K)."""
        present: npt.NDArray[np.bool_] = ~(np.isnan(self.xy[..., 0]) | np.isnan(self.xy[..., 1]))
        return present

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Poses:
        """No poses."""
        k = len(skeleton)
        return cls(
            np.zeros((0, k, 2), np.float32), np.zeros((0, k), np.float32), Boxes.empty(), skeleton
        )

    @classmethod
    def concat(cls, parts: SequenceABC[Poses], skeleton: Skeleton) -> Poses:
        """All poses of ``parts``, in order."""
        if not parts:
            return cls.empty(skeleton)
        return cls(
            np.concatenate([p.xy for p in parts]),
            np.concatenate([p.score for p in parts]),
            Boxes.concat([p.boxes for p in parts]),
            skeleton,
        )


@dataclass(frozen=True, slots=True)
class Tracks:
    """The people of one frame with identities: ``id`` (N,) int64, and their poses. Identities are
    unique in a frame.
    """

    id: IntArray
    poses: Poses

    def __post_init__(self) -> None:
        _set_array(self, "id", np.int64, (len(self.poses),))
        if len(np.unique(self.id)) != len(self.id):
            raise ValueError(f"Tracks.id: an identity repeats in {self.id.tolist()}")

    def __repr__(self) -> str:
        return f"Tracks({_ids(self.id)})"

    def __len__(self) -> int:
        return len(self.id)

    def __getitem__(self, index: Index) -> Tracks:
        return Tracks(self.id[index], self.poses[index])

    def to_frame(self) -> pandas.DataFrame:
        """A row a joint, as a pandas table: id, joint, x, y, score, box_x1, box_y1, box_x2, box_y2,
        box_score; absent joints have NaN. Raises UsageError where pandas is missing.
        """
        p = self.poses
        boxes = np.concatenate([p.boxes.xyxy, p.boxes.score[:, None]], axis=1)
        rows = joint_columns(self.id, p.skeleton.joints, p.xy, p.score, boxes)
        table: pandas.DataFrame = need("pandas", "pandas").DataFrame(rows)
        return table

    def _repr_html_(self) -> str:
        """For a notebook: the people, cut out and drawn."""
        if not len(self):
            return "<p>Nobody.</p>"
        p, boxes = self.poses, self.poses.boxes.xyxy
        left = [joint for joint, name in enumerate(p.skeleton.joints) if "left" in name]
        people = [
            figure(int(i), xy, p.skeleton.limbs, left, box)
            for i, xy, box in zip(self.id, p.xy, boxes, strict=True)
        ]
        points = np.concatenate([p.xy.reshape(-1, 2), boxes.reshape(-1, 2)])
        points = points[np.isfinite(points).all(axis=1)]
        if not len(points):
            return f"<p>{_ids(self.id)}</p>"
        low, high = points.min(axis=0), points.max(axis=0)
        margin = 0.08 * float((high - low).max())
        bounds = (low[0] - margin, low[1] - margin, high[0] + margin, high[1] + margin)
        return f"<p>{_ids(self.id)}</p>{svg(people, bounds)}"

    @classmethod
    def empty(cls, skeleton: Skeleton) -> Tracks:
        """Nobody."""
        return cls(np.zeros(0, np.int64), Poses.empty(skeleton))


@dataclass(frozen=True, slots=True)
class Flow:
    """Optical flow from the previous frame to the current one.

    ``field`` (h, w, 2) float32: displacement x then y in *working* pixels, at a working size that
    may be smaller than the image; ``image_wh`` is the full image size, so a full-size point ``p``
    moves by ``field[p * working / full] * full / working``.
    """

    field: FloatArray
    image_wh: tuple[int, int]

    def __post_init__(self) -> None:
        _set_array(self, "field", np.float32, (None, None, 2))

    def __repr__(self) -> str:
        h, w = self.field.shape[:2]
        return f"Flow({w}x{h} of {self.image_wh[0]}x{self.image_wh[1]})"


@dataclass(frozen=True, slots=True)
class FrameLabels:
    """The people of one frame as a file holds them, ground truth or prediction.

    ``image`` is the image name the file gives (or None). The next three fields only matter for
    ground truth: ``labeled`` is False for a frame nobody annotated, ``head_xyxy`` (N, 4) are head
    boxes (NaN where missing), ``ignore_regions`` are polygons of shape (P, 2). ``marks`` (N, K)
    says what refining did to each joint, bits of ``refining.series.Mark``; None: nothing.
    """

    index: int
    time_s: float
    tracks: Tracks
    image: str | None = None
    labeled: bool = True
    head_xyxy: FloatArray | None = None
    ignore_regions: tuple[npt.NDArray[np.float64], ...] = ()
    marks: npt.NDArray[np.uint8] | None = None

    def __repr__(self) -> str:
        return f"FrameLabels({self.index}, {self.time_s:.3f} s, {self.tracks!r})"

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_INDEX:
            raise ValueError(f"FrameLabels.index: {self.index} is no number of a frame")
        if abs(self.time_s) > MAX_TIME_S:  # NaN, unknown, is not above it
            raise ValueError(f"FrameLabels.time_s: {self.time_s} seconds is no time of a video")


@dataclass(frozen=True, slots=True)
class Sequence:
    """A video's labels: what formats, datasets and metrics exchange.

    ``frames`` can be iterated any number of times; it is a tuple, or reads lazily from disk, so
    that a long video never has to fit into memory. ``meta`` holds what the file says beyond that
    (settings, versions).
    """

    name: str
    size_wh: tuple[int, int] | None
    fps: float | None
    skeleton: Skeleton
    frames: Iterable[FrameLabels]
    meta: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        size = "{}x{}".format(*self.size_wh) if self.size_wh else "size unknown"
        rate = f"{self.fps:g} fps" if self.fps else "rate unknown"
        count = f"{len(self.frames)} frames, " if isinstance(self.frames, Sized) else ""
        return f"Sequence({self.name!r}, {count}{size}, {rate}, {self.skeleton.name})"


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a network wants to be fed: size in pixels, normalisation of RGB scaled to 0..1, and box
    padding.

    ``padding`` is the factor by which a box grows before it is cropped (1.25 in the official HRNet
    code).
    """

    size_wh: tuple[int, int]
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    padding: float = 1.25

    def __post_init__(self) -> None:
        for what, values, count in (
            ("size_wh", self.size_wh, 2),
            ("mean", self.mean, 3),
            ("std", self.std, 3),
        ):
            if len(values) != count or not all(map(_is_number, values)):
                raise ValueError(f"InputSpec.{what} must be {count} finite numbers")
        if not all(side in range(1, MAX_INPUT_SIDE + 1) for side in self.size_wh):
            raise ValueError(f"InputSpec.size_wh: sides are whole, from 1 to {MAX_INPUT_SIDE}")
        if not all(STD_RANGE[0] <= v <= STD_RANGE[1] for v in self.std):
            raise ValueError(f"InputSpec.std must be above 0: {STD_RANGE[0]} to {STD_RANGE[1]}")
        if max(map(abs, self.mean)) > STD_RANGE[1]:
            raise ValueError(f"InputSpec.mean must be within {STD_RANGE[1]} of 0")
        if not _is_number(self.padding) or not 0 < self.padding <= MAX_PADDING:
            raise ValueError(f"InputSpec.padding must be above 0, at most {MAX_PADDING}")

    @property
    def grey_mean(self) -> npt.NDArray[np.float32]:
        """The mean of red, green and blue (3,) in grey levels, 0 to 255."""
        return np.array(self.mean, np.float32) * np.float32(255)

    @property
    def grey_std(self) -> npt.NDArray[np.float32]:
        """Their standard deviation (3,), likewise."""
        return np.array(self.std, np.float32) * np.float32(255)
