"""Optical flow between neighbouring frames, and points moved along it.

``build_flow(name)`` knows OpenCV's DIS (the default: a few ms a pair on one core), torchvision's
RAFT, every ptlflow model by its ptlflow name (``flownet2`` is the one of Xiao et al. 2018), and
``none``: nothing moves. Flow is computed at a small working size, because joints of people move by
pixels to tens of pixels and only a few hundred points are sampled; pairs of a whole window go
through a network in batches.
"""

from __future__ import annotations

__all__ = [
    "DEFAULT_LONG_SIDE",
    "DisFlow",
    "FlowEstimator",
    "NetworkFlow",
    "NoFlow",
    "build_flow",
    "flow_names",
    "move_points",
    "still",
    "working_size",
]

import contextlib
import io
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from posetrack.downloads import fetch
from posetrack.errors import UsageError, WeightsError, unknown_name
from posetrack.files import locked, part_path
from posetrack.inference.devices import full_batches, pick_device
from posetrack.inference.privacy import no_calls_home
from posetrack.inference.threads import taking_turns
from posetrack.structures import Flow, Image

if TYPE_CHECKING:
    import torch

# px, longer side at which flow is computed: 448x256 for 16:9, where DIS takes milliseconds
DEFAULT_LONG_SIDE = 448
DIS_MIN_SIDE = 16  # px: OpenCV refuses pictures below 12
NETWORK_MULTIPLE = 64  # px: every network here halves its input at most six times
NETWORK_MIN_SIDE = 128  # px: torchvision's RAFT refuses less
# pairs a batch, one on a processor: RAFT's correlation volume grows with the batch
DEFAULT_BATCH = 4
_DIS_PRESETS = {
    "dis": 1,
    "dis_medium": 2,
    "dis_ultrafast": 0,
}  # cv2.DISOPTICAL_FLOW_PRESET_FAST, MEDIUM, ...
# the start of a file's SHA-256 in its name, which torch hub, torchvision and ptlflow check by
_HASH = re.compile(r"-([a-f0-9]{8,})\.")
MAX_DOWNLOAD = 2 << 30  # bytes; the largest published flow networks have some 500 MB
_TORCHVISION = ("torchvision_raft_large", "torchvision_raft_small")

Pairs = Sequence[tuple[Image, Image]]


class FlowEstimator(Protocol):
    """Previous and current image of each pair -> the flow from the one to the other."""

    def estimate(self, pairs: Pairs) -> list[Flow]:
        """One Flow a pair; all images of a call have the same size."""
        ...


def still(image_wh: tuple[int, int]) -> Flow:
    """The flow of a picture in which nothing moves."""
    return Flow(np.zeros((1, 1, 2), np.float32), image_wh)


class NoFlow:
    """``--flow none``: remembered joints stay where they were."""

    concurrent = True

    def estimate(self, pairs: Pairs) -> list[Flow]:
        return [still(_size_wh(current)) for _, current in pairs]


class DisFlow:
    """Dense inverse search (Kroeger et al. 2016) of OpenCV, on grey images of
    ``long_side`` pixels.
    """

    concurrent = True  # several threads at once get more done than one

    def __init__(
        self, preset: int = _DIS_PRESETS["dis"], long_side: int = DEFAULT_LONG_SIDE
    ) -> None:
        self._own = threading.local()  # an object each: it keeps buffers between calls
        self._preset, self._long_side = preset, long_side

    def estimate(self, pairs: Pairs) -> list[Flow]:
        small = working_size(_size_wh(pairs[0][1]), self._long_side) if pairs else (0, 0)
        if min(small) < DIS_MIN_SIDE:  # nothing of a person can be seen there
            return [still(_size_wh(current)) for _, current in pairs]
        grey: dict[
            int, npt.NDArray[np.uint8]
        ] = {}  # a frame is the end of one pair and the start of the next
        for image in (image for pair in pairs for image in pair):
            if id(image) not in grey:
                grey[id(image)] = _grey(image, working_size(_size_wh(image), self._long_side))
        dis = self._threads_own()
        return [Flow(dis.calc(grey[id(a)], grey[id(b)], None), _size_wh(b)) for a, b in pairs]

    def _threads_own(self) -> Any:
        import cv2

        if not hasattr(self._own, "dis"):
            self._own.dis = cv2.DISOpticalFlow_create(self._preset)  # type: ignore[attr-defined]
        return self._own.dis


