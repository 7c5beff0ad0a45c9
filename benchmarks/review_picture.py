"""The pictures of a review in the docs, of a drawn clip.

    python benchmarks/review_picture.py

Draws a clip of four people, plants three identity faults in its tracks, and takes pictures of its
review with Chromium (``chromium`` and the Python package playwright must be installed): as wide as
a desk screen, at a suspicious moment, and as wide as a telephone. Writes docs/review.jpg and
docs/review_narrow.jpg.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from posetrack.drawn.clip import draw_sequence
from posetrack.editing.edits import Name, Split, Swap, apply_edits
from posetrack.editing.log import EditLog
from posetrack.formats import native
from posetrack.track_table import frames_of, table_of
from posetrack.video.writer import VideoWriter

DOCS = Path(__file__).parents[1] / "docs"
SEED, FRAMES, SIZE_WH, PEOPLE = 21, 75, (960, 540), 4
FAULTS = (Swap(1, 2, start=38), Split(0, start=27, new=7), Split(3, start=55, new=8))
NAMES = (Name(1, "Ada"), Name(2, "Grace"))
PICTURES = (
    ("review.jpg", {"width": 1280, "height": 800}, "dark"),
    ("review_narrow.jpg", {"width": 390, "height": 844}, "light"),
)
QUALITY = 85


def write_clip(folder: Path) -> None:
    """clip.mp4, clip.jsonl with faults, and two edits."""
    drawn = draw_sequence(
        SEED,
        frames=FRAMES,
        size_wh=SIZE_WH,
        people=PEOPLE,
        camera="still",
        motions=("walk", "wave"),
        name="clip",
    )
    with VideoWriter(folder / "clip.mp4", SIZE_WH, drawn.fps) as writer:
        for frame in drawn.frames:
            writer.write(frame.image, frame.time_s)
    frames = [replace(f, head_xyxy=None) for f in drawn.labels.frames]
    faulty = apply_edits(table_of(frames, drawn.labels.skeleton), FAULTS)
    sequence = replace(drawn.labels, frames=tuple(frames_of(faulty, frames)), meta={})
    native.write(folder / "clip.jsonl", sequence)
    log = EditLog(folder / "clip.edits.jsonl", folder / "clip.jsonl")
    for edit in NAMES:
        log.add(edit)


def take(page: Any, address: str, target: Path) -> None:
    """Open the review, go to where two change places, and take the picture."""
    page.goto(address)
    page.wait_for_selector('#picture[data-frame="0"]')
    page.click(".moment:has-text('change places')")
    page.wait_for_selector(f'#picture[data-frame="{FAULTS[0].start}"]')
    page.wait_for_selector("#do-swap")
    page.wait_for_load_state("networkidle")
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0)")
    page.screenshot(path=target, type="jpeg", quality=QUALITY, full_page=True)


def main() -> None:
    """Draw, serve, take the pictures."""
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_path is None:
        sys.exit("Chromium is not installed.")
    with tempfile.TemporaryDirectory() as name:
        write_clip(Path(name))
        command = [sys.executable, "-m", "posetrack", "review", "clip.mp4", "--no-browser"]
        with (
            subprocess.Popen(command, cwd=name, stdout=subprocess.PIPE, text=True) as server,
            sync_playwright() as driver,
        ):
            try:
                assert server.stdout is not None
                address = server.stdout.readline().strip()
                browser = driver.chromium.launch(
                    executable_path=browser_path, args=["--no-sandbox"]
                )
                for target, viewport, scheme in PICTURES:
                    context = browser.new_context(viewport=viewport, color_scheme=scheme)
                    take(context.new_page(), address, DOCS / target)
                    context.close()
                browser.close()
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
