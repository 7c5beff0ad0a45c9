"""The pictures of a report in the docs, of a drawn clip.

    python benchmarks/report_picture.py

Draws a clip of three people, tracks it with the bundled networks, writes its report and takes a
picture of it with Chromium (``chromium`` must be installed), as wide as a desk screen and as wide
as a telephone. Writes docs/report.jpg and docs/report_narrow.jpg.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from posetrack import OutputOptions, PoseTracker
from posetrack.drawn.clip import draw_sequence
from posetrack.reporting.report import ReportOptions, report
from posetrack.video.writer import VideoWriter

DOCS = Path(__file__).parents[1] / "docs"
SEED, FRAMES, FPS, SIZE_WH, PEOPLE = 21, 75, 25.0, (640, 360), 3
WIDE, NARROW = (1280, 2250), (390, 1700)  # width and height of the pictures, pixels
LEAST_WIDTH = 500  # of a window of Chromium: narrower pages are shown in a frame inside of it


def picture(page: Path, size: tuple[int, int], target: Path) -> None:
    """What a browser shows of a page in a window of that size."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        sys.exit("Chromium is not installed.")
    width, height = size
    shown = page
    if width < LEAST_WIDTH:
        shown = page.with_name("frame.html")
        frame = f"width:{width}px;height:{height}px;border:0"
        shown.write_text(
            f'<body style="margin:0"><iframe src="{page.name}" style="{frame}"></iframe>'
        )
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        flags = ["--headless", "--no-sandbox", "--hide-scrollbars"]
        window = f"--window-size={max(width, LEAST_WIDTH)},{height}"
        subprocess.run(
            [browser, *flags, window, f"--screenshot={shot}", shown.as_uri()],
            check=True,
            capture_output=True,
        )
        image = cv2.imread(str(shot))
    image = np.asarray(image)[:, :width]
    cv2.imwrite(str(target), image, [cv2.IMWRITE_JPEG_QUALITY, 85])


def main() -> None:
    """Draw, track, report, and take the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        clip = draw_sequence(
            SEED,
            frames=FRAMES,
            size_wh=SIZE_WH,
            people=PEOPLE,
            fps=FPS,
            plot="lanes",
            camera="still",
            motions=("walk", "wave"),
        )
        video, out = Path(folder) / "drawn.mp4", Path(folder) / "out"
        with VideoWriter(video, SIZE_WH, FPS) as writer:
            for frame in clip.frames:
                writer.write(frame.image, frame.time_s)
        PoseTracker().record(video, OutputOptions(out, video=False))
        page = report([out], ReportOptions(out / "drawn.html", video))[0][0]
        picture(page, WIDE, DOCS / "report.jpg")
        picture(page, NARROW, DOCS / "report_narrow.jpg")


if __name__ == "__main__":
    main()
