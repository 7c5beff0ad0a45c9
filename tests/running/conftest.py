"""Clips, a tiny untrained network and boxes: all that the plumbing of many videos needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import write_clip

from posetrack import OutputOptions, PoseTracker
from posetrack.checkpoints import ModelSpec, save
from posetrack.nets import build
from posetrack.nets.blocks import init_he
from posetrack.running.work import Plan
from posetrack.structures import InputSpec

FRAMES = 24


@pytest.fixture(scope="session", name="options")
def _options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Options of ``PoseTracker``."""
    folder = tmp_path_factory.mktemp("net")
    torch.manual_seed(0)
    args = {"joints": 15, "modules": [1, 1, 1], "blocks": 1}
    net = build("hrnet_w4", **args)
    init_he(net, 15)
    torch.nn.init.normal_(net.final_layer.weight, std=0.01)
    spec = ModelSpec("hrnet_w4", args, input=InputSpec((32, 32)))
    save(folder / "tiny.safetensors", net.state_dict(), spec)
    rows = [
        {"image_id": i, "category_id": 1, "bbox": [x, y, 20, 20], "score": 0.9}
        for i in range(4 * FRAMES)
        for n, (x, y) in enumerate([(2 + i % FRAMES, 4), (40, 24)])
        if n or i % 3
    ]
    (folder / "boxes.json").write_text(json.dumps(rows))
    return {
        "weights": str(folder / "tiny.safetensors"),
        "boxes": str(folder / "boxes.json"),
        "precision": "float32",
        "min_pose_score": 0,
        "min_new_score": 0,
        "min_joint_score": 0,
        "tracker": "flow",
        "oks_nms": 1,
    }


@pytest.fixture(scope="session", name="clips")
def _clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three videos in a tree."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "deep").mkdir()
    write_clip(folder / "a.mp4", FRAMES)
    write_clip(folder / "b.mp4", FRAMES // 2)
    write_clip(folder / "deep" / "a.mp4", FRAMES // 3)
    return folder


@pytest.fixture(scope="session", name="serial")
def _serial(
    clips: Path, options: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The tracks of the plain run, by path below the output folder."""
    out = tmp_path_factory.mktemp("serial")
    tracker = PoseTracker(**options)
    tracker.record(clips / "a.mp4", OutputOptions(out, video=False))
    tracker.record(clips / "b.mp4", OutputOptions(out, video=False))
    tracker.record(clips / "deep" / "a.mp4", OutputOptions(out / "deep", video=False))
    return tracks_in(out)


def tracks_in(folder: Path) -> dict[str, bytes]:
    """The native files of a tree, by their path in it."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.jsonl")}


@pytest.fixture(name="plan")
def _plan(options: dict[str, Any], tmp_path: Path) -> Plan:
    return Plan(options, OutputOptions(tmp_path / "out", video=False))
