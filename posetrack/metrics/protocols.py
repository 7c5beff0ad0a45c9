"""By which rules a PoseTrack score is taken: as the official tools take it, or with their
oversights mended.

``POSEVAL`` is the official 2017/2018 tool and comparable with every published table. ``KIT`` is the
evaluation kit of PoseTrack21 (HOTA and its pose AP). ``CORRECTED`` differs from the two:

* A frame without annotated people: poseval and the kit drop it with its predictions; corrected
  counts it if the file labels it (a file that says nothing labels all frames).
* The last frame of a sequence: poseval and the kit leave it out of tracking; corrected counts it.
* A frame where one side is empty: poseval counts 1 miss, 1 false positive and 1 object a joint,
  however many people were there, the kit the whole sequence's joints; corrected what is there.
* A joint without any data: poseval and the kit take AP 0 as part of the mean (poseval NaN only if
  it was predicted); corrected NaN, not part of the mean.
* MOTP: poseval over every pairable pair and some pairs again (the newest version), 0 without any;
  corrected over matched pairs, NaN without any.
* A joint at x <= 0 or y <= 0: absent to the kit; a joint like any other to corrected.
* Track ids: poseval wants them below 10000; corrected takes any.
* A true id twice in a frame: not checked by poseval and the kit; an error to corrected.
"""

from __future__ import annotations

__all__ = ["CORRECTED", "KIT", "POSEVAL", "PROTOCOLS", "Protocol"]

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Protocol:
    """The rules in which the tools differ; see the module's table.

    ``frames``: which frames count: those with annotated "people", those whose label "flag" is set
    (people decide where the file has no flags), or "both" (flag or people; all where the file has
    no flags).
    """

    name: str
    frames: Literal["people", "flag", "both"]
    counts_last_frame: bool
    dummy_frames: bool
    whole_sequence_misses: bool
    no_data_is_zero: bool
    no_truth_is_zero: bool
    motp_over_all_events: bool
    positive_coordinates_only: bool
    max_track_id: int | None
    checks_true_ids: bool


POSEVAL = Protocol(
    name="poseval",
    frames="people",
    counts_last_frame=False,
    dummy_frames=True,
    whole_sequence_misses=False,
    no_data_is_zero=True,
    no_truth_is_zero=False,
    motp_over_all_events=True,
    positive_coordinates_only=False,
    max_track_id=10000,
    checks_true_ids=False,
)
KIT = Protocol(
    name="posetrack21-kit",
    frames="flag",
    counts_last_frame=True,
    dummy_frames=False,
    whole_sequence_misses=True,
    no_data_is_zero=True,
    no_truth_is_zero=True,
    motp_over_all_events=False,
    positive_coordinates_only=True,
    max_track_id=None,
    checks_true_ids=False,
)
CORRECTED = Protocol(
    name="corrected",
    frames="both",
    counts_last_frame=True,
    dummy_frames=False,
    whole_sequence_misses=False,
    no_data_is_zero=False,
    no_truth_is_zero=False,
    motp_over_all_events=False,
    positive_coordinates_only=False,
    max_track_id=None,
    checks_true_ids=True,
)

PROTOCOLS = {p.name: p for p in (POSEVAL, CORRECTED)}
