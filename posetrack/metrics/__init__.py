"""Metrics as pure functions of arrays: PoseTrack's AP, CLEAR MOT, identities and HOTA; MPII's PCKh;
the training PCK.

``scenes.make_scene(gt, pred, protocol)`` cleans one sequence and measures every distance once;
``keypoint_ap``, ``clear_mot``, ``identity`` and ``hota`` start from there. ``protocols`` says by
whose rules. COCO's AP is pycocotools' (``posetrack.evaluation.coco``). Add yours: a module with one
function from arrays to a result.
"""

from __future__ import annotations

__all__: list[str] = []
