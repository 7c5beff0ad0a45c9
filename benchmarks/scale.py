"""Many videos on several workers, and one long video in windows: the same bytes, and how fast.

    python benchmarks/scale.py [--clips 40] [--frames 10] [--long 96] [--seconds 0.4] [--kills 10]

Drawn clips of two people go through the bundled networks: one after the other in one process as it
comes (all cores), in two processes with one thread each (``--jobs 2``), and through Ray on one and
on two workers of one thread (``--workers``). Times are by the clock, from the first input handed
out to the last outcome, networks loaded before; the start of the workers stands beside them. Then
the long clip in windows, then both again while workers are killed (SIGKILL) at random moments. What
handing out costs is measured with a worker that does nothing; 64 workers are simulated by actors
that sleep. One run each: the load of the machine at the start is in the file. Of each clip
``--seconds`` are tracked, of the long one ten times as many; ``--drawn FOLDER`` keeps the clips for
the next time. ``--only ROW...`` measures some rows again. Writes
benchmarks/results/scale.json after every row.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from machine import processor_name

from posetrack import OutputOptions, PoseTracker, draw_sequence
from posetrack.cli import sentence
from posetrack.recording.results import Summary
from posetrack.running.cluster import Cluster, ClusterOptions
from posetrack.running.inputs import Input, list_inputs
from posetrack.running.jobs import run_jobs
from posetrack.running.work import Outcome, Plan
from posetrack.video.writer import VideoWriter

RESULTS = Path(__file__).parent / "results" / "scale.json"
SIZE_WH, PEOPLE, FPS = (320, 180), 2, 25.0
SIMULATED, SLEEP_S, ROUNDS = 64, 4.0, 5
EMPTY_TASKS = 200
GAP_S = (0.5, 7.0)  # between two kills
LONGER = 10  # times the seconds of a short clip


class Sleeper:
    """A worker whose work is to wait: ``threads`` stands for nothing."""

    def __init__(self, plan: Plan) -> None:
        self._seconds = plan.options["sleep"]

    def track(self, one: Input, repeated: bool, sentence: Callable[[Exception], str]) -> Outcome:
        """Waits."""
        time.sleep(self._seconds)
        return Outcome(one.name, Summary(one.name, []))

    def wake(self) -> None:
        """There is nothing to load."""

    def progress(self) -> tuple[None, None]:
        """Nothing to tell."""
        return None, None


def draw(path: Path, seed: int, frames: int) -> Path:
    """A clip on the disk."""
    clip = draw_sequence(seed, frames=frames, size_wh=SIZE_WH, people=PEOPLE, fps=FPS)
    with VideoWriter(path, clip.size_wh, clip.fps) as writer:
        for frame in clip.frames:
            writer.write(frame.image, frame.time_s)
    return path


def tracks(folder: Path) -> dict[str, bytes]:
    """The native files of a tree."""
    return {p.name: p.read_bytes() for p in sorted(folder.rglob("*.jsonl"))}


@contextmanager
def killing(kills: int, prefix: str, seed: str) -> Iterator[list[float]]:
    """Workers are killed at random moments, at most ``kills`` of them; gives the moments (s)."""
    rng, stop = random.Random(seed), threading.Event()
    begin, done = time.monotonic(), []

    def work() -> None:
        # a worker that was killed needs seconds to load its networks again
        while len(done) < kills and not stop.wait(rng.uniform(*GAP_S)):
            if found := workers(prefix):
                rng.choice(found).kill()
                done.append(round(time.monotonic() - begin, 2))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join()


def workers(prefix: str) -> list[psutil.Process]:
    """Processes of workers that were started by this one."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if prefix in " ".join(process.cmdline()[:3]):
                found.append(process)
    return found


