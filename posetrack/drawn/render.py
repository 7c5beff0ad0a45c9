"""Drawing solid bodies into a picture: camera, light, painter's algorithm at double size, soft
shadows, lens.

The camera turns and zooms but does not travel, so that everything that stands still moves by one
homography.
"""

from __future__ import annotations

__all__ = ["Camera", "Light", "Patch", "cast_shadow", "composite", "draw_figure", "expose"]

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.drawn.figure import Figure
from posetrack.structures import Image

Array = npt.NDArray[np.float64]
OVERSAMPLING = 2  # bodies are drawn at this multiple and averaged: antialiasing
SHIFT = 4  # fractional bits of OpenCV's polygon corners


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole ``height`` metres over the origin looking along -z, turned by ``pan`` (to the
    right), ``tilt`` (up) and ``roll`` radians; ``focal`` pixels, picture of ``size_wh``.
    """

    size_wh: tuple[int, int]
    focal: float
    height: float
    pan: float = 0.0
    tilt: float = 0.0
    roll: float = 0.0

    @property
    def rotation(self) -> Array:
        """From the room's axes to the picture's (x right, y down, z ahead), (3, 3)."""
        cp, sp, ct, st, cr, sr = (
            f(a) for a in (self.pan, self.tilt, self.roll) for f in (np.cos, np.sin)
        )
        pan = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        tilt = np.array([[1, 0, 0], [0, ct, st], [0, -st, ct]])
        roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        result: Array = np.diag([1.0, -1.0, -1.0]) @ roll @ tilt @ pan
        return result

    @property
    def matrix(self) -> Array:
        """From viewing directions to pixels, (3, 3)."""
        w, h = self.size_wh
        k = np.array([[self.focal, 0, (w - 1) / 2], [0, self.focal, (h - 1) / 2], [0, 0, 1]])
        result: Array = k @ self.rotation
        return result

    @property
    def position(self) -> Array:
        """Where the camera is, (3,) metres."""
        return np.array([0.0, self.height, 0.0])

    def project(self, points: Array) -> tuple[Array, Array]:
        """Pixels (..., 2) and depth (...,) metres of points (..., 3); points behind the lens are
        put just before it.
        """
        image = (points - self.position) @ self.matrix.T
        depth = np.maximum(image[..., 2], 0.05)
        return image[..., :2] / depth[..., None], depth


@dataclass(frozen=True, slots=True)
class Light:
    """A far lamp: ``towards`` (3,) unit vector to it, its RGB ``colour``, the ``ambient`` RGB,
    depth of shadows.
    """

    towards: Array
    colour: Array
    ambient: Array
    shadow: float


@dataclass(frozen=True, slots=True)
class Patch:
    """A person cut out: premultiplied ``rgb`` (h, w, 3) and ``alpha`` (h, w) 0..1 float32 at
    ``left_top`` pixels.
    """

    rgb: npt.NDArray[np.float32]
    alpha: npt.NDArray[np.float32]
    left_top: tuple[int, int]

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture it covers."""
        x, y = self.left_top
        h, w = self.alpha.shape
        return slice(y, y + h), slice(x, x + w)


def draw_figure(figure: Figure, vertices: Array, camera: Camera, light: Light) -> Patch | None:
    """The posed ``figure`` as the camera sees it without anything before it; None outside of the
    picture.
    """
    xy, depth = camera.project(vertices)
    w, h = camera.size_wh
    low, high = np.floor(xy.min(axis=0)).astype(int) - 2, np.ceil(xy.max(axis=0)).astype(int) + 3
    x0, y0, x1, y1 = max(low[0], 0), max(low[1], 0), min(high[0], w), min(high[1], h)
    if x1 <= x0 or y1 <= y0 or depth.min() <= 0.1:
        return None
    corners, rgb = _visible_faces(figure, vertices, xy, depth, camera, light)
    big = (corners - np.array([x0, y0]) + 0.5) * OVERSAMPLING - 0.5
    canvas = np.zeros(((y1 - y0) * OVERSAMPLING, (x1 - x0) * OVERSAMPLING, 4), np.uint8)
    for polygon, colour in zip(
        np.round(big * (1 << SHIFT)).astype(np.int32), rgb.tolist(), strict=True
    ):
        cv2.fillConvexPoly(canvas, polygon, colour, cv2.LINE_8, SHIFT)
    small = cv2.resize(canvas, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA).astype(np.float32)
    return Patch(small[..., :3], small[..., 3] / np.float32(255), (int(x0), int(y0)))


