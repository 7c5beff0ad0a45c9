"""The manifest, the loaders and ``posetrack weights``."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from posetrack import checkpoints
from posetrack.checkpoints import ModelSpec
from posetrack.cli import main
from posetrack.detect.bundled import BundledDetector
from posetrack.detect.detectors import HogDetector, TorchvisionDetector, torchvision_names
from posetrack.errors import UsageError, WeightsError
from posetrack.flow import NoFlow
from posetrack.nets import build
from posetrack.skeletons import COCO_17, POSETRACK_15, SKELETONS
from posetrack.structures import InputSpec
from posetrack.weights import PRESETS, entries, load_detector, load_flow, load_pose, manifest
from posetrack.weights.add import add_file
from posetrack.weights.load import published_state, read_start
from posetrack.weights.pickles import read_pickle

SMALL = {"modules": (1, 1, 1), "blocks": 1, "stem": 16, "stem_blocks": 1}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSETRACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("POSETRACK_OFFLINE", "1")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line: exit code, stdout, stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as info:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return int(info.value.code or 0), out, err

    return call


@pytest.fixture(scope="module")
def lite_hrnet() -> nn.Module:
    """A network of the manifest that is quick to build."""
    return build("lite_hrnet_18", joints=17).eval()


def openmmlab(net: nn.Module) -> dict[str, Any]:
    """What OpenMMLab's training writes: prefixes, and things beside the tensors."""
    state = {
        ("head." if k.startswith("final") else "backbone.") + k: v
        for k, v in net.state_dict().items()
    }
    return {
        "meta": {"epoch": 210, "sigmas": np.array([0.5, 0.25]), "seed": np.float64(3)},
        "state_dict": state,
    }


# --- manifest
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(entries()))
def test_entry_is_complete(name: str) -> None:
    e = entries()[name]
    assert re.fullmatch(r"([0-9a-f]{8}|[0-9a-f]{64})?", e.sha256)
    assert e.task in ("pose", "detect", "flow", "classify")
    assert e.bundled or e.licence
    assert bool(e.urls) != (e.by_hand or e.bundled)
    for url in e.urls:
        assert url.startswith("https://")
        assert e.sha256
        assert e.sha256[:8] in url
    if e.net == "torchvision":
        assert name in torchvision_names() or name.startswith("torchvision_raft_")
    elif e.task == "pose" and not e.bundled:
        assert e.skeleton in SKELETONS
        assert e.input is not None
        assert f"{e.input[1]}x{e.input[0]}" in name
        assert e.mean == (0.485, 0.456, 0.406)
        with torch.device("meta"):
            build(e.net, joints=len(SKELETONS[e.skeleton]))


def test_files_have_names_of_their_own() -> None:
    files = [e.file for e in entries().values()]
    assert len(set(files)) == len(files)
    assert all(re.fullmatch(r"[\w.-]+", file) for file in files)


def test_every_torchvision_detector_is_there() -> None:
    assert set(torchvision_names()) <= set(entries())


def test_presets_name_what_exists() -> None:
    assert list(PRESETS) == ["lite", "balanced", "accurate"]
    for preset in PRESETS.values():
        assert preset.weights in manifest.known_names("pose")
        assert preset.detector == "bundled" or preset.detector in manifest.known_names("detect")


@pytest.mark.parametrize("name", [e.name for e in entries().values() if e.bundled])
def test_bundled_files_are_those_of_the_manifest(name: str) -> None:
    e = entries()[name]
    found = hashlib.sha256(e.path.read_bytes()).hexdigest()
    assert e.sha256 == found, f'write into weights/manifest.toml, under {name}: sha256 = "{found}"'
    assert sum(f.stat().st_size for f in e.path.parent.glob("*.safetensors")) <= 25e6


# --- loading
# --------------------------------------------------------------------------------------------------


def test_the_bundled_networks_run() -> None:
    net, spec = load_pose("pose_lite")
    assert not net.training
    assert spec.skeleton == POSETRACK_15
    width, height = spec.input.size_wh
    with torch.no_grad():
        assert net(torch.zeros(1, 3, height, width)).shape == (1, 15, height // 4, width // 4)
    detector = load_detector("bundled", device="cpu")
    assert isinstance(detector, BundledDetector)
    assert len(detector.detect([np.zeros((60, 80, 3), np.uint8)])) == 1


def test_a_published_file_under_its_publishers_name(tmp_path: Path, lite_hrnet: nn.Module) -> None:
    path = tmp_path / entries()["lite_hrnet_18_coco_256x192"].file
    torch.save(openmmlab(lite_hrnet), path)
    net, spec = load_pose(path)
    assert (spec.net, spec.input.size_wh, spec.skeleton) == ("lite_hrnet_18", (192, 256), COCO_17)
    assert "OpenMMLab" in spec.notes["licence"]
    expected = lite_hrnet.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in net.state_dict().items())


