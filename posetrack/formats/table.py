"""All the people of one sequence as flat arrays: what the evaluator reads, in double precision.

``Sequence`` is the type of the pipeline: float32, identities unique in a frame. Scores have to be
exact and must take files as they are (repeated or missing identities, people without joints), hence
this second, plainer form.
"""

from __future__ import annotations

__all__ = ["JOINTS", "NO_ID", "NO_SCORE", "LabelTable", "Polygon"]

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

# Joint order of the PoseTrack 2017 files (their point ids 0..14), in which the official tool prints
# its numbers.
JOINTS = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "neck",
    "nose",
    "head_top",
)
NO_ID = int(np.iinfo(np.int64).min)  # a person whose identity the file does not give
NO_SCORE = (
    -9999.0
)  # a joint whose score the file does not give; the official tool sorts it by this number

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Polygon = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LabelTable:
    """P people in F frames of one sequence, in file order (``frame`` never decreases).

    ``frame`` (P,) index into the F frames; ``track_id`` (P,), ``NO_ID`` where missing; ``xy`` (P,
    15, 2) pixels in the joint order of ``JOINTS``, NaN where absent; ``score`` (P, 15),
    ``NO_SCORE`` where the file has none (a NaN the file gives stays NaN); ``pose_score`` (P,), NaN
    where missing; ``box_xyxy`` and ``head_xyxy`` (P, 4), NaN where missing; ``has_points`` (P,) is
    False for a person whose file entry has no list of joints (an empty list is one). Per frame:
    ``images`` names, ``labeled`` 1 / 0, or -1 where the file does not say, ``regions`` polygons to
    ignore, ``index`` in the source and ``time_s`` (NaN where unknown). ``source`` is the file, for
    messages.
    """

    name: str
    source: str
    images: tuple[str, ...]
    labeled: npt.NDArray[np.int8]
    regions: tuple[tuple[Polygon, ...], ...]
    index: Ints
    time_s: Floats
    frame: Ints
    track_id: Ints
    xy: Floats
    score: Floats
    pose_score: Floats
    box_xyxy: Floats
    head_xyxy: Floats
    has_points: npt.NDArray[np.bool_]
    size_wh: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        people = len(self.frame)
        for name in (
            "track_id",
            "xy",
            "score",
            "pose_score",
            "box_xyxy",
            "head_xyxy",
            "has_points",
        ):
            if len(getattr(self, name)) != people:
                raise ValueError(
                    f"LabelTable.{name}: expected {people} rows, got {len(getattr(self, name))}"
                )

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def frame_count(self) -> int:
        """Number of frames, with and without people."""
        return len(self.images)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which joints exist, (P, 15)."""
        present: npt.NDArray[np.bool_] = ~np.isnan(self.xy[..., 0])
        return present

    def people(self, keep: npt.NDArray[Any]) -> LabelTable:
        """The same frames with some of the people: ``keep`` is a mask or ascending indices."""
        rows = {
            name: getattr(self, name)[keep]
            for name in (
                "frame",
                "track_id",
                "xy",
                "score",
                "pose_score",
                "box_xyxy",
                "head_xyxy",
                "has_points",
            )
        }
        return replace(self, **rows)

    def without_joints(self, drop: npt.NDArray[np.bool_]) -> LabelTable:
        """A copy in which the joints of ``drop`` (P, 15) are absent."""
        return replace(self, xy=np.where(drop[..., None], np.nan, self.xy))

    def where(self, person: int) -> str:
        """Words for a message: which frame a person stands in."""
        return self.where_frame(int(self.frame[person]))

    def where_frame(self, frame: int) -> str:
        """Words for a message: "frame 3 (images/...jpg)", counted from 0."""
        return f"frame {frame} ({self.images[frame]})" if self.images[frame] else f"frame {frame}"
