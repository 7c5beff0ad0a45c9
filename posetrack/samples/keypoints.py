"""Training samples: a crop, an augmentation and a network's input size -> picture, target maps and
weights.
"""

from __future__ import annotations

__all__ = [
    "Batch",
    "Sampler",
    "batch_count",
    "collate",
    "make_sample",
    "subpixel_targets",
    "target_maps",
    "who",
]

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from posetrack.geometry import crop_image
from posetrack.heatmaps import STRIDE, gaussian_targets
from posetrack.samples.augment import Augmentation, augment_image
from posetrack.samples.crops import Crop
from posetrack.samples.neighbours import add_neighbour
from posetrack.samples.warp import draw_affine
from posetrack.structures import Image, InputSpec, Skeleton

Float32 = npt.NDArray[np.float32]

# a joint this far outside the crop, in sigmas of its target, still has a peak worth learning
MARGIN_SIGMA = 1.0


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures (B, H, W, 3) uint8, target maps (B, K, h, w) float32, weights (B, K) float32, joints
    (B, K, 2) px.

    A joint that was labelled but lies outside the picture has a target of zeros and weight 1; a
    joint nobody labelled has weight 0. ``names`` are those of the images.
    """

    image: npt.NDArray[np.uint8]
    target: Float32
    weight: Float32
    xy: Float32
    names: tuple[str, ...] = ()

    def part(self, start: int, stop: int) -> Batch:
        """Some of the samples."""
        which = slice(start, stop)
        return Batch(
            self.image[which],
            self.target[which],
            self.weight[which],
            self.xy[which],
            self.names[which],
        )


def make_sample(
    crop: Crop,
    skeleton: Skeleton,
    spec: InputSpec,
    sigma: float,
    how: Augmentation,
    rng: np.random.Generator,
    targets: str = "subpixel",
    neighbour: Crop | None = None,
    stride: int = STRIDE,
) -> tuple[Image, Float32, Float32, Float32]:
    """One sample: picture, target maps (K, h, w), weights (K,), joints (K, 2) in input pixels.

    ``targets`` is "subpixel" or "official" (rounded to heatmap pixels; a joint outside of the
    picture is not learnt).
    """
    affine, xy, mirrored = draw_affine(
        crop.xyxy, crop.xy, skeleton, spec.size_wh, spec.padding, how, rng
    )
    order = list(skeleton.flip_order) if mirrored else slice(None)
    weight = (crop.known & (crop.flag > 0))[order].astype(np.float32)
    image = crop_image(crop.image, affine, spec.size_wh)
    if neighbour is not None:
        image = add_neighbour(image, xy, neighbour, skeleton, rng)
    image = augment_image(image, how, rng)
    maps, weight = target_maps(targets, xy, weight, spec.size_wh, sigma, stride)
    return image, maps, weight, xy


def target_maps(
    targets: str,
    xy: Float32,
    weight: Float32,
    size_wh: tuple[int, int],
    sigma: float,
    stride: int = STRIDE,
) -> tuple[Float32, Float32]:
    """Target maps (K, h, w) and weights (K,) of joints (K, 2) px in an input of ``size_wh``;
    ``targets`` as for ``make_sample``, ``sigma`` in heatmap pixels of ``stride`` px.
    """
    if targets == "official":
        heatmap_wh = (size_wh[0] // stride, size_wh[1] // stride)
        return gaussian_targets(xy, weight, heatmap_wh, sigma, stride)
    return subpixel_targets(xy, weight, size_wh, sigma, stride), weight


def subpixel_targets(
    xy: Float32, weight: Float32, size_wh: tuple[int, int], sigma: float, stride: int = STRIDE
) -> Float32:
    """Gaussians (K, h, w) of height 1 centred exactly on the joints, zero for joints outside or
    without weight.

    Unlike the official targets (``heatmaps.gaussian_targets``) nothing is rounded to whole heatmap
    pixels, which counts at small sizes.
    """
    width, height = size_wh[0] // stride, size_wh[1] // stride
    mu = np.nan_to_num(xy / stride, nan=-1e3)
    margin = MARGIN_SIGMA * sigma
    inside = ((mu >= -margin) & (mu <= (width - 1 + margin, height - 1 + margin))).all(axis=1) & (
        weight > 0
    )
    gx = np.exp(-((np.arange(width)[None] - mu[:, :1]) ** 2) / (2 * sigma**2))
    gy = np.exp(-((np.arange(height)[None] - mu[:, 1:]) ** 2) / (2 * sigma**2))
    maps: Float32 = (gy[:, :, None] * gx[:, None, :] * inside[:, None, None]).astype(np.float32)
    return maps


@dataclass(frozen=True, slots=True)
class Sampler:
    """The batches of an epoch, a pure function of (seed, epoch): any worker or a resumed run makes
    the same ones.

    Process ``rank`` of ``world`` makes its share of every batch; together they make what one alone
    would.
    """

    crops: Sequence[Crop]
    skeleton: Skeleton
    spec: InputSpec
    sigma: float
    how: Augmentation
    batch_size: int
    seed: int
    targets: str = "subpixel"
    rank: int = 0
    world: int = 1
    stride: int = STRIDE

    def __len__(self) -> int:
        """Batches an epoch."""
        return batch_count(len(self.crops), self.batch_size, self.world)

    def batch(self, epoch: int, number: int) -> Batch:
        """Batch ``number`` of ``epoch``."""
        of_epoch = (len(self.crops), self.batch_size, self.seed, epoch, number)
        chosen = who(*of_epoch, rank=self.rank, world=self.world)
        crops = [self.crops[i] for i in chosen]
        made = collate(
            [self._sample(epoch, i, crop) for i, crop in zip(chosen, crops, strict=True)]
        )
        return replace(made, names=tuple(crop.name for crop in crops))

    def _sample(
        self, epoch: int, index: int, crop: Crop
    ) -> tuple[Image, Float32, Float32, Float32]:
        rng = np.random.default_rng((self.seed, epoch, index))
        neighbour = None
        if self.how.p_neighbour and rng.random() < self.how.p_neighbour:
            neighbour = self.crops[int(rng.integers(len(self.crops)))]
        return make_sample(
            crop,
            self.skeleton,
            self.spec,
            self.sigma,
            self.how,
            rng,
            self.targets,
            neighbour,
            self.stride,
        )


def batch_count(samples: int, batch_size: int, world: int = 1) -> int:
    """Batches an epoch: the last, smaller one counts, as in the official code, unless ``world``
    processes cannot have a sample of it each.
    """
    whole, rest = divmod(samples, batch_size)
    return max(1, whole + (rest >= world))


def who(
    samples: int,
    batch_size: int,
    seed: int,
    epoch: int,
    number: int,
    *,
    rank: int = 0,
    world: int = 1,
) -> list[int]:
    """The samples in batch ``number`` of ``epoch``: a slice of an order drawn for the epoch.

    Process ``rank`` of ``world`` gets its share; all shares are of the same size.
    """
    order = np.random.default_rng((seed, epoch)).permutation(samples)
    chosen: list[int] = order[number * batch_size : (number + 1) * batch_size].tolist()
    return chosen[rank : len(chosen) // world * world : world]


def collate(samples: Sequence[tuple[Image, Float32, Float32, Float32]]) -> Batch:
    """Samples stacked into a batch."""
    image, target, weight, xy = (np.stack(part) for part in zip(*samples, strict=True))
    return Batch(image, target, weight, xy)
