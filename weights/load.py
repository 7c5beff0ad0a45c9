"""Networks with their weights: by a name of the manifest, or from a file that posetrack or another
project wrote.
"""

from __future__ import annotations

__all__ = [
    "NATIVE_SUFFIX",
    "build_net",
    "decode_note",
    "detector_spec",
    "find_pose",
    "load_detector",
    "load_flow",
    "load_pose",
    "published_state",
    "read_checkpoint",
    "read_start",
]

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posetrack.detect import DETECTORS
from posetrack.downloads import sha256_of
from posetrack.errors import UsageError, WeightsError, unknown_name
from posetrack.inference.network import Network
from posetrack.weights.fetch import path_of
from posetrack.weights.manifest import Entry, cache_folder, entries, known_names

if TYPE_CHECKING:
    import torch
    from torch import nn

    from posetrack.checkpoints import ModelSpec
    from posetrack.detect.detectors import Detector
    from posetrack.flow import FlowEstimator
    from posetrack.structures import Skeleton

NATIVE_SUFFIX = ".safetensors"
BUNDLED_DETECTOR = "detector_lite"  # what "bundled" means
BUNDLED = "bundled"  # beside the names of ``DETECTORS``, which need no file


def load_pose(
    name_or_path: str | Path, device: str | torch.device = "cpu", *, offline: bool = False
) -> tuple[nn.Module, ModelSpec]:
    """A pose network in eval mode and what it wants to be fed.

    ``name_or_path`` is a name of ``posetrack weights list``, a file written by posetrack, or a
    published file under the name its publisher gave it. Raises UsageError for an unknown name,
    WeightsError for a file that is missing, corrupt, or of another network (the sentence names
    keys).
    """
    path, entry = _resolve(name_or_path, "pose", offline)
    state, spec = read_checkpoint(path, entry)
    _check_task(path, spec, "pose")
    net = build_net(path, state, spec)
    return net.float().to(device).eval(), spec


def find_pose(name_or_path: str | Path, *, offline: bool = False) -> tuple[Network, ModelSpec]:
    """As ``load_pose``, but the network of a file of posetrack's own is not built yet: a runtime
    that has kept it need not. Such a file's tensors are looked at, and faults in them raised, when
    it is built.
    """
    path, _ = _resolve(name_or_path, "pose", offline)
    if path.suffix != NATIVE_SUFFIX:
        net, spec = load_pose(name_or_path, offline=offline)
        return Network(lambda: net), spec
    from posetrack import checkpoints

    spec = checkpoints.read_spec(path)
    _check_task(path, spec, "pose")
    return _pending(path, spec), spec


def _pending(path: Path, spec: ModelSpec) -> Network:
    return Network(partial(_build_file, path, spec), sha256_of(path), cache_folder() / "networks")


def _build_file(path: Path, spec: ModelSpec) -> nn.Module:
    from posetrack import checkpoints

    return build_net(path, checkpoints.read_state(path), spec).float()  # stored in half precision


def _check_task(path: Path, spec: ModelSpec, task: str) -> None:
    """Raises WeightsError for a network of another task."""
    if spec.task != task:
        wanted = {"pose": "finds poses", "detect": "detects people"}[task]
        raise WeightsError(f"{path} is a network to {spec.task}, not one that {wanted}.")


def decode_note(name_or_path: str | Path, *, offline: bool = False) -> str | None:
    """How a pose checkpoint says that it wants to be decoded; None where it says nothing. Raises as
    ``load_pose``.
    """
    path, entry = _resolve(name_or_path, "pose", offline)
    if path.suffix != NATIVE_SUFFIX:
        return (entry.decode if entry else "") or None
    from posetrack import checkpoints

    return checkpoints.read_spec(path).notes.get("decode") or None


def read_start(
    name_or_path: str | Path, *, offline: bool = False
) -> tuple[dict[str, torch.Tensor], ModelSpec]:
    """State and spec of a network to start training from: one that finds poses, a classifier or a
    detector. As ``load_pose``.
    """
    name = Path(name_or_path).name
    tasks = (
        e.task
        for e in entries().values()
        if name in (e.name, e.file) and e.task in ("pose", "classify", "detect")
    )
    path, entry = _resolve(name_or_path, next(tasks, "pose"), offline)
    return read_checkpoint(path, entry)


