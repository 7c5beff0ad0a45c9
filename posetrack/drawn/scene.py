"""Drawn surroundings: rooms and streets full of rectangles, textures and clutter, on a canvas wider
than the picture.

The camera only turns and zooms, so the canvas (and the things that stand before people) follows by
one homography.
"""

from __future__ import annotations

__all__ = ["Layer", "Scene", "draw_scene", "warp"]

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from posetrack.drawn.render import Camera, Light
from posetrack.drawn.textures import Picture, Rng, clouds, muted, noise, texture

Array = npt.NDArray[np.float64]
CANVAS = 1.5  # size of the canvas in pictures, to leave room for turning
TEXELS = 60  # texture pixels per metre of wall or floor


@dataclass(frozen=True, slots=True)
class Layer:
    """A thing standing before people: canvas-sized ``rgb`` (premultiplied) and ``alpha`` at
    ``depth`` metres.
    """

    rgb: Picture
    alpha: Picture
    depth: float


@dataclass(frozen=True, slots=True)
class Scene:
    """What does not move: the ``canvas`` seen by the wide ``camera``, things in front, and the
    light.
    """

    canvas: Picture
    camera: Camera
    layers: tuple[Layer, ...]
    light: Light


def warp(
    picture: Picture, scene: Scene, camera: Camera, border: int = cv2.BORDER_REPLICATE
) -> Picture:
    """``picture`` on the scene's canvas as ``camera`` sees it."""
    move = camera.matrix @ np.linalg.inv(scene.camera.matrix)
    return cv2.warpPerspective(
        picture, move, camera.size_wh, flags=cv2.INTER_LINEAR, borderMode=border
    )


def draw_scene(
    rng: Rng, camera: Camera, occluders: int, clutter: float = 1.0, *, poles: int = 0
) -> Scene:
    """A room or a street round the base ``camera``, with ``occluders`` things and ``poles`` between
    2.5 m and 5 m from it.
    """
    w, h = camera.size_wh
    wide = replace(
        camera, size_wh=(round(w * CANVAS), round(h * CANVAS)), pan=0.0, tilt=camera.tilt, roll=0.0
    )
    indoors = rng.random() < 0.55
    canvas = _room(rng, wide, clutter) if indoors else _street(rng, wide, clutter)
    height, width = canvas.shape[:2]
    canvas *= (1 + 0.1 * noise(rng, height, width, 2, 2))[..., None]  # uneven light
    layers = tuple(
        _occluder(rng, wide, depth) for depth in np.sort(rng.uniform(2.6, 5.0, occluders))[::-1]
    )
    np.clip(canvas, 0, 255, out=canvas)
    light = _light(rng, indoors)
    return Scene(canvas, wide, (*layers, *_poles(rng, wide, poles)), light)


def _poles(rng: Rng, camera: Camera, count: int) -> list[Layer]:
    """Poles as thick as a person is wide, spread over the picture."""
    spread = (np.arange(count) + 0.5) / max(count, 1) - 0.5
    return [
        _layer(camera, 0.55 * float(share) * depth, float(depth), int(rng.integers(1 << 31)), 0)
        for share, depth in zip(spread, rng.uniform(2.6, 3.6, count), strict=True)
    ]


def _light(rng: Rng, indoors: bool) -> Light:
    towards = np.array([rng.uniform(-0.8, 0.8), rng.uniform(0.6, 1.2), rng.uniform(0.1, 0.9)])
    strength = rng.uniform(0.35, 0.7) if indoors else rng.uniform(0.3, 1.0)
    warm = np.array([1.0, 0.97, 0.9]) if rng.random() < 0.6 else np.array([0.95, 0.98, 1.0])
    ambient = np.array([0.95, 0.97, 1.0]) * rng.uniform(0.38, 0.62)
    return Light(
        towards / np.linalg.norm(towards), warm * strength, ambient, float(0.2 + 0.35 * strength)
    )


def _at(x: float, y: float, z: float) -> Array:
    return np.array([x, y, z], np.float64)


