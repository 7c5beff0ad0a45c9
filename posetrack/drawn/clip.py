"""Drawn clips of people who walk, cross, hide each other, jump and wave, with exact ground truth.

Everything is drawn by this project: solid bodies posed by joint angles, rooms and streets full of
clutter, a camera that pans, zooms and shakes. A frame is drawn when it is asked for and depends on
nothing but the seed and its index, so a clip of any length takes constant memory.
"""

from __future__ import annotations

__all__ = ["DrawnFrame", "DrawnSequence", "PersonSample", "draw_person_samples", "draw_sequence"]

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceABC
from dataclasses import dataclass
from typing import overload

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.drawn.actors import CAMERAS, PLOTS, Plot, cast, lookalikes
from posetrack.drawn.motion import MOTIONS
from posetrack.drawn.render import Camera
from posetrack.drawn.scene import draw_scene
from posetrack.drawn.stage import DrawnFrame, Stage, inside
from posetrack.errors import UsageError, unknown_name
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import FloatArray, Frame, FrameLabels, Image, Sequence

FOCAL = 0.96  # focal length in picture widths (of a 3:2 picture at least): 55 degrees across


class DrawnSequence(SequenceABC[DrawnFrame]):
    """A drawn clip: ``drawn[i]`` draws frame i; ``images``, ``frames`` and ``labels`` can be
    iterated many times.

    Labels are remembered once drawn (they are small), images never.
    """

    def __init__(
        self, name: str, fps: float, count: int, stage: Stage, settings: dict[str, object]
    ) -> None:
        self.name, self.fps, self.size_wh = name, fps, stage.camera.size_wh
        self.settings = settings
        self._stage, self._count = stage, count
        self._labels: dict[int, FrameLabels] = {}

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> DrawnFrame: ...
    @overload
    def __getitem__(self, index: slice) -> list[DrawnFrame]: ...
    def __getitem__(self, index: int | slice) -> DrawnFrame | list[DrawnFrame]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        drawn = self._stage.draw(index % len(self), self.fps, f"{index % len(self):06d}.jpg")
        self._labels[drawn.frame.index] = drawn.labels
        return drawn

    @property
    def images(self) -> Iterator[Image]:
        """The pictures in order, drawn one by one."""
        return (drawn.frame.image for drawn in self)

    @property
    def frames(self) -> Iterator[Frame]:
        """The frames in order, as a video source gives them."""
        return (drawn.frame for drawn in self)

    @property
    def labels(self) -> Sequence:
        """Ground truth; drawing what has not been drawn yet when its frames are iterated."""
        meta = {"drawn": self.settings}
        return Sequence(
            self.name, self.size_wh, self.fps, POSETRACK_15, _LazyLabels(self, self._labels), meta
        )


class _LazyLabels(Iterable[FrameLabels]):
    def __init__(self, drawn: DrawnSequence, known: dict[int, FrameLabels]) -> None:
        self._drawn, self._known = drawn, known

    def __len__(self) -> int:
        return len(self._drawn)

    def __iter__(self) -> Iterator[FrameLabels]:
        for i in range(len(self._drawn)):
            yield self._known[i] if i in self._known else self._drawn[i].labels


def draw_sequence(
    seed: int,
    *,
    frames: int = 60,
    size_wh: tuple[int, int] = (640, 360),
    people: int = 3,
    fps: float = 25.0,
    plot: str = "crossing",
    camera: str = "pan",
    motions: SequenceABC[str] = tuple(sorted(MOTIONS)),
    alike: float = 0.0,
    dummies: int = 0,
    occluders: int = 0,
    poles: int = 0,
    clutter: float = 1.0,
    blur: float = 0.6,
    noise: float = 3.0,
    name: str | None = None,
) -> DrawnSequence:
    """A clip drawn from ``seed``: the same arguments give the same pixels and labels.

    ``plot`` is a name in ``PLOTS``, ``camera`` in ``CAMERAS``, ``motions`` names in ``MOTIONS``. A
    share ``alike`` (0 to 1) of the people wears the same clothes; ``dummies`` look like people, do
    not move and are not labelled; ``occluders`` things and ``poles`` stand before the people;
    ``clutter`` scales the number of things in the background; ``blur`` (pixels) and ``noise`` (grey
    levels) are the sigmas of lens and sensor. The ``name`` is "000007_drawn" for seed 7. Raises
    UsageError for a name or a number that makes no sense.
    """
    _check_names(plot, camera, motions)
    _check(frames, size_wh, people, fps)
    rng = np.random.default_rng(seed)
    lens = _base_camera(rng, size_wh)
    half_width = size_wh[0] / 2 / lens.focal
    story = Plot(people, frames / fps, half_width, motions)
    actors = cast(rng, plot, story, alike)
    scene = draw_scene(rng, lens, occluders, clutter, poles=poles)
    things = lookalikes(rng, dummies, story)
    stage = Stage(seed, lens, camera, frames / fps, scene, actors, things, blur, noise)
    settings = {
        "seed": seed,
        "people": people,
        "plot": plot,
        "camera": camera,
        "alike": alike,
        "dummies": dummies,
        "occluders": occluders,
        "poles": poles,
    }
    return DrawnSequence(name or f"{seed:06d}_drawn", fps, frames, stage, settings)