def load_detector(
    name_or_path: str | Path,
    device: str | torch.device = "auto",
    *,
    runtime: str = "torch",
    min_score: float | None = None,
    net: str | None = None,
    long_side: int | None = None,
    int8: bool = False,
    offline: bool = False,
) -> Detector:
    """A people detector: "bundled", a name in ``DETECTORS``, a torchvision detector by its name, or
    a file: one of posetrack's, or the state_dict of a torchvision detector, which is told by the
    names of its tensors or by ``net``. Raises as ``load_pose``.

    ``runtime`` (``runtimes.RUNTIMES``) is for posetrack's own detectors, torchvision's always run
    in torch. With ``min_score`` a detector need not find boxes below it, which saves time. Also for
    posetrack's own: ``long_side``, pixels that images are scaled to, and ``int8``, to compute in
    bytes where the file says how (``detector_spec``) and OpenVINO runs it.
    """
    from posetrack.detect.bundled import HOPELESS_SCORE, BundledDetector

    if str(name_or_path) in DETECTORS:
        return DETECTORS[str(name_or_path)]()
    name = BUNDLED_DETECTOR if name_or_path == BUNDLED else name_or_path
    path, entry = _resolve(name, "detect", offline)
    if path.suffix != NATIVE_SUFFIX:
        return _torchvision_detector(path, entry, net, device)
    from posetrack import checkpoints

    spec = checkpoints.read_spec(path)
    _check_task(path, spec, "detect")
    return BundledDetector(
        _pending(path, spec),
        spec,
        device=device,
        runtime=runtime,
        min_score=HOPELESS_SCORE if min_score is None else min_score,
        long_side=long_side,
        int8=spec.notes.get("int8") if int8 else None,
    )


def _torchvision_detector(
    path: Path, entry: Entry | None, net: str | None, device: str | torch.device
) -> Detector:
    """One of torchvision's, told by the manifest, by ``net``, or by the names of its tensors."""
    from posetrack.detect.detectors import TorchvisionDetector
    from posetrack.inference.devices import pick_device
    from posetrack.weights.pickles import read_pickle

    content = read_pickle(path)
    if entry is not None:
        return TorchvisionDetector(entry.name, content, device=pick_device(device))
    state = _plain_state(content)
    kind = net or _only_detector(path, state)
    return TorchvisionDetector(kind, state, device=pick_device(device))


def detector_spec(name_or_path: str | Path, *, offline: bool = False) -> ModelSpec | None:
    """What one of posetrack's own detectors says of itself; None for others. Raises as
    ``load_pose``.
    """
    from posetrack import checkpoints

    name = BUNDLED_DETECTOR if name_or_path == BUNDLED else name_or_path
    published = entries().get(str(name))
    if str(name) in DETECTORS or (published is not None and published.net == "torchvision"):
        return None
    path, _ = _resolve(name, "detect", offline)
    return checkpoints.read_spec(path) if path.suffix == NATIVE_SUFFIX else None


def _plain_state(content: dict[str, Any]) -> dict[str, Any]:
    """The tensors of a checkpoint, under the keys that training scripts put them in."""
    for key in ("model", "state_dict"):
        if isinstance(content.get(key), dict):
            return content[key]  # type: ignore[no-any-return]
    return content


def _only_detector(path: Path, state: dict[str, Any]) -> str:
    """The torchvision detector that a file holds by its tensors' names. Raises WeightsError."""
    from posetrack.detect.detectors import recognise_torchvision

    found = recognise_torchvision(state)
    if len(found) == 1:
        return found[0]
    if found:
        raise WeightsError(
            f"{path} may be of {' or '.join(found)}; say which with --detector-net NAME."
        )
    raise WeightsError(
        f"{path} holds no torchvision detector by the names of its tensors; --detector takes "
        f"those and posetrack's own (.safetensors)."
    )


def load_flow(
    name: str,
    *,
    long_side: int,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    offline: bool = False,
) -> FlowEstimator:
    """An estimator of ``flow.build_flow``; those in the manifest are had, and verified, as every
    other network is.
    """
    from posetrack.flow import build_flow

    if checkpoint is None and name in known_names("flow"):
        checkpoint = path_of(name, offline=offline)
    return build_flow(
        name, long_side=long_side, checkpoint=checkpoint, device=device, offline=offline
    )


