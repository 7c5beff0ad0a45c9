"""People per second of pose estimation, images and boxes in, keypoints out: writes
benchmarks/results/pose_speed.json.

    python benchmarks/pose_speed.py [--threads 2] [--rounds 5] [--people 8] [--seconds 1] [WEIGHTS
    ...]

Several ways, one after the other in every round, so that what else the machine does falls on all of
them: "eager" runs the network as trained, float32, one person at a time, which is what most tools
do; "ours, 1" and "ours, N" are ``PoseEstimator`` with one person and with N in a batch (batch norm
folded, channels_last, the precision that the processor is good at), every layer on all threads;
"ours, N, a thread each" computes full batches side by side, as it does by itself; the ways named
OpenVINO leave the network to that, as ``posetrack track`` does on x86 processors. N people for
every thread. No flip test. After a round of warming up, the median over the rounds, with lowest and
highest, of people per second by the clock and by processor time, and of each round's ratio to
"eager" (by processor time, which other processes disturb least, and by the clock: trust that on an
idle machine only). WEIGHTS are names or files; ``net:NAME`` is a network with random weights at
256x192.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import processor_name
from torch import nn

from posetrack import geometry, heatmaps
from posetrack.nets import build
from posetrack.pose.estimator import PoseEstimator
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, Image, InputSpec, Poses
from posetrack.weights import load_pose

RESULTS = Path(__file__).parent / "results" / "pose_speed.json"
WEIGHTS = ("net:hrnet_w32", "pose_lite")

Estimate = Callable[[list[Image], list[Boxes]], list[Poses] | None]


def eager(net: nn.Module, spec: InputSpec) -> Estimate:
    """The plain procedure: crop, normalise, run and decode each person alone."""
    net = net.eval().requires_grad_(False)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (spec.mean, spec.std))

    def estimate(images: list[Image], boxes: list[Boxes]) -> None:
        for image, found in zip(images, boxes, strict=True):
            for box in found.xyxy:
                center, scale = geometry.box_to_center_scale(box[None], spec.size_wh, spec.padding)
                crop = geometry.crop_image(
                    image, geometry.crop_affine(center, scale, spec.size_wh)[0], spec.size_wh
                )
                x = (torch.from_numpy(crop).permute(2, 0, 1)[None].float() / 255 - mean) / std
                with torch.no_grad():
                    output = net(x)
                maps = (output[-1] if isinstance(output, list | tuple) else output).numpy()
                points, _ = heatmaps.decode(maps)
                geometry.heatmap_to_image(points, center, scale, (maps.shape[3], maps.shape[2]))

    return estimate


def measure(ways: dict[str, Estimate], scene: Any, rounds: int, seconds: float) -> dict[str, Any]:
    """Rates of every way in every round: the first round warms up."""
    people = sum(len(b) for b in scene[1])
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, estimate in ways.items():
            wall, cpu, done = time.perf_counter(), time.process_time(), 0
            while done == 0 or (number and time.perf_counter() - wall < seconds):
                estimate(*scene)
                done += people
            if number:
                rates[name].append(
                    (done / (time.perf_counter() - wall), done / (time.process_time() - cpu))
                )
    base = rates["eager"]
    return {
        name: {
            "people_per_s": _spread([wall for wall, _ in values]),
            "people_per_cpu_s": _spread([cpu for _, cpu in values]),
            "times_eager": _spread(
                [cpu / b for (_, cpu), (_, b) in zip(values, base, strict=True)]
            ),
            "times_eager_by_the_clock": _spread(
                [wall / b for (wall, _), (b, _) in zip(values, base, strict=True)]
            ),
        }
        for name, values in rates.items()
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {
        k: round(f(values), 2)
        for k, f in (("median", statistics.median), ("lowest", min), ("highest", max))
    }


def _scene(people: int) -> tuple[list[Image], list[Boxes]]:
    """Two pictures of noise with half of the people each."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (480, 640, 3), dtype=np.uint8) for _ in range(2)]
    corner = rng.uniform((0, 0), (400, 200), (people, 2))
    xyxy = np.concatenate(
        [corner, corner + rng.uniform((60, 150), (200, 270), (people, 2))], axis=1
    )
    return images, [Boxes(part, np.ones(len(part))) for part in np.array_split(xyxy, 2)]


def _load(name: str) -> tuple[nn.Module, InputSpec, Any, Any]:
    if name.startswith("net:"):
        return (
            build(name.removeprefix("net:"), joints=15),
            InputSpec((192, 256)),
            POSETRACK_15,
            None,
        )
    net, spec = load_pose(name)
    return net, spec.input, spec.skeleton, spec.notes.get("int8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="*", metavar="WEIGHTS", default=WEIGHTS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    networks = {}
    for name in args.weights:
        net, spec, skeleton, int8 = _load(name)
        options: dict[str, Any] = {"device": "cpu", "flip_test": False}
        one = PoseEstimator(net, spec, skeleton, batch_size=1, **options)
        many, together = (
            PoseEstimator(net, spec, skeleton, batch_size=args.people, **options) for _ in range(2)
        )
        fast, faster = (
            PoseEstimator(
                net, spec, skeleton, batch_size=n, runtime="openvino", int8=int8, **options
            )
            for n in (1, args.people)
        )
        one.side_by_side = many.side_by_side = False
        ways = {
            "eager": eager(net, spec),
            "ours, 1": one.estimate,
            f"ours, {args.people}": many.estimate,
        }
        if args.threads > 1:
            ways[f"ours, {args.people}, a thread each"] = together.estimate
        ways |= {
            "ours, 1, OpenVINO": fast.estimate,
            f"ours, {args.people}, OpenVINO": faster.estimate,
        }
        networks[name] = {
            "size_wh": list(spec.size_wh),
            "precision": many.precision,
            "precision_openvino": faster.precision,
            **measure(ways, _scene(args.people * args.threads), args.rounds, args.seconds),
        }
        for way in ways:
            print(name, way, networks[name][way], flush=True)
    machine = {
        "processor": processor_name(),
        "threads": args.threads,
        "torch": torch.__version__,
        "openvino": metadata.version("openvino"),
        "load_average": round(
            os.getloadavg()[0], 1
        ),  # far above the threads: believe the processor time alone
    }
    text = (
        json.dumps({"machine": machine, "rounds": args.rounds, "networks": networks}, indent=1)
        + "\n"
    )
    RESULTS.parent.mkdir(exist_ok=True)
    part = RESULTS.with_name(RESULTS.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(RESULTS)


if __name__ == "__main__":
    main()