def test_ears_of_posetrack18_networks_are_left_out() -> None:
    e = entries()["hrnet_w32_posetrack18_256x192"]
    whole = build("hrnet_w32", joints=17)
    nn.init.normal_(whole.final_layer.bias)
    state, spec = published_state(e, openmmlab(whole))
    kept = [0, 1, 2, *range(5, 17)]
    assert spec.net_args["joints"] == 15
    assert torch.equal(state["final_layer.bias"], whole.final_layer.bias[kept])
    assert torch.equal(state["final_layer.weight"], whole.final_layer.weight[kept])


def test_a_published_classifier_is_a_start_for_training() -> None:
    entry = manifest.Entry("small", "classify", "small.pth", net="hrnet_w4_cls", input=(224, 224))
    state, spec = published_state(entry, dict(build("hrnet_w4_cls", classes=10).state_dict()))
    assert (spec.task, spec.net_args, spec.input.size_wh) == (
        "classify",
        {"classes": 10},
        (224, 224),
    )
    assert len(state["classifier.weight"]) == 10
    with pytest.raises(WeightsError, match="hrnet_w32_imagenet"):  # known by name, and not there
        read_start("hrnet_w32_imagenet", offline=True)
    assert read_start("pose_lite")[1].task == "pose"


def test_files_that_do_not_fit(tmp_path: Path, lite_hrnet: nn.Module) -> None:
    path = tmp_path / entries()["lite_hrnet_30_coco_256x192"].file
    torch.save(openmmlab(lite_hrnet), path)
    with pytest.raises(WeightsError, match=r"not those of lite_hrnet_30.*missing"):
        load_pose(path)
    other = tmp_path / "whatever.pth"
    torch.save(lite_hrnet.state_dict(), other)
    with pytest.raises(WeightsError, match="posetrack weights add"):
        load_pose(other)
    state = lite_hrnet.state_dict()
    for name, change, message in (
        ("less", lambda s: s.pop("final_layer.bias"), r"1 missing \(final_layer.bias\)"),
        ("more", lambda s: s.update(extra=torch.ones(1)), r"1 unexpected \(extra\)"),
        (
            "shape",
            lambda s: s.update({"final_layer.bias": torch.ones(3)}),
            r"final_layer.bias \(3,\) instead of \(17,\)",
        ),
    ):
        changed = dict(state)
        change(changed)
        checkpoints.save(
            tmp_path / f"{name}.safetensors", changed, ModelSpec("lite_hrnet_18", {"joints": 17})
        )
        with pytest.raises(WeightsError, match=message):
            load_pose(tmp_path / f"{name}.safetensors")
    checkpoints.save(
        tmp_path / "args.safetensors", state, ModelSpec("lite_hrnet_18", {"joint": 17})
    )
    with pytest.raises(WeightsError, match="cannot be built"):
        load_pose(tmp_path / "args.safetensors")


def test_names_and_paths_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'hrnet_w32_coco_256x192'"):
        load_pose("hrnet_w32_coco_256x193")
    with pytest.raises(WeightsError, match="no checkpoint at"):
        load_pose(tmp_path / "none.safetensors")
    with pytest.raises(UsageError, match="task 'classify'"):
        load_pose("hrnet_w32_imagenet")
    with pytest.raises(UsageError, match=r"bundled, .*fasterrcnn_resnet50_fpn_v2, .*hog"):
        load_detector("fasterrcnn")
    with pytest.raises(WeightsError, match="not one that detects people"):
        load_detector(manifest.BUNDLED_FOLDER / "pose_lite.safetensors")
    with pytest.raises(WeightsError, match="not one that finds poses"):
        load_pose(manifest.BUNDLED_FOLDER / "detector_lite.safetensors")


