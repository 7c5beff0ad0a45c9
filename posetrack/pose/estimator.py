"""Pose estimation: people in boxes to keypoints, all people of all images in full batches.

The official HRNet procedure: each box is grown to the input's aspect and padded, cropped by one
affine warp, normalised, run through the network, and once more mirrored (flip test with the
one-pixel shift); the mean heatmaps are decoded and mapped back to the image. Numbers are those of
``geometry`` and ``heatmaps``. With the upright test, which is not the paper's, people who turn out
to lean are looked at once more, turned upright (``upright``).

**Batching does not change results, bit for bit.** Libraries choose their kernels by the shape of a
batch: HRNet-W32 on an AVX2 processor gives other last bits (3e-6 of the largest value) for odd
batches or one image than for 2 to 12. So a batch is filled up with zeros to the next size whose
results were *seen* to equal those of the full batch; every size is tried once, when it is first
wanted. (With OpenVINO all agreed so far, and nothing is filled up.)
"""

from __future__ import annotations

__all__ = ["DEFAULT_BATCH_SIZE", "PoseEstimator"]

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from posetrack import geometry, heatmaps
from posetrack.errors import unknown_name
from posetrack.inference.batches import BatchThreads
from posetrack.inference.devices import device_name, has_native_int8, precision_name
from posetrack.inference.network import Network
from posetrack.inference.runtimes import make_runner
from posetrack.inference.threads import stream_count, taking_turns, thread_count
from posetrack.oks import rescore
from posetrack.pose.crops import Crops
from posetrack.pose.upright import lean_deg, moved_maps, torso_score, turned_center_scale
from posetrack.structures import Boxes, FloatArray, Image, InputSpec, Poses, Skeleton

if TYPE_CHECKING:
    import torch
    from torch import nn

    from posetrack.inference.quantisation import Ranges

DEFAULT_BATCH_SIZE = 8  # crops; on a CPU nothing is gained beyond (benchmarks/pose_speed.py)
MIN_BOX_SIDE_PX = 1.0  # a box with a smaller longer side holds nobody
MIN_LEAN_DEG = 25.0  # of torsos that the upright test turns
MIN_TORSO_SCORE = 0.3  # mean of shoulders and hips