class Bench:
    """Clips, the serial results, and runs compared with them."""

    def __init__(
        self,
        folder: Path,
        *,
        clips: int,
        frames: int,
        long: int,
        seconds: float,
        drawn: Path | None,
    ) -> None:
        self.folder = folder
        drawn = drawn or folder
        (drawn / "clips").mkdir(parents=True, exist_ok=True)
        for n in range(clips):
            if not (path := drawn / "clips" / f"{n:02}.mp4").exists():
                draw(path, n, frames)
        self.long = drawn / "long.mp4"
        if not self.long.exists():
            draw(self.long, 1000, long)
        self.inputs = list_inputs([str(drawn / "clips")])
        self.options = {"precision": "float32", "end": seconds}
        self.tracker = PoseTracker(precision="float32", end=seconds)
        self.long_tracker = PoseTracker(precision="float32", end=LONGER * seconds)
        self.tracker.record(self.long, self.outputs("warm"))

    def outputs(self, name: str) -> OutputOptions:
        """Tracks alone, to a folder of their own."""
        return OutputOptions(self.folder / name, video=False)

    def serial(self) -> dict[str, Any]:
        """The plain loop."""
        begin = time.perf_counter()
        for one in self.inputs:
            self.tracker.record(one.name, self.outputs("serial"))
        self.clips_s = time.perf_counter() - begin
        begin = time.perf_counter()
        self.long_tracker.record(self.long, self.outputs("serial_long"))
        self.long_s = time.perf_counter() - begin
        return {"clips_s": round(self.clips_s, 1), "long_s": round(self.long_s, 1)}

    def plan(self, name: str) -> Plan:
        """What workers do."""
        return Plan({**self.options, "threads": 1}, self.outputs(name))

    def jobs(self, name: str, kills: int = 0) -> dict[str, Any]:
        """Two processes; their start is in the time."""
        begin = time.perf_counter()
        with killing(kills, "spawn_main", name) as killed:
            events = run_jobs(self.inputs, self.plan(name), 2, sentence=sentence)
            errors = [e.outcome.error for e in events if e.outcome and e.outcome.error]
        seconds = time.perf_counter() - begin
        return self._row(
            seconds, self.clips_s, tracks(self.folder / name), "serial", errors, killed
        )

    def ray(self, name: str, count: int, kills: int = 0) -> dict[str, Any]:
        """Clips through Ray."""
        begin = time.perf_counter()
        with Cluster(self.plan(name), ClusterOptions(count)) as cluster:
            cluster.wait()
            start_s = time.perf_counter() - begin
            begin = time.perf_counter()
            with killing(kills, "ray::_Worker", name) as killed:
                events = cluster.run(self.inputs, sentence=sentence)
                errors = [e.outcome.error for e in events if e.outcome and e.outcome.error]
            seconds = time.perf_counter() - begin
        found = tracks(self.folder / name)
        row = self._row(seconds, self.clips_s, found, "serial", errors, killed)
        return row | {"start_s": round(start_s, 1)}

    def windows(self, name: str, count: int, kills: int = 0) -> dict[str, Any]:
        """The long clip in windows."""
        begin = time.perf_counter()
        with Cluster(self.plan(name), ClusterOptions(count)) as cluster:
            cluster.wait()
            start_s = time.perf_counter() - begin
            begin = time.perf_counter()
            with killing(kills, "ray::_Worker", name) as killed:
                self.long_tracker.record(self.long, self.outputs(name), windows=cluster)
            seconds = time.perf_counter() - begin
        found = tracks(self.folder / name)
        row = self._row(seconds, self.long_s, found, "serial_long", [], killed)
        return row | {"start_s": round(start_s, 1)}

    def _row(
        self,
        seconds: float,
        serial_s: float,
        found: dict[str, bytes],
        like: str,
        errors: list[str],
        killed: list[float],
    ) -> dict[str, Any]:
        return {
            "seconds": round(seconds, 1),
            "serial_s": round(serial_s, 1),
            "times_serial": round(serial_s / seconds, 2),
            "same_bytes": found == tracks(self.folder / like),
            "errors": errors,
            "killed_at_s": killed,
        }


