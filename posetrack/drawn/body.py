"""Drawn people: who they are (build, clothes, colours at random) and their bones, posed by joint
angles.

Lengths are metres and the axes those of the room: x to the right of the picture, y up, z towards
the camera. A body facing the camera (heading 0) has its left side at +x.
"""

from __future__ import annotations

__all__ = ["ANCHORS", "SIDES", "Look", "Skeleton3D", "keypoints", "pose_skeleton", "random_look"]

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from posetrack.drawn.motion import ANGLES, Vector

Array = npt.NDArray[np.float64]
Rgb = tuple[float, float, float]

# Proportions of an adult as shares of the body height (Winter, Biomechanics and Motor Control, fig.
# 4.1, rounded).
HIP_WIDTH, SHOULDER_WIDTH = 0.052, 0.104  # half distances of the joint centres
SPINE_UP, SHOULDER_UP, NECK_UP = 0.09, 0.270, 0.298  # above the hips
UPPER_ARM, FOREARM, HAND = 0.172, 0.150, 0.100
THIGH, SHANK, ANKLE_UP, FOOT_FORE, FOOT_BACK = 0.242, 0.246, 0.042, 0.112, 0.038
CHIN_UP, HEAD = 0.040, 0.134  # chin above the neck's pivot, chin to crown
SIDES = (("left", 1.0), ("right", -1.0))
# bone -> the point about which it turns
ANCHORS = {"pelvis": "pelvis", "chest": "spine", "head": "neck"} | {
    f"{side}_{bone}": f"{side}_{joint}"
    for side, _ in SIDES
    for bone, joint in (
        ("upper_arm", "shoulder"),
        ("forearm", "elbow"),
        ("thigh", "hip"),
        ("shank", "knee"),
        ("foot", "ankle"),
    )
}


@dataclass(frozen=True, slots=True)
class Look:
    """One person's build and clothes. ``girth`` scales widths; ``sleeve`` and ``trouser`` say how
    far a limb is clothed (1: elbow or knee, 2: wrist or ankle); colours are RGB 0..1.
    """

    height: float
    girth: float
    shoulders: float
    hips: float
    bust: float
    skin: Rgb
    hair: Rgb
    shirt: Rgb
    shirt_accent: Rgb
    trousers: Rgb
    shoes: Rgb
    sleeve: float
    trouser: float
    pattern: str
    hair_style: str
    skirt: bool
    backpack: bool
    seed: int


PATTERNS = ("plain", "plain", "plain", "stripes", "upright", "checks", "block", "print")
HAIR_STYLES = ("short", "short", "long", "bob", "cap", "bald", "bun")
_SKINS = (
    (0.95, 0.78, 0.67),
    (0.89, 0.69, 0.55),
    (0.78, 0.57, 0.43),
    (0.62, 0.43, 0.31),
    (0.44, 0.29, 0.20),
)
_HAIRS = (
    (0.07, 0.06, 0.06),
    (0.16, 0.10, 0.07),
    (0.30, 0.19, 0.11),
    (0.62, 0.46, 0.25),
    (0.55, 0.53, 0.51),
)
_TROUSERS = (
    (0.14, 0.17, 0.27),
    (0.24, 0.33, 0.47),
    (0.08, 0.08, 0.09),
    (0.38, 0.37, 0.36),
    (0.62, 0.55, 0.43),
    (0.30, 0.24, 0.18),
    (0.80, 0.79, 0.76),
)


