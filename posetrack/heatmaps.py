"""Heatmaps: Gaussian targets for training, decoding (argmax, quarter, DARK, smooth) and the flip
test. numpy only.

Heatmap points are (x, y) in heatmap pixels; ``geometry.heatmap_to_image`` takes them to the image.
Targets, plain and quarter decoding and the flip test follow the official HRNet code exactly, its
rounding included.
"""

from __future__ import annotations

__all__ = [
    "DECODERS",
    "STRIDE",
    "argmax",
    "decode",
    "flip_average",
    "flip_back",
    "gaussian_targets",
    "shift_right",
]

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

STRIDE = 4  # input pixels per heatmap pixel; networks of ablations have 8, 16 or 32
# below this a heatmap value counts as zero for DARK's logarithm; Zhang et al. 2020, official code
_LOG_FLOOR = 1e-10
# Blur of DARK in heatmap pixels = sigma of the training targets (2 at 256x192); official kernel
# half width.
_DARK_SIGMA, _DARK_RADIUS = 2.0, 5
# The same before "smooth" takes the maximum: 0.7 to 1.5 gave the same PCK on held-out people, 3
# less (bundled network).
_SMOOTH_SIGMA = 1.5

Float32 = npt.NDArray[np.float32]
Array = npt.NDArray[Any]


# --- targets
# --------------------------------------------------------------------------------------------------


def gaussian_targets(
    xy: Array,
    visible: Array,
    heatmap_wh: tuple[int, int],
    sigma: float = 2.0,
    stride: int = STRIDE,
) -> tuple[Float32, Float32]:
    """Target maps (K, h, w) and weights (K,) for joints (K, 2) in *input* pixels and their
    visibility (K,); ``stride`` input pixels make one of the heatmap.

    A Gaussian of height 1 on the nearest heatmap pixel, cut at 3 sigma. An invisible joint (<= 0.5)
    has an all-zero map and keeps its weight; a joint whose window misses the map has weight 0.
    ``int`` truncates toward zero, as official.
    """
    width, height = heatmap_wh
    visible = np.asarray(visible, np.float32)
    mu = np.trunc(np.nan_to_num(np.asarray(xy, np.float64)) / stride + 0.5)
    reach = np.trunc(3 * sigma)
    low, high = mu - 3 * sigma, mu + 3 * sigma + 1
    low, high = np.trunc(low), np.trunc(high)
    outside = (low >= (width, height)).any(axis=1) | (high < 0).any(axis=1)
    weight = np.where(outside, 0, visible).astype(np.float32)
    dx = np.arange(width)[None] - mu[:, :1]
    dy = np.arange(height)[None] - mu[:, 1:]
    gx = np.exp(-(dx**2) / (2 * sigma**2)) * (np.abs(dx) <= reach)
    gy = np.exp(-(dy**2) / (2 * sigma**2)) * (np.abs(dy) <= reach)
    target = gy[:, :, None] * gx[:, None, :] * (weight > 0.5)[:, None, None]
    return target.astype(np.float32), weight


# --- decoding
# --------------------------------------------------------------------------------------------------


