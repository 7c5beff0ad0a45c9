"""Crops per second of every network, at its paper's smaller input size: writes
posetrack/nets/speeds.json.

    python benchmarks/nets_speed.py [--threads 2] [--batch 8] [--runs 5] [--processor-time] [NAME
    ...]

Float32 where the processor has no bfloat16, batch norm folded, channels_last, random weights; the
median of the runs with the lowest and highest. Networks that are not named keep the figures they
had. On a machine that is busy with other work, take --processor-time --threads 1 --batch 16 (on one
thread, PyTorch is slow for batches below 16): seconds of the processor, not of the clock.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from machine import processor_name

from posetrack.inference.devices import pick_device, pick_precision
from posetrack.nets import build
from posetrack.nets.published import PUBLISHED
from posetrack.nets.speed import measure

RESULTS = Path(__file__).parents[1] / "posetrack" / "nets" / "speeds.json"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--processor-time", action="store_true")
    args = parser.parse_args()
    if args.processor_time and args.threads != 1:
        parser.error("--processor-time adds up threads: it needs --threads 1")
    clock = time.process_time if args.processor_time else time.perf_counter
    torch.set_num_threads(args.threads)
    device = pick_device("auto")
    name_of_device = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
    )
    machine = {
        "device": name_of_device,
        "threads": args.threads,
        "precision": str(pick_precision(device)).removeprefix("torch."),
        "torch": torch.__version__,
        "batch": args.batch,
        "runs": args.runs,
        "clock": "processor time" if args.processor_time else "wall clock",
    }
    networks = json.loads(RESULTS.read_text())["networks"] if RESULTS.exists() else {}
    for name in args.names or PUBLISHED:
        size = next(iter(PUBLISHED[name].macs))
        speed = measure(build(name), size, batch=args.batch, runs=args.runs, clock=clock)
        networks[name] = {
            "size_wh": list(size),
            "crops_per_s": round(speed.median, 2),
            "lowest": round(speed.lowest, 2),
            "highest": round(speed.highest, 2),
        }
        print(
            f"{name:22s} {size[0]}x{size[1]} {speed.median:8.2f} ({speed.lowest:.2f} to "
            f"{speed.highest:.2f})",
            flush=True,
        )
        _write(
            {"machine": machine, "networks": {n: networks[n] for n in PUBLISHED if n in networks}}
        )


def _write(result: dict[str, Any]) -> None:
    """After every network, so that an interrupted run keeps what it has."""
    RESULTS.parent.mkdir(exist_ok=True)
    part = RESULTS.with_name(RESULTS.name + ".part")
    part.write_text(json.dumps(result, indent=1) + "\n")
    part.replace(RESULTS)


if __name__ == "__main__":
    main()