def random_look(rng: np.random.Generator) -> Look:
    """Somebody, at random."""
    woman = rng.random() < 0.5
    skirt = woman and rng.random() < 0.3
    warm = rng.random() < 0.45
    cloth = tuple(
        float(v)
        for v in np.clip(_hsv(rng.random(), rng.beta(1.3, 1.6), rng.uniform(0.1, 0.95)), 0.03, 0.95)
    )
    styles = (
        ("long", "bob", "bun", "long", "short")
        if woman
        else ("short", "short", "short", "cap", "bald")
    )
    return Look(
        height=float(rng.normal(1.64 if woman else 1.77, 0.06)),
        girth=float(np.clip(rng.normal(1.0, 0.09), 0.85, 1.3)),
        shoulders=float(rng.normal(0.94 if woman else 1.05, 0.03)),
        hips=float(rng.normal(1.08 if woman else 1.0, 0.03)),
        bust=0.014 if woman else 0.0,
        skin=_near(rng, _SKINS, 0.03),
        hair=_near(rng, _HAIRS, 0.02),
        shirt=cloth,  # type: ignore[arg-type]
        shirt_accent=tuple(
            float(v) for v in _hsv(rng.random(), rng.beta(1.3, 1.6), rng.uniform(0.15, 1))
        ),  # type: ignore[arg-type]
        trousers=_near(rng, _TROUSERS, 0.04),
        shoes=_near(
            rng,
            ((0.08, 0.07, 0.07), (0.85, 0.85, 0.84), (0.33, 0.21, 0.13), (0.6, 0.15, 0.15)),
            0.04,
        ),
        sleeve=float(rng.choice([1.9, 1.9, 0.65, 0.65, 0.25] if warm else [1.9, 0.65])),
        trouser=float(rng.choice([0.85, 0.6, 1.9] if warm and not skirt else [1.93]))
        if not skirt
        else 0.2,
        pattern=str(rng.choice(PATTERNS)),
        hair_style=str(rng.choice(styles)),
        skirt=skirt,
        backpack=bool(rng.random() < 0.15),
        seed=int(rng.integers(1 << 31)),
    )


def _near(rng: np.random.Generator, table: tuple[Rgb, ...], spread: float) -> Rgb:
    r, g, b = np.clip(
        np.array(table[rng.integers(len(table))]) + rng.normal(0, spread, 3), 0.02, 0.97
    )
    return float(r), float(g), float(b)


def _hsv(h: float, s: float, v: float) -> Array:
    """RGB of a hue, saturation and value, each 0..1."""
    k = (np.array([5.0, 3.0, 1.0]) + 6 * h) % 6
    rgb: Array = v - v * s * np.clip(np.minimum(k, 4 - k), 0, 1)
    return rgb


def _rx(a: float) -> Array:
    c, s = np.cos(a), np.sin(a)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _ry(a: float) -> Array:
    c, s = np.cos(a), np.sin(a)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _rz(a: float) -> Array:
    c, s = np.cos(a), np.sin(a)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


@dataclass(frozen=True, slots=True)
class Skeleton3D:
    """Posed bones: ``frames`` (3, 3) whose columns are left, up and front of a bone, ``points``
    (3,) metres.
    """

    frames: dict[str, Array]
    points: dict[str, Array]

    def place(self, bone: str, at: str, offset: Array) -> Array:
        """Points (..., 3) given in the axes of ``bone`` relative to the point ``at``."""
        result: Array = self.points[at] + offset @ self.frames[bone].T
        return result


