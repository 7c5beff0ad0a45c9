"""Networks that go together."""

from __future__ import annotations

__all__ = ["PRESETS", "Preset"]

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """What ``posetrack track --preset`` chooses: names of the manifest, and how the pose network is
    used.
    """

    detector: str
    weights: str
    flip: bool
    upright: bool
    decode: str


# All three give the PoseTrack-15 skeleton, so that one can be replaced by another.
PRESETS: dict[str, Preset] = {
    "lite": Preset("bundled", "pose_lite", flip=True, upright=True, decode="dark"),
    "balanced": Preset(
        "fasterrcnn_mobilenet_v3_large_fpn",
        "hrnet_w32_posetrack18_256x192",
        flip=False,
        upright=False,
        decode="quarter",
    ),
    "accurate": Preset(
        "fasterrcnn_resnet50_fpn_v2",
        "hrnet_w48_posetrack18_384x288",
        flip=True,
        upright=False,
        decode="dark",
    ),
}
