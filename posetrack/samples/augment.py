"""Augmentation of training crops: how much a sample may change, and the changes of its picture.

The geometry (``samples.warp``) follows the HRNet paper and its code: rotation, scale, mirroring,
half body; colour, blur, JPEG and occluders come on top. Everything is drawn from the generator that
is passed in: same generator, same sample.
"""

from __future__ import annotations

__all__ = [
    "GEOMETRIES",
    "NO_AUGMENTATION",
    "PAPER",
    "STRONG",
    "Augmentation",
    "augment_image",
]

from dataclasses import dataclass

import cv2
import numpy as np

from posetrack.structures import Image

# How rotation, scale and half bodies are drawn: as the official HRNet code has it, or by the
# plainer rules under which the bundled networks were trained (``samples.warp`` has both).
GEOMETRIES = ("official", "uniform")


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much a sample may change. Probabilities are ``p_*``; geometry defaults are the paper's
    (Sun et al. 2019).

    ``geometry`` "official": ``rotation_deg`` and ``scale`` are standard deviations of normal draws
    (the scale's around 1), cut at two and at one of them; ``p_half_body`` is for people with more
    than ``half_body_joints`` labelled joints. "uniform": they bound uniform draws, and everybody
    may be cut to a half. ``shift`` is in box sizes. With ``p_upright`` a person who is not cut to a
    half is first turned upright, however much they lean (``upright``).

    ``colour`` scales brightness, contrast and saturation; ``occluder`` is the largest occluder in
    crop sizes. With ``p_neighbour`` somebody else of the data is pasted beside, before or behind
    the person. Classifiers see at least a part ``area`` of a picture; of the geometry only
    ``p_flip`` is theirs.
    """

    p_flip: float = 0.5
    rotation_deg: float = 45.0
    p_rotation: float = 0.6
    scale: float = 0.35
    shift: float = 0.0
    p_half_body: float = 0.3
    half_body_joints: int = 8
    geometry: str = "official"
    p_upright: float = 0.0
    colour: float = 0.0
    p_grey: float = 0.0
    p_blur: float = 0.0
    p_jpeg: float = 0.0
    p_noise: float = 0.0
    p_occluder: float = 0.0
    occluder: float = 0.3
    p_neighbour: float = 0.0
    area: float = 0.08


NO_AUGMENTATION = Augmentation(p_flip=0, p_rotation=0, scale=0, p_half_body=0)
PAPER = Augmentation()
STRONG = Augmentation(
    geometry="uniform",
    shift=0.06,
    colour=0.3,
    p_grey=0.05,
    p_blur=0.15,
    p_jpeg=0.15,
    p_noise=0.1,
    p_occluder=0.3,
    p_half_body=0.2,
)


# --- picture
# --------------------------------------------------------------------------------------------------


def augment_image(image: Image, how: Augmentation, rng: np.random.Generator) -> Image:
    """Occluder, colour, blur, noise and JPEG artefacts on a crop (H, W, 3); joints stay where they
    are.
    """
    if rng.random() < how.p_occluder:
        image = _occlude(image, how.occluder, rng)
    if how.colour:
        image = _colour(image, how.colour, rng.random() < how.p_grey, rng)
    if rng.random() < how.p_blur:
        image = _blur(image, rng)
    if rng.random() < how.p_noise:
        noise = rng.normal(0, rng.uniform(2, 12), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < how.p_jpeg:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))])
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[assignment]
    return image


def _occlude(image: Image, largest: float, rng: np.random.Generator) -> Image:
    """A filled rectangle or ellipse in a colour of the picture, or a piece of the picture
    itself.
    """
    height, width = image.shape[:2]
    w, h = (rng.uniform(0.1, largest, 2) * (width, height)).astype(int) + 1
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    sx, sy = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    patch = image[sy : sy + h, sx : sx + w].copy()
    if rng.random() < 0.5:
        patch[:] = patch[h // 2, w // 2]
    mask = np.ones((h, w), bool)
    if rng.random() < 0.5:
        rows, columns = np.ogrid[-1 : 1 : h * 1j, -1 : 1 : w * 1j]
        mask = rows**2 + columns**2 <= 1
    out = image.copy()
    out[y : y + h, x : x + w][mask] = patch[mask]
    return out


def _colour(image: Image, amount: float, grey: bool, rng: np.random.Generator) -> Image:
    """Brightness, contrast, saturation and a tint, in one affine map of the colours."""
    gain = rng.uniform(1 - amount, 1 + amount) * rng.uniform(1 - amount / 3, 1 + amount / 3, 3)
    saturation = 0.0 if grey else rng.uniform(1 - amount, 1 + amount)
    matrix = saturation * np.eye(3) + (1 - saturation) / 3
    matrix = matrix * gain[:, None]
    middle = float(image.mean())
    offset = middle * (1 - gain.mean()) * 0.5 + 255 * rng.uniform(-amount, amount) / 3
    mixed = cv2.transform(
        image.astype(np.float32), np.concatenate([matrix, np.full((3, 1), offset)], axis=1)
    )
    clipped: Image = np.clip(mixed, 0, 255).astype(np.uint8)
    return clipped


def _blur(image: Image, rng: np.random.Generator) -> Image:
    """Out of focus, or enlarged from fewer pixels."""
    height, width = image.shape[:2]
    if rng.random() < 0.5:
        soft: Image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.8))
        return soft
    factor = rng.uniform(0.35, 0.8)
    small = cv2.resize(
        image,
        (max(int(width * factor), 1), max(int(height * factor), 1)),
        interpolation=cv2.INTER_AREA,
    )
    enlarged: Image = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return enlarged