def pose_skeleton(look: Look, angles: Vector, x: float, z: float, heading: float) -> Skeleton3D:
    """Bones of ``look`` in a posture, standing on the ground at (x, z): the lower sole touches it
    (plus ``lift``).
    """
    h, a = look.height, {name: angles[i] for name, i in ANGLES.items()}
    pelvis = _ry(heading + a["swivel"]) @ _rz(a["roll"]) @ _rx(a["lean"])
    chest = pelvis @ _rx(a["spine"]) @ _rz(a["spine_side"]) @ _ry(a["spine_twist"])
    head = chest @ _rx(a["head_nod"]) @ _rz(a["head_tilt"]) @ _ry(a["head_turn"])
    frames, points = {"pelvis": pelvis, "chest": chest, "head": head}, {"pelvis": np.zeros(3)}
    bones = Skeleton3D(frames, points)
    points["spine"] = bones.place("pelvis", "pelvis", np.array([0, SPINE_UP * h, 0]))
    points["neck"] = bones.place(
        "chest", "spine", np.array([0, (NECK_UP - SPINE_UP) * h, -0.006 * h])
    )
    for side, sign in SIDES:
        _pose_arm(bones, look, a, side, sign)
        _pose_leg(bones, look, a, side, sign)
    soles = [
        bones.place(f"{s}_foot", f"{s}_ankle", np.array([[0, -ANKLE_UP * h, f * h]]))[0, 1]
        for s, _ in SIDES
        for f in (FOOT_FORE, -FOOT_BACK)
    ]
    shift = np.array([x, a["lift"] - min(soles), z])
    return Skeleton3D(frames, {name: p + shift for name, p in points.items()})


def _pose_arm(bones: Skeleton3D, look: Look, a: dict[str, float], side: str, sign: float) -> None:
    h, p, f = look.height, bones.points, bones.frames
    upper = f["chest"] @ _rz(sign * a[f"{side}_arm_abduct"]) @ _rx(-a[f"{side}_arm_flex"])
    upper = upper @ _ry(sign * a[f"{side}_arm_twist"])
    lower = upper @ _rx(-a[f"{side}_elbow"])
    # a raised arm lifts its shoulder
    raised = np.clip((f["chest"].T @ upper)[1, 1] * -1 + 0.2, 0, 1) * 0.022 * h
    shoulder = np.array(
        [sign * (SHOULDER_WIDTH * look.shoulders * h - raised * 0.4), SHOULDER_UP * h + raised, 0.0]
    )
    p[f"{side}_shoulder"] = bones.place("chest", "spine", shoulder - np.array([0, SPINE_UP * h, 0]))
    f[f"{side}_upper_arm"], f[f"{side}_forearm"] = upper, lower
    p[f"{side}_elbow"] = p[f"{side}_shoulder"] - UPPER_ARM * h * upper[:, 1]
    p[f"{side}_wrist"] = p[f"{side}_elbow"] - FOREARM * h * lower[:, 1]


def _pose_leg(bones: Skeleton3D, look: Look, a: dict[str, float], side: str, sign: float) -> None:
    h, p, f = look.height, bones.points, bones.frames
    thigh = f["pelvis"] @ _rz(sign * a[f"{side}_leg_abduct"]) @ _rx(-a[f"{side}_leg_flex"])
    thigh = thigh @ _ry(sign * a[f"{side}_leg_twist"])
    shank = thigh @ _rx(a[f"{side}_knee"])
    f[f"{side}_thigh"], f[f"{side}_shank"] = thigh, shank
    f[f"{side}_foot"] = shank @ _rx(-a[f"{side}_ankle"])
    p[f"{side}_hip"] = bones.place(
        "pelvis", "pelvis", np.array([sign * HIP_WIDTH * look.hips * h, 0, 0])
    )
    p[f"{side}_knee"] = p[f"{side}_hip"] - THIGH * h * thigh[:, 1]
    p[f"{side}_ankle"] = p[f"{side}_knee"] - SHANK * h * shank[:, 1]


def keypoints(look: Look, bones: Skeleton3D) -> Array:
    """The 15 joints of ``POSETRACK_15`` in its order, (15, 3) metres."""
    h = look.height
    head = (
        np.array(
            [
                [0, CHIN_UP + 0.40 * HEAD, 0.5 * HEAD],
                [0, 0.012, 0],
                [0, CHIN_UP + HEAD, -0.03 * HEAD],
            ]
        )
        * h
    )
    nose, neck, top = bones.place("head", "neck", head)
    limbs = [
        bones.points[f"{s}_{j}"]
        for j in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for s, _ in SIDES
    ]
    return np.stack([nose, neck, top, *limbs])
