"""People are read from COCO-style files, mapped by joint name, and cut out of folders, tar and zip
files.
"""

from __future__ import annotations

import importlib.util
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from posetrack.datasets import read
from posetrack.datasets.people import unite
from posetrack.errors import FormatError, InputError, TrainingError, UsageError
from posetrack.samples.augment import NO_AUGMENTATION, PAPER
from posetrack.samples.crops import CropStore
from posetrack.samples.keypoints import Sampler
from posetrack.skeletons import COCO_17, LSP_14, POSETRACK_15
from posetrack.structures import InputSpec

_spec = importlib.util.spec_from_file_location(
    "people_on_disk", Path(__file__).parents[1] / "people_on_disk.py"
)
assert _spec
assert _spec.loader
disk = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(disk)


def test_reads_people_joints_and_boxes(tmp_path: Path) -> None:
    people = read(disk.write_people(tmp_path, 3))
    assert len(people) == 3
    assert people.skeleton.joints == POSETRACK_15.joints
    crop = CropStore(people.people, 1000)[0]
    np.testing.assert_allclose(
        crop.xy * 1.0, people.people[0].xy
    )  # the whole small image is kept as it is
    assert crop.image.shape == (disk.SIZE_WH[1], disk.SIZE_WH[0], 3)


@pytest.mark.parametrize("container", ["tar", "zip", "images"])
def test_images_may_lie_in_shards_or_a_subfolder(tmp_path: Path, container: str) -> None:
    path = disk.write_people(tmp_path, 3)
    before = [c.image for c in CropStore(read(path).people, 1000)]
    if container == "tar":
        disk.pack_tar(tmp_path)
    else:
        (tmp_path / "images").mkdir()
        shard = zipfile.ZipFile(tmp_path / "a.zip", "w") if container == "zip" else None
        for image in sorted(tmp_path.glob("*.png")):
            if shard:
                shard.write(image, f"inner/{image.name}")
                image.unlink()
            else:
                image.rename(tmp_path / "images" / image.name)
        if shard:
            shard.close()
    after = [c.image for c in CropStore(read(path).people, 1000)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_ranges_and_repetition(tmp_path: Path) -> None:
    path = disk.write_people(tmp_path, 6)
    assert [p.image for p in read(f"{path}[-2:]").people] == ["im004.png", "im005.png"]
    assert len(read(f"{path}[:-2]*3")) == 12
    assert len(read(f"coco:{tmp_path}*2")) == 12


def test_union_masks_the_joints_a_dataset_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    lsp, coco = (
        read(disk.write_people(tmp_path / "a", 1, LSP_14)),
        read(disk.write_people(tmp_path / "b", 1, COCO_17)),
    )
    both = unite([lsp, coco], POSETRACK_15)
    known = {n: p.known for n, p in zip(("lsp", "coco"), both.people, strict=True)}
    names = list(POSETRACK_15.joints)
    assert not known["lsp"][names.index("nose")]
    assert known["lsp"][names.index("head_bottom")]  # LSP calls it neck
    assert not known["coco"][names.index("head_top")]
    batch = Sampler(
        CropStore(both.people, 100), POSETRACK_15, InputSpec((64, 64)), 1.0, NO_AUGMENTATION, 2, 0
    ).batch(0, 0)
    assert sorted(batch.weight.sum(axis=1).tolist()) == [13, 14]
    assert (batch.target.max(axis=(2, 3))[batch.weight == 0] == 0).all()


def test_sampler_is_a_pure_function_of_seed_and_epoch(tmp_path: Path) -> None:
    crops = CropStore(read(disk.write_people(tmp_path, 5)).people, 100)
    make = lambda: Sampler(crops, POSETRACK_15, InputSpec((64, 64)), 1.0, PAPER, 2, 7)  # noqa: E731
    first, again, other = make().batch(3, 1), make().batch(3, 1), make().batch(4, 1)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.target, again.target)
    assert not np.array_equal(first.image, other.image)
    assert len(make()) == 3  # the last, smaller batch counts, as in the official code


def test_a_large_person_is_shrunk_with_its_labels(tmp_path: Path) -> None:
    person = read(disk.write_people(tmp_path, 1)).people[0]
    crop = CropStore([person], 50)[0]
    side = (person.xyxy[2:] - person.xyxy[:2]).max()
    assert crop.zoom == pytest.approx(50 / side)
    np.testing.assert_allclose((crop.xy + crop.offset) / crop.zoom, person.xy, rtol=1e-4)
    assert (crop.xyxy[2:] - crop.xyxy[:2]).max() == pytest.approx(50, rel=1e-4)


def test_damaged_and_missing_images_are_told_and_skipped(tmp_path: Path) -> None:
    path = disk.write_people(tmp_path, 4)
    (tmp_path / "im001.png").write_bytes(b"not an image")
    (tmp_path / "im002.png").unlink()
    said: list[str] = []
    store = CropStore(read(path).people, 100, said.append)
    assert (len(store), store.skipped) == (2, 2)
    assert "im001.png is damaged" in said[0]
    assert "im002.png" in said[1]
    for image in tmp_path.glob("*.png"):
        image.write_bytes(b"")
    with pytest.raises(TrainingError, match="None of 4"):
        CropStore(read(path).people, 100)


def _broken(path: Path, change: str) -> Path:
    data = json.loads(path.read_text())
    if change == "no list":
        del data["annotations"]
    elif change == "wrong count":
        data["annotations"][1]["keypoints"].pop()
    elif change == "unknown image":
        data["annotations"][1]["image_id"] = 99
    elif change == "no joints":
        del data["categories"][0]["keypoints"]
    elif change == "joints repeat":
        data["categories"][0]["keypoints"][1] = "nose"
    path.write_text("{" if change == "not json" else json.dumps(data))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("no list", "no list 'annotations'"),
        ("wrong count", "annotation 1"),
        ("unknown image", "annotation 1"),
        ("no joints", "no category lists keypoints"),
        ("joints repeat", "names repeat"),
        ("not json", "is not JSON"),
    ],
)
def test_a_file_that_breaks_the_format_is_named(tmp_path: Path, change: str, words: str) -> None:
    path = _broken(disk.write_people(tmp_path, 2), change)
    with pytest.raises(FormatError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_wrong_sources_are_one_sentence(tmp_path: Path) -> None:
    path = disk.write_people(tmp_path, 2)
    with pytest.raises(UsageError, match="Unknown dataset kind 'cocoo'; did you mean 'coco'"):
        read(f"cocoo:{path}")
    with pytest.raises(InputError, match="There is no dataset at"):
        read(tmp_path / "nothing.json")
    with pytest.raises(InputError, match="holds no labelled person"):
        read(f"{path}[2:]")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"must hold one \*keypoints\*\.json"):
        read(tmp_path / "empty")
