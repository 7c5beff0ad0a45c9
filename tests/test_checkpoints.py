"""posetrack's own files: they say everything about their network, are written whole or
not at all.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from posetrack import checkpoints
from posetrack.checkpoints import METADATA_KEY, ModelSpec, read_state, save
from posetrack.errors import OutputError, WeightsError
from posetrack.skeletons import make_skeleton
from posetrack.structures import InputSpec
from posetrack.weights.pickles import read_pickle

SPEC = ModelSpec(
    "hrnet_w8",
    {"joints": 3, "modules": [1, 1, 1]},
    input=InputSpec((96, 128), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), 1.1),
    skeleton=make_skeleton("mine", ["left_hand", "right_hand", "tail"], [(0, 2)]),
    notes={"licence": "CC0", "scores": {"pck": 0.5}},
)


def test_everything_comes_back(tmp_path: Path) -> None:
    state = {
        "a.weight": torch.randn(3, 4),
        "b": torch.tensor(7),
        "half": torch.ones(2, dtype=torch.float16),
    }
    path = tmp_path / "new" / "net.safetensors"
    checkpoints.save(path, state, SPEC)
    assert checkpoints.read_spec(path) == SPEC
    back = checkpoints.read_state(path)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[k], v) and back[k].dtype == v.dtype for k, v in state.items())
    assert [p.name for p in path.parent.iterdir()] == ["net.safetensors"]
    path.with_name("plain").touch()
    assert path.stat().st_mode == path.with_name("plain").stat().st_mode


def test_tensors_that_share_memory_can_be_saved(tmp_path: Path) -> None:
    whole = torch.arange(12.0)
    checkpoints.save(
        tmp_path / "a.safetensors",
        {"one": whole[:6], "two": whole, "turned": whole.view(3, 4).T},
        SPEC,
    )
    assert torch.equal(
        checkpoints.read_state(tmp_path / "a.safetensors")["turned"], whole.view(3, 4).T
    )


def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="Cannot write"):
        checkpoints.save(tmp_path / "file" / "a.safetensors", {"a": torch.ones(1)}, SPEC)
    checkpoints.save(tmp_path / "a.safetensors", {"a": torch.zeros(1)}, SPEC)

    def full(*_: object) -> None:
        (tmp_path / "a.safetensors.part").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OutputError, match="No space left"):
        checkpoints.save(tmp_path / "a.safetensors", {"a": torch.ones(1)}, SPEC)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.safetensors", "file"]
    assert checkpoints.read_state(tmp_path / "a.safetensors")["a"] == 0


def test_bad_files_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no checkpoint at"):
        checkpoints.read_spec(tmp_path / "none.safetensors")
    good = tmp_path / "good.safetensors"
    checkpoints.save(good, {"a": torch.ones(100)}, SPEC)
    for name, content in {
        "empty": b"",
        "text": b"hello " * 50,
        "cut": good.read_bytes()[:-50],
    }.items():
        bad = tmp_path / f"{name}.safetensors"
        bad.write_bytes(content)
        for read in (checkpoints.read_spec, checkpoints.read_state):
            with pytest.raises(WeightsError, match="not a readable safetensors file"):
                read(bad)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, "was not written by posetrack"),
        ({METADATA_KEY: "{"}, "cannot be read"),
        ({METADATA_KEY: '{"schema": 1}'}, "cannot be read"),
        ({METADATA_KEY: SPEC.to_json().replace('"schema": 1', '"schema": 99')}, "newer"),
    ],
)
def test_foreign_descriptions(
    metadata: dict[str, str] | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(1)}, path, metadata)
    with pytest.raises(WeightsError, match=message):
        checkpoints.read_spec(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("mean", [0.5]), ("std", [0, 1, 1]), ("std", [float("nan"), 1, 1]), ("padding", -1),
     ("padding", float("inf")), ("size_wh", [0, 64]), ("size_wh", "ab"), ("mean", None)],
)  # fmt: skip
def test_a_description_that_cannot_be_meant_is_refused(field: str, value: object) -> None:
    description = json.loads(ModelSpec("hrnet_w32", {}).to_json())
    description["input"][field] = value
    with pytest.raises((TypeError, ValueError)):
        ModelSpec.from_json(json.dumps(description))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "a.safetensors"
    save(path, {"layer.weight": torch.tensor([1.0, value])}, ModelSpec("hrnet_w32", {}))
    with pytest.raises(WeightsError, match=r"the weights layer\.weight hold NaN or infinity"):
        read_state(path)


def test_a_pth_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(65 << 20))
    with pytest.raises(WeightsError, match="unpacks to 65 MiB"):
        read_pickle(tmp_path / "a.pth")