def simulated() -> dict[str, Any]:
    """What handing out costs a clip, and how near to linear 64 workers are."""
    empty = Plan({"threads": 1, "sleep": 0.0}, OutputOptions())
    with Cluster(empty, ClusterOptions(1), worker=Sleeper) as cluster:
        cluster.wait()
        begin = time.perf_counter()
        list(cluster.run([Input(str(n)) for n in range(EMPTY_TASKS)], sentence=sentence))
        overhead = (time.perf_counter() - begin) / EMPTY_TASKS
    asleep = replace(empty, options={"threads": 1, "sleep": SLEEP_S})
    with Cluster(asleep, ClusterOptions(SIMULATED), worker=Sleeper) as cluster:
        cluster.wait()
        begin = time.perf_counter()
        inputs = [Input(str(n)) for n in range(SIMULATED * ROUNDS)]
        list(cluster.run(inputs, sentence=sentence))
        seconds = time.perf_counter() - begin
    return {
        "overhead_a_clip_s": round(overhead, 4),
        "workers": SIMULATED,
        "clips": SIMULATED * ROUNDS,
        "sleep_s": SLEEP_S,
        "seconds": round(seconds, 2),
        "linear_s": SLEEP_S * ROUNDS,
        "over_linear_percent": round(100 * (seconds / (SLEEP_S * ROUNDS) - 1), 1),
    }


def killed(run: Callable[[str, int], dict[str, Any]], kills: int) -> dict[str, Any]:
    """The run again and again until that many workers were killed: its rows as one."""
    rows: list[dict[str, Any]] = []
    while (left := kills - sum(len(row["killed_at_s"]) for row in rows)) > 0:
        rows.append(run(f"killed{len(rows)}_{run.__name__}", left))
    return rows[0] | {
        "runs": len(rows),
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        "times_serial": round(
            sum(r["serial_s"] for r in rows) / sum(r["seconds"] for r in rows), 2
        ),
        "same_bytes": all(row["same_bytes"] for row in rows),
        "errors": [error for row in rows for error in row["errors"]],
        "killed_at_s": [moment for row in rows for moment in row["killed_at_s"]],
    }


def measure(bench: Bench, kills: int, only: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All rows, or some; serial first: the others are compared with it."""

    def clips(name: str, kills: int) -> dict[str, Any]:
        return bench.ray(name, 2, kills)

    def long(name: str, kills: int) -> dict[str, Any]:
        return bench.windows(name, 2, kills)

    yield "serial", bench.serial()
    runs: dict[str, Callable[[], dict[str, Any]]] = {
        "clips, --jobs 2": lambda: bench.jobs("jobs"),
        "clips, --workers 1": lambda: bench.ray("ray1", 1),
        "clips, --workers 2": lambda: bench.ray("ray2", 2),
        "long, --workers 2": lambda: bench.windows("long2", 2),
        "clips, --workers 2, killed": lambda: killed(clips, kills),
        "long, --workers 2, killed": lambda: killed(long, kills),
        "simulated": simulated,
    }
    for name, run in runs.items():
        if not only or name in only:
            yield name, run()


def main() -> None:
    """Draw, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--long", type=int, default=96)
    parser.add_argument("--seconds", type=float, default=0.4)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--drawn", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="these rows; the others stay")
    a = parser.parse_args()
    result: dict[str, Any] = {
        "machine": processor_name(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "clips": a.clips,
        "frames": min(a.frames, round(a.seconds * FPS)),
        "long_frames": min(a.long, round(LONGER * a.seconds * FPS)),
        "size_wh": SIZE_WH,
        "people": PEOPLE,
        "rows": json.loads(RESULTS.read_text())["rows"] if a.only else {},
    }
    folder = Path(tempfile.mkdtemp(prefix="scale-"))
    sizes = {"clips": a.clips, "frames": a.frames, "long": a.long}
    try:
        bench = Bench(folder, **sizes, seconds=a.seconds, drawn=a.drawn)
        for name, row in measure(bench, a.kills, a.only):
            result["rows"][name] = row
            RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
