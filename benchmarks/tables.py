"""Write the tables of README.md, docs/ and the model card from ``results/*.json``:
``python benchmarks/tables.py [--check]``.

A table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``; with ``--check`` nothing is
written and the exit code is 1 where a page does not say what the results say.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md", ROOT / "docs" / "scale.md")
RESULTS = Path(__file__).parent / "results"
_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numbers are right-aligned by their column's first row."""
    numeric = [not isinstance(cell, str) or cell[:1].isdigit() for cell in rows[0]]
    rule = ["--:" if n else "---" for n in numeric]
    return "".join(f"| {' | '.join(str(c) for c in row)} |\n" for row in (head, rule, *rows))


def read(name: str) -> Any:
    """A committed result file."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def ablation() -> str:
    """The groups worth a row on the page; the file has all of them."""
    shown = (
        "similarity",
        "true poses",
        "memory",
        "joint score",
        "detect every N frames, with flow",
    )
    rows = [r for r in read("ablation")["rows"] if r["group"].startswith(shown)]
    cells = [
        (
            r["group"],
            r["name"],
            *(f"{r[key]:.1f}" for key in ("mAP", "MOTA", "IDF1", "HOTA")),
            r["switches"],
        )
        for r in rows
    ]
    return table(("group", "variant", "mAP", "MOTA", "IDF1", "HOTA", "switches"), cells)


def eval_speed() -> str:
    """Processor seconds of the evaluator by part."""
    r = read("eval_speed")
    rows = [
        (part, f"{s['median']:.2f}", f"{s['min']:.2f}-{s['max']:.2f}")
        for part, s in r["processor_seconds"].items()
    ]
    return table(("part", "processor seconds, median", "range"), rows)


def pose_speed() -> str:
    """Pose estimation against the one-by-one procedure."""
    rows = []
    for name, r in read("pose_speed")["networks"].items():
        size = "x".join(map(str, r["size_wh"]))
        ways = [(way, s) for way, s in r.items() if isinstance(s, dict)]
        rows += [
            (
                f"{name.removeprefix('net:')} {size}",
                way,
                s["people_per_cpu_s"]["median"],
                s["times_eager"]["median"],
                s["times_eager_by_the_clock"]["median"],
            )
            for way, s in ways
        ]
    return table(
        (
            "network",
            "way",
            "people per processor second",
            "times eager",
            "times eager by the clock",
        ),
        rows,
    )


def pose_pck() -> str:
    """PCK of the bundled pose network."""
    r = read("pose_pck")
    tests = ("flip_test", "upright_test")
    rows = [
        (
            row["set"],
            row["people"],
            *("yes" if row[test] else "no" for test in tests),
            f"{row['pck']:.1f}" + (" (`lite`)" if row["as_in_preset_lite"] else ""),
        )
        for row in r["rows"]
    ]
    return table(("set", "people", "flip test", "upright test", "PCK@0.2"), rows)


def detector() -> str:
    """The bundled detector beside OpenCV's."""
    rows = []
    for name, r in read("detector")["detectors"].items():
        speed = r["speed_640x360"]
        ms = f"{speed['ms']:.0f} ({speed['processor_ms']:.0f})"
        rows.append((name, f"{r['AP50']:.1f}", f"{r['recall']:.0f} %", ms))
    return table(("detector", "AP50", "recall", "ms (of processor time) for a 640x360 image"), rows)


def detector_equal() -> str:
    """The bundled detector's network and another one, trained equally."""
    rows = [
        (
            name,
            f"{r['AP50']:.1f}",
            f"{r['recall']:.0f} %",
            f"{r['speed_640x360']['processor_ms']:.0f}",
            f"{r['training_cpu_s']:.0f}",
        )
        for name, r in read("detector_equal")["detectors"].items()
    ]
    return table(("network", "AP50", "recall", "ms for a 640x360 image", "s of training"), rows)