class PoseEstimator:
    """A network made ready for inference, and the way from boxes to poses around it.

    ``net`` is copied, so that the caller's stays as it is (a ``Network`` is built only if its
    runtime has not kept it): put into eval mode, batch norms folded,
    moved to ``device`` ("auto", "cpu", "cuda", "mps") in ``precision`` ("auto": float16 on CUDA,
    bfloat16 on a CPU with instructions for it, else float32), and run by ``runtime`` ("auto" or a
    name in ``runtimes.RUNTIMES``). With ``int8``, ranges of its activations (``quantisation``),
    OpenVINO computes in bytes where the precision is "auto" and the processor is good at that.
    ``decode`` is a name in ``heatmaps.DECODERS``. With ``upright_test`` who leans by more than 25
    degrees is looked at again, turned upright, and the mean of both looks counts, each with the
    flip test; people who stand or sit cost nothing more. ``calibration`` is kept for whoever
    writes scores down (``pipeline.calibrated``). Raises UsageError for a name that does not
    exist, and for a runtime that cannot run the network.
    """

    def __init__(
        self,
        net: nn.Module | Network,
        spec: InputSpec,
        skeleton: Skeleton,
        *,
        device: str | torch.device = "auto",
        precision: str = "auto",
        flip_test: bool = True,
        upright_test: bool = False,
        decode: str = "quarter",
        batch_size: int = DEFAULT_BATCH_SIZE,
        runtime: str = "torch",
        int8: Ranges | None = None,
        calibration: tuple[float, float] | None = None,
    ) -> None:
        if decode not in heatmaps.DECODERS:
            raise unknown_name("decoding", decode, heatmaps.DECODERS)
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self.spec, self.skeleton = spec, skeleton
        # without pairs a mirrored look would mix up the sides
        self.flip_test = flip_test and bool(skeleton.flip_pairs)
        self.upright_test = upright_test
        self.calibration = calibration
        self.decode, self.batch_size = decode, batch_size
        self.device = device_name(device)
        self._dtype = precision_name(self.device, precision)
        hw = (spec.size_wh[1], spec.size_wh[0])
        ranges = int8 if precision == "auto" and has_native_int8() else None
        self._run = make_runner(
            net, hw, device=self.device, dtype=self._dtype, runtime=runtime, int8=ranges
        )
        self._agreeing = {
            batch_size: True
        }  # whether a size of batch gives the bits of the full one
        self._threads = BatchThreads(stream_count if self.runtime == "openvino" else thread_count)
        self._turn = taking_turns(self.concurrent)
        self.side_by_side = self.device == "cpu" and self.runtime in (
            "torch",
            "openvino",
        )  # batches, a thread each
        scale = 1 / (255 * np.array(spec.std))
        self._gain = scale.astype(np.float32).reshape(1, 3, 1, 1)
        self._shift = (np.array(spec.mean) * 255 * scale).astype(np.float32).reshape(1, 3, 1, 1)

    @property
    def runtime(self) -> str:
        """The name of what runs the network, in ``runtimes.RUNTIMES``."""
        return self._run.runtime

    @property
    def concurrent(self) -> bool:
        """Whether several threads at once get more done than one."""
        return self.runtime == "openvino"

    @property
    def precision(self) -> str:
        """What the network computes in: "float32", "bfloat16", "float16" or "int8"."""
        return "int8" if self._run.int8 else self._dtype

    def estimate(
        self, images: Sequence[Image], boxes: Sequence[Boxes], *, padded: bool = True
    ) -> list[Poses]:
        """One ``Poses`` an image, a pose a box, in the order of the boxes.

        ``poses.boxes`` are the boxes given, with a new score: box score times the mean of the
        pose's keypoint scores above 0.2 (the official rescoring; ``oks.rescore``). Keypoint scores
        are heatmap maxima: about 0..1, though a network may overshoot. A box without any size, or
        with NaN, gives a pose of absent keypoints and score
        0. No people: the network is not run. Without ``padded`` small batches are not filled up:
           that is faster for
        one person alone, but the last bits depend on who is estimated together.
        """
        if len(images) != len(boxes):
            raise ValueError(f"{len(images)} images, but {len(boxes)} sets of boxes")
        with self._turn:
            return self._estimate(images, boxes, padded)

    def _estimate(
        self, images: Sequence[Image], boxes: Sequence[Boxes], padded: bool
    ) -> list[Poses]:
        everyone = Boxes.concat(list(boxes))
        owner = np.repeat(np.arange(len(boxes)), [len(b) for b in boxes])
        xy = np.full((len(everyone), len(self.skeleton), 2), np.nan, np.float32)
        score = np.zeros((len(everyone), len(self.skeleton)), np.float32)
        usable = np.flatnonzero(_usable(everyone.xyxy))
        maps_of = self._maps_with_flip if self.flip_test else self._maps

        def run(crops: Image) -> FloatArray:
            return maps_of(crops, padded)

        shown = [images[i] for i in owner[usable]]
        people = Crops.of_boxes(shown, everyone.xyxy[usable], self.spec)
        how = {"keep_maps": self.upright_test, "spread": padded}
        xy[usable], score[usable], maps = self._look(people, run, **how)
        if self.upright_test and len(usable):
            again, maps = self._look_again(people, xy[usable], score[usable], maps)
            xy[usable[again]], score[usable[again]] = people[again].decoded(maps, self.decode)
        new_score = rescore(score, everyone.score).astype(np.float32)
        poses = Poses(xy, score, Boxes(everyone.xyxy, new_score), self.skeleton)
        return [poses[owner == i] for i in range(len(boxes))]

    def heatmaps(self, crops: Image) -> FloatArray:
        """Heatmaps (N, K, h, w) float32 of uint8 RGB crops (N, H, W, 3), at least one, as the flip
        test wants them.
        """
        return self._maps_with_flip(crops) if self.flip_test else self._maps(crops)

    def _maps_with_flip(self, crops: Image, padded: bool = True) -> FloatArray:
        """Heatmaps of crops, those of the mirrored crops averaged in."""
        both = np.concatenate([crops, crops])
        _mirrored(crops, out=both[len(crops) :])
        maps = self._maps(both, padded)  # in one go: few people fill no batch
        return heatmaps.flip_average(
            maps[: len(crops)], maps[len(crops) :], self.skeleton.flip_order
        )

    def _maps(self, crops: Image, padded: bool = True) -> FloatArray:
        """Heatmaps of crops (N, H, W, 3), as they are, in batches of sizes that give the
        same bits.
        """
        parts = []
        for start in range(0, len(crops), self.batch_size):
            part = crops[start : start + self.batch_size]
            count = len(part)
            size = self.full_size(count) if padded or self.runtime == "compiled" else count
            if size > count:
                part = np.concatenate([part, np.zeros((size - count, *part.shape[1:]), np.uint8)])
            parts.append(self._forward(part)[:count])
        return np.concatenate(parts)

    def full_size(self, count: int) -> int:
        """The smallest batch that holds ``count`` crops and gives the bits of the full one (each
        tried once).
        """
        if self.runtime == "compiled":  # for one shape
            return self.batch_size
        return next(n for n in range(count, self.batch_size + 1) if self._agrees(n))

    def _agrees(self, size: int) -> bool:
        """Whether crops in a batch of ``size`` get the same bits as in the full one."""
        if size not in self._agreeing:
            few, full = self._forward(self._sample[-size:]), self._full_sample
            self._agreeing[size] = np.array_equal(few, full[-size:])
        return self._agreeing[size]

    @cached_property
    def _sample(self) -> Image:
        """A full batch of crops of noise, (batch_size, H, W, 3)."""
        width, height = self.spec.size_wh
        return np.random.default_rng(0).integers(
            0, 256, (self.batch_size, height, width, 3), dtype=np.uint8
        )

    @cached_property
    def _full_sample(self) -> FloatArray:
        """What the network makes of that batch."""
        return self._forward(self._sample)

    def _look_again(
        self, people: Crops, xy: FloatArray, score: FloatArray, maps: FloatArray
    ) -> tuple[npt.NDArray[np.intp], FloatArray]:
        """Which of N people lean, and their heatmaps (M, K, h, w): the mean of two looks, in the
        crops of the first.

        ``xy`` (N, K, 2), ``score`` (N, K) and ``maps`` (N, K, h, w) are what the first look found.
        Where it is unsure of the torso, the angle means nothing, and most often there is nobody.
        """
        lean = lean_deg(xy, self.skeleton)
        lean[torso_score(score, self.skeleton) < MIN_TORSO_SCORE] = np.nan
        center, scale = turned_center_scale(xy, -lean, self.spec.size_wh, self.spec.padding)
        tall = scale[:, 1] * geometry.PIXEL_STD >= MIN_BOX_SIDE_PX
        again = np.flatnonzero((np.abs(lean) > MIN_LEAN_DEG) & tall)
        turned = Crops(people.images, center, scale, -lean)[again]
        _, _, second = self._look(turned, self._maps_with_flip, keep_maps=True)
        first = maps[again]
        if not self.flip_test and len(again):
            _, _, mirrored = self._look(
                people[again], lambda crops: self._maps(_mirrored(crops)), keep_maps=True
            )
            first = heatmaps.flip_average(first, mirrored, self.skeleton.flip_order)
        maps_wh = (maps.shape[3], maps.shape[2])
        moved = moved_maps(second, turned.affines(maps_wh), people[again].affines(maps_wh))
        return again, (first + moved) * np.float32(0.5)

    def _look(
        self,
        people: Crops,
        run: Callable[[Image], FloatArray],
        *,
        keep_maps: bool,
        spread: bool = False,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Keypoints (N, K, 2) in image pixels, scores (N, K) and heatmaps (N, K, h, w), if they are
        wanted.

        ``run`` makes heatmaps of crops; ``spread`` over all threads even where they do not fill
        batches, if that keeps the bits.
        """

        def look(part: npt.NDArray[np.intp]) -> tuple[FloatArray, FloatArray, FloatArray]:
            mine = people[part]
            maps = run(mine.pictures(self.spec.size_wh))
            return *mine.decoded(maps, self.decode), maps[: len(maps) * keep_maps]

        even = spread and self.side_by_side and self.runtime == "openvino"
        size = min(self.batch_size, -(-len(people) // stream_count())) if even else self.batch_size
        parts = list(_chunks(np.arange(len(people)), max(size, 1)))
        full = [part for part in parts if len(part) == self.batch_size or even]
        found = (
            self._threads.map(look, full, few=even)
            if len(full) > 1 and self._same_on_threads
            else [look(p) for p in full]
        )
        found += [look(part) for part in parts[len(full) :]]
        if not found:
            shapes = ((2,), (), (1, 1))
            none = [np.zeros((0, len(self.skeleton), *shape), np.float32) for shape in shapes]
            return none[0], none[1], none[2]
        xy, score, maps = zip(*found, strict=True)
        return np.concatenate(xy), np.concatenate(score), np.concatenate(maps)

    @cached_property
    def _same_on_threads(self) -> bool:
        """Whether batches may run a thread each: the full one has the same bits then
        (tried once).
        """
        if self.runtime == "openvino":  # which computes each batch on one thread, whoever asks
            return self.side_by_side
        alone = self.side_by_side and self._threads.run(lambda: self._forward(self._sample))
        return alone is not False and np.array_equal(alone, self._full_sample)

    def _forward(self, crops: Image) -> FloatArray:
        """The final heatmaps of uint8 crops (N, H, W, 3)."""
        maps = self._forward_arrays(crops) if self._run.arrays else self._forward_tensors(crops)
        if maps.shape[1] != len(self.skeleton):
            joints = f"skeleton {self.skeleton.name} has {len(self.skeleton)} joints"
            raise ValueError(f"{joints}, but the network gives {maps.shape[1]} heatmaps")
        return maps

    def _forward_arrays(self, crops: Image) -> FloatArray:
        """Without PyTorch, to the same bits."""
        assert self._run.arrays
        x = np.multiply(crops.transpose(0, 3, 1, 2), self._gain, dtype=np.float32, order="C")
        x -= self._shift
        return self._run.arrays(x)[-1]

    def _forward_tensors(self, crops: Image) -> FloatArray:
        import torch

        with torch.inference_mode():
            gain, shift = (torch.from_numpy(a).to(self.device) for a in (self._gain, self._shift))
            x = torch.from_numpy(np.ascontiguousarray(crops)).to(self.device)
            x = x.permute(0, 3, 1, 2).float()  # channels_last without a copy
            x = (x * gain - shift).to(getattr(torch, self._dtype))
            maps: FloatArray = self._run(x)[-1].float().cpu().numpy()
        return maps


def _mirrored(crops: Image, out: Image | None = None) -> Image:
    """Crops (N, H, W, 3), left and right changed over, in ``out`` where that is given; several
    times as fast as numpy copies what it views backwards.
    """
    import cv2

    out = np.empty_like(crops, order="C") if out is None else out
    for crop, place in zip(crops, out, strict=True):
        cv2.flip(crop, 1, dst=place)
    return out


def _usable(xyxy: FloatArray) -> Any:
    """Which boxes have finite corners and a longer side of at least a pixel, (N,) bool."""
    with np.errstate(invalid="ignore"):
        longer = (xyxy[:, 2:] - xyxy[:, :2]).max(axis=1, initial=-np.inf)
    return np.isfinite(xyxy).all(axis=1) & (longer >= MIN_BOX_SIDE_PX)


def _chunks(index: Any, size: int) -> Iterator[Any]:
    for start in range(0, len(index), size):
        yield index[start : start + size]
