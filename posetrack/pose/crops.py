"""The way of a box through a pose network: grown and padded, cropped by one affine warp, and the
heatmaps' points back to the image. Inference, scoring and validation all take it here.
"""

from __future__ import annotations

__all__ = ["Crops"]

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack import geometry, heatmaps
from posetrack.structures import FloatArray, Image, InputSpec


@dataclass(frozen=True, slots=True)
class Crops:
    """Where N people are looked at: an image each, and centre (N, 2), scale (N, 2), turn (N,) for
    ``crop_affine``.
    """

    images: Sequence[Image]
    center: FloatArray
    scale: FloatArray
    turn_deg: npt.NDArray[np.float64]

    @classmethod
    def of_boxes(cls, images: Sequence[Image], xyxy: FloatArray, spec: InputSpec) -> Crops:
        """The crops of boxes (N, 4), one an image, as the official code grows and pads them."""
        center, scale = geometry.box_to_center_scale(xyxy, spec.size_wh, spec.padding)
        return cls(images, center, scale, np.zeros(len(images)))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, which: npt.NDArray[np.intp]) -> Crops:
        images = [self.images[i] for i in which.tolist()]
        return Crops(images, self.center[which], self.scale[which], self.turn_deg[which])

    def grown(self, factor: float) -> Crops:
        """The same people in crops ``factor`` times as large."""
        return replace(self, scale=self.scale * np.float32(factor))

    def affines(self, size_wh: tuple[int, int]) -> npt.NDArray[np.float64]:
        """Matrices (N, 2, 3) from the image to a picture of the crop of this size."""
        return geometry.crop_affine(self.center, self.scale, size_wh, self.turn_deg)

    def pictures(self, size_wh: tuple[int, int], affines: Any = None) -> Image:
        """The crops as pictures (N, H, W, 3), at least one; ``affines`` where they are at hand."""
        affines = self.affines(size_wh) if affines is None else affines
        return np.stack(
            [
                geometry.crop_image(image, affine, size_wh)
                for image, affine in zip(self.images, affines, strict=True)
            ]
        )

    def decoded(self, maps: FloatArray, method: str) -> tuple[FloatArray, FloatArray]:
        """Keypoints (N, K, 2) in image pixels and scores (N, K) of heatmaps (N, K, h, w);
        ``method`` is a name in ``heatmaps.DECODERS``.
        """
        points, score = heatmaps.decode(maps, method)
        maps_wh = (maps.shape[3], maps.shape[2])
        xy = geometry.heatmap_to_image(points, self.center, self.scale, maps_wh, self.turn_deg)
        return xy, score
