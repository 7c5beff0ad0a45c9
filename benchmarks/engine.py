"""The engine: whole commands against an earlier checkout, the start, what is no network, given
boxes against the plain loop, more cores, a crowd. Writes benchmarks/results/engine.json.

    python benchmarks/engine.py CLIP [CLIP ...] [--before CHECKOUT] [--rounds 3] [--end 4]
        [--only PART ...] [--ultralytics]

PART is one of the functions in ``PARTS``; the others' results in the file stay. CHECKOUT is another
copy of this repository, say of its first edition: ``git worktree add ../first 96af439``; it is run
by the same Python. Both take turns in every round, each with a cache folder of its own, filled by a
run that does not count. The medians of the rounds' ratios are given, by the clock and by processor
time: believe the clock on an idle machine only.

``--ultralytics`` also times the network of YOLO11n-pose with random weights: ``pip install
ultralytics`` into an environment of your own first. It is under the AGPL and no part of this
project.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from machine import processor_name
from pose_speed import eager, measure

from posetrack import OutputOptions, PoseTracker
from posetrack.drawn.clip import draw_sequence
from posetrack.flow import NoFlow
from posetrack.inference.threads import set_threads, thread_count
from posetrack.nets import build
from posetrack.nets.blocks import init_he
from posetrack.pipeline import Pipeline, PipelineSettings
from posetrack.pose.estimator import PoseEstimator
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, Frame, Image, InputSpec, Poses
from posetrack.trackers import build_tracker
from posetrack.video.open import open_source
from posetrack.video.writer import VideoWriter

HERE = Path(__file__).resolve().parents[1]
RESULTS = HERE / "benchmarks" / "results" / "engine.json"
COMMAND = "import sys; from posetrack.cli import main; sys.exit(main())"
SIMULATED_S = 0.02  # of a frame's detection, and of a person's pose
CROWD, CROWD_WH, CROWD_FRAMES = 20, (1280, 720), 40


def run(checkout: Path, cache: Path, source: Path, *more: str) -> dict[str, float]:
    """``posetrack track`` of one checkout: seconds and processor seconds of the whole process, and
    frames a second by its own clock.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": str(checkout),
        "POSETRACK_CACHE": str(cache),
        "XDG_CACHE_HOME": str(cache),
    }
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-c", COMMAND, "track", str(source), "-o", folder]
        words += ["--quiet", "--json", *more]
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.perf_counter()
        done = subprocess.run(
            words, env=environment, cwd=folder, capture_output=True, text=True, check=True
        )
        seconds = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = json.loads(done.stdout)[0]
    processor = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return {
        "frames": summary["frames"],
        "people": summary["most_people"],
        "frames_per_s": summary["frames"] / summary["seconds"],
        "process_s": seconds,
        "processor_s": processor,
    }


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, lowest, highest."""
    found = {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
    return {name: round(value, 3) for name, value in found.items()}


@contextmanager
def caches(before: Path | None) -> Iterator[list[tuple[str, Path, Path]]]:
    """Name, checkout and an empty cache folder of each side."""
    with tempfile.TemporaryDirectory() as folder:
        sides = [("now", HERE)] + ([("before", before)] if before else [])
        yield [(name, checkout, Path(folder, name)) for name, checkout in sides]


def commands(args: argparse.Namespace) -> dict[str, Any]:
    """Whole commands, as they come and without the video, in turns with the earlier checkout."""
    found: dict[str, Any] = {}
    with caches(args.before) as sides:
        for clip in args.clips:
            kinds = {"as it comes": (), "no video": ("--no-video",)}
            for kind, more in kinds.items():
                options = ("--end", str(args.end), *more)
                rounds = [
                    {name: run(place, cache, clip, *options) for name, place, cache in sides}
                    for _ in range(args.rounds + 1)
                ][1:]
                found[f"{clip.name}, {kind}"] = compared(rounds)
                print(clip.name, kind, json.dumps(found[f"{clip.name}, {kind}"]), flush=True)
    return found


def compared(rounds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Medians of each side and of the ratios."""
    sides = {
        name: {
            "frames": rounds[0][name]["frames"],
            "people": rounds[0][name]["people"],
            **{
                key: spread([r[name][key] for r in rounds])
                for key in ("frames_per_s", "process_s", "processor_s")
            },
        }
        for name in rounds[0]
    }
    if "before" in sides:
        steady = [r["now"]["frames_per_s"] / r["before"]["frames_per_s"] for r in rounds]
        sides["times"] = {
            "steady": spread(steady),
            **{
                key: spread([r["before"][key] / r["now"][key] for r in rounds])
                for key in ("process_s", "processor_s")
            },
        }
    return sides


