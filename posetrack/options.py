"""Every option of tracking in one place: name, default, what it does. Light, because ``--help``
reads it.

``PoseTracker(**options)`` takes these names; ``posetrack track`` makes a command-line option of
each field. The papers publish none of the thresholds below; the defaults were chosen on real clips
(``benchmarks/track_clips.py``).
"""

from __future__ import annotations

__all__ = ["TrackOptions"]

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from os import PathLike
from typing import Any

from posetrack.errors import UsageError, WrongTypeError, unknown_name

# --- association (trackers) ---
MEMORY = 30  # frames a person is remembered after they were last seen; about a second
MIN_OKS = 0.2  # OKS (or IoU) below which two poses are two people
MIN_NEW_SCORE = 0.25  # score of a pose (box times joints) that may become somebody new
# factor on a box's score for every frame in which only flow carried it: halved in 23 frames
PROPOSAL_DECAY = 0.97
# for which flow proposes somebody not seen; 1 in the papers, all gain on drawn clips is had by 5
PROPOSAL_FRAMES = 5
CROWDED_IOU = 0.1  # overlap from which two people are close
KEEP_GAIN = 0.15  # the same for two who then keep the boxes they had
BOX_GAIN = 0.5  # share of the box seen now in the one that somebody is remembered with
REVIVE = 150  # in which somebody lost may be known again by their looks; about five seconds
# of a box, from which a detection can be anybody; below, only somebody seen lately
SURE_SCORE = 0.5
# --- boxes and poses (pipeline) ---
BOX_NMS_IOU = 0.6  # of two boxes that overlap more, the worse one goes
# of a remembered person's box lies in a detection that may have swallowed them
SWALLOWED_SHARE = 0.6
# of IoU by which two people together must explain a detection better than anybody alone
SWALLOW_GAIN = 0.1
# of two poses more alike, the worse one goes; 2.4 % of COCO's people are that close, as at 0.7
OKS_NMS = 0.5
MIN_BOX_SCORE = 0.3
# of the minimum box score is enough for a box that flow proposes: tracks fade, they do not flicker
CARRIED_SHARE = 0.5
MIN_POSE_SCORE = 0.22  # mean joint score of a pose below which nobody stands there
MIN_JOINT_SCORE = 0.2  # joints below are left out of the output; official HRNet code: IN_VIS_THRE
WINDOW_FRAMES = 8  # frames that go through detector, flow and pose network together


# Groups of options, as the help pages show them.
INPUT, NETWORKS, PEOPLE, SPEED = "Input", "Network", "People", "Speed"


def _option(section: str, default: Any, text: str, **more: Any) -> Any:
    return field(default=default, metadata={"section": section, "help": text, **more})


