from __future__ import annotations

import pytest

from posetrack.skeletons import (
    COCO_17,
    LSP_14,
    MPII_16,
    POSETRACK_15,
    SKELETONS,
    canonical_joint,
    is_human,
    joint_map,
    make_skeleton,
)
from posetrack.structures import Skeleton

EVERY = pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)


def test_the_table() -> None:
    assert {name: len(s) for name, s in SKELETONS.items()} == {
        "body25": 25,
        "coco17": 17,
        "lsp14": 14,
        "mpii16": 16,
        "posetrack15": 15,
    }


@EVERY
def test_mirroring_twice_is_nothing(skeleton: Skeleton) -> None:
    order = skeleton.flip_order
    assert [order[i] for i in order] == list(range(len(skeleton)))
    for a, b in skeleton.flip_pairs:
        assert skeleton.joints[a].removeprefix("left_") == skeleton.joints[b].removeprefix("right_")


@EVERY
def test_every_sided_joint_has_its_mirror(skeleton: Skeleton) -> None:
    sided = {i for i, j in enumerate(skeleton.joints) if j.startswith(("left_", "right_"))}
    assert sided == {i for pair in skeleton.flip_pairs for i in pair}


@EVERY
def test_limbs_hold_all_joints_together(skeleton: Skeleton) -> None:
    group = {0}
    for _ in skeleton.joints:
        group |= {i for limb in skeleton.limbs if group & set(limb) for i in limb}
    # COCO has no neck: its face hangs free of the trunk, as its own drawings have it
    free = {i for i, j in enumerate(skeleton.joints) if skeleton is COCO_17 and i >= 5}
    assert group | free == set(range(len(skeleton)))


def test_coco_sigmas_are_the_published_ones() -> None:
    published = [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]
    assert [round(1000 * s) for s in COCO_17.oks_sigmas] == published


def test_posetrack_order() -> None:
    assert POSETRACK_15.joints[:5] == (
        "nose",
        "head_bottom",
        "head_top",
        "left_shoulder",
        "right_shoulder",
    )
    assert POSETRACK_15.joints[-2:] == ("left_ankle", "right_ankle")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("neck", "head_bottom"),
        ("Upper Neck", "head_bottom"),
        ("head", "head_top"),
        ("Left-Wrist", "left_wrist"),
        ("left_wrist", "left_wrist"),
        ("tail", "tail"),
    ],
)
def test_canonical_names(name: str, plain: str) -> None:
    assert canonical_joint(name) == plain


def test_joint_map_finds_by_meaning() -> None:
    found = joint_map(LSP_14, POSETRACK_15)
    assert [LSP_14.joints[i] if i >= 0 else "-" for i in found[:4]] == [
        "-",
        "neck",
        "head_top",
        "left_shoulder",
    ]
    assert joint_map(COCO_17, COCO_17) == list(range(17))
    assert joint_map(COCO_17, MPII_16)[6:10] == [-1, -1, -1, -1]


def test_a_skeleton_of_ones_own() -> None:
    horse = make_skeleton("horse", ["nose", "tail", "left_hoof", "right_hoof"], [(0, 1)])
    assert horse.flip_pairs == ((2, 3),)
    assert horse.limbs == ((0, 1),)
    assert horse.oks_sigmas == (0.026, 0.072, 0.072, 0.072)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_the_public_skeletons_are_of_people(skeleton: Skeleton) -> None:
    assert is_human(skeleton)


def test_others_are_told_by_their_joints() -> None:
    assert is_human(make_skeleton("mine", ["LShoulder", "RShoulder", "racket"]))
    assert not is_human(make_skeleton("mouse", ["nose", "tail", "left_paw", "right_paw"]))


def test_names_that_repeat_are_refused() -> None:
    with pytest.raises(ValueError, match="names repeat"):
        make_skeleton("twice", ["nose", "nose"])
