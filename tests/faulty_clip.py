"""A clip with drawn people, and tracks of it with three identity faults planted."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from posetrack.drawn.clip import DrawnSequence, draw_sequence
from posetrack.editing.edits import Edit, Split, Swap, apply_edits
from posetrack.formats import native
from posetrack.structures import FrameLabels
from posetrack.track_table import frames_of, table_of
from posetrack.video.open import VideoWriter

FRAMES, SIZE_WH = 60, (320, 180)
# two exchange their identities when they cross, two lose theirs for new ones
FAULTS: tuple[Edit, ...] = (Swap(1, 2, start=30), Split(0, start=21, new=7), Split(3, 44, new=8))


@lru_cache(1)
def drawn_clip() -> DrawnSequence:
    """Four people, two of whom cross."""
    return draw_sequence(
        21,
        frames=FRAMES,
        size_wh=SIZE_WH,
        people=4,
        camera="still",
        motions=("walk", "wave"),
        clutter=0.3,
        name="clip",
    )


def faulty_frames(faults: tuple[Edit, ...] = FAULTS) -> tuple[FrameLabels, ...]:
    """The truth with the faults, as predictions: without what only truth has."""
    labels = drawn_clip().labels
    frames = [replace(f, head_xyxy=None, ignore_regions=()) for f in labels.frames]
    table = apply_edits(table_of(frames, labels.skeleton), faults)
    return tuple(frames_of(table, frames))


def write_clip(folder: Path) -> Path:
    """clip.mp4, truth.jsonl and clip.jsonl (with the faults) in a folder."""
    drawn = drawn_clip()
    with VideoWriter(folder / "clip.mp4", SIZE_WH, drawn.fps) as writer:
        for frame in drawn.frames:
            writer.write(frame.image, frame.time_s)
    native.write(folder / "truth.jsonl", drawn.labels)
    native.write(folder / "clip.jsonl", replace(drawn.labels, frames=faulty_frames(), meta={}))
    return folder
