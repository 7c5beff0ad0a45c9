"""One drawn frame: background, shadows, people from far to near, the lens, and everything that is
true of it.
"""

from __future__ import annotations

__all__ = ["DrawnFrame", "Stage", "inside"]

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.drawn.actors import CAMERAS, Actor
from posetrack.drawn.body import Skeleton3D, keypoints
from posetrack.drawn.render import Camera, Patch, cast_shadow, composite, draw_figure, expose
from posetrack.drawn.scene import Layer, Scene, warp
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, FloatArray, Frame, FrameLabels, IntArray, Poses, Tracks

Array = npt.NDArray[np.float64]
MIN_VISIBLE = 0.15  # share of a body that must show for the person to be labelled
SHADOW_SCALE = 4  # shadows are soft: they are drawn at a quarter of the size


@dataclass(frozen=True, slots=True)
class DrawnFrame:
    """One drawn frame and all that is true of it.

    ``labels`` are what an annotator would give: people of whom at least ``MIN_VISIBLE`` shows,
    joints that lie in the picture and behind nobody and nothing else. ``everyone`` holds all N
    people of the clip with every joint, wherever it is; ``visible`` (N, 15) says which joints are
    in the picture and not behind another person or thing (a joint behind the person's own body
    counts as visible); ``share`` (N,) is the visible share of each body's area.
    """

    frame: Frame
    labels: FrameLabels
    everyone: Tracks
    visible: npt.NDArray[np.bool_]
    share: FloatArray


@dataclass(frozen=True, slots=True)
class _Body:
    """An actor at one moment: bones and ``vertices`` (V, 3) metres."""

    actor: Actor
    bones: Skeleton3D
    vertices: npt.NDArray[np.float64]

    @classmethod
    def at(cls, actor: Actor, t: float) -> _Body:
        """``actor`` at ``t`` seconds."""
        bones = actor.bones(t)
        return cls(actor, bones, actor.figure.vertices(bones))


@dataclass(frozen=True, slots=True)
class Stage:
    """A scene with its people and the camera before it; ``draw(index)`` gives any frame.

    ``dummies`` are drawn like ``actors`` and hide them, but are no people: no label names them.
    """

    seed: int
    camera: Camera
    move: str
    seconds: float
    scene: Scene
    actors: Sequence[Actor]
    dummies: Sequence[Actor]
    blur: float
    noise: float

    def draw(self, index: int, fps: float, image_name: str) -> DrawnFrame:
        t = index / fps
        camera = self._camera(t)
        bodies = [_Body.at(actor, t) for actor in (*self.actors, *self.dummies)]
        picture = self._background(bodies, camera)
        owner, ranks, areas = self._people(picture, bodies, camera)
        gain = 1 + 0.03 * float(np.sin(1.3 * t + self.seed))
        image = expose(
            picture, np.random.default_rng([self.seed, index]), gain, self.blur, self.noise
        )
        people = bodies[: len(self.actors)]
        return _describe(Frame(index, t, image), image_name, people, camera, owner, ranks, areas)

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

        Returns the rank of what is in front at each pixel (H, W; 0 background, 1 the farthest), and
        every person's rank and area in pixels, the hidden part included.
        """
        things: list[tuple[float, int | Layer]] = [
            (layer.depth, layer) for layer in self.scene.layers
        ]
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
    frame: Frame,
    image: str,
    bodies: list[_Body],
    camera: Camera,
    owner: IntArray,
    ranks: list[int],
    areas: list[int],
) -> DrawnFrame:
    """Ground truth of a painted frame."""
    n, (w, h) = len(bodies), frame.size_wh
    xy = np.array(
        [camera.project(keypoints(b.actor.figure.look, b.bones))[0] for b in bodies]
    ).reshape(n, 15, 2)
    outlines = [camera.project(body.vertices)[0] for body in bodies]
    boxes = np.array([_bounds(outline) for outline in outlines]).reshape(n, 4)
    heads = np.array(
        [_bounds(outline[b.actor.figure.head]) for b, outline in zip(bodies, outlines, strict=True)]
    )
    in_view = inside(xy, w, h)
    column, row = np.clip(np.round(xy), 0, [w - 1, h - 1]).astype(int).transpose(2, 0, 1)
    visible = in_view & (owner[row, column] <= np.array(ranks[:n], np.int64).reshape(n, 1))
    in_picture = np.array([inside(outline, w, h).mean() for outline in outlines])
    seen = np.array([(owner == rank).sum() for rank in ranks[:n]])
    share = (in_picture * seen / np.maximum(areas[:n], 1)).astype(np.float32)
    everyone = _tracks(np.arange(n), xy, boxes, np.ones((n, 15), bool))
    shown = np.flatnonzero((share >= MIN_VISIBLE) & visible.any(axis=1))
    clipped = np.clip(boxes, 0, [w - 1, h - 1, w - 1, h - 1])
    labelled = _tracks(shown, xy[shown], clipped[shown], visible[shown])
    labels = FrameLabels(
        frame.index,
        frame.time_s,
        labelled,
        image,
        head_xyxy=heads.reshape(n, 4)[shown].astype(np.float32),
    )
    return DrawnFrame(frame, labels, everyone, visible, share)


def inside(xy: npt.NDArray[np.floating], w: int, h: int) -> npt.NDArray[np.bool_]:
    """Which points (..., 2) lie on a pixel of the picture."""
    x, y = xy[..., 0], xy[..., 1]
    result: npt.NDArray[np.bool_] = (x >= -0.5) & (y >= -0.5) & (x < w - 0.5) & (y < h - 0.5)
    return result


def _bounds(xy: Array) -> Array:
    """The box x1, y1, x2, y2 around points (P, 2)."""
    return np.concatenate([xy.min(axis=0), xy.max(axis=0)])


def _tracks(ids: IntArray, xy: Array, boxes: Array, given: npt.NDArray[np.bool_]) -> Tracks:
    """People with joints where ``given`` (N, 15), scores 1 there and NaN elsewhere."""
    known = np.where(given[..., None], xy, np.nan)
    scores = np.ones(len(boxes), np.float32)
    found = Boxes(boxes.astype(np.float32), scores)
    poses = Poses(known.astype(np.float32), np.where(given, 1, np.nan), found, POSETRACK_15)
    return Tracks(ids, poses)
