"""The README's picture: frames of a drawn clip with what the bundled weights made of them.

    python benchmarks/readme_picture.py assets/tracked.png

The people, the room and the street are drawn by posetrack.drawn.clip; no photograph is involved.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np

from posetrack import PoseTracker
from posetrack.drawn.clip import DrawnSequence, draw_sequence
from posetrack.recording.draw import draw_tracks
from posetrack.structures import Image
from posetrack.video.writer import VideoWriter

SEED, PEOPLE, FRAMES, SIZE_WH = 32, 3, 50, (640, 360)
SHOWN = (3, 26, 40)  # frames side by side: before, while and after people cross


def tracked_frames(clip: DrawnSequence) -> list[Image]:
    """The frames ``SHOWN`` with skeletons drawn in."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drawn.mp4"
        with VideoWriter(path, clip.size_wh, clip.fps) as writer:
            for frame in clip.frames:
                writer.write(frame.image, frame.time_s)
        return [
            draw_tracks(f.image, tracks)
            for f, tracks in PoseTracker().run(path)
            if f.index in SHOWN
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    clip = draw_sequence(arguments.seed, frames=FRAMES, size_wh=SIZE_WH, people=PEOPLE, noise=0.0)
    strip = np.concatenate(tracked_frames(clip), axis=1)
    small = cv2.resize(strip, None, fx=0.62, fy=0.62, interpolation=cv2.INTER_AREA)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(arguments.output), small[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(
        f"{arguments.output}: {small.shape[1]}x{small.shape[0]}, "
        f"{arguments.output.stat().st_size // 1024} KB"
    )


if __name__ == "__main__":
    main()