def _lay(canvas: Picture, picture: Picture, corners: Array, camera: Camera) -> None:
    """Put a texture on the plane with room ``corners`` (4, 3): top left, top right, bottom right,
    bottom left.
    """
    xy = camera.project(corners)[0]
    x0, y0 = np.clip(np.floor(xy.min(axis=0)), 0, camera.size_wh).astype(int)
    x1, y1 = np.clip(np.ceil(xy.max(axis=0)) + 1, 0, camera.size_wh).astype(int)
    if x1 <= x0 or y1 <= y0:
        return
    h, w = picture.shape[:2]
    source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    move = cv2.getPerspectiveTransform(source, (xy - [x0, y0]).astype(np.float32))
    size = (int(x1 - x0), int(y1 - y0))
    cover = cv2.warpPerspective(np.ones((h, w), np.float32), move, size)[..., None]
    part = canvas[y0:y1, x0:x1]
    part += cover * (
        cv2.warpPerspective(picture, move, size, borderMode=cv2.BORDER_REPLICATE) - part
    )


def _floor(canvas: Picture, rng: Rng, use: str, camera: Camera, far: float, wide: float) -> None:
    picture = texture(rng, use, round(min(far, 30) * TEXELS / 2), round(wide * TEXELS / 2))
    fade = np.linspace(rng.uniform(0.7, 1.0), 1.0, len(picture), dtype=np.float32)[:, None, None]
    corners = np.array(
        [(-wide / 2, 0, -far), (wide / 2, 0, -far), (wide / 2, 0, -0.9), (-wide / 2, 0, -0.9)]
    )
    _lay(canvas, picture * fade, corners, camera)


def _room(rng: Rng, camera: Camera, clutter: float) -> Picture:
    w, h = camera.size_wh
    back, wide, tall = rng.uniform(7.5, 11), 26.0, rng.uniform(2.6, 4.0)
    canvas = np.full((h, w, 3), rng.uniform(120, 220), np.float32)
    _floor(canvas, rng, "floor", camera, back, wide)
    wall = texture(rng, "wall", round(tall * TEXELS), round(wide * TEXELS))
    for _ in range(rng.poisson(11 * clutter)):
        _hang(wall, rng)
    wall[-round(0.1 * TEXELS) :] *= 0.6  # skirting board
    corners = np.array(
        [
            (-wide / 2, tall, -back),
            (wide / 2, tall, -back),
            (wide / 2, 0, -back),
            (-wide / 2, 0, -back),
        ]
    )
    _lay(canvas, wall, corners, camera)
    for depth in np.sort(rng.uniform(back - 1.6, back - 0.4, rng.poisson(5 * clutter)))[::-1]:
        _furniture(canvas, rng, camera, float(rng.uniform(-6, 6)), depth)
    return canvas


def _street(rng: Rng, camera: Camera, clutter: float) -> Picture:
    w, h = camera.size_wh
    canvas = clouds(rng, h, w)
    far = 60.0
    _floor(canvas, rng, "ground", camera, far, 120.0)
    for depth in np.sort(rng.uniform(14, 45, rng.poisson(5 * clutter) + 2))[::-1]:
        x = rng.uniform(-0.8, 0.8) * depth
        if rng.random() < 0.5:
            _building(canvas, rng, camera, x, depth)
        else:
            _tree(canvas, rng, camera, x, depth, rng.uniform(4, 9))
    for depth in np.sort(rng.uniform(9, 14, rng.poisson(4 * clutter)))[::-1]:
        _furniture(canvas, rng, camera, float(rng.uniform(-9, 9)), depth)
    return canvas


