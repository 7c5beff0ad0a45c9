"""Who walks where in a drawn clip: people with a path on the ground and a motion, placed to meet or
not to meet.
"""

from __future__ import annotations

__all__ = ["CAMERAS", "PLOTS", "Actor", "Plot", "cast", "lookalikes"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from posetrack.drawn.body import Look, Skeleton3D, pose_skeleton, random_look
from posetrack.drawn.figure import Figure
from posetrack.drawn.motion import CYCLE_M, MOTIONS, Path

Rng = np.random.Generator
ON_THE_SPOT = ("dance", "jump", "jumping_jack", "reach", "squat", "stand", "wave")
NORMAL_SPEED = 1.35  # m/s, at which a walking cycle is CYCLE_M body heights long
STONE = (0.55, 0.54, 0.52)  # RGB 0..1, of dummies
RUN_SPEED = 2.2  # m/s from which people run


@dataclass(frozen=True, slots=True)
class Actor:
    """One person of a clip: body, path and motion."""

    figure: Figure
    path: Path
    motion: str
    tempo: float
    phase_s: float
    frozen: bool = False

    def bones(self, t: float) -> Skeleton3D:
        """The posed skeleton at ``t`` seconds."""
        t = 0.0 if self.frozen else t
        x, z, heading = self.path.at(t)
        angles = MOTIONS[self.motion](t + self.phase_s, self.tempo)
        return pose_skeleton(self.figure.look, angles, x, z, heading)


@dataclass(frozen=True, slots=True)
class Plot:
    """What a clip gives its people to do: how many, for how long, in a picture half of which is
    ``half_width`` metres wide at a distance of 1 m; ``motions`` are the names wanted.
    """

    people: int
    seconds: float
    half_width: float
    motions: Sequence[str]


def cast(rng: Rng, story: str, plot: Plot, alike: float) -> list[Actor]:
    """The actors of the story with that name in ``PLOTS``; a share ``alike`` of them, after the
    first, wears what the first one wears.
    """
    actors = PLOTS[story](rng, plot)
    twins = round(alike * max(0, len(actors) - 1))
    return [
        replace(actor, figure=Figure(_dressed_as(actor.figure.look, actors[0].figure.look)))
        if 1 <= i <= twins
        else actor
        for i, actor in enumerate(actors)
    ]


def lookalikes(rng: Rng, count: int, plot: Plot) -> list[Actor]:
    """Things that look like people and are none: grey dummies that never move."""
    dummies = [_on_the_spot(rng, plot.half_width, ("stand",)) for _ in range(count)]
    return [
        replace(dummy, figure=Figure(_of_stone(dummy.figure.look)), motion="stand", frozen=True)
        for dummy in dummies
    ]


def _dressed_as(look: Look, other: Look) -> Look:
    """Somebody's own build, face and hair in another one's clothes."""
    return replace(
        look,
        skirt=False,
        shirt=other.shirt,
        shirt_accent=other.shirt_accent,
        trousers=other.trousers,
        shoes=other.shoes,
        sleeve=other.sleeve,
        trouser=other.trouser,
        pattern=other.pattern,
        seed=other.seed,
    )


def _of_stone(look: Look) -> Look:
    return replace(
        look,
        skin=STONE,
        hair=STONE,
        shirt=STONE,
        shirt_accent=STONE,
        trousers=STONE,
        shoes=STONE,
        pattern="plain",
        backpack=False,
    )


# --- stories --------------------------------------------------------------------------------------


def _crossings(rng: Rng, plot: Plot) -> list[Actor]:
    """Every second pair walks past each other near the middle of the picture and of the clip, one
    close behind the other; every third person moves on the spot behind them.
    """
    actors: list[Actor] = []
    while len(actors) < plot.people:
        pair, which = divmod(len(actors), 3)
        if which == 2:
            actors.append(_on_the_spot(rng, plot.half_width, plot.motions))
        else:
            actors.append(_crossing(rng, which, pair, plot.seconds, plot.half_width, plot.motions))
    return actors


def _lanes(rng: Rng, plot: Plot) -> list[Actor]:
    """Everybody keeps to a lane: nobody hides anybody."""
    return [
        _in_lane(rng, i, plot.people, plot.half_width, plot.motions) for i in range(plot.people)
    ]


def _group(rng: Rng, plot: Plot) -> list[Actor]:
    """All walk the same way, shoulder to shoulder and one behind the other, at about one speed."""
    speed = float(rng.uniform(1.0, 1.5))
    depth = float(rng.uniform(4.6, 5.4))
    reach = max(0.5 * speed * plot.seconds, 0.6)
    side = float(rng.choice([-1, 1]))
    actors = []
    for i in range(plot.people):
        row, place = divmod(i, 3)
        x = (place - 1) * rng.uniform(0.55, 0.75) + rng.uniform(-0.1, 0.1)
        z = -depth - 0.75 * row - rng.uniform(0, 0.5)
        own = speed * float(rng.uniform(0.97, 1.03))
        start, goal = (x - side * reach, z), (x + side * (reach + 5), z)
        actors.append(_actor(rng, Path((float(start[0]), z), (float(goal[0]), z), own), "walk"))
    return actors


def _returns(rng: Rng, plot: Plot) -> list[Actor]:
    """All but the first leave the picture at a side, turn round outside, and come back."""
    actors = [_on_the_spot(rng, plot.half_width, plot.motions)]
    for i in range(1, plot.people):
        speed = float(rng.uniform(1.2, 1.7))
        depth = 4.3 + 0.7 * i
        edge = plot.half_width * depth
        side = 1 if i % 2 else -1
        away = edge + float(rng.uniform(0.6, 1.0))  # far enough that nothing shows
        # there and back takes the clip: who starts at ``inside`` is out of sight in the middle
        inside = away - max(0.4, speed * (plot.seconds / 2 - 0.35))
        z = -depth + float(rng.uniform(-0.2, 0.2))
        actors.append(_actor(rng, Path((side * inside, z), (side * away, z), speed), "walk"))
    return actors[: plot.people]


# name -> who walks where; add yours here
PLOTS: dict[str, Callable[[Rng, Plot], list[Actor]]] = {
    "crossing": _crossings,
    "group": _group,
    "lanes": _lanes,
    "return": _returns,
}


def _actor(rng: Rng, path: Path, motion: str) -> Actor:
    figure = Figure(random_look(rng))
    tempo = float(rng.uniform(0.85, 1.15))
    if path.speed > 0:
        cycle_m = CYCLE_M * figure.look.height * np.sqrt(path.speed / NORMAL_SPEED)
        tempo = float(path.speed / cycle_m)
    return Actor(figure, path, motion, tempo, float(rng.uniform(0, 10)))


def _gait(rng: Rng, motions: Sequence[str]) -> tuple[str, float]:
    """Walking or running, of those wanted, and a speed."""
    wanted = [m for m in motions if m in ("walk", "run")] or ["walk"]
    motion = str(rng.choice(wanted))
    return motion, float(rng.uniform(RUN_SPEED, 3.2) if motion == "run" else rng.uniform(0.9, 1.6))


def _crossing(
    rng: Rng, which: int, pair: int, seconds: float, half_width: float, motions: Sequence[str]
) -> Actor:
    """One of two who walk towards each other (``which`` 0 or 1), and meet at the middle of the
    clip.
    """
    motion, speed = _gait(rng, motions)
    depth = 4.4 + 0.7 * which + 1.5 * pair + rng.uniform(-0.2, 0.2)
    middle = rng.uniform(-0.15, 0.15) * half_width * depth * (1 + pair)
    reach = min(max(speed * seconds / 2, 1.0), 0.82 * half_width * depth)
    sign, slant = (1 if which == 0 else -1), rng.uniform(-0.35, 0.35)
    start, goal = (middle - sign * reach, -depth + slant), (middle + sign * reach, -depth - slant)
    length = float(np.hypot(goal[0] - start[0], goal[1] - start[1]))
    return _actor(rng, Path(start, goal, speed, length / speed / 2 - seconds / 2), motion)


def _on_the_spot(rng: Rng, half_width: float, motions: Sequence[str]) -> Actor:
    wanted = [m for m in motions if m in ON_THE_SPOT] or ["stand"]
    depth = rng.uniform(5.8, 7.2)
    at, angle = (rng.uniform(-0.6, 0.6) * half_width * depth, -depth), rng.normal(0, 1.0)
    path = Path(
        (float(at[0]), float(at[1])),
        (float(at[0] + np.sin(angle)), float(at[1] + np.cos(angle))),
        0.0,
    )
    return _actor(rng, path, str(rng.choice(wanted)))


def _in_lane(rng: Rng, i: int, people: int, half_width: float, motions: Sequence[str]) -> Actor:
    depth = max(rng.uniform(4.2, 6.5), 0.55 * people / half_width)
    lane = 2 * half_width * depth * 0.92 / people
    x, motion = (i + 0.5 - people / 2) * lane, str(rng.choice(list(motions)))
    angle = rng.uniform(-np.pi, np.pi)
    walks = motion in ("walk", "run")
    goal = (
        x + (rng.choice([-1, 1]) * 0.2 * lane if walks else np.sin(angle)),
        -depth + (0.8 if walks else np.cos(angle)),
    )
    start = (x, -depth - (0.8 if walks else 0.0))
    return _actor(
        rng,
        Path(start, (float(goal[0]), float(goal[1])), _gait(rng, [motion])[1] if walks else 0.0),
        motion,
    )


def _still(t: float, s: float) -> tuple[float, float, float, float]:
    return 0.0, 0.0, 0.0, 1.0


def _pan(t: float, s: float) -> tuple[float, float, float, float]:
    return (
        0.13 * float(np.sin(np.pi * (t / max(s, 1e-6) - 0.5))),
        0.01 * float(np.sin(2.1 * t)),
        0.0,
        1.0,
    )


def _zoom(t: float, s: float) -> tuple[float, float, float, float]:
    return (
        0.02 * float(np.sin(t)),
        0.0,
        0.0,
        1.0 + 0.16 * (1 - float(np.cos(2 * np.pi * t / max(s, 1e-6)))) / 2,
    )


def _shake(t: float, s: float) -> tuple[float, float, float, float]:
    wobble = [
        sum(np.sin(w * k * t + p + k) / k for k in (1, 2.3, 4.1))
        for w, p in ((3.1, 0.0), (3.7, 1.0), (2.3, 2.0))
    ]
    return 0.012 * float(wobble[0]), 0.009 * float(wobble[1]), 0.008 * float(wobble[2]), 1.0


def _everything(t: float, s: float) -> tuple[float, float, float, float]:
    moves = [f(t, s) for f in (_pan, _zoom, _shake)]
    pan, tilt, roll, zoom = (list(column) for column in zip(*moves, strict=True))
    return sum(pan), sum(tilt), sum(roll), float(np.prod(zoom))


# name -> (pan, tilt, roll in radians, zoom) at time t of a clip of s seconds; add yours here
CAMERAS: dict[str, Callable[[float, float], tuple[float, float, float, float]]] = {
    "everything": _everything,
    "pan": _pan,
    "shake": _shake,
    "still": _still,
    "zoom": _zoom,
}