def start(args: argparse.Namespace) -> dict[str, Any]:
    """One picture, the whole process: the first run, and the later ones."""
    found: dict[str, Any] = {}
    with caches(args.before) as sides, tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "one").mkdir()
        picture = Path(folder) / "one" / "picture.png"
        with open_source(args.clips[0]) as source:
            image = next(iter(source)).image
        cv2.imwrite(str(picture), image[..., ::-1])
        seconds: dict[str, list[float]] = {name: [] for name, _, _ in sides}
        for _ in range(2 * args.rounds + 1):
            for name, checkout, cache in sides:
                seconds[name].append(run(checkout, cache, picture.parent)["process_s"])
    for name, values in seconds.items():
        found[name] = {"first_s": round(values[0], 2), "later_s": spread(values[1:])}
    return found


def other_work(args: argparse.Namespace) -> dict[str, Any]:
    """Of a run's seconds, the share in which no network was at work on any thread; of the processor
    seconds of a run on one thread, the share that went elsewhere.
    """
    found: dict[str, Any] = {}
    threads = thread_count()
    for clip in args.clips:
        spans, seconds, _ = networks_at_work(clip, args.end, time.perf_counter)
        set_threads(1)
        alone, _, processor = networks_at_work(clip, args.end, time.thread_time)
        set_threads(threads)
        found[clip.name] = {
            "share_of_wall_time": round(1 - covered(spans) / seconds, 3),
            "share_of_processor_time": round(1 - sum(b - a for a, b in alone) / processor, 3),
        }
        print(clip.name, found[clip.name], flush=True)
    return found


def networks_at_work(
    clip: Path, end_s: float, clock: Callable[[], float]
) -> tuple[list[tuple[float, float]], float, float]:
    """When networks ran, by ``clock``; the run's seconds and its processor seconds."""
    tracker = PoseTracker(end=end_s)
    spans: list[tuple[float, float]] = []
    for stage in (tracker.stages.detector, tracker.stages.pose):
        stage._run = replace(stage._run, arrays=timed(stage._run.arrays, spans, clock))  # type: ignore
    with tempfile.TemporaryDirectory() as folder:
        tracker.record(clip, OutputOptions(Path(folder, "warm")))
        spans.clear()
        begin, used = time.perf_counter(), time.process_time()
        tracker.record(clip, OutputOptions(Path(folder, "timed")))
        return spans, time.perf_counter() - begin, time.process_time() - used


def timed(
    job: Any, spans: list[tuple[float, float]], clock: Callable[[], float]
) -> Callable[[Any], Any]:
    """``job``, its begin and end written down."""

    def at_work(x: Any) -> Any:
        begin = clock()
        try:
            return job(x)
        finally:
            spans.append((begin, clock()))

    return at_work


def covered(spans: list[tuple[float, float]]) -> float:
    """Seconds in which at least one span lies."""
    total, until = 0.0, 0.0
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def given_boxes(args: argparse.Namespace) -> dict[str, Any]:
    """HRNet-W32 256x192, random weights, eight people for each thread: one person at a time in
    PyTorch, as the official code has it, against full batches.
    """
    torch.manual_seed(0)
    net = build("hrnet_w32", joints=15).eval()
    init_he(net, 15)  # the paper's initial weights give heatmaps of next to nothing
    spec, threads = InputSpec((192, 256)), torch.get_num_threads()
    rng = np.random.default_rng(0)
    people = 8 * threads
    images = [rng.integers(0, 255, (480, 640, 3), dtype=np.uint8) for _ in range(2)]
    corner = rng.uniform((0, 0), (400, 200), (people, 2))
    xyxy = np.concatenate([corner, corner + rng.uniform((60, 150), (200, 270), (people, 2))], 1)
    boxes = [Boxes(part, np.ones(len(part))) for part in np.array_split(xyxy, 2)]
    ways = {"eager": eager(net, spec)}
    for precision in ("float32", "bfloat16"):
        estimator = PoseEstimator(
            net, spec, POSETRACK_15, flip_test=False, precision=precision, runtime="auto"
        )
        ways[precision] = estimator.estimate
        if precision == "float32":
            distance = apart(
                estimator.estimate(images, boxes), one_by_one(net, spec, images, boxes)
            )
    found = measure(ways, (images, boxes), args.rounds, 2.0)
    return {**found, "most_px_apart_in_float32": round(distance, 4), "threads": threads}


