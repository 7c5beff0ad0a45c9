"""Many videos on several workers, and one long video in windows: the same bytes, and how fast.

    python benchmarks/scale.py [--clips 40] [--frames 10] [--long 96] [--kills 10]

Drawn clips of two people go through the bundled networks: one after the other in one process as it
comes (all cores), in two processes with one thread each (``--jobs 2``), and through Ray on one and
on two workers of one thread (``--workers``). Times are by the clock, from the first input handed
out to the last outcome, networks loaded before; the start of the workers stands beside them. Then
the long clip in windows, then both again while workers are killed (SIGKILL) at random moments. What
handing out costs is measured with a worker that does nothing; 64 workers are simulated by actors
that sleep. One run each: the load of the machine at the start is in the file. Writes
benchmarks/results/scale.json.
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
OPTIONS: dict[str, Any] = {"precision": "float32"}
SIMULATED, SLEEP_S, ROUNDS = 64, 4.0, 5
EMPTY_TASKS = 200


class Sleeper:
    """A worker whose work is to wait: ``threads`` stands for nothing."""

    def __init__(self, plan: Plan) -> None:
        self._seconds = plan.options["sleep"]

    def track(self, one: Input, repeated: bool, sentence: Callable[[Exception], str]) -> Outcome:
        """Waits."""
        time.sleep(self._seconds)
        return Outcome(one.name, Summary(one.name, []))

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


def ready(cluster: Cluster) -> None:
    """Until the actors are there with their networks loaded and run once."""
    ray: Any = __import__("ray")
    ray.get([worker.progress.remote() for worker in cluster._actors])


@contextmanager
def killing(kills: int, over_s: float, prefix: str) -> Iterator[list[float]]:
    """Workers are killed at ``kills`` random moments of ``over_s`` seconds; gives the moments."""
    rng, stop = random.Random(0), threading.Event()
    moments = sorted(rng.uniform(0.05, 1) * over_s for _ in range(kills))
    begin, done = time.monotonic(), []

    def work() -> None:
        for moment in moments:
            if stop.wait(max(0.0, begin + moment - time.monotonic())):
                return
            while not (found := workers(prefix)):
                if stop.wait(0.05):
                    return
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

    def __init__(self, folder: Path, clips: int, frames: int, long: int) -> None:
        self.folder = folder
        (folder / "clips").mkdir()
        for n in range(clips):
            draw(folder / "clips" / f"{n:02}.mp4", n, frames)
        self.long = draw(folder / "long.mp4", 1000, long)
        self.inputs = list_inputs([str(folder / "clips")])
        self.tracker = PoseTracker(**OPTIONS)
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
        self.tracker.record(self.long, self.outputs("serial_long"))
        self.long_s = time.perf_counter() - begin
        return {"clips_s": round(self.clips_s, 1), "long_s": round(self.long_s, 1)}

    def plan(self, name: str) -> Plan:
        """What workers do."""
        return Plan({**OPTIONS, "threads": 1}, self.outputs(name))

    def jobs(self, name: str, kills: int = 0) -> dict[str, Any]:
        """Two processes; their start is in the time."""
        begin = time.perf_counter()
        with killing(kills, self.clips_s / 2, "spawn_main") as killed:
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
            ready(cluster)
            start_s = time.perf_counter() - begin
            begin = time.perf_counter()
            with killing(kills, self.clips_s / count, "ray::_Worker") as killed:
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
            ready(cluster)
            start_s = time.perf_counter() - begin
            begin = time.perf_counter()
            with killing(kills, self.long_s, "ray::_Worker") as killed:
                self.tracker.record(self.long, self.outputs(name), windows=cluster)
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
            "times_serial": round(serial_s / seconds, 2),
            "same_bytes": found == tracks(self.folder / like),
            "errors": errors,
            "killed_at_s": killed,
        }


def simulated() -> dict[str, Any]:
    """What handing out costs a clip, and how near to linear 64 workers are."""
    empty = Plan({"threads": 1, "sleep": 0.0}, OutputOptions())
    with Cluster(empty, ClusterOptions(1), worker=Sleeper) as cluster:
        ready(cluster)
        begin = time.perf_counter()
        list(cluster.run([Input(str(n)) for n in range(EMPTY_TASKS)], sentence=sentence))
        overhead = (time.perf_counter() - begin) / EMPTY_TASKS
    asleep = replace(empty, options={"threads": 1, "sleep": SLEEP_S})
    with Cluster(asleep, ClusterOptions(SIMULATED), worker=Sleeper) as cluster:
        ready(cluster)
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


def measure(bench: Bench, kills: int) -> dict[str, Any]:
    """All rows, serial first: the others are compared with it."""
    return {
        "serial": bench.serial(),
        "clips, --jobs 2": bench.jobs("jobs"),
        "clips, --workers 1": bench.ray("ray1", 1),
        "clips, --workers 2": bench.ray("ray2", 2),
        "long, --workers 2": bench.windows("long2", 2),
        "clips, --workers 2, killed": bench.ray("ray_killed", 2, kills),
        "long, --workers 2, killed": bench.windows("long_killed", 2, kills),
    }


def main() -> None:
    """Draw, run, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--frames", type=int, default=10)
    parser.add_argument("--long", type=int, default=96)
    parser.add_argument("--kills", type=int, default=10)
    a = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="scale-"))
    load = os.getloadavg()[0]
    try:
        rows = measure(Bench(folder, a.clips, a.frames, a.long), a.kills)
    finally:
        shutil.rmtree(folder)
    result = {
        "machine": processor_name(),
        "cores": os.cpu_count(),
        "load_before": round(load, 1),
        "python": platform.python_version(),
        "clips": a.clips,
        "frames": a.frames,
        "long_frames": a.long,
        "size_wh": SIZE_WH,
        "people": PEOPLE,
        "rows": rows,
        "simulated": simulated(),
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
