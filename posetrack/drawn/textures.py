"""Procedural textures for drawn rooms and streets: (h, w, 3) float32 RGB 0..255, deterministic for
a generator.
"""

from __future__ import annotations

__all__ = ["TEXTURES", "clouds", "muted", "noise", "texture"]

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.float32]
Rng = np.random.Generator


def noise(
    rng: Rng, height: int, width: int, cells: float = 6, octaves: int = 5, fall: float = 0.55
) -> Picture:
    """Fractal noise (h, w) about 0 with standard deviation 1; ``cells`` blobs across at the
    coarsest octave.
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        n = cells * 2**octave
        rows, columns = max(2, round(n * height / width)), max(2, round(n))
        if rows > height or columns > width:
            break
        grain = rng.standard_normal((rows, columns), dtype=np.float32)
        total += fall**octave * cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)
    result: Picture = (total - total.mean()) / (total.std() + 1e-6)
    return result


def muted(rng: Rng, low: float = 0.12, high: float = 0.9, strength: float = 1.0) -> Picture:
    """A colour as things have it, RGB 0..255: mostly greys, browns and beiges, sometimes a bright
    one.

    ``low`` and ``high`` bound its brightness, ``strength`` its saturation.
    """
    warm = rng.random() < 0.65
    hue = rng.normal(0.09, 0.03) if warm else rng.random()
    return _colour(float(hue), float(rng.uniform(low, high)), strength * float(rng.beta(1.2, 3.5)))


def _colour(hue: float, value: float, saturation: float) -> Picture:
    """RGB 0..255 of a hue, value and saturation, each 0..1."""
    pure = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
    rgb: Picture = (255 * value * (1 - saturation * (1 - pure))).astype(np.float32)
    return rgb


def _flat(rgb: Picture, height: int, width: int) -> Picture:
    return np.ones((height, width, 1), np.float32) * rgb


def _mottled(
    rng: Rng, rgb: Picture, height: int, width: int, amount: float, cells: float = 8
) -> Picture:
    result: Picture = (
        _flat(rgb, height, width) * (1 + amount * noise(rng, height, width, cells))[..., None]
    )
    return result


def _plaster(rng: Rng, height: int, width: int) -> Picture:
    """A painted wall."""
    return _mottled(rng, muted(rng, 0.4, 0.95, 0.6), height, width, 0.035, 3)


def _wallpaper(rng: Rng, height: int, width: int) -> Picture:
    """A wall with upright stripes."""
    base = _mottled(rng, muted(rng, 0.4, 0.9, 0.6), height, width, 0.03)
    period = int(rng.integers(10, 60))
    base[:, np.arange(width) % period < period * rng.uniform(0.2, 0.6)] *= rng.uniform(0.75, 0.93)
    return base


def _bricks(rng: Rng, height: int, width: int) -> Picture:
    """Courses of bricks."""
    result = _flat(_colour(0.1, 0.7, 0.1), height, width)
    base = np.array([150, 90, 70], np.float32) * rng.uniform(0.6, 1.3)
    b, w = int(rng.integers(7, 12)), int(rng.integers(18, 30))
    for row in range(0, height, b):
        for x in range(-(row // b % 2) * w // 2, width, w):
            cv2.rectangle(
                result,
                (x + 1, row + 1),
                (x + w - 2, row + b - 2),
                (base * rng.normal(1, 0.09)).tolist(),
                -1,
            )
    return _rough(rng, result, 0.06)


def _planks(rng: Rng, height: int, width: int) -> Picture:
    """Floor boards running up the texture."""
    base = np.array([150, 108, 70], np.float32) * rng.uniform(0.5, 1.35)
    result, step = _flat(base, height, width), int(rng.integers(9, 26))
    for x in range(0, width, step):
        cut = int(rng.integers(0, height))
        for top, bottom in ((0, cut), (cut, height)):
            result[top:bottom, x : x + step] *= rng.normal(1, 0.1)
        result[:, x] *= 0.6
    grain = cv2.resize(
        rng.standard_normal((max(height // 30, 2), width), dtype=np.float32), (width, height)
    )
    return result * (1 + 0.05 * grain)[..., None]


def _tiles(rng: Rng, height: int, width: int) -> Picture:
    """Square tiles in two colours."""
    a, b, step = muted(rng, 0.4, 0.9, 0.5), muted(rng, 0.4, 0.9, 0.5), int(rng.integers(20, 50))
    y, x = np.mgrid[:height, :width]
    odd = (
        ((y // step + x // step) % 2)[..., None]
        if rng.random() < 0.6
        else np.zeros((height, width, 1))
    )
    result = np.where(odd == 1, a, b).astype(np.float32)
    result[(y % step == 0) | (x % step == 0)] *= 0.7
    return _rough(rng, result, 0.04)


def _carpet(rng: Rng, height: int, width: int) -> Picture:
    """A carpet, or bare concrete."""
    return _rough(rng, _mottled(rng, muted(rng, 0.2, 0.75, 0.7), height, width, 0.06), 0.06)


def _asphalt(rng: Rng, height: int, width: int) -> Picture:
    """Road or yard."""
    return _rough(
        rng,
        _mottled(rng, _colour(0.1, float(rng.uniform(0.3, 0.6)), 0.04), height, width, 0.07, 5),
        0.1,
    )


def _grass(rng: Rng, height: int, width: int) -> Picture:
    """A lawn."""
    green = np.array([92, 120, 52], np.float32) * rng.uniform(0.7, 1.3)
    return _rough(rng, _mottled(rng, green, height, width, 0.12, 10), 0.16)


def _sand(rng: Rng, height: int, width: int) -> Picture:
    """Sand or gravel."""
    return _rough(
        rng, _mottled(rng, np.array([190, 165, 128], np.float32), height, width, 0.08, 7), 0.1
    )


def clouds(rng: Rng, height: int, width: int) -> Picture:
    """A sky, brighter towards the bottom."""
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    blue = (
        np.array([105, 150, 205], np.float32) * (1 - down)
        + np.array([205, 220, 235], np.float32) * down
    )
    cover = np.clip(noise(rng, height, width, 4) * 0.4 + rng.uniform(-0.3, 0.9), 0, 1)[..., None]
    result: Picture = (blue * (1 - cover) + 232 * cover) * np.float32(rng.uniform(0.75, 1.05))
    return result


def _rough(rng: Rng, picture: Picture, amount: float) -> Picture:
    grain = rng.standard_normal(picture.shape[:2], dtype=np.float32)[..., None]
    result: Picture = picture * (1 + np.float32(amount) * grain)
    return result


# name -> (walls, floors indoors, floors outdoors); add yours here
TEXTURES: dict[str, dict[str, Callable[[Rng, int, int], Picture]]] = {
    "wall": {"plaster": _plaster, "wallpaper": _wallpaper, "bricks": _bricks, "tiles": _tiles},
    "floor": {"planks": _planks, "tiles": _tiles, "carpet": _carpet},
    "ground": {"asphalt": _asphalt, "grass": _grass, "sand": _sand, "tiles": _tiles},
}


def texture(rng: Rng, use: str, height: int, width: int) -> Picture:
    """A random texture for a "wall", "floor" or "ground"."""
    names = sorted(TEXTURES[use])
    result: Picture = np.clip(
        TEXTURES[use][names[rng.integers(len(names))]](rng, height, width), 0, 255
    )
    return result