def test_torchvision_detectors_come_from_the_cache() -> None:
    import torchvision

    assert isinstance(load_detector("hog"), HogDetector)
    name = "ssdlite320_mobilenet_v3_large"
    with pytest.raises(WeightsError, match=f"{name} is not in the cache and this is offline"):
        load_detector(name, device="cpu")
    net = torchvision.models.get_model(name, weights=None, weights_backbone=None)
    path = entries()[name].path
    path.parent.mkdir(parents=True)
    torch.save(net.state_dict(), path)
    with pytest.raises(WeightsError, match=entries()[name].sha256):
        load_detector(name, device="cpu")
    elsewhere = path.parents[2] / path.name  # a file given by its path is the user's own business
    path.rename(elsewhere)
    assert isinstance(load_detector(elsewhere, device="cpu"), TorchvisionDetector)


def test_flow_networks_of_the_manifest_come_from_the_cache() -> None:
    name = "torchvision_raft_small"
    assert isinstance(load_flow("none", long_side=128), NoFlow)
    with pytest.raises(WeightsError, match=f"{name} is not in the cache and this is offline"):
        load_flow(name, long_side=128, device="cpu")
    path = entries()[name].path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")
    with pytest.raises(WeightsError, match=entries()[name].sha256):
        load_flow(name, long_side=128, device="cpu")
    with pytest.raises(
        WeightsError, match="cannot be read"
    ):  # a file given by its path is the user's own business
        load_flow(name, long_side=128, checkpoint=path, device="cpu")


# --- pickles
# --------------------------------------------------------------------------------------------------


class Log:
    """An object as a training log leaves in a checkpoint."""

    def __init__(self) -> None:
        self.values = [1, 2]


class Bomb:
    """Unpickled without limits, it calls a function."""

    def __init__(self, function: Callable[..., object], *args: str) -> None:
        self.call = function, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def test_objects_beside_the_tensors_are_harmless(tmp_path: Path) -> None:
    path, target = tmp_path / "a.pth", tmp_path / "made"
    bomb = Bomb(shutil.copyfile, str(path), str(target))
    torch.save(
        {"log": Log(), "bomb": bomb, "array": np.ones(3), "state_dict": {"w": torch.ones(2)}}, path
    )
    assert torch.equal(read_pickle(path)["state_dict"]["w"], torch.ones(2))
    assert not target.exists()
    torch.save(
        {"bomb": Bomb(os.mkdir, str(target))}, path
    )  # on PyTorch's own list of what never to touch
    with pytest.raises(WeightsError, match="--trust-pickle"):
        read_pickle(path)
    assert not target.exists()
    read_pickle(path, trust=True)
    assert target.exists()


def test_files_of_old_pytorch_can_be_read(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(read_pickle(tmp_path / "old.pth")["w"], torch.ones(2))
    torch.save(
        {"w": torch.ones(2), "log": Log()},
        tmp_path / "log.pth",
        _use_new_zipfile_serialization=False,
    )
    with pytest.raises(WeightsError, match="--trust-pickle"):
        read_pickle(tmp_path / "log.pth")


def test_damaged_pickles_are_one_sentence(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1000)}, tmp_path / "good.pth")
    whole = (tmp_path / "good.pth").read_bytes()
    for name, content in {
        "empty": b"",
        "text": b"hello\n" * 9,
        "cut": whole[:-300],
        "html": b"<html>",
    }.items():
        (tmp_path / f"{name}.pth").write_bytes(content)
        with pytest.raises(WeightsError) as info:
            read_pickle(tmp_path / f"{name}.pth")
        assert "\n" not in str(info.value)
    with pytest.raises(WeightsError, match="no checkpoint at"):
        read_pickle(tmp_path / "none.pth")
    (tmp_path / "list.pth").write_bytes(pickle.dumps([1]))
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds a list"):
        read_pickle(tmp_path / "list.pth")


# --- add and the command line
# ----------------------------------------------------------------------------------------


def test_add_a_foreign_file_and_use_it_by_name(
    tmp_path: Path, lite_hrnet: nn.Module, run: Run
) -> None:
    torch.save({"state_dict": lite_hrnet.state_dict()}, tmp_path / "mine.pth")
    path = tmp_path / "mine.pth"
    code, out, _ = run(
        "weights",
        "add",
        path,
        "--net",
        "lite_hrnet_18",
        "--skeleton",
        "coco17",
        "--input",
        "96x128",
    )
    assert code == 0
    net, spec = load_pose("mine")
    assert spec.input.size_wh == (96, 128)
    assert out.strip() == str(manifest.added_folder() / "mine.safetensors")
    assert torch.equal(
        net.state_dict()["final_layer.bias"], lite_hrnet.state_dict()["final_layer.bias"]
    )
    assert "mine" in run("weights", "list", "--task", "pose")[1]
    assert run("weights", "path", "mine")[1] == out
    assert run("weights", "get", "mine")[1] == out


