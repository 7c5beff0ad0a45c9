"""How a review of 10,000 frames of 20 people feels: writes benchmarks/results/review_speed.json.

    python benchmarks/review_speed.py

Makes a video of 1280x720 (a drawn picture that moves) and tracks of 20 people in it, opens its
review in Chromium (``chromium`` and the Python package playwright must be installed; without a
screen, so pictures are drawn by the processor), and measures as a user would notice: the time from
a request until the frame asked for is on the screen with its poses, the frames that are shown while
it plays at 25 a second, the longest pause of the page meanwhile, and the time from a key until an
edit is on the disk and seen.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import processor_name

from posetrack.drawn.clip import draw_sequence
from posetrack.formats import native
from posetrack.skeletons import COCO_17
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Tracks
from posetrack.video.writer import VideoWriter

RESULTS = Path(__file__).parent / "results" / "review_speed.json"
FRAMES, PEOPLE, FPS, SIZE_WH = 10_000, 20, 25.0, (1280, 720)
SEEKS, EDITS, PLAY_S = 9, 5, 8


def write_clip(folder: Path) -> None:
    """clip.mp4, a drawn picture that moves, and clip.jsonl: people on their ways, one always
    away.
    """
    with VideoWriter(folder / "clip.mp4", SIZE_WH, FPS) as writer:
        image = draw_sequence(1, frames=1, size_wh=SIZE_WH)[0].frame.image
        for index in range(FRAMES):
            writer.write(np.roll(image, 3 * index, axis=1), index / FPS)
    native.write(folder / "clip.jsonl", Sequence("clip", SIZE_WH, FPS, COCO_17, _labels()))


def _labels() -> Iterator[FrameLabels]:
    body = np.random.default_rng(0).uniform(0, 1, (PEOPLE, 17, 2)) * [40, 90]
    numbers = np.arange(PEOPLE)
    for index in range(FRAMES):
        x = 600 + 550 * np.sin(index / 200 + 2.1 * numbers)
        y = 300 + 250 * np.cos(index / 333 + numbers)
        xy = body + np.stack([x, y], axis=1)[:, None]
        boxes = Boxes(np.concatenate([xy.min(1), xy.max(1)], axis=1), np.full(PEOPLE, 0.8))
        tracks = Tracks(numbers + 1, Poses(xy, np.full((PEOPLE, 17), 0.8), boxes, COCO_17))
        yield FrameLabels(index, index / FPS, tracks[numbers != index // 400 % PEOPLE])


def measure(page: Any, address: str) -> dict[str, Any]:
    """Everything that a page tells."""
    start = time.perf_counter()
    page.goto(address)
    page.wait_for_selector('#picture[data-frame="0"]')
    first = time.perf_counter() - start
    page.wait_for_selector('#moments[data-version="0"]')
    order = np.random.default_rng(2).integers(0, FRAMES - 500, SEEKS).tolist()
    return {
        "first_picture_s": round(first, 2),
        "seek_s": _spread([_seek(page, frame) for frame in order]),
        "playing": _play(page),
        "edit_s": _spread([_edit(page, key, n) for n, key in enumerate(["s", "u"] * EDITS)]),
    }


def _seek(page: Any, frame: int) -> float:
    start = time.perf_counter()
    page.fill("#frame", str(frame))
    page.press("#frame", "Enter")
    page.wait_for_selector(f'#picture[data-frame="{frame}"]')
    return time.perf_counter() - start


def _play(page: Any) -> dict[str, float]:
    """Frames shown in some seconds of playing, and the page's longest pause."""
    page.evaluate(
        "window.seen = []; window.longest = 0; let last = performance.now();"
        "(function tick(now) { longest = Math.max(longest, now - last); last = now;"
        "requestAnimationFrame(tick) })(last);"
        "new MutationObserver(() => seen.push([performance.now(), +picture.dataset.frame]))"
        ".observe(picture, {attributeFilter: ['data-frame']})"
    )
    page.click("#play")
    page.wait_for_timeout(1000 * PLAY_S)
    page.click("#play")
    seen, longest = page.evaluate("[seen, longest]")
    seconds = (seen[-1][0] - seen[0][0]) / 1000
    return {
        "due_a_second": FPS,
        "played_a_second": round((seen[-1][1] - seen[0][1]) / seconds, 1),
        "shown_a_second": round(len({frame for _, frame in seen}) / seconds, 1),
        "longest_pause_ms": round(longest, 1),
    }


def _edit(page: Any, key: str, number: int) -> float:
    if not number:
        page.click(".lane:nth-child(1) .who")
        page.click(".lane:nth-child(2) .who", modifiers=["Shift"])
    start = time.perf_counter()
    page.keyboard.press(key)
    page.wait_for_selector(f'#picture[data-version="{number + 1}"]')
    return time.perf_counter() - start


def _spread(seconds: list[float]) -> dict[str, float]:
    low, high = min(seconds), max(seconds)
    values = {"median": statistics.median(seconds), "lowest": low, "highest": high}
    return {name: round(value, 3) for name, value in values.items()}


def _memory_mb(process: int) -> float | None:
    """What a process holds in memory, as Linux tells."""
    status = Path(f"/proc/{process}/status")
    if not status.exists():
        return None
    [line] = [x for x in status.read_text().splitlines() if x.startswith("VmRSS")]
    return round(int(line.split()[1]) / 1024)


def main() -> None:
    """Make the clip, serve it, measure, write."""
    from playwright.sync_api import sync_playwright

    browser_path = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser_path is None:
        sys.exit("Chromium is not installed.")
    with tempfile.TemporaryDirectory() as name:
        write_clip(Path(name))
        command = [sys.executable, "-m", "posetrack", "review", "clip.mp4", "--no-browser"]
        start = time.perf_counter()
        with (
            subprocess.Popen(command, cwd=name, stdout=subprocess.PIPE, text=True) as server,
            sync_playwright() as driver,
        ):
            try:
                assert server.stdout is not None
                address = server.stdout.readline().strip()
                started = time.perf_counter() - start
                browser = driver.chromium.launch(
                    executable_path=browser_path, args=["--no-sandbox"]
                )
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                found = measure(page, address)
                memory = _memory_mb(server.pid)
                version = browser.version
                browser.close()
            finally:
                server.terminate()
    result = {
        "clip": {"frames": FRAMES, "people": PEOPLE, "size_wh": SIZE_WH, "fps": FPS},
        "server_starts_s": round(started, 1),
        **found,
        "server_memory_mb": memory,
        "machine": {
            "processor": processor_name(),
            "cores": os.cpu_count(),
            "load_of_the_last_minute": round(os.getloadavg()[0], 1),
            "chromium": version,
            "python": platform.python_version(),
        },
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