def one_by_one(net: Any, spec: InputSpec, images: list[Image], boxes: list[Boxes]) -> list[Poses]:
    """The same poses, one person at a time."""
    single = PoseEstimator(
        net, spec, POSETRACK_15, flip_test=False, precision="float32", batch_size=1
    )
    single.side_by_side = False
    return single.estimate(images, boxes)


def apart(a: list[Poses], b: list[Poses]) -> float:
    """The largest distance of two joints."""
    pairs = zip(a, b, strict=True)
    return max(float(np.abs(one.xy - other.xy).max()) for one, other in pairs if len(one))


class Simulated:
    """Detection and poses that take fixed seconds of a thread and give what is on a list."""

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        time.sleep(SIMULATED_S * len(images))
        return [Boxes(np.array([[20, 20, 80, 200], [150, 20, 210, 200]]), np.ones(2))] * len(images)

    def estimate(
        self, images: Sequence[Image], boxes: Sequence[Boxes], *, padded: bool = True
    ) -> list[Poses]:
        time.sleep(SIMULATED_S * sum(map(len, boxes)))
        shape = np.random.default_rng(0).uniform(0, 1, (15, 2))
        found = []
        for b in boxes:
            xy, score = b.xyxy[:, None, :2] + shape * b.wh[:, None], np.full((len(b), 15), 0.8)
            found.append(Poses(xy, score, b, POSETRACK_15))
        return found


def more_cores(_: argparse.Namespace) -> dict[str, Any]:
    """Frames/s with 1, 2 and 4 looks at once, the networks simulated by sleeping."""
    frames = [Frame(i, i / 25, np.zeros((240, 320, 3), np.uint8)) for i in range(64)]
    rates: dict[int, float] = {}
    for looks in (1, 2, 4):
        stages, tracker = Simulated(), build_tracker("flow", POSETRACK_15)
        settings = PipelineSettings(looks=looks)
        pipeline = Pipeline(stages, NoFlow(), stages, tracker, settings)
        begin = time.perf_counter()
        assert sum(1 for _ in pipeline.run(frames)) == len(frames)
        rates[looks] = len(frames) / (time.perf_counter() - begin)
    return {
        "frames_per_s": {str(n): round(rate, 2) for n, rate in rates.items()},
        "two_to_four": round(rates[4] / rates[2], 3),
        "one_to_two": round(rates[2] / rates[1], 3),
    }


def crowd(args: argparse.Namespace) -> dict[str, Any]:
    """A drawn clip of twenty people."""
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "crowd.mp4"
        drawn = draw_sequence(5, frames=CROWD_FRAMES, size_wh=CROWD_WH, people=CROWD)
        with VideoWriter(clip, CROWD_WH, 25.0) as video:
            for index, image in enumerate(drawn.images):
                video.write(np.asarray(image), index / 25)
        with caches(args.before) as sides:
            rounds = [
                {name: run(place, cache, clip) for name, place, cache in sides}
                for _ in range(args.rounds + 1)
            ][1:]
    return {"drawn_people": CROWD, **compared(rounds)}


def ultralytics(args: argparse.Namespace) -> dict[str, Any]:
    """Frames/s of YOLO11n-pose's network alone, OpenVINO, 640x384, on pictures of noise."""
    import openvino
    from ultralytics import YOLO

    model = YOLO("yolo11n-pose.yaml").model.eval()
    x = torch.randn(1, 3, 384, 640)
    compiled = openvino.compile_model(
        openvino.convert_model(model, example_input=x), "CPU", {"PERFORMANCE_HINT": "LATENCY"}
    )
    rates = []
    for _ in range(args.rounds + 1):
        begin = time.perf_counter()
        for _ in range(20):
            compiled({0: x.numpy()})
        rates.append(20 / (time.perf_counter() - begin))
    return {"frames_per_s": spread(rates[1:])}


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    f.__name__: f for f in (commands, start, other_work, given_boxes, more_cores, crowd)
}


def main() -> None:
    """Measure, and write after every part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--end", type=float, default=4.0, help="seconds of each clip")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--ultralytics", action="store_true")
    args = parser.parse_args()
    args.clips = [clip.resolve() for clip in args.clips]
    parts = {name: PARTS[name] for name in args.only}
    if args.ultralytics:
        parts["ultralytics"] = ultralytics
    for name, part in parts.items():
        kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        kept[name] = {"machine": machine(), **part(args)}
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """Where a part was measured; a load far above the cores: believe the processor time alone."""
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "openvino": metadata.version("openvino"),
        "torch": torch.__version__,
        "load_average": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()
