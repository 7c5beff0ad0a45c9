"""Every command on a good file with one value changed into something nobody meant: exit 0, 1 or 2,
one sentence, nothing half-written.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from eval_files import as_prediction, golden
from people_on_disk import write_people
from recorded import write_clip

from posetrack.checkpoints import ModelSpec, save
from posetrack.cli import main
from posetrack.drawn.clip import draw_sequence
from posetrack.drawn.dataset import write_posetrack_dataset
from posetrack.formats.convert import convert
from posetrack.nets import build
from posetrack.nets.blocks import init_he
from posetrack.structures import InputSpec

ODD = [
    None, -1, 0, 1.5, 1e308, -1e308, float("nan"), float("inf"), 10**30, -(10**20), 2**31, 2**63,
    "", "x\0y", "../../up", "/abs", "12", "nan", [], [1], [[]], {}, {"a": 1}, True, "a" * 5000,
]  # fmt: skip
WORDS = ["", "nan", "inf", "-1", "1e308", "x", "9" * 20, "0x1", "-0", "1,2", '"', "\0", "1e400"]
DRAWS = 12  # changed files a command
SMALL = {"joints": 15, "modules": [1, 1, 1], "blocks": 1, "stem": 16, "stem_blocks": 1}
ON_A_PROCESSOR = ["--device", "cpu", "--runtime", "torch", "--flow", "none", "--no-video"]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good file of every kind."""
    folder = tmp_path_factory.mktemp("good")
    labels = write_people(folder, 3)
    coco = json.loads(labels.read_text())
    for person in coco["annotations"]:
        person.update(area=900.0, iscrowd=0, num_keypoints=15)
    labels.write_text(json.dumps(coco))
    fields = ("image_id", "category_id", "keypoints", "bbox")
    rows = [{**{k: p[k] for k in fields}, "score": 0.7} for p in coco["annotations"]]
    (folder / "results.json").write_text(json.dumps(rows))
    boxes = [
        {"image_id": i, "category_id": 1, "bbox": [5, 5, 40, 50], "score": 0.9} for i in range(4)
    ]
    (folder / "boxes.json").write_text(json.dumps(boxes))
    truth = golden("gt")
    truth["annolist"] = truth["annolist"][:2]
    for side, content in (("truth17", truth), ("found17", as_prediction(truth))):
        (folder / side).mkdir()
        (folder / side / "a.json").write_text(json.dumps(content))
    clip = draw_sequence(3, frames=3, size_wh=(96, 72), people=2, name="clip")
    write_posetrack_dataset(folder / "set", [clip], "2018", "val")
    labels18 = next((folder / "set" / "annotations" / "val").iterdir())
    (folder / "truth18").mkdir()
    shutil.copy(labels18, folder / "truth18" / "clip.json")
    for name in ("clip.jsonl", "clip.csv", "clip.mot.txt"):
        convert(labels18, folder / name)
    write_clip(folder / "clip.mp4", 4, (96, 72))
    torch.manual_seed(0)
    net = build("hrnet_w8", **SMALL)
    init_he(net, 15)
    spec = ModelSpec("hrnet_w8", SMALL, input=InputSpec((32, 32)))
    save(folder / "net.safetensors", net.state_dict(), spec)
    return folder


# --- one change -------------------------------------------------------------------------------


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    rows: Any = ()
    if isinstance(value, dict):
        rows = value.items()
    elif isinstance(value, list):
        rows = enumerate(value[:40])
    for key, inner in rows:
        yield (*path, key)
        yield from _places(inner, (*path, key))


def changed(value: Any, rng: random.Random) -> Any:
    """A copy with one value lost, repeated or made odd."""
    value = copy.deepcopy(value)
    *path, last = rng.choice(list(_places(value)))
    owner = value
    for key in path:
        owner = owner[key]
    kind = rng.random()
    if kind < 0.15:
        del owner[last]
    elif kind < 0.22 and isinstance(owner, list):
        owner.append(copy.deepcopy(owner[last]))
    else:
        owner[last] = rng.choice(ODD)
    return value


def change_json(source: Path, target: Path, rng: random.Random) -> None:
    target.write_text(json.dumps(changed(json.loads(source.read_text()), rng)))