def read_checkpoint(
    path: Path, entry: Entry | None = None
) -> tuple[dict[str, torch.Tensor], ModelSpec]:
    """State and spec of a file; ``entry`` says what is in a published one. Raises WeightsError."""
    from posetrack import checkpoints

    if path.suffix == NATIVE_SUFFIX:
        return checkpoints.read_state(path), checkpoints.read_spec(path)
    if entry is None:
        raise WeightsError(
            f"Nothing says which network {path} holds: "
            "give it a name with posetrack weights add FILE --net NET --skeleton NAME --input "
            "WxH, and use that."
        )
    from posetrack.weights.pickles import read_pickle

    return published_state(entry, read_pickle(path))


def published_state(
    entry: Entry, content: dict[str, Any], skeleton: Skeleton | None = None
) -> tuple[dict[str, torch.Tensor], ModelSpec]:
    """The content of a published file under our names, with the spec that ``entry`` gives it.

    ``skeleton`` is for one that has no name in ``SKELETONS``. Raises WeightsError where tensors and
    joints do not fit.
    """
    from posetrack.checkpoints import ModelSpec
    from posetrack.skeletons import SKELETONS
    from posetrack.structures import InputSpec
    from posetrack.weights.convert import net_args, to_native

    if entry.task not in ("pose", "classify") or entry.input is None:
        raise WeightsError(
            f"{entry.name} holds a network to {entry.task}, not one that finds poses."
        )
    args = net_args(entry.net, content)
    state = to_native(entry.net, content, **args)
    input_spec = InputSpec(entry.input, entry.mean, entry.std, entry.padding)
    notes = {
        "name": entry.name,
        "licence": entry.licence,
        "score": entry.score,
        "decode": entry.decode,
    }
    if entry.task == "classify":
        return state, ModelSpec(entry.net, args, "classify", input_spec, notes=notes)
    if entry.rows:
        state = {
            k: v[list(entry.rows)] if k.startswith("final_layer.") else v for k, v in state.items()
        }
        args["joints"] = len(entry.rows)
    skeleton = skeleton or SKELETONS[entry.skeleton]
    if args.get("joints") != len(skeleton):
        raise WeightsError(
            f"{entry.file} has {args.get('joints')} joints, but {skeleton.name} has "
            f"{len(skeleton)}."
        )
    return state, ModelSpec(entry.net, args, "pose", input_spec, skeleton, notes)


def _resolve(name_or_path: str | Path, task: str, offline: bool) -> tuple[Path, Entry | None]:
    """The file, and the manifest's entry where there is one: by name, or by the publisher's name of
    the file.
    """
    name = str(name_or_path)
    known = known_names(task)
    if name in known:
        return path_of(name, offline=offline), entries().get(name)
    if name in entries():
        raise UsageError(f"{name} is a network for task {entries()[name].task!r}, not {task!r}.")
    path = Path(name).expanduser()
    if not path.is_file() and not path.suffix and len(path.parts) == 1:
        if task == "detect":
            raise unknown_name("detector", name, [BUNDLED, *DETECTORS, *known])
        raise unknown_name("weights", name, known)
    if not path.is_file():
        raise WeightsError(f"There is no checkpoint at {path}; check the path.")
    same_name = (
        e for e in entries().values() if e.task == task and e.file == path.name and not e.bundled
    )
    return path, next(same_name, None)


def build_net(path: Path, state: dict[str, torch.Tensor], spec: ModelSpec) -> nn.Module:
    """The network of ``spec`` with ``state``, strictly. Raises WeightsError."""
    import torch

    from posetrack import nets
    from posetrack.weights.convert import check_state

    try:
        with torch.device("meta"):
            net = nets.build(spec.net, **spec.net_args)
    except (TypeError, ValueError) as error:
        raise WeightsError(
            f"{path} names a network that cannot be built: {spec.net}: {error}."
        ) from error
    try:
        check_state(spec.net, state, net.state_dict())
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    net.load_state_dict(state, assign=True)
    return net