def _visible_faces(
    figure: Figure, vertices: Array, xy: Array, depth: Array, camera: Camera, light: Light
) -> tuple[Array, Array]:
    """Corners (F, 4, 2) in pixels and colours (F, 4) RGBA 0..255 of the faces towards the camera,
    far to near.
    """
    corner = vertices[figure.faces]
    normal = (
        np.cross(corner[:, 2] - corner[:, 0], corner[:, 3] - corner[:, 1]) * figure.outward[:, None]
    )
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-12
    middle = corner.mean(axis=1)
    view = camera.position - middle
    seen = np.flatnonzero(np.sum(normal * view, axis=1) > 0)
    seen = seen[np.argsort(-depth[figure.faces[seen]].mean(axis=1), kind="stable")]
    normal, view = normal[seen], view[seen] / np.linalg.norm(view[seen], axis=1, keepdims=True)
    rgb = _shade(figure.colour[seen], figure.gloss[seen], normal, view, light)
    rgba = np.concatenate([rgb * 255, np.full((len(rgb), 1), 255.0)], axis=1)
    return xy[figure.faces[seen]], rgba


def _shade(colour: Array, gloss: Array, normal: Array, view: Array, light: Light) -> Array:
    """Lambert with a soft terminator, light from sky and ground, a faint mirror, in linear light;
    RGB (F, 3) 0..1.
    """
    facing = normal @ light.towards
    direct = np.clip((facing + 0.25) / 1.25, 0, None) ** 1.2
    sky = 0.62 + 0.38 * normal[:, 1]
    rim = 0.75 + 0.25 * np.clip(
        np.sum(normal * view, axis=1), 0, 1
    )  # folds and neighbours shade grazing surfaces
    half = view + light.towards
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    mirror = gloss * np.clip(np.sum(normal * half, axis=1), 0, 1) ** 18
    power = direct[:, None] * light.colour + (sky * rim)[:, None] * light.ambient
    linear = colour**2.2 * power + mirror[:, None] * light.colour * 0.5
    result: Array = np.clip(linear, 0, 1) ** (1 / 2.2)
    return result


def composite(picture: npt.NDArray[np.float32], patch: Patch) -> None:
    """Lay a person over ``picture`` (H, W, 3) float32 0..255, in place."""
    view = picture[patch.window]
    view *= 1 - patch.alpha[..., None]
    view += patch.rgb


def cast_shadow(
    shade: npt.NDArray[np.float32], vertices: Array, figure: Figure, camera: Camera, light: Light
) -> None:
    """Darken ``shade`` (h, w) float32, a quarter-size map of how much light is left, where the
    body's shadow falls.
    """
    down = vertices[:, 1:2] / max(light.towards[1], 0.2)
    ground = vertices - down * light.towards
    ground[:, 1] = 0
    xy, depth = camera.project(ground)
    if depth.min() <= 0.2:
        return
    scale = np.array(shade.shape[::-1]) / np.array(camera.size_wh)
    quads = np.round((xy * scale)[figure.faces[::2]] * (1 << SHIFT)).astype(np.int32)
    mask = np.zeros(shade.shape, np.uint8)
    for quad in quads[np.abs(quads).max(axis=(1, 2)) < (1 << 14)]:
        cv2.fillConvexPoly(mask, quad, 255, cv2.LINE_8, SHIFT)
    sigma = max(1.0, 0.02 * camera.focal * scale[0] / float(np.median(depth)))
    soft = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), sigma)
    shade *= 1 - light.shadow * soft


def expose(
    picture: npt.NDArray[np.float32],
    rng: np.random.Generator,
    gain: float,
    blur: float,
    noise: float,
) -> Image:
    """Lens blur (sigma, pixels), exposure ``gain`` and sensor ``noise`` (sigma, grey levels)."""
    if blur > 0:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), blur), np.float32)
    h, w = picture.shape[:2]
    grain = rng.standard_normal((h, w, 1), dtype=np.float32) * np.float32(noise)
    result: Image = np.clip(picture * np.float32(gain) + grain + 0.5, 0, 255).astype(np.uint8)
    return result