def test_add_needs_to_know_what_it_is(tmp_path: Path, lite_hrnet: nn.Module, run: Run) -> None:
    path = tmp_path / "mine.pth"
    torch.save(lite_hrnet.state_dict(), path)
    known = ("--net", "lite_hrnet_18", "--skeleton", "coco17", "--input", "96x128")
    for words, code, message in (
        ((), 2, "give --net, --input WxH, and --skeleton or --joints"),
        ((*known[:2], "--input", "96x128", "--skeleton", "coco"), 2, "did you mean 'coco17'"),
        (("--net", "lite_hrnet_99", *known[2:]), 2, "Unknown network"),
        ((*known[:4], "--input", "96by128"), 2, "write it like 192x256"),
        (
            (*known[:2], "--skeleton", "lsp14", "--input", "96x128"),
            1,
            "17 joints, but lsp14 has 14",
        ),
        ((*known, "--name", "pose_lite"), 2, "another name"),
        ((*known, "--name", "../up"), 2, "cannot be the name"),
        ((*known[:2], "--input", "96x128", "--joints", "a,a"), 2, "--joints cannot be used"),
    ):
        result = run("weights", "add", path, *words)
        assert (result[0], result[1]) == (code, "")
        assert message in result[2]
        assert "Traceback" not in result[2]
    assert not list(manifest.added_folder().glob("*"))


def test_add_runs_the_network_at_its_size(tmp_path: Path) -> None:
    net = build("hrnet_w8", joints=2, **SMALL)
    spec = ModelSpec("hrnet_w8", {"joints": 2, **SMALL}, input=InputSpec((50, 64)))
    checkpoints.save(tmp_path / "odd.safetensors", net.state_dict(), spec)
    with pytest.raises(WeightsError, match="does not run at an input of 50x64"):
        add_file(tmp_path / "odd.safetensors")


def test_a_skeleton_of_ones_own(tmp_path: Path) -> None:
    net = build("lite_hrnet_18", joints=3)
    torch.save(net.state_dict(), tmp_path / "dog.pth")
    add_file(
        tmp_path / "dog.pth",
        net="lite_hrnet_18",
        joints=["nose", "left_ear", "right_ear"],
        size_wh=(64, 64),
    )
    _, spec = load_pose("dog")
    assert spec.skeleton.joints == ("nose", "left_ear", "right_ear")
    assert spec.skeleton.flip_pairs == ((1, 2),)


def test_list_and_path(run: Run) -> None:
    code, out, _ = run("weights", "list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert rows.keys() == entries().keys()
    assert rows["pose_lite"]["where"] == "bundled"
    assert rows["hrnet_w48_coco_384x288"]["where"] == "download"
    assert rows["hrnet_w48_coco_384x288_official"]["where"] == "by hand"
    assert all(row["licence"] for row in rows.values())
    table = run("weights", "list", "--task", "detect")[1].splitlines()
    assert table[0].split()[:2] == ["name", "task"]
    assert len(table) == 1 + len(manifest.known_names("detect"))
    assert run("weights", "path", "pose_lite")[1].strip() == str(entries()["pose_lite"].path)
    assert run("weights", "path", "nothing")[0] == 2


def test_get_says_what_to_do_without_a_network(run: Run) -> None:
    code, out, err = run("weights", "get", "accurate")
    assert (code, out) == (1, "")
    assert "https://download.pytorch.org" in err
    assert run("weights", "get", "lite")[1].split() == [
        str(entries()[n].path) for n in ("detector_lite", "pose_lite")
    ]


def test_verify_finds_what_is_wrong(run: Run) -> None:
    assert run("weights", "verify")[0] == 0
    folder = manifest.download_folder()
    folder.mkdir(parents=True)
    (folder / entries()["ssd300_vgg16"].file).write_bytes(b"no")
    (folder / "pose_hrnet_w32_256x192.pth").write_bytes(b"something")
    code, out, _ = run("weights", "verify", "--json")
    rows = {row["name"]: row["state"] for row in json.loads(out)}
    assert code == 1
    assert rows["ssd300_vgg16"] == "corrupt: SHA-256 should start with b556d3b4"
    assert rows["hrnet_w32_coco_256x192_official"] == "ok"
    (folder / "pose_hrnet_w32_256x192.pth").write_bytes(b"something else")
    rows = {row["name"]: row["state"] for row in json.loads(run("weights", "verify", "--json")[1])}
    assert rows["hrnet_w32_coco_256x192_official"] == "changed since it was first used"
