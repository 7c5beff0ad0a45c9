"""Training as one library call: what it says before it begins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from people_on_disk import write_people
from tiny_net import TinyNet, tiny  # noqa: F401

import posetrack
from posetrack.checkpoints import ModelSpec, read_spec, save
from posetrack.datasets import read
from posetrack.drawn.clip import draw_sequence
from posetrack.drawn.dataset import write_posetrack_dataset
from posetrack.errors import UsageError
from posetrack.samples.augment import NO_AUGMENTATION
from posetrack.samples.crops import CropStore
from posetrack.samples.keypoints import Sampler
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import InputSpec
from posetrack.training.validation import Validation, validate

QUICK = {"epochs": 1, "batch_size": 2, "size_wh": [64, 64]}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    spec = ModelSpec("tiny", {"joints": 15}, "pose", InputSpec((64, 64)), POSETRACK_15)
    save(tmp_path / "tiny.safetensors", TinyNet(15).state_dict(), spec)
    return tmp_path / "tiny.safetensors"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """PoseTrack's folder as it is downloaded, with both its labelled parts."""
    for seed, part in ((1, "train"), (2, "val")):
        clip = draw_sequence(seed, frames=2, size_wh=(96, 72), people=2, name=f"clip{seed}")
        write_posetrack_dataset(tmp_path / "posetrack", [clip], "2018", part)
    return tmp_path / "posetrack"


def test_from_files_to_a_checkpoint_in_one_call(tmp_path: Path) -> None:
    torch.manual_seed(0)
    labels, said = write_people(tmp_path, 4), []
    best = posetrack.train(
        [labels],
        tmp_path / "run",
        changes={**QUICK, "net": "tiny"},
        device="cpu",
        report=said.append,
    )
    assert read_spec(best).skeleton == read(labels).skeleton
    assert said[0].startswith("4 people with 15 joints; tiny")


def test_weights_of_another_network_change_a_recipe_aloud(
    weights: Path, dataset: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    posetrack.train(
        [dataset / "annotations" / "train"],
        tmp_path / "run",
        recipe="posetrack17",
        changes=QUICK,
        init=str(weights),
        device="cpu",
        warn=said.append,
    )
    assert "The weights are of tiny, so that is trained, not hrnet_w48 as in the recipe" in said[0]
    assert read_spec(tmp_path / "run" / "best.safetensors").net == "tiny"


def test_a_part_of_posetrack_is_taken_aloud_or_not_at_all(
    weights: Path, dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"several parts \(train, val\); give one of them"):
        read(dataset)
    said: list[str] = []
    task = {"changes": QUICK, "init": str(weights), "device": "cpu", "warn": said.append}
    posetrack.train([dataset], tmp_path / "run", val=[dataset], **task)
    train, val = (dataset / "annotations" / part for part in ("train", "val"))
    assert f"{train} is taken" in said[0]
    assert f"{val} is taken" in said[1]
    assert len(read(dataset, part="val").images) == 2
    assert read(train).images == read(dataset, part="train").images


def test_the_accuracy_of_the_official_log_is_in_the_metrics(tmp_path: Path) -> None:
    labels = write_people(tmp_path, 4)
    posetrack.train(
        [labels], tmp_path / "run", changes={**QUICK, "net": "tiny"}, val=[labels], device="cpu"
    )
    row = json.loads((tmp_path / "run" / "metrics.jsonl").read_text())
    assert 0 <= row["accuracy_person_keypoints"] <= 100
    crops = CropStore(read(labels).people, None)
    knowing = Knowing(crops)
    assert (
        validate(knowing, [Validation("v", crops, (0,))], InputSpec((64, 64)), POSETRACK_15)[
            "accuracy_v"
        ]
        == 100
    )


class Knowing(torch.nn.Module):
    """A network that answers with the official targets of the people it is shown in order."""

    def __init__(self, crops: CropStore) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
        spec = InputSpec((64, 64))
        plain = Sampler(crops, POSETRACK_15, spec, 1.0, NO_AUGMENTATION, 1, 0, "official")
        self.maps = [torch.from_numpy(plain._sample(0, i, c)[1]) for i, c in enumerate(crops)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack(self.maps[: len(x)]) * self.scale