def _hang(wall: Picture, rng: Rng) -> None:
    """A picture, window, door or shelf on a wall's texture."""
    h, w = wall.shape[:2]
    kind, x = rng.integers(4), int(rng.integers(0, w))
    tall, wide = (round(v * TEXELS) for v in (rng.uniform(0.3, 1.1), rng.uniform(0.3, 1.4)))
    y = int(rng.integers(round(0.1 * h), max(round(0.5 * h), round(0.1 * h) + 1)))
    if kind == 1:  # a door
        tall, wide = round(2.0 * TEXELS), round(0.9 * TEXELS)
        y = h - tall
    x1, y1 = min(x + wide, w - 1), min(y + tall, h - 1)
    if x1 - x < 8 or y1 - y < 8:
        return
    frame, inner = muted(rng), wall[y + 3 : y1 - 2, x + 3 : x1 - 2]
    cv2.rectangle(wall, (x, y), (x1, y1), frame.tolist(), -1)
    if kind == 0:
        inner[:] = clouds(rng, inner.shape[0], inner.shape[1])
    elif kind == 1:
        inner[:] = frame * 0.93
    elif kind == 2:
        blots = [noise(rng, inner.shape[0], inner.shape[1], 3) for _ in range(3)]
        inner[:] = np.clip(muted(rng) + 40 * np.stack(blots, axis=-1), 0, 255)
    else:
        _books(inner, rng)


def _books(inner: Picture, rng: Rng) -> None:
    """Rows of book backs."""
    inner *= 0.4
    shelf = max(round(0.3 * TEXELS), 6)
    for bottom in range(shelf, inner.shape[0] + 1, shelf):
        x = 0
        while x < inner.shape[1]:
            thick, tall = int(rng.integers(2, 6)), round(shelf * rng.uniform(0.55, 0.9))
            inner[bottom - tall : bottom - 1, x : x + thick] = rng.uniform(20, 230, 3)
            x += thick + int(rng.random() < 0.2)


def _box(
    canvas: Picture, camera: Camera, centre: Array, size: Array, rgb: Picture, rng: Rng
) -> None:
    """A shaded box standing on the ground: ``centre`` of its bottom, ``size`` x, y, z metres."""
    (x, y, z), (a, b, c) = centre, size / np.array([2, 1, 2])
    sides = [
        (
            0.72,
            [(x - a, y + b, z - c), (x - a, y + b, z + c), (x - a, y, z + c), (x - a, y, z - c)],
            x - a > 0,
        ),
        (
            0.72,
            [(x + a, y + b, z + c), (x + a, y + b, z - c), (x + a, y, z - c), (x + a, y, z + c)],
            x + a < 0,
        ),
        (
            1.1,
            [
                (x - a, y + b, z - c),
                (x + a, y + b, z - c),
                (x + a, y + b, z + c),
                (x - a, y + b, z + c),
            ],
            y + b < camera.height,
        ),
        (
            0.9,
            [(x - a, y + b, z + c), (x + a, y + b, z + c), (x + a, y, z + c), (x - a, y, z + c)],
            True,
        ),
    ]
    for shade, corners, seen in sides:
        if seen:
            face = (1 + 0.06 * noise(rng, 48, 48, 3))[..., None] * (rgb * np.float32(shade))
            _lay(canvas, np.clip(face, 0, 255).astype(np.float32), np.array(corners), camera)


def _furniture(canvas: Picture, rng: Rng, camera: Camera, x: float, depth: float) -> None:
    """A cabinet, a table, a bench, a plant or a pole."""
    rgb, kind = muted(rng), rng.integers(5)
    at = _at(x, 0, -depth)
    if kind == 0:
        _box(
            canvas,
            camera,
            at,
            np.array([rng.uniform(0.6, 1.8), rng.uniform(0.6, 2.0), 0.5]),
            rgb,
            rng,
        )
    elif kind == 1:
        wide, tall = rng.uniform(0.8, 1.8), rng.uniform(0.6, 0.9)
        for dx in (-wide / 2 + 0.05, wide / 2 - 0.05):
            for dz in (-0.3, 0.3):
                leg, dark = np.array([0.06, tall, 0.06]), rgb * np.float32(0.7)
                _box(canvas, camera, _at(x + dx, 0, dz - depth), leg, dark, rng)
        _box(canvas, camera, _at(x, tall, -depth), np.array([wide, 0.05, 0.75]), rgb, rng)
    elif kind == 2:
        wide = rng.uniform(1.2, 2.2)
        _box(
            canvas,
            camera,
            _at(x, 0, -depth - 0.35),
            np.array([wide, 0.85, 0.2]),
            rgb * np.float32(0.9),
            rng,
        )
        _box(canvas, camera, at, np.array([wide, 0.42, 0.7]), rgb, rng)
    elif kind == 3:
        _box(canvas, camera, at, np.array([0.35, 0.35, 0.35]), rgb, rng)
        _leaves(canvas, rng, camera, _at(x, 0.85, -depth), 0.5)
    else:
        _box(canvas, camera, at, np.array([0.12, rng.uniform(1.2, 4), 0.12]), rgb, rng)


