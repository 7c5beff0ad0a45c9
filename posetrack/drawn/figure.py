"""Drawn people as solid bodies: skin, clothes and hair as tubes that the bones move (linear blend
skinning).
"""

from __future__ import annotations

__all__ = ["Figure"]

import numpy as np
import numpy.typing as npt

from posetrack.drawn import clothes
from posetrack.drawn import head as heads
from posetrack.drawn import limbs as limbs
from posetrack.drawn.body import ANCHORS, SIDES, Look, Skeleton3D, pose_skeleton
from posetrack.drawn.loft import Fit, Loft
from posetrack.drawn.motion import posture

Array = npt.NDArray[np.float64]
BONES = list(ANCHORS)


def _fit(look: Look) -> Fit:
    points = pose_skeleton(look, posture(), 0, 0, 0).points
    rng = np.random.default_rng(look.seed)
    return Fit(
        look,
        {name: point - points["pelvis"] for name, point in points.items()},
        rng,
        rng.random((5, 5, 3)),
    )


def _lofts(fit: Fit) -> list[Loft]:
    """All tubes of one person."""
    look = fit.look
    pairs = (limbs.arm, limbs.hand, limbs.thumb, limbs.leg, limbs.foot)
    lofts = [clothes.torso(fit), clothes.neck(fit), heads.head(fit)]
    lofts += [limb(fit, side, sign) for side, sign in SIDES for limb in pairs]
    lofts += [heads.ear(fit, sign) for _, sign in SIDES]
    lofts += heads.hair(fit) if look.hair_style != "bald" else []
    lofts += [clothes.skirt(fit)] if look.skirt else []
    lofts += [clothes.backpack(fit)] if look.backpack else []
    return lofts


class Figure:
    """One person ready to be posed: ``faces`` (F, 4) vertex indices, ``colour`` (F, 3) RGB 0..1,
    ``gloss`` (F,).

    A face's corners run so that its diagonals' cross product, times ``outward`` (F,), points
    outside. ``head`` are the vertices of the skull, without hair, from which head boxes are taken.
    """

    def __init__(self, look: Look) -> None:
        fit = _fit(look)
        lofts = _lofts(fit)
        self.look = look
        self.faces, self.colour, self.gloss, self.outward, self.head = _assemble(lofts)
        points = np.concatenate([loft.points.reshape(-1, 3) for loft in lofts])
        self._rest = np.concatenate([points, np.ones((len(points), 1))], axis=1)
        self._weights = np.concatenate(
            [
                np.stack([_flat(loft.weights.get(bone), loft.points) for bone in BONES], axis=1)
                for loft in lofts
            ]
        )
        self._anchors = {bone: fit.rest[point] for bone, point in ANCHORS.items()}

    def vertices(self, bones: Skeleton3D) -> Array:
        """All vertices of the posed body, (V, 3) metres."""
        moves = np.stack(
            [
                np.column_stack(
                    [
                        bones.frames[bone],
                        bones.points[at] - bones.frames[bone] @ self._anchors[bone],
                    ]
                )
                for bone, at in ANCHORS.items()
            ]
        )
        blended = (self._weights @ moves.reshape(len(BONES), 12)).reshape(-1, 3, 4)
        result: Array = np.einsum("vij,vj->vi", blended, self._rest)
        return result


def _flat(weight: Array | None, points: Array) -> Array:
    return np.zeros(points[..., 0].size) if weight is None else weight.reshape(-1)


def _assemble(lofts: list[Loft]) -> tuple[npt.NDArray[np.int64], Array, Array, Array, slice]:
    """Faces, colours, gloss and outward signs of all tubes, and the slice of the head's
    vertices.
    """
    faces, colours, gloss, outward, start, head = [], [], [], [], 0, slice(0)
    for loft in lofts:
        rings, n = loft.points.shape[:2]
        i = start + np.arange(rings * n).reshape(rings, n)
        j = np.roll(i, -1, axis=1)
        quads = np.stack([i[:-1], j[:-1], j[1:], i[1:]], axis=-1).reshape(-1, 4)
        colour = loft.colour.reshape(-1, 3)
        keep = ~np.isnan(colour[:, 0])
        faces.append(quads[keep])
        colours.append(np.clip(colour[keep], 0.01, 1))
        gloss.append(np.full(keep.sum(), loft.gloss))
        outward.append(np.full(keep.sum(), _outward(loft.points)))
        if loft.name == "head":
            head = slice(start, start + i.size)
        start += i.size
    return (
        np.concatenate(faces),
        np.concatenate(colours),
        np.concatenate(gloss),
        np.concatenate(outward),
        head,
    )


def _outward(points: Array) -> float:
    """+1 where the cross product of a face's diagonals points out of the tube, -1 where it points
    in.
    """
    corners = (
        points[:-1],
        np.roll(points, -1, axis=1)[:-1],
        np.roll(points, -1, axis=1)[1:],
        points[1:],
    )
    normal = np.cross(corners[2] - corners[0], corners[3] - corners[1])
    middle = (points[:-1] + points[1:]) / 2
    away = middle - middle.mean(axis=1, keepdims=True)
    return float(np.sign(np.sum(normal * away)) or 1.0)