@dataclass(frozen=True, slots=True)
class TrackOptions:
    """What ``PoseTracker`` and ``posetrack track`` share. None means: what the preset says.

    The metadata of a field is its ``section`` of the help page, its ``help`` text and, where there
    are some, ``choices``, ``min``, ``max`` and ``metavar``. Choices that are the names of a table
    are in ``offered.OFFERED``.
    """

    preset: str = _option(
        NETWORKS,
        "lite",
        "Networks that go together: lite is bundled, the others are downloaded.",
        choices=("lite", "balanced", "accurate"),
    )
    detector: str | None = _option(
        NETWORKS,
        None,
        "bundled, hog, a torchvision detector by its name, or a file.",
        metavar="NAME",
    )
    detector_net: str | None = _option(
        NETWORKS,
        None,
        "Which torchvision detector the file is of, where its tensors do not say.",
        metavar="NAME",
    )
    detector_size: int | None = _option(
        NETWORKS,
        None,
        "Longer side, in pixels, at which people are detected (default: the detector's own): "
        "larger finds smaller people and costs more.",
        min=64,
    )
    weights: str | None = _option(
        NETWORKS,
        None,
        "Pose network: a name of 'posetrack weights list', or a file.",
        metavar="NAME",
    )
    boxes: str | None = _option(
        INPUT,
        None,
        "Take the people's boxes from this file (COCO results, PoseTrack JSON) "
        "instead of a detector.",
        metavar="FILE",
    )
    flow: str = _option(
        NETWORKS,
        "dis",
        "dis, dis_medium, dis_ultrafast, torchvision_raft_small, torchvision_raft_large, "
        "any ptlflow model by its name, or none.",
        metavar="NAME",
    )
    flow_size: int = _option(
        NETWORKS, 448, "Longer side, in pixels, at which flow is computed.", min=16
    )
    flow_weights: str | None = _option(
        NETWORKS,
        None,
        "Weights of a flow network: a file, or a version ptlflow publishes.",
        metavar="NAME",
    )
    tracker: str = _option(
        PEOPLE,
        "fused",
        "How people are told apart.",  # choices: ``offered``
    )
    memory: int = _option(
        PEOPLE, MEMORY, "Frames a person is remembered after they were last seen.", min=1
    )
    revive: int = _option(
        PEOPLE,
        REVIVE,
        "Frames in which somebody lost may be known again by the colours they wear; "
        "0: never, as in the papers.",
        min=0,
    )
    min_oks: float = _option(
        PEOPLE, MIN_OKS, "Similarity below which two poses are two people.", min=0, max=1
    )
    min_new_score: float = _option(
        PEOPLE, MIN_NEW_SCORE, "Pose score that somebody new needs.", min=0, max=1
    )
    box_nms: float = _option(
        PEOPLE, BOX_NMS_IOU, "Overlap (IoU) above which the worse of two boxes goes.", min=0, max=1
    )
    oks_nms: float = _option(
        PEOPLE, OKS_NMS, "Similarity above which the worse of two poses goes.", min=0, max=1
    )
    min_box_score: float = _option(PEOPLE, MIN_BOX_SCORE, "Boxes below are ignored.", min=0, max=1)
    min_pose_score: float = _option(
        PEOPLE, MIN_POSE_SCORE, "Poses whose mean joint score is below are ignored.", min=0, max=1
    )
    min_joint_score: float = _option(
        PEOPLE,
        MIN_JOINT_SCORE,
        "Joints below count in no comparison, and are left out of the output.",
        min=0,
        max=1,
    )
    min_output_score: float | None = _option(
        PEOPLE,
        None,
        "Joints below are left out of the output, where that is not --min-joint-score.",
        min=0,
        max=1,
    )
    smooth: bool = _option(
        PEOPLE,
        False,
        "Smooth the joints as they come (1 euro filter); 'posetrack refine' does more afterwards.",
    )
    flip: bool | None = _option(
        NETWORKS, None, "Average with the mirrored picture: a little better, half as fast."
    )
    upright: bool | None = _option(
        NETWORKS, None, "Look again at people who lie or tumble, turned upright."
    )
    decode: str | None = _option(
        NETWORKS,
        None,
        "How a heatmap becomes a point.",
        choices=("plain", "quarter", "dark", "smooth"),
    )
    device: str = _option(SPEED, "auto", "auto, cpu, cuda, cuda:1, mps.", metavar="NAME")
    precision: str = _option(
        SPEED,
        "auto",
        "Number format of the networks; auto tries once what the machine is good at.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    runtime: str = _option(
        SPEED,
        "auto",
        "What runs the networks: auto takes OpenVINO on an x86 processor, else torch.",
    )
    threads: int | None = _option(SPEED, None, "Processor threads; default: one a core.", min=1)
    window: int | None = _option(
        SPEED,
        None,
        "Frames that go through the networks together; default: "
        f"{WINDOW_FRAMES}, or 1 for live pictures.",
        min=1,
    )
    batch_size: int = _option(SPEED, 8, "People that go through the pose network together.", min=1)
    detect_every: int = _option(
        SPEED, 1, "Detect on every N-th frame; flow carries people between.", min=1
    )
    start: float | None = _option(INPUT, None, "Begin at this time.", min=0, metavar="SECONDS")
    end: float | None = _option(INPUT, None, "Stop at this time.", min=0, metavar="SECONDS")
    decode_on: str | None = _option(
        INPUT,
        None,
        "Decode videos on cuda, qsv, vaapi, videotoolbox ... where PyAV and the machine can.",
        metavar="DEVICE",
    )
    offline: bool = _option(INPUT, False, "Download nothing.")

    def __post_init__(self) -> None:
        for f in fields(self):
            value = _typed(f.name, getattr(self, f.name), str(f.type))
            _check(f.name, value, f.metadata)
            object.__setattr__(self, f.name, value)

    def __repr__(self) -> str:
        """Only what differs from the defaults."""
        changed = (
            f"{f.name}={v!r}" for f in fields(self) if (v := getattr(self, f.name)) != f.default
        )
        return f"TrackOptions({', '.join(changed)})"

    def shaping(self) -> dict[str, Any]:
        """The options that shape the tracks, for the file; the others only make a run
        fast or slow.
        """
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _SPEED_ONLY}


_SPEED_ONLY = frozenset(("threads", "window", "batch_size", "offline"))


_KINDS: dict[str, tuple[type, tuple[type, ...], str]] = {
    "str": (str, (str, PathLike), "text"),
    "int": (int, (Integral,), "a whole number"),
    "float": (float, (Real,), "a number"),
    "bool": (bool, (bool,), "True or False"),
}


def _typed(name: str, value: Any, declared: str) -> Any:
    """The value as Python's own type of ``declared`` ("float | None"). Raises WrongTypeError."""
    if value is None and declared.endswith("None"):
        return None
    kind, taken, words = _KINDS[declared.removesuffix(" | None")]
    if not isinstance(value, taken) or (isinstance(value, bool) and kind is not bool):
        raise WrongTypeError(f"{name} must be {words}, not {value!r}.")
    return kind(value)


def _check(name: str, value: Any, rule: Mapping[str, Any]) -> None:
    """Raise UsageError for a value outside its choices or range."""
    if value is None:
        return
    if "choices" in rule and value not in rule["choices"]:
        raise unknown_name(name, str(value), rule["choices"])
    low, high = rule.get("min"), rule.get("max")
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        between = f"between {low} and {high}" if high is not None else f"at least {low}"
        raise UsageError(f"{name} must be {between}, not {value}.")
