"""Drawn clips of people who walk, cross, hide each other, jump and wave, with exact ground truth.

Everything is drawn by this project: solid bodies posed by joint angles, rooms and streets full of clutter, a camera
that pans, zooms and shakes. A frame is drawn when it is asked for and depends on nothing but the seed and its index,
so a clip of any length takes constant memory.
"""

from __future__ import annotations

__all__ = ["DrawnFrame", "DrawnSequence", "PersonSample", "draw_person_samples", "draw_sequence"]

from collections.abc import Iterable, Iterator
from collections.abc import Sequence as SequenceABC
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.errors import UsageError, unknown_name
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, FloatArray, Frame, FrameLabels, Image, IntArray, Poses, Sequence, Tracks
from posetrack.synthetic_actors import CAMERAS, Actor, cast
from posetrack.synthetic_body import Skeleton3D, keypoints
from posetrack.synthetic_motion import MOTIONS
from posetrack.synthetic_render import Camera, Patch, cast_shadow, composite, draw_figure, expose
from posetrack.synthetic_scene import Layer, Scene, draw_scene, warp

FOCAL = 0.96  # focal length in picture widths (of a 3:2 picture at least): 55 degrees across
MIN_VISIBLE = 0.15  # share of a body that must show for the person to be labelled
SHADOW_SCALE = 4  # shadows are soft: they are drawn at a quarter of the size


@dataclass(frozen=True, slots=True)
class DrawnFrame:
    """One drawn frame and all that is true of it.

    ``labels`` are what an annotator would give: people of whom at least ``MIN_VISIBLE`` shows, joints that lie in the
    picture and behind nobody and nothing else. ``everyone`` holds all N people of the clip with every joint, wherever
    it is; ``visible`` (N, 15) says which joints are in the picture and not behind another person or thing (a joint
    behind the person's own body counts as visible); ``share`` (N,) is the visible share of each body's area.
    """

    frame: Frame
    labels: FrameLabels
    everyone: Tracks
    visible: npt.NDArray[np.bool_]
    share: FloatArray


class DrawnSequence(SequenceABC[DrawnFrame]):
    """A drawn clip: ``drawn[i]`` draws frame i; ``images``, ``frames`` and ``labels`` can be iterated many times.

    Labels are remembered once drawn (they are small), images never.
    """

    def __init__(self, name: str, fps: float, count: int, stage: _Stage, settings: dict[str, object]) -> None:
        self.name, self.fps, self.size_wh = name, fps, stage.camera.size_wh
        self.settings = settings
        self._stage, self._count = stage, count
        self._labels: dict[int, FrameLabels] = {}

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
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
        return Sequence(self.name, self.size_wh, self.fps, POSETRACK_15, _LazyLabels(self, self._labels), meta)


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
    crossing: bool = True,
    camera: str = "pan",
    motions: SequenceABC[str] = tuple(sorted(MOTIONS)),
    occluders: int = 0,
    clutter: float = 1.0,
    blur: float = 0.6,
    noise: float = 3.0,
    name: str | None = None,
) -> DrawnSequence:
    """A clip drawn from ``seed``: the same arguments give the same pixels and labels.

    ``camera`` is a name in ``CAMERAS``, ``motions`` names in ``MOTIONS``; ``occluders`` things stand before the people;
    ``clutter`` scales the number of things in the background; ``blur`` (pixels) and ``noise`` (grey levels) are the
    sigmas of lens and sensor. Raises UsageError for a name or a number that makes no sense.
    """
    _check(frames, size_wh, people, fps, camera, motions)
    rng = np.random.default_rng(seed)
    lens = _base_camera(rng, size_wh)
    half_width = size_wh[0] / 2 / lens.focal
    actors = cast(rng, people, frames / fps, half_width, crossing, motions)
    scene = draw_scene(rng, lens, occluders, clutter)
    stage = _Stage(seed, lens, camera, frames / fps, scene, actors, blur, noise)
    settings = {"seed": seed, "people": people, "crossing": crossing, "camera": camera, "occluders": occluders}
    return DrawnSequence(name or f"drawn_{seed:06d}", fps, frames, stage, settings)


def _check(
    frames: int, size_wh: tuple[int, int], people: int, fps: float, camera: str, motions: SequenceABC[str]
) -> None:
    if camera not in CAMERAS:
        raise unknown_name("camera", camera, CAMERAS)
    for motion in motions:
        if motion not in MOTIONS:
            raise unknown_name("motion", motion, MOTIONS)
    if frames < 1 or people < 0 or not fps > 0 or min(size_wh) < 32:
        raise UsageError(
            f"Cannot draw {frames} frames of {people} people at {size_wh[0]}x{size_wh[1]} and {fps} frames/s: "
            "at least 1 frame, 0 people, 32x32 pixels and a positive frame rate are needed."
        )


