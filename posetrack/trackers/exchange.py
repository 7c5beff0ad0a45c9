"""People who took each other's identity while one covered the other: set right by what they look
like afterwards.

Who passes behind somebody leaves one visible body for two identities, and joints alone cannot say
whose it is. So the people of a meeting are under suspicion from then on: their colours are gathered
anew as soon as nobody covers them, and where they fit another identity of that meeting clearly
better than their own, the identities change back. Tracks of earlier frames stay as they were
written. (Not in the papers; ``revive=0`` does as they do.)
"""

from __future__ import annotations

__all__ = ["Meetings", "renamed"]

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from posetrack.structures import FloatArray
from posetrack.trackers.appearance import COLOUR_BINS, likeness

ENOUGH_FRAMES = 4  # in the clear before somebody's colours say anything
SURE_FRAMES = 12  # in the clear, without a better fit, after which a person is who they are
# of likeness by which another identity must fit better; as ENOUGH_FRAMES, chosen on drawn clips
MIN_GAIN = 0.12

Looks = Mapping[int, FloatArray]


def renamed(ids: npt.NDArray[np.int64], changes: Mapping[int, int]) -> npt.NDArray[np.int64]:
    """Identities (N,) with ``changes`` made."""
    return np.array([changes.get(one, one) for one in ids.tolist()], np.int64)


class Meetings:
    """Who has met whom since they were last known for certain, and what they have looked like
    since.
    """

    def __init__(self) -> None:
        self._met: set[tuple[int, int]] = set()
        self._fresh: dict[
            int, tuple[int, FloatArray]
        ] = {}  # by identity: frames in the clear, mean of the looks

    def suspects(self) -> set[int]:
        """Identities that may be somebody else's."""
        return {one for pair in self._met for one in pair}

    def exchanges(
        self,
        ids: npt.NDArray[np.int64],
        look: FloatArray,
        together: npt.NDArray[np.bool_],
        known: Looks,
    ) -> dict[int, int]:
        """What the identities (N,) of the people of a frame should be instead, where that is
        another one.

        ``look`` (N, D) is what they look like now, ``together`` (N, N) says who covers whom,
        ``known`` has the looks remembered by identity, also of those who are out of sight.
        """
        self._note(ids, look, together, known)
        changes: dict[int, int] = {}
        for one, other in self._better(ids.tolist(), known):
            if one not in changes and other not in changes:
                changes |= {one: other, other: one}
        self._fresh = {changes.get(one, one): fresh for one, fresh in self._fresh.items()}
        certain = {one for one, (frames, _) in self._fresh.items() if frames >= SURE_FRAMES}
        self._met = {pair for pair in self._met if not certain & set(pair)}
        return changes

    def _note(
        self,
        ids: npt.NDArray[np.int64],
        look: FloatArray,
        together: npt.NDArray[np.bool_],
        known: Looks,
    ) -> None:
        """Who meets whom, and the looks of those in the clear."""
        self._met = {pair for pair in self._met if known.keys() >= set(pair)}
        for pair in np.argwhere(np.triu(together, 1)):
            one, other = sorted(ids[pair].tolist())
            if one in known and other in known:
                self._met.add((one, other))
        suspects = self.suspects() & set(ids.tolist())
        self._fresh = {one: fresh for one, fresh in self._fresh.items() if one in suspects}
        for n, one in enumerate(ids.tolist()):
            if together[n].any():
                self._fresh.pop(one, None)
            elif one in suspects and look[n].any():
                frames, mean = self._fresh.get(one, (0, look[n]))
                self._fresh[one] = (frames + 1, mean + (look[n] - mean) / (frames + 1))

    def _better(self, present: list[int], known: Looks) -> list[tuple[int, int]]:
        """Pairs of identities that should change, the clearest first: both in the clear, or the
        second out of sight.
        """
        ready = [one for one in present if self._fresh.get(one, (0,))[0] >= ENOUGH_FRAMES]
        found: list[tuple[float, int, int]] = []
        for one in ready:
            for other in self._party(one) - {one}:
                gain = self._gain(one, other, known)
                if other in ready:
                    gain = min(gain, self._gain(other, one, known))
                if gain >= MIN_GAIN and (other in ready or other not in present):
                    found.append((gain, one, other))
        return [(one, other) for _, one, other in sorted(found, reverse=True)]

    def _gain(self, one: int, other: int, known: Looks) -> float:
        """By how much the person under one identity looks more like the other."""
        own, others = likeness(self._fresh[one][1][None], np.stack([known[one], known[other]]))[0]
        return float(others - own)

    def _party(self, one: int) -> set[int]:
        """Everybody met, also by way of others."""
        party, size = {one}, 0
        while len(party) > size:
            size = len(party)
            party |= {who for pair in self._met if party & set(pair) for who in pair}
        return party

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything remembered, as arrays."""
        fresh = sorted(self._fresh.items())
        return {
            "met": np.array(sorted(self._met), np.int64).reshape(-1, 2),
            "fresh_id": np.array([one for one, _ in fresh], np.int64),
            "fresh_frames": np.array([frames for _, (frames, _) in fresh], np.int64),
            "fresh_look": np.array([look for _, (_, look) in fresh], np.float32).reshape(
                -1, COLOUR_BINS
            ),
        }

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what ``state`` gave."""
        self._met = {(int(a), int(b)) for a, b in state["met"]}
        looks = zip(
            state["fresh_id"].tolist(),
            state["fresh_frames"].tolist(),
            state["fresh_look"],
            strict=True,
        )
        self._fresh = {one: (frames, look) for one, frames, look in looks}