def _check_names(plot: str, camera: str, motions: SequenceABC[str]) -> None:
    if plot not in PLOTS:
        raise unknown_name("plot", plot, PLOTS)
    if camera not in CAMERAS:
        raise unknown_name("camera", camera, CAMERAS)
    for motion in motions:
        if motion not in MOTIONS:
            raise unknown_name("motion", motion, MOTIONS)


def _check(frames: int, size_wh: tuple[int, int], people: int, fps: float) -> None:
    if frames < 1 or people < 0 or not fps > 0 or min(size_wh) < 32:
        raise UsageError(
            f"Cannot draw {frames} frames of {people} people at {size_wh[0]}x{size_wh[1]} and "
            f"{fps} frames/s: "
            "at least 1 frame, 0 people, 32x32 pixels and a positive frame rate are needed."
        )


def _base_camera(rng: np.random.Generator, size_wh: tuple[int, int]) -> Camera:
    focal = FOCAL * max(size_wh[0], 1.5 * size_wh[1])
    height = rng.uniform(1.1, 1.9)
    return Camera(size_wh, focal, float(height), tilt=float(np.arctan((0.95 - height) / 5.5)))


@dataclass(frozen=True, slots=True)
class PersonSample:
    """A person to train on: ``image`` (H, W, 3), ``xy`` (15, 2) pixels (NaN outside of the
    picture), ``visible`` (15,) and the ``box`` x1, y1, x2, y2 around the body.
    """

    image: Image
    xy: FloatArray
    visible: npt.NDArray[np.bool_]
    box: FloatArray


def draw_person_samples(
    seed: int,
    count: int,
    size_wh: tuple[int, int] = (192, 256),
    motions: SequenceABC[str] = tuple(sorted(MOTIONS)),
) -> Iterator[PersonSample]:
    """``count`` pictures of one person each, nearly filling the picture, in any posture and before
    any background.
    """
    for i in range(count):
        yield _sample(int(np.random.default_rng([seed, i]).integers(1 << 31)), size_wh, motions)


def _sample(seed: int, size_wh: tuple[int, int], motions: SequenceABC[str]) -> PersonSample:
    wide = (2 * size_wh[1], round(1.4 * size_wh[1]))
    drawn = draw_sequence(
        seed, frames=1, size_wh=wide, people=1, plot="lanes", motions=motions, camera="still"
    )
    one = drawn[0]
    x1, y1, x2, y2 = one.everyone.poses.boxes.xyxy[0]
    scale = 0.86 * min(size_wh[0] / max(x2 - x1, 1), size_wh[1] / max(y2 - y1, 1))
    shift = np.array(size_wh) / 2 - 0.5 - scale * np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    move = np.column_stack([np.eye(2) * scale, shift])
    image = cv2.warpAffine(
        one.frame.image, move, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    xy = one.everyone.poses.xy[0] * scale + shift
    within = inside(xy, *size_wh)
    box = np.concatenate([np.array([x1, y1]) * scale + shift, np.array([x2, y2]) * scale + shift])
    known = np.where(within[:, None], xy, np.nan).astype(np.float32)
    return PersonSample(
        image.astype(np.uint8), known, within & one.visible[0], box.astype(np.float32)
    )