def _building(canvas: Picture, rng: Rng, camera: Camera, x: float, depth: float) -> None:
    wide, tall = rng.uniform(6, 18), rng.uniform(4, 14)
    wall = texture(rng, "wall", round(tall * 28), round(wide * 28))
    step, glass = int(rng.integers(50, 80)), muted(rng, 0.12, 0.7)
    for y in range(8, wall.shape[0] - 40, step):
        for left in range(8, wall.shape[1] - 40, step):
            cv2.rectangle(
                wall,
                (left, y),
                (left + step // 2, y + 34),
                (glass * rng.uniform(0.7, 1.2)).tolist(),
                -1,
            )
    a = wide / 2
    _lay(
        canvas,
        wall,
        np.array(
            [(x - a, tall, -depth), (x + a, tall, -depth), (x + a, 0, -depth), (x - a, 0, -depth)]
        ),
        camera,
    )


def _tree(canvas: Picture, rng: Rng, camera: Camera, x: float, depth: float, tall: float) -> None:
    _box(
        canvas,
        camera,
        np.array([x, 0, -depth]),
        np.array([0.4, tall * 0.6, 0.4]),
        np.array([80, 62, 48], np.float32),
        rng,
    )
    _leaves(canvas, rng, camera, np.array([x, tall * 0.7, -depth]), tall * 0.3)


def _leaves(canvas: Picture, rng: Rng, camera: Camera, centre: Array, radius: float) -> None:
    """A ball of leaves, darker below."""
    green = np.array([rng.uniform(50, 110), rng.uniform(85, 140), rng.uniform(30, 70)])
    spread = np.clip(rng.normal(0, 0.45, (140, 3)), -0.9, 0.9) * radius
    xy, depth = camera.project(centre + spread)
    for (u, v), d, (_, up, _) in zip(xy, depth, spread, strict=True):
        size = max(1, round(camera.focal * radius * 0.16 / d))
        rgb = green * np.clip(0.8 + 0.5 * up / radius, 0.35, 1.3) * rng.normal(1, 0.15)
        axes = (size, max(1, size // 2))
        cv2.ellipse(
            canvas, (int(u), int(v)), axes, float(rng.uniform(0, 180)), 0, 360, rgb.tolist(), -1
        )


def _occluder(rng: Rng, camera: Camera, depth: float) -> Layer:
    """Something in front of people."""
    x, seed, kind = rng.uniform(-0.35, 0.35) * depth, int(rng.integers(1 << 31)), rng.integers(3)
    return _layer(camera, x, depth, seed, int(kind))


def _layer(camera: Camera, x: float, depth: float, seed: int, kind: int) -> Layer:
    """A pole (``kind`` 0) or a piece of furniture: drawn twice, on black and on white, which gives
    its alpha.
    """
    w, h = camera.size_wh
    pictures = []
    for grey in (0.0, 255.0):
        canvas, again = np.full((h, w, 3), grey, np.float32), np.random.default_rng(seed)
        if kind == 0:
            size = np.array([again.uniform(0.15, 0.4), 4.0, 0.3])
            _box(canvas, camera, np.array([x, 0, -depth]), size, muted(again), again)
        else:
            _furniture(canvas, again, camera, x, depth)
        pictures.append(canvas)
    alpha = np.clip(1 - (pictures[1] - pictures[0]).mean(axis=2) / 255, 0, 1)
    return Layer(pictures[0], alpha.astype(np.float32), depth)