def _base_camera(rng: np.random.Generator, size_wh: tuple[int, int]) -> Camera:
    focal = FOCAL * max(size_wh[0], 1.5 * size_wh[1])
    height = rng.uniform(1.1, 1.9)
    return Camera(size_wh, focal, float(height), tilt=float(np.arctan((0.95 - height) / 5.5)))


@dataclass(frozen=True, slots=True)
class _Body:
    """An actor at one moment: bones and ``vertices`` (V, 3) metres."""

    actor: Actor
    bones: Skeleton3D
    vertices: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Stage:
    """A scene with its people and the camera before it; ``draw(index)`` gives any frame."""

    seed: int
    camera: Camera
    move: str
    seconds: float
    scene: Scene
    actors: SequenceABC[Actor]
    blur: float
    noise: float

    def draw(self, index: int, fps: float, image_name: str) -> DrawnFrame:
        t = index / fps
        camera = self._camera(t)
        bodies = [
            _Body(actor, bones, actor.figure.vertices(bones)) for actor in self.actors for bones in [actor.bones(t)]
        ]
        picture = self._background(bodies, camera)
        owner, ranks, areas = self._people(picture, bodies, camera)
        gain = 1 + 0.03 * float(np.sin(1.3 * t + self.seed))
        image = expose(picture, np.random.default_rng([self.seed, index]), gain, self.blur, self.noise)
        return _describe(Frame(index, t, image), image_name, bodies, camera, owner, ranks, areas)

    def _camera(self, t: float) -> Camera:
        pan, tilt, roll, zoom = CAMERAS[self.move](t, self.seconds)
        base = self.camera
        return replace(base, pan=pan, tilt=base.tilt + tilt, roll=roll, focal=base.focal * zoom)

    def _background(self, bodies: list[_Body], camera: Camera) -> npt.NDArray[np.float32]:
        """Scene and shadows, (H, W, 3)."""
        w, h = camera.size_wh
        picture = warp(self.scene.canvas, self.scene, camera)
        light_left = np.ones((-(-h // SHADOW_SCALE), -(-w // SHADOW_SCALE)), np.float32)
        for body in bodies:
            cast_shadow(light_left, body.vertices, body.actor.figure, camera, self.scene.light)
        picture *= cv2.resize(light_left, (w, h), interpolation=cv2.INTER_LINEAR)[..., None]
        return picture

    def _people(
        self, picture: npt.NDArray[np.float32], bodies: list[_Body], camera: Camera
    ) -> tuple[IntArray, list[int], list[int]]:
        """Paint people and the things before them over ``picture``, far to near.

        Returns the rank of what is in front at each pixel (H, W; 0 background, 1 the farthest), and every person's
        rank and area in pixels, the hidden part included.
        """
        things: list[tuple[float, int | Layer]] = [(layer.depth, layer) for layer in self.scene.layers]
        things += [(-float(body.bones.points["pelvis"][2]), i) for i, body in enumerate(bodies)]
        owner = np.zeros(picture.shape[:2], np.int64)
        ranks, areas = [0] * len(bodies), [0] * len(bodies)
        for rank, (_, thing) in enumerate(sorted(things, key=lambda t: -t[0]), start=1):
            if isinstance(thing, Layer):
                patch: Patch | None = _as_patch(thing, self.scene, camera)
            else:
                body = bodies[thing]
                patch = draw_figure(body.actor.figure, body.vertices, camera, self.scene.light)
                ranks[thing] = rank
            if patch is None:
                continue
            composite(picture, patch)
            covered = patch.alpha > 0.5
            owner[patch.window][covered] = rank
            if not isinstance(thing, Layer):
                areas[thing] = int(covered.sum())
        return owner, ranks, areas


def _as_patch(layer: Layer, scene: Scene, camera: Camera) -> Patch:
    alpha = warp(layer.alpha, scene, camera, cv2.BORDER_CONSTANT)
    return Patch(warp(layer.rgb, scene, camera, cv2.BORDER_CONSTANT), alpha, (0, 0))


def _describe(
    frame: Frame, image: str, bodies: list[_Body], camera: Camera, owner: IntArray, ranks: list[int], areas: list[int]
) -> DrawnFrame:
    """Ground truth of a painted frame."""
    n, (w, h) = len(bodies), frame.size_wh
    xy = np.array([camera.project(keypoints(b.actor.figure.look, b.bones))[0] for b in bodies]).reshape(n, 15, 2)
    outlines = [camera.project(body.vertices)[0] for body in bodies]
    boxes = np.array([_bounds(outline) for outline in outlines]).reshape(n, 4)
    heads = np.array([_bounds(outline[b.actor.figure.head]) for b, outline in zip(bodies, outlines, strict=True)])
    inside = _inside(xy, w, h)
    column, row = np.clip(np.round(xy), 0, [w - 1, h - 1]).astype(int).transpose(2, 0, 1)
    visible = inside & (owner[row, column] <= np.array(ranks, np.int64).reshape(n, 1))
    in_picture = np.array([_inside(outline, w, h).mean() for outline in outlines])
    seen = np.array([(owner == rank).sum() for rank in ranks])
    share = (in_picture * seen / np.maximum(areas, 1)).astype(np.float32)
    everyone = _tracks(np.arange(n), xy, boxes, np.ones((n, 15), bool))
    shown = np.flatnonzero((share >= MIN_VISIBLE) & visible.any(axis=1))
    clipped = np.clip(boxes, 0, [w - 1, h - 1, w - 1, h - 1])
    labelled = _tracks(shown, xy[shown], clipped[shown], visible[shown])
    labels = FrameLabels(
        frame.index, frame.time_s, labelled, image, head_xyxy=heads.reshape(n, 4)[shown].astype(np.float32)
    )
    return DrawnFrame(frame, labels, everyone, visible, share)


def _inside(xy: FloatArray, w: int, h: int) -> npt.NDArray[np.bool_]:
    """Which points (..., 2) lie on a pixel of the picture."""
    x, y = xy[..., 0], xy[..., 1]
    result: npt.NDArray[np.bool_] = (x >= -0.5) & (y >= -0.5) & (x < w - 0.5) & (y < h - 0.5)
    return result


def _bounds(xy: FloatArray) -> FloatArray:
    """The box x1, y1, x2, y2 around points (P, 2)."""
    return np.concatenate([xy.min(axis=0), xy.max(axis=0)])


def _tracks(ids: IntArray, xy: FloatArray, boxes: FloatArray, given: npt.NDArray[np.bool_]) -> Tracks:
    """People with joints where ``given`` (N, 15), scores 1 there and 0 elsewhere."""
    known = np.where(given[..., None], xy, np.nan)
    poses = Poses(known, given.astype(np.float32), Boxes(boxes, np.ones(len(boxes), np.float32)), POSETRACK_15)
    return Tracks(ids, poses)


@dataclass(frozen=True, slots=True)
class PersonSample:
    """A person to train on: ``image`` (H, W, 3), ``xy`` (15, 2) pixels (NaN outside of the picture), ``visible`` (15,)
    and the ``box`` x1, y1, x2, y2 around the body."""

    image: Image
    xy: FloatArray
    visible: npt.NDArray[np.bool_]
    box: FloatArray


def draw_person_samples(
    seed: int, count: int, size_wh: tuple[int, int] = (192, 256), motions: SequenceABC[str] = tuple(sorted(MOTIONS))
) -> Iterator[PersonSample]:
    """``count`` pictures of one person each, nearly filling the picture, in any posture and before any background."""
    for i in range(count):
        yield _sample(int(np.random.default_rng([seed, i]).integers(1 << 31)), size_wh, motions)


def _sample(seed: int, size_wh: tuple[int, int], motions: SequenceABC[str]) -> PersonSample:
    wide = (round(size_wh[1] * 1.6), size_wh[1])
    drawn = draw_sequence(seed, frames=1, size_wh=wide, people=1, crossing=False, motions=motions, camera="still")
    one = drawn[0]
    x1, y1, x2, y2 = one.everyone.poses.boxes.xyxy[0]
    scale = 0.86 * min(size_wh[0] / max(x2 - x1, 1), size_wh[1] / max(y2 - y1, 1))
    shift = np.array(size_wh) / 2 - 0.5 - scale * np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    move = np.column_stack([np.eye(2) * scale, shift])
    image = cv2.warpAffine(one.frame.image, move, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    xy = one.everyone.poses.xy[0] * scale + shift
    inside = _inside(xy, *size_wh)
    box = np.concatenate([np.array([x1, y1]) * scale + shift, np.array([x2, y2]) * scale + shift])
    known = np.where(inside[:, None], xy, np.nan).astype(np.float32)
    return PersonSample(image.astype(np.uint8), known, inside & one.visible[0], box.astype(np.float32))