def change_line(source: Path, target: Path, rng: random.Random) -> None:
    lines = [json.loads(line) for line in source.read_text().splitlines()]
    number = rng.randrange(len(lines))
    lines[number] = changed(lines[number], rng)
    target.write_text("".join(json.dumps(line) + "\n" for line in lines))


def change_table(source: Path, target: Path, rng: random.Random) -> None:
    rows = [line.split(",") for line in source.read_text().splitlines()]
    row = rng.choice(rows)
    row[rng.randrange(len(row))] = rng.choice(WORDS)
    target.write_text("".join(",".join(row) + "\n" for row in rows))


def change_checkpoint(source: Path, target: Path, rng: random.Random) -> None:
    """The description of a network; its tensors stay."""
    data = source.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    head = json.loads(data[8 : 8 + size])
    described = changed(json.loads(head["__metadata__"]["posetrack"]), rng)
    head["__metadata__"]["posetrack"] = json.dumps(described)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    target.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


Change = Callable[[Path, Path, random.Random], None]
# what is changed, how, and the command: @ stands for the changed file, > for a folder to write to
COMMANDS: dict[str, tuple[str, Change, str]] = {
    "convert posetrack17": ("truth17/a.json", change_json, "convert @ >/o.jsonl"),
    "convert posetrack18": ("truth18/clip.json", change_json, "convert @ >/o.jsonl"),
    "convert coco": ("results.json", change_json, "convert @ >/o.csv"),
    "convert native": ("clip.jsonl", change_line, "convert @ >/o.csv"),
    "convert csv": ("clip.csv", change_table, "convert @ >/o.jsonl"),
    "convert mot": ("clip.mot.txt", change_table, "convert @ >/o.jsonl"),
    "eval posetrack truth": ("truth17/a.json", change_json, "eval posetrack @/ found17"),
    "eval posetrack found": ("found17/a.json", change_json, "eval posetrack truth17 @/"),
    "eval coco truth": ("person_keypoints.json", change_json, "eval coco @ results.json"),
    "eval coco found": ("results.json", change_json, "eval coco person_keypoints.json @"),
    "eval mot truth": ("clip.mot.txt", change_table, "eval mot @ clip.jsonl"),
    "eval mot found": ("clip.jsonl", change_line, "eval mot clip.mot.txt @"),
    "measure": ("clip.jsonl", change_line, "measure @"),
    "report": ("clip.jsonl", change_line, "report @ -o >/r.html"),
    "refine": ("clip.jsonl", change_line, "refine @ -o >/r.jsonl"),
    "render": ("clip.jsonl", change_line, "render @ clip.mp4 -o >/r.mp4"),
    "track boxes": (
        "boxes.json", change_json, "track clip.mp4 --boxes @ --weights net.safetensors -o >"
    ),
    "track weights": (
        "net.safetensors", change_checkpoint, "track clip.mp4 --boxes boxes.json --weights @ -o >"
    ),
    "train": (
        "person_keypoints.json", change_json,
        "train @ --images . --init net.safetensors --epochs 1 --batch-size 2 --input 64x64 "
        "--device cpu --quiet -o >/run",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_one_odd_value_is_one_sentence(
    name: str, here: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, change, command = COMMANDS[name]
    monkeypatch.chdir(here)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    before = sorted(here.rglob("*"))
    draws = 4 if name.startswith(("track", "train")) else DRAWS  # these take seconds
    for seed in range(draws):
        folder = tmp_path / str(seed)
        (folder / "in").mkdir(parents=True)
        file = folder / "in" / Path(source).name
        change(here / source, file, random.Random(f"{name} {seed}"))
        words = [
            w.replace("@/", str(folder / "in")).replace("@", str(file)).replace(">", str(folder))
            for w in command.split()
        ]
        with pytest.raises(SystemExit) as done:
            main([*words, *(ON_A_PROCESSOR if words[0] == "track" else [])])
        said = capsys.readouterr().err
        assert done.value.code in (0, 1, 2), said
        assert "a fault of posetrack" not in said, said
        assert "Traceback" not in said
        assert not list(folder.rglob("*.part")), said
    assert sorted(here.rglob("*")) == before