def track_clips() -> str:
    """Each clip with the default and its variants; times as ratios to the default."""
    rows = []
    for clip, r in read("track_clips")["clips"].items():
        base = r["variants"]["default"]
        for name, v in r["variants"].items():
            time = f"{v['cpu_s'] / base['cpu_s']:.2f}"
            rows.append(
                (
                    clip,
                    name,
                    v["frames"],
                    v["people"],
                    v["tracks"],
                    v["short_tracks"],
                    v["switches"],
                    time,
                )
            )
    head = (
        "clip",
        "variant",
        "frames",
        "poses",
        "tracks",
        "of < 10 frames",
        "switches",
        "processor time / default",
    )
    return table(head, rows)


def train_feed() -> str:
    """Training samples a second of one core, and what that keeps busy."""
    rows = []
    for r in read("train_feed")["rows"]:
        size = "x".join(map(str, r["size_wh"]))
        rows.append(
            (
                r["recipe"],
                f"{r['net']} {size}",
                r["from"],
                round(r["samples_per_s"]),
                f"{r['fed_tflops']:.1f}",
            )
        )
    return table(
        ("recipe", "network", "samples from", "samples/s of a core", "TFLOP/s that they feed"), rows
    )


def nets_ablation() -> str:
    """Networks trained equally: what they cost and what they had learnt."""
    rows = []
    for name, r in read("nets_ablation")["networks"].items():
        last = r["curve"][-1]
        cost = (f"{r['parameters'] / 1e6:.1f}", f"{r['macs'] / 1e6:.0f}", f"{r['crops_per_s']:.0f}")
        rows.append(
            (
                name,
                *cost,
                r["training_processor_s"],
                f"{last['pck_lspet']:.1f}",
                f"{last['pck_coco']:.1f}",
            )
        )
    head = (
        "network",
        "M parameters",
        "M multiply-adds",
        "crops/s",
        "seconds of training",
        "PCK LSPET",
        "PCK COCO",
    )
    return table(head, rows)


def presets() -> str:
    """Processor time of each preset."""
    rows = [
        (
            name,
            r["detector"],
            f"{r['detector_ms']:.0f}",
            r["weights"],
            f"{r['pose_ms_per_person']:.1f}",
        )
        for name, r in read("presets")["presets"].items()
    ]
    return table(("preset", "detector", "ms a 640x360 frame", "pose network", "ms a person"), rows)


def finetune_drawn() -> str:
    """Drawn test sequences before and after a fine-tune."""
    result = read("finetune_drawn")
    rows = []
    for boxes in ("labelled", "detector"):
        for when in ("before", "after"):
            scores = result[when][boxes]
            rows.append(
                (boxes, when, f"{scores['mAP']['Total']:.1f}", f"{scores['MOTA']['Total']:.1f}")
            )
    return table(("boxes", "fine-tune", "mAP", "MOTA"), rows)


def headline() -> str:
    """The few figures that say most, with what stands beside them."""
    pck = {(r["set"], r["as_in_preset_lite"]): r["pck"] for r in read("pose_pck")["rows"]}
    detector = next(iter(read("detector")["detectors"].values()))
    rows = [
        ("limbs: PCK@0.2, COCO val 109, given boxes", f"{pck['coco_val2017', True]:.1f}"),
        ("limbs: PCK@0.2, LSPET last 500", f"{pck['lspet_last500', True]:.1f}"),
        ("people: AP50, COCO val 109", f"{detector['AP50']:.1f}"),
    ]
    return table(("the preset `lite`, bundled", "percent"), rows)


def engine() -> str:
    """Whole commands against the first edition."""
    rows = []
    for name, r in read("engine")["commands"].items():
        if not isinstance(r, dict) or "times" not in r:
            continue
        now, before, times = r["now"], r["before"], r["times"]
        rows.append(
            (
                f"{name}, {now['frames']} frames",
                *(f"{side['frames_per_s']['median']:.1f}" for side in (before, now)),
                *(f"{times[k]['median']:.2f}" for k in ("steady", "process_s", "processor_s")),
            )
        )
    head = (
        "run",
        "frames/s, first edition",
        "frames/s, now",
        "times as fast, steady",
        "whole process",
        "by processor time",
    )
    return table(head, rows)


