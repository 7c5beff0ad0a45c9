"""The table behind CSV and Parquet: one row a joint ("long" or tidy), what pandas, R and a
spreadsheet want.

Columns: ``frame, time_s, id, joint, x, y, score, box_x1, box_y1, box_x2, box_y2, box_score``;
pixels and seconds. An absent joint has its row without ``x`` and ``y``; a frame without people is
one row without ``id`` and what follows, so that every frame of the video is in the file. Not kept:
video size, frame rate, settings, image names, ground-truth extras.
"""

from __future__ import annotations

__all__ = ["COLUMNS", "MOST_COMPARED", "SAME_NAME", "Row", "frame_rows", "to_frames"]

import logging
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from itertools import combinations, groupby

import numpy as np

from posetrack.errors import FormatError
from posetrack.skeletons import SKELETONS, make_skeleton
from posetrack.structures import Boxes, FrameLabels, Poses, Skeleton, Tracks, as_float32

_log = logging.getLogger(__name__)

COLUMNS = "frame time_s id joint x y score box_x1 box_y1 box_x2 box_y2 box_score".split()
MOST_COMPARED = 150  # joints of a table; more take long, and are no skeleton in use
SAME_NAME = 0.85  # likeness of two spellings of a joint, as difflib has it
_NUMBERS = 8  # x, y, score, four box sides and the box score: the last columns

# frame, time, identity, joint, then numbers; None where there is nothing. Float32 values are
# numpy's own.
Row = list[int | float | str | np.floating | None]


def frame_rows(labels: FrameLabels, skeleton: Skeleton) -> Iterator[Row]:
    """The rows of one frame, people in order, joints in the skeleton's order."""
    poses = labels.tracks.poses
    when: Row = [labels.index, None if np.isnan(labels.time_s) else labels.time_s]
    if len(poses) == 0:
        yield [*when, *[None] * (len(COLUMNS) - 2)]
    for n, identity in enumerate(labels.tracks.id):
        box = _values(*poses.boxes.xyxy[n], poses.boxes.score[n])
        for k, joint in enumerate(skeleton.joints):
            yield [*when, int(identity), joint, *_values(*poses.xy[n, k], poses.score[n, k]), *box]


def _values(*numbers: np.floating) -> Row:
    return [None if np.isnan(number) else number for number in numbers]


def to_frames(rows: Iterable[tuple[str, Row]]) -> tuple[Skeleton, tuple[FrameLabels, ...]]:
    """The skeleton and frames of a whole table, each row given with where it stands. Raises
    FormatError.
    """
    placed = list(rows)
    skeleton = _find_skeleton(str(row[3]) for _, row in placed if row[3])
    if skeleton not in SKELETONS.values():
        _refuse_misspelt(placed, skeleton)
        _warn_of_nearly_known(placed[0][0], skeleton)
    groups = groupby(placed, key=lambda item: item[1][0])
    return skeleton, tuple(_parse_frame(list(group), skeleton) for _, group in groups)


def _find_skeleton(joints: Iterable[str]) -> Skeleton:
    """A known skeleton with these joints in this order, or one made from the names."""
    names = tuple(dict.fromkeys(joints))
    known = next((s for s in SKELETONS.values() if s.joints == names), None)
    if known is None and not names:
        return SKELETONS["posetrack15"]  # nobody in the whole file
    return known or make_skeleton("custom", names)


def _refuse_misspelt(placed: list[tuple[str, Row]], skeleton: Skeleton) -> None:
    """Raise FormatError where two joints are spelt nearly the same and nobody has both of them: one
    joint under two names.
    """
    joints = range(min(len(skeleton), MOST_COMPARED))
    pairs = [pair for pair in combinations(joints, 2) if _alike(skeleton, pair)]
    if not pairs:
        return
    owners: dict[str, set[tuple[object, object]]] = defaultdict(set)
    for _, row in placed:
        if row[3]:
            owners[str(row[3])].add((row[0], row[2]))
    for names in ((skeleton.joints[a], skeleton.joints[b]) for a, b in pairs):
        if owners[names[0]].isdisjoint(owners[names[1]]):
            rare, usual = sorted(names, key=lambda name: len(owners[name]))
            where = next(place for place, row in placed if row[3] == rare)
            raise FormatError(
                f"{where}: the joint {rare!r} is {usual!r} elsewhere; spell it the same in all "
                f"rows."
            )


def _alike(skeleton: Skeleton, pair: tuple[int, int]) -> bool:
    """Whether names differ by a slip of the pen, not by their side or number."""
    if pair in skeleton.flip_pairs or pair[::-1] in skeleton.flip_pairs:
        return False
    return _same_name(*(skeleton.joints[i] for i in pair))


def _warn_of_nearly_known(where: str, skeleton: Skeleton) -> None:
    """Say where all names but some slips of the pen are those of a known skeleton."""
    mine = set(skeleton.joints)
    known = max(SKELETONS.values(), key=lambda s: len(mine & set(s.joints)))
    if 2 * len(mine & set(known.joints)) < len(mine):
        return
    missing = [name for name in known.joints if name not in mine]
    for name in (n for n in skeleton.joints if n not in known.joints):
        meant = next((other for other in missing if _same_name(name, other)), None)
        if meant is not None:
            _log.warning(
                "%s: the joint %r is none of %s, is it %s? It is taken as a joint of its own.",
                where.rpartition(", ")[0],
                name,
                known.name,
                meant,
            )


def _same_name(a: str, b: str) -> bool:
    numbers = [re.findall(r"\d+", name) for name in (a, b)]
    return numbers[0] == numbers[1] and SequenceMatcher(None, a, b).ratio() >= SAME_NAME


def _parse_frame(rows: list[tuple[str, Row]], skeleton: Skeleton) -> FrameLabels:
    place = {joint: k for k, joint in enumerate(skeleton.joints)}
    people: dict[int, tuple[list[list[float]], list[float]]] = {}
    where, first = rows[0]
    try:
        for where, row in rows:  # noqa: B007 - wanted in the error
            if row[2] is None:
                continue
            numbers = [_number(v) for v in row[-_NUMBERS:]]
            nothing = [[float("nan")] * 3 for _ in place]
            keypoints, _ = people.setdefault(_whole(row[2]), (nothing, numbers[3:]))
            keypoints[place[str(row[3])]] = numbers[:3]
        where = rows[0][0]
        return FrameLabels(_whole(first[0]), _number(first[1]), _tracks(people, skeleton))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise FormatError(f"{where}: {error}.") from error


def _tracks(people: dict[int, tuple[list[list[float]], list[float]]], skeleton: Skeleton) -> Tracks:
    keypoints = as_float32([k for k, _ in people.values()]).reshape(-1, len(skeleton), 3)
    boxes = as_float32([b for _, b in people.values()]).reshape(-1, 5)
    poses = Poses(keypoints[..., :2], keypoints[..., 2], Boxes(boxes[:, :4], boxes[:, 4]), skeleton)
    return Tracks(np.array(list(people), np.int64), poses)


def _whole(value: object) -> int:
    return int(value)  # type: ignore[call-overload, no-any-return]


def _number(value: object) -> float:
    number = float("nan") if value is None else float(value)  # type: ignore[arg-type]
    if math.isinf(number):
        raise ValueError("a number is infinite")
    return number