class NetworkFlow:
    """A flow network: ``run`` maps RGB 0..1 tensors (B, 3, h, w) of both images to displacements
    (B, 2, h, w) px.
    """

    def __init__(
        self,
        run: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        device: str = "cpu",
        long_side: int = DEFAULT_LONG_SIDE,
        batch_size: int = DEFAULT_BATCH,
    ) -> None:
        self._run, self._device, self._long_side, self._batch_size = (
            run,
            device,
            long_side,
            batch_size,
        )
        self._turn = taking_turns(concurrent=False)

    def estimate(self, pairs: Pairs) -> list[Flow]:
        import torch

        flows: list[Flow] = []
        with self._turn, torch.inference_mode():
            for batch, count in full_batches(pairs, self._batch_size, self._device):
                first, second = (self._tensor([pair[i] for pair in batch]) for i in (0, 1))
                fields = self._run(first, second).float().permute(0, 2, 3, 1).cpu().numpy()
                flows += [
                    Flow(field, _size_wh(b))
                    for field, (_, b) in zip(fields[:count], batch[:count], strict=True)
                ]
        return flows

    def _tensor(self, images: Sequence[Image]) -> torch.Tensor:
        import cv2
        import torch

        w, h = (
            max(NETWORK_MIN_SIDE, round(side / NETWORK_MULTIPLE) * NETWORK_MULTIPLE)
            for side in working_size(_size_wh(images[0]), self._long_side)
        )
        small = np.stack(
            [cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA) for image in images]
        )
        return torch.from_numpy(small).to(self._device).permute(0, 3, 1, 2).float() / 255


def working_size(size_wh: tuple[int, int], long_side: int) -> tuple[int, int]:
    """The size (width, height) at which flow is computed: the longer side is ``long_side``, but
    never enlarged.
    """
    zoom = min(1.0, long_side / max(size_wh))
    return max(1, round(size_wh[0] * zoom)), max(1, round(size_wh[1] * zoom))