def engine_start() -> str:
    """One picture, the whole process."""
    rows = [
        (edition, f"{r['first_s']:.1f}", f"{r['later_s']['median']:.2f}")
        for edition, r in _sides(read("engine")["start"])
    ]
    return table(("edition", "first run, seconds", "later runs, seconds"), rows)


def engine_network() -> str:
    """What of a run is no network."""
    rows = [
        (
            clip,
            f"{100 * r['share_of_wall_time']:.0f} %",
            f"{100 * r['share_of_processor_time']:.0f} %",
        )
        for clip, r in read("engine")["other_work"].items()
        if clip != "machine"
    ]
    return table(("clip", "of the wall time no network runs", "of the processor time"), rows)


def engine_boxes() -> str:
    """Given boxes against the plain loop."""
    rows = [
        (
            way,
            f"{r['people_per_s']['median']:.1f}",
            f"{r['times_eager_by_the_clock']['median']:.2f}",
            f"{r['times_eager']['median']:.2f}",
        )
        for way, r in read("engine")["given_boxes"].items()
        if isinstance(r, dict) and "times_eager" in r
    ]
    head = ("HRNet-W32 256x192", "people/s", "times eager, by the clock", "by processor time")
    return table(head, rows)


def engine_scale() -> str:
    """More looks at once, and a crowd."""
    r = read("engine")
    rates = r["more_cores"]["frames_per_s"].items()
    rows = [(f"simulated networks, {n} at once", f"{rate:.1f}") for n, rate in rates]
    crowd = [
        (f"{r['crowd']['drawn_people']} drawn people, 1280x720, {edition}", side)
        for edition, side in _sides(r.get("crowd", {}))
    ]
    rows += [(name, f"{side['frames_per_s']['median']:.1f}") for name, side in crowd]
    return table(("run", "frames/s"), rows)


def _sides(result: dict[str, Any]) -> list[tuple[str, Any]]:
    names = {"before": "first edition", "now": "now"}
    return [(said, result[name]) for name, said in names.items() if name in result]


def scale() -> str:
    """Many videos and one long one on workers, against the plain loop."""
    rows: list[tuple[object, ...]] = []
    for name, r in read("scale")["rows"].items():
        if name == "serial":
            rows += [("clips, one by one", r["clips_s"], 1.0, "", "", "")]
            rows += [("long, one by one", r["long_s"], 1.0, "", "", "")]
        elif name != "simulated":
            same = "yes" if r["same_bytes"] and not r["errors"] else "**no**"
            killed = len(r["killed_at_s"]) or ""
            rows += [(name, r["seconds"], r["times_serial"], same, killed, r.get("start_s", ""))]
    head = ("run", "seconds", "times as fast", "same bytes", "workers killed", "start, s")
    return table(head, rows)


def identities() -> str:
    """One real clip: every tracker on the same boxes."""
    rows = read("identities")["real"]["rows"]
    keys = ("MOTA", "IDF1", "HOTA", "switches", "false", "missed", "identities")
    cells = [(r["tracker"], *(r[key] for key in keys)) for r in rows]
    return table(("tracker", *keys), cells)


TABLES: dict[str, Callable[[], str]] = {
    f.__name__: f
    for f in (
        ablation,
        detector,
        detector_equal,
        engine,
        engine_boxes,
        engine_network,
        engine_scale,
        engine_start,
        eval_speed,
        finetune_drawn,
        headline,
        identities,
        nets_ablation,
        pose_pck,
        pose_speed,
        presets,
        scale,
        track_clips,
        train_feed,
    )
}


def filled(text: str) -> str:
    """A page with its tables as the results have them."""
    return _BLOCK.sub(lambda m: m[1] + TABLES[m[2]]() + m[3], text)


def main() -> int:
    """Write, or with ``--check`` compare."""
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    new = {page: filled(text) for page, text in texts.items()}
    if "--check" in sys.argv:
        return int(new != texts)
    for page, text in new.items():
        page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
