"""The skeletons of the public benchmarks: joint order, limbs, mirror pairs and OKS sigmas.

Add yours: one ``Skeleton`` and one line in ``SKELETONS``. Joint names are shared between skeletons,
so that datasets and checkpoints are mapped onto each other by name; ``ALIASES`` says which names
mean the same point of the body.
"""

from __future__ import annotations

__all__ = [
    "ALIASES",
    "BODY_25",
    "BOXES_ONLY",
    "COCO_17",
    "LSP_14",
    "MPII_16",
    "POSETRACK_15",
    "SKELETONS",
    "canonical_joint",
    "is_human",
    "joint_map",
    "make_skeleton",
]

import re
from collections.abc import Iterable, Sequence

from posetrack.structures import Skeleton

# Published per-joint sigmas of the COCO keypoint evaluation, used for the same joint of every
# skeleton.
COCO_SIGMAS = {
    "nose": 0.026, "eye": 0.025, "ear": 0.035, "shoulder": 0.079, "elbow": 0.072, "wrist": 0.062,
    "hip": 0.107, "knee": 0.087, "ankle": 0.089,
}  # fmt: skip
# Points that COCO does not have: the head top is as loose as an ear, points on the trunk as loose
# as a shoulder or hip.
OTHER_SIGMAS = {"head_bottom": 0.079, "head_top": 0.035, "pelvis": 0.107, "thorax": 0.079}
DEFAULT_SIGMA = 0.072  # of a joint with a name of the user's own: between wrist and shoulder

# One point of the body under several names: the first is the one used to compare.
ALIASES = {
    "neck": "head_bottom",
    "upper_neck": "head_bottom",
    "top_head": "head_top",
    "head": "head_top",
    "mid_hip": "pelvis",
}