def argmax(heatmaps: Array) -> tuple[Float32, Float32]:
    """First maximum of each map (N, K, h, w): points (N, K, 2) and values (N, K); (0, 0) where the
    maximum is <= 0.
    """
    n, k, height, width = heatmaps.shape
    flat = heatmaps.reshape(n, k, height * width)
    index = flat.argmax(axis=2)
    value = np.take_along_axis(flat, index[..., None], axis=2)[..., 0].astype(np.float32)
    xy = np.stack([index % width, index // width], axis=2).astype(np.float32)
    xy[value <= 0] = 0
    return xy, value


def decode(heatmaps: Array, method: str = "quarter") -> tuple[Float32, Float32]:
    """Joints (N, K, 2) in heatmap pixels and scores (N, K) of maps (N, K, h, w).

    ``method``: "plain" (argmax), "quarter" (a quarter pixel towards the higher neighbour,
    official), "dark" (Zhang et al. 2020: Taylor expansion of the log of the blurred map around the
    map's own maximum) or "smooth" (the same around the blurred map's maximum: where the most of a
    blunt or split peak lies). The score is the map's value at its maximum.
    """
    xy, score = argmax(heatmaps)
    return DECODERS[method](np.asarray(heatmaps, np.float32), xy), score


def _plain(_: Float32, xy: Float32) -> Float32:
    return xy


def _quarter(maps: Float32, xy: Float32) -> Float32:
    """Shift by 0.25 px towards the higher neighbour where 1 < x < w - 1 and 1 < y < h - 1."""
    x, y = xy[..., 0].astype(int), xy[..., 1].astype(int)
    inside = _inside(maps, x, y, low=2, high=2)
    at = _sampler(maps, np.where(inside, x, 1), np.where(inside, y, 1))
    step = np.stack([np.sign(at(1, 0) - at(-1, 0)), np.sign(at(0, 1) - at(0, -1))], axis=2)
    return xy + np.where(inside[..., None], np.float32(0.25) * step, np.float32(0))


def _dark(maps: Float32, xy: Float32) -> Float32:
    return _expanded(_blur(maps, _DARK_SIGMA), xy)


def _smooth(maps: Float32, _: Float32) -> Float32:
    blurred = _blur(maps, _SMOOTH_SIGMA, "edge")  # zeros would draw maxima away from the border
    return _expanded(blurred, argmax(blurred)[0])


def _expanded(maps: Float32, xy: Float32) -> Float32:
    """Equation 9 of Zhang et al. 2020: ``xy - H^-1 g`` of the log map; ``xy`` where the peak is no
    proper maximum.
    """
    maps = np.maximum(maps, _LOG_FLOOR)
    x, y = xy[..., 0].astype(int), xy[..., 1].astype(int)
    inside = _inside(maps, x, y, low=2, high=3)
    value = _sampler(maps, np.where(inside, x, 2), np.where(inside, y, 2))

    def at(dx: int, dy: int) -> Float32:
        logarithm: Float32 = np.log(value(dx, dy))
        return logarithm

    gx, gy = 0.5 * (at(1, 0) - at(-1, 0)), 0.5 * (at(0, 1) - at(0, -1))
    hxx = 0.25 * (at(2, 0) - 2 * at(0, 0) + at(-2, 0))
    hyy = 0.25 * (at(0, 2) - 2 * at(0, 0) + at(0, -2))
    hxy = 0.25 * (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1))
    det = hxx * hyy - hxy**2
    proper = inside & (det > 0) & (hxx < 0)
    det = np.where(proper, det, 1)
    offset = np.stack([(hxy * gy - hyy * gx) / det, (hxy * gx - hxx * gy) / det], axis=2)
    offset = np.clip(
        offset, -1, 1
    )  # beyond the next pixel the expansion around the maximum means nothing
    return (xy + np.where(proper[..., None], offset, 0)).astype(np.float32)


DECODERS: dict[str, Callable[[Float32, Float32], Float32]] = {
    "plain": _plain,
    "quarter": _quarter,
    "dark": _dark,
    "smooth": _smooth,
}


def _inside(maps: Array, x: Array, y: Array, low: int, high: int) -> npt.NDArray[np.bool_]:
    """Whether ``low <= x <= w - high`` and the same for y; (N, K)."""
    height, width = maps.shape[-2:]
    inside: npt.NDArray[np.bool_] = (
        (x >= low) & (x <= width - high) & (y >= low) & (y <= height - high)
    )
    return inside


def _sampler(maps: Float32, x: Array, y: Array) -> Callable[[int, int], Float32]:
    """A function (dx, dy) -> values (N, K) of the maps beside the points (x, y)."""
    height, width = maps.shape[-2:]
    n, k = np.ogrid[: maps.shape[0], : maps.shape[1]]

    def at(dx: int, dy: int) -> Float32:
        values: Float32 = maps[n, k, np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)]
        return values

    return at


def _blur(
    maps: Float32, sigma: float, outside: Literal["constant", "edge"] = "constant"
) -> Float32:
    """Gaussian blur with zeros ``outside`` or the border's values, each map scaled back to its old
    maximum.
    """
    offsets = np.arange(-_DARK_RADIUS, _DARK_RADIUS + 1)
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).astype(np.float32)
    blurred = maps
    for axis in (2, 3):
        pad = [(0, 0)] * 4
        pad[axis] = (_DARK_RADIUS, _DARK_RADIUS)
        padded = np.pad(blurred, pad, mode=outside)
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis)
        blurred, part = np.zeros_like(maps), np.empty_like(maps)
        for i, weight in enumerate(kernel):
            blurred += np.multiply(windows[..., i], weight, out=part)
    before = maps.max(axis=(2, 3), keepdims=True)
    after = blurred.max(axis=(2, 3), keepdims=True)
    scaled: Float32 = blurred * (before / np.where(after > 0, after, 1))
    return scaled


# --- flip test
# --------------------------------------------------------------------------------------------------


def flip_back(heatmaps: Array, flip_order: Sequence[int]) -> Array:
    """Maps (N, K, h, w) of a mirrored image as maps of the image: mirrored, left and right joints
    swapped.
    """
    return heatmaps[:, list(flip_order), :, ::-1]


def shift_right(heatmaps: Array) -> Array:
    """Maps moved one pixel to the right; column 0 keeps its value (the official SHIFT_HEATMAP)."""
    return np.concatenate([heatmaps[..., :1], heatmaps[..., :-1]], axis=-1)


def flip_average(
    heatmaps: Array, of_mirrored: Array, flip_order: Sequence[int], *, shift: bool = True
) -> Array:
    """Mean of the maps of an image and of its mirror image, the latter flipped back and shifted by
    one pixel.
    """
    back = flip_back(of_mirrored, flip_order)
    mean: Array = (heatmaps + (shift_right(back) if shift else back)) * np.float32(0.5)
    return mean
