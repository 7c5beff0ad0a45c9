"""Runs of a small pipeline over a small clip, recorded, for tests of what lies on the disk."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path

import av
import numpy as np
import pytest

from posetrack.flow import NoFlow
from posetrack.oks import rescore
from posetrack.pipeline import Pipeline, PipelineSettings
from posetrack.recording.record import native_header
from posetrack.recording.record import record as record_source
from posetrack.recording.results import OutputOptions, plan_results
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, Frame, Image, Poses, Tracks
from posetrack.trackers import build_tracker
from posetrack.video.open import open_source


def write_clip(path: Path, frames: int = 20, size_wh: tuple[int, int] = (64, 48)) -> Path:
    """A clip whose grey tells the number of each frame, with sound."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25, options={"crf": "10"})
        stream.width, stream.height, stream.pix_fmt = *size_wh, "yuv420p"
        sound = container.add_stream("aac", 16000)
        for index in range(frames):
            grey = np.full((size_wh[1], size_wh[0], 3), 40 + 4 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode(None))
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 12800), np.int16), format="s16", layout="mono"
        )
        silence.sample_rate = 16000
        container.mux([*sound.encode(silence), *sound.encode(None)])
    return path


@pytest.fixture(scope="module", name="clip")
def clip_fixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


class Stages:
    """A detector and a pose network for numbered pictures: two people who drift, one of them seen
    now and then.
    """

    def detect(self, images: list[Image]) -> list[Boxes]:
        return [self._people(round((float(image[24, 32].mean()) - 40) / 4)) for image in images]

    def _people(self, index: int) -> Boxes:
        here = [(5 + index, 4.0)] + ([(38 - index, 20.0)] if index % 4 else [])
        low = np.array(here, float)
        return Boxes(np.concatenate([low, low + 20], axis=1), np.full(len(low), 0.9))

    def estimate(
        self, images: list[Image], boxes: list[Boxes], *, padded: bool = True
    ) -> list[Poses]:
        rng = np.random.default_rng(0)
        shape = rng.uniform(0, 1, (15, 2))
        poses = []
        for b in boxes:
            xy = b.xyxy[:, None, :2] + shape * b.wh[:, None]
            score = np.full((len(b), 15), 0.8)
            poses.append(Poses(xy, score, Boxes(b.xyxy, rescore(score, b.score)), POSETRACK_15))
        return poses


class Stop(Exception):  # noqa: N818
    """Stands for a power cut."""


class Broken:
    """A run that breaks off before its frame number ``at``."""

    def __init__(self, pipeline: Pipeline, at: int, error: BaseException) -> None:
        self.pipeline, self.at, self.error = pipeline, at, error
        self.stopwatch, self.tracker, self.window = (
            pipeline.stopwatch,
            pipeline.tracker,
            pipeline.window,
        )

    def run(self, frames: Iterable[Frame], before: Frame | None) -> Generator[tuple[Frame, Tracks]]:
        for number, pair in enumerate(self.pipeline.run(frames, before)):
            if number == self.at:
                raise self.error
            yield pair


def run(window: int = 4) -> Pipeline:
    return Pipeline(
        Stages(),
        NoFlow(),
        Stages(),
        build_tracker("flow", POSETRACK_15),
        PipelineSettings(window, min_joint_score=0),
    )


def record(
    clip: Path,
    out: Path,
    *,
    break_at: int | None = None,
    error: BaseException | None = None,
    **options,
):
    shaping = options.pop("settings", {"memory": 30})
    show = options.pop("show", None)
    outputs = OutputOptions(out, **options)
    with open_source(clip) as source:
        paths = plan_results(source, outputs)
        whole = run()
        tracked = whole if break_at is None else Broken(whole, break_at, error or Stop())
        header = native_header(source, POSETRACK_15, shaping)
        return record_source(source, paths, header, tracked, resume=outputs.resume, show=show)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