_SIDES = ("left_", "right_")
# Words for the sides, the short ones only at an end of a name (L_Hip, hipLeft, knee_l, ankle.L).
_LEFT = {"left", "links", "linke", "linker", "gauche", "izquierda", "izquierdo", "sinistra"}
_RIGHT = {"right", "rechts", "rechte", "rechter", "droite", "droit", "derecha", "derecho", "destra"}
_SHORT = {"l": "left", "r": "right", "lt": "left", "rt": "right"}
_PARTS = frozenset((*COCO_SIGMAS, "toe", "heel", "foot", "hand", "thumb", "bigtoe", "smalltoe"))
# words of a name: LHip, leftHip, left_hip, hip.L, Left Hip, left-hip
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
_LIMB_NAMES = (
    ("head_top", "nose"),
    ("nose", "head_bottom"),
    ("head_top", "head_bottom"),
    ("head_bottom", "thorax"),
    ("thorax", "pelvis"),
    ("left_eye", "right_eye"),
    ("nose", "left_eye"),
    ("nose", "right_eye"),
    ("left_eye", "left_ear"),
    ("right_eye", "right_ear"),
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    ("head_bottom", "left_shoulder"),
    ("head_bottom", "right_shoulder"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
)


def canonical_joint(name: str) -> str:
    """The name under which a joint is compared: lower case, underscores, the side first and in
    full (``L_Hip``, ``LHip``, ``hipLeft`` and ``hip.L`` are ``left_hip``), aliases resolved.
    """
    words = [w.lower() for w in _WORDS.findall(name)]
    if len(words) == 1:
        words = _split(words[0])
    for place in (0, -1) if len(words) > 1 else ():
        side = _side(words[place])
        if side:
            del words[place]
            return "_".join((side, *words))
    plain = "_".join(words) or name.strip().lower()
    return ALIASES.get(plain, plain)


def _side(word: str) -> str | None:
    if word in _LEFT:
        return "left"
    return "right" if word in _RIGHT else _SHORT.get(word)


def _split(word: str) -> list[str]:
    """A word of a known part of the body with its side before or behind it: lhip, lefthip, hipl."""
    for part in _PARTS:
        for side in (word.removesuffix(part), word.removeprefix(part)):
            if side != word and _side(side):
                return [side, part]
    return [word]


def make_skeleton(
    name: str, joints: Iterable[str], limbs: Sequence[tuple[int, int]] | None = None
) -> Skeleton:
    """Build a skeleton from joint names alone: mirror pairs from left/right, limbs and sigmas from
    known names.

    A joint with a name of its own has the sigma ``DEFAULT_SIGMA``. ``limbs`` (index pairs) replaces
    the limbs found by name. Raises ValueError where names repeat or an index is off.
    """
    joints = tuple(joints)
    plain = [canonical_joint(j) for j in joints]
    index = {j: i for i, j in enumerate(plain)}
    pairs = tuple(
        (index[j], index["right_" + j.removeprefix("left_")])
        for j in plain
        if j.startswith("left_") and "right_" + j.removeprefix("left_") in index
    )
    if limbs is None:
        limbs = [(index[a], index[b]) for a, b in _LIMB_NAMES if a in index and b in index]
        if "nose" in index:  # the head is drawn through the nose where there is one
            limbs = [
                pair
                for pair in limbs
                if {plain[pair[0]], plain[pair[1]]} != {"head_top", "head_bottom"}
            ]
    return Skeleton(
        name,
        joints,
        tuple((int(a), int(b)) for a, b in limbs),
        pairs,
        tuple(_sigma(j) for j in plain),
    )


def _sigma(joint: str) -> float:
    for side in _SIDES:
        joint = joint.removeprefix(side)
    return {**COCO_SIGMAS, **OTHER_SIGMAS}.get(joint, DEFAULT_SIGMA)


def is_human(skeleton: Skeleton) -> bool:
    """Whether at least half of the joints have names that the public skeletons of people use."""
    known = {canonical_joint(j) for s in SKELETONS.values() for j in s.joints}
    return 2 * sum(canonical_joint(j) in known for j in skeleton.joints) >= len(skeleton)


def joint_map(source: Skeleton, target: Skeleton) -> list[int]:
    """For each joint of ``target`` its index in ``source``, -1 where ``source`` has no
    such joint.
    """
    index = {canonical_joint(j): i for i, j in enumerate(source.joints)}
    return [index.get(canonical_joint(j), -1) for j in target.joints]


COCO_17 = make_skeleton(
    "coco17",
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow "
    "right_elbow left_wrist "
    "right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle".split(),
)
MPII_16 = make_skeleton(
    "mpii16",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle pelvis thorax upper_neck "
    "head_top "
    "right_wrist right_elbow right_shoulder left_shoulder left_elbow left_wrist".split(),
)
POSETRACK_15 = make_skeleton(
    "posetrack15",
    "nose head_bottom head_top left_shoulder right_shoulder left_elbow right_elbow left_wrist "
    "right_wrist "
    "left_hip right_hip left_knee right_knee left_ankle right_ankle".split(),
)
LSP_14 = make_skeleton(
    "lsp14",
    "right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow "
    "right_shoulder "
    "left_shoulder left_elbow left_wrist neck head_top".split(),
)
BODY_25 = make_skeleton(  # OpenPose's; its MidHip is our pelvis
    "body25",
    "nose neck right_shoulder right_elbow right_wrist left_shoulder left_elbow left_wrist pelvis "
    "right_hip right_knee "
    "right_ankle left_hip left_knee left_ankle right_eye left_eye right_ear left_ear "
    "left_big_toe left_small_toe "
    "left_heel right_big_toe right_small_toe right_heel".split(),
    [
        (1, 8),
        (1, 2),
        (1, 5),
        (2, 3),
        (3, 4),
        (5, 6),
        (6, 7),
        (8, 9),
        (9, 10),
        (10, 11),
        (8, 12),
        (12, 13),
        (13, 14),
        (1, 0),
        (0, 15),
        (15, 17),
        (0, 16),
        (16, 18),
        (14, 19),
        (19, 20),
        (14, 21),
        (11, 22),
        (22, 23),
        (11, 24),
    ],
)

BOXES_ONLY = make_skeleton("boxes", [])  # people of whom a file has no joints

SKELETONS = {s.name: s for s in (COCO_17, MPII_16, POSETRACK_15, LSP_14, BODY_25)}