def move_points(flow: Flow, xy: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """Points (..., 2) of the previous image, in its pixels, moved to the current image.

    The field is sampled bilinearly; points outside the image move as the nearest point of its
    border does, NaN stays NaN. Working pixel ``(p + 0.5) * working / full - 0.5`` lies under image
    pixel ``p``, as ``cv2.resize`` has it.
    """
    points = np.asarray(xy, np.float64)
    h, w = flow.field.shape[:2]
    zoom = np.array([w / flow.image_wh[0], h / flow.image_wh[1]])
    at = np.nan_to_num(np.clip((points + 0.5) * zoom - 0.5, 0, [w - 1, h - 1]))
    low = at.astype(np.intp)
    x0, y0 = low[..., 0], low[..., 1]
    x1, y1 = np.minimum(x0 + 1, w - 1), np.minimum(y0 + 1, h - 1)
    u, v = np.moveaxis((at - low)[..., None], -2, 0)
    field = flow.field
    upper = field[y0, x0] * (1 - u) + field[y0, x1] * u
    lower = field[y1, x0] * (1 - u) + field[y1, x1] * u
    moved: npt.NDArray[np.float32] = (points + (upper * (1 - v) + lower * v) / zoom).astype(
        np.float32
    )
    return moved


def flow_names() -> list[str]:
    """Every name ``build_flow`` knows. Imports ptlflow, which takes seconds."""
    with _silence():
        no_calls_home()
        import ptlflow

        return sorted([*_DIS_PRESETS, "none", *_TORCHVISION, *ptlflow.get_model_names()])


def build_flow(
    name: str = "dis",
    *,
    long_side: int = DEFAULT_LONG_SIDE,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    offline: bool = False,
) -> FlowEstimator:
    """The estimator of that name.

    ``checkpoint`` is a file, or for ptlflow the name of one of its trained versions (``things``,
    ``sintel`` ...); without it the first published one is downloaded. ptlflow's own weights are CC
    BY-NC-SA 4.0. Raises UsageError for an unknown name and WeightsError for weights that are
    missing or do not fit.
    """
    if checkpoint is not None and (name == "none" or name in _DIS_PRESETS):
        raise UsageError(f"The flow {name!r} has no weights; leave out --flow-weights.")
    if name == "none":
        return NoFlow()
    if name in _DIS_PRESETS:
        return DisFlow(_DIS_PRESETS[name], long_side)
    place = str(pick_device(device))
    build = _torchvision_raft if name in _TORCHVISION else _ptlflow_model
    return NetworkFlow(build(name, checkpoint, place, offline), place, long_side)


def _torchvision_raft(name: str, checkpoint: str | Path | None, device: str, offline: bool) -> Any:
    from torchvision.models import optical_flow

    large = name == "torchvision_raft_large"
    weights = (
        optical_flow.Raft_Large_Weights.DEFAULT
        if large
        else optical_flow.Raft_Small_Weights.DEFAULT
    )
    net = (optical_flow.raft_large if large else optical_flow.raft_small)(weights=None)
    _load(net, name, _state_of(_checkpoint(checkpoint or weights.url, offline)))
    net.eval().to(device)
    return lambda first, second: net(first * 2 - 1, second * 2 - 1)[-1]


def _ptlflow_model(name: str, checkpoint: str | Path | None, device: str, offline: bool) -> Any:
    import torch

    with _silence():
        no_calls_home()
        import ptlflow

        if name not in ptlflow.get_model_names():
            raise unknown_name("flow", name, flow_names())
        net = ptlflow.get_model(name)
    published = net.pretrained_checkpoints or {}
    source = checkpoint or next(iter(published.values()), None)
    if source is None:
        raise WeightsError(
            f"ptlflow publishes no weights of {name}; give a file with --flow-weights."
        )
    content = _checkpoint(published.get(str(source), source), offline)
    _take_settings(net, content.get("hyper_parameters", {}))
    _load(net, name, _state_of(content))
    net.eval().to(device)

    def run(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        bgr = torch.stack([first, second], dim=1).flip(
            2
        )  # ptlflow takes (B, 2, 3, h, w), blue first
        flows: torch.Tensor = net({"images": bgr})["flows"][:, 0]
        return flows

    return run


def _take_settings(net: Any, settings: Mapping[str, Any]) -> None:
    """What a ptlflow checkpoint says of the training that the network goes by, as ptlflow's own
    loader takes it over.
    """
    for name in ("train_size", "train_avg_length"):
        if name in settings:
            setattr(net, name, settings[name])
    for name, value in (settings.get("extra_params") or {}).items():
        net.add_extra_param(name, value)


def _checkpoint(source: str | Path, offline: bool) -> dict[str, Any]:
    """The content of a file or address; a downloaded file stays in torch hub's cache. Raises
    WeightsError, also for an address of which nobody could say whether the right file came.
    """
    import torch

    path, url = Path(source), str(source)
    if "://" in url:
        path = Path(torch.hub.get_dir()) / "checkpoints" / _verifiable_name(url)
        if not path.exists():
            _download(url, path, offline)
    if not path.is_file():
        raise WeightsError(f"There are no flow weights at {path}; check the path or name.")
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a corrupt file raises whatever the unpickler stumbles over
        raise WeightsError(
            f"The flow weights {path} cannot be read; download the file again."
        ) from error
    content: dict[str, Any] = loaded
    return content


def _state_of(content: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, which may lie one level down."""
    state: dict[str, torch.Tensor] = content.get("state_dict", content)
    return state


def _verifiable_name(url: str) -> str:
    """The file name of an https address, with the start of the file's SHA-256 in it. Raises
    WeightsError for others.
    """
    address = urlsplit(url)
    name = PurePosixPath(address.path).name
    if address.scheme != "https" or not _HASH.search(name):
        raise WeightsError(
            f"What {url} gives cannot be verified: the address must begin with https and the "
            f"file's name hold its SHA-256, as in raft-802bbcfd.ckpt; download and check it "
            f"yourself, and give the file."
        )
    return name


def _download(url: str, path: Path, offline: bool) -> None:
    """Fetch ``url`` to ``path``, verified by the hash in its name. Raises WeightsError."""
    by_hand = (
        f"download {url} elsewhere and put it at {path}, or take --flow dis, which needs "
        f"no weights."
    )
    if offline:
        raise WeightsError(
            f"The flow weights are not on this machine and --offline is set; {by_hand}"
        )
    named = _HASH.findall(path.name)
    if not named:
        raise WeightsError(f"What {url} gives cannot be verified; {by_hand}")
    with locked(path, wait=True):  # a second process waits, and finds the file there
        if path.is_file():
            return
        fault = fetch(url, part_path(path), sha256=named[-1], limit=MAX_DOWNLOAD)
        if fault is not None:
            raise WeightsError(f"The flow weights cannot be downloaded ({fault}); {by_hand}")
        os.replace(part_path(path), path)


def _load(net: torch.nn.Module, name: str, state: dict[str, torch.Tensor]) -> None:
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(
            f"These are not weights of {name}: {str(error).splitlines()[1].strip()}"
        ) from error


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """ptlflow and the packages it pulls in print on import what they lack; none of it concerns the
    user.
    """
    nowhere = io.StringIO()
    with (
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def _size_wh(image: Image) -> tuple[int, int]:
    return image.shape[1], image.shape[0]


def _grey(image: Image, size_wh: tuple[int, int]) -> npt.NDArray[np.uint8]:
    import cv2

    small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    grey: npt.NDArray[np.uint8] = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    return grey
