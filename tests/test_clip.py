"""Tracks as arrays and tables, and how they show themselves in a notebook."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import posetrack
from posetrack import Clip, OutputOptions, PoseTracker, Sequence, Tracks
from posetrack.drawn.clip import draw_sequence
from posetrack.errors import InputError, OutputError, UsageError, WrongTypeError
from posetrack.formats import FORMATS
from posetrack.recording.results import Summary
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import FrameLabels


@pytest.fixture(scope="module", name="truth")
def truth_fixture() -> Sequence:
    drawn = draw_sequence(2, frames=6, size_wh=(160, 120), people=2, name="clip").labels
    frames = list(drawn.frames)
    frames[3] = replace(frames[3], tracks=Tracks.empty(POSETRACK_15), head_xyxy=None)
    return Sequence(drawn.name, drawn.size_wh, drawn.fps, drawn.skeleton, tuple(frames))


@pytest.fixture(name="clip")
def clip_fixture(tmp_path: Path, truth: Sequence) -> Clip:
    posetrack.write(tmp_path / "clip.jsonl", truth)
    return posetrack.read(tmp_path / "clip.jsonl")


def test_the_arrays_are_the_frames(clip: Clip, truth: Sequence) -> None:
    frames = list(truth.frames)
    count = sum(len(f.tracks) for f in frames)
    assert clip.frames.tolist() == [0, 1, 2, 3, 4, 5]
    assert clip.times.tolist() == [f.time_s for f in frames]
    assert clip.ids.tolist() == [0, 1]
    assert clip.keypoints.shape == (count, 15, 3)
    assert clip.boxes.shape == (count, 5)
    assert (clip.name, clip.size_wh, clip.fps, len(clip)) == ("clip", (160, 120), 25.0, 6)
    dense = clip.dense()
    assert dense.shape == (6, 2, 15, 3)
    for labels in frames:
        here = np.isin(clip.ids, labels.tracks.id)
        assert np.isnan(dense[labels.index][~here]).all()
        xy = labels.tracks.poses.xy[np.argsort(labels.tracks.id)]
        np.testing.assert_array_equal(dense[labels.index][here][..., :2], xy)
    assert [t.id.tolist() for t in clip] == [f.tracks.id.tolist() for f in frames]


def test_the_table_is_that_of_csv(clip: Clip, tmp_path: Path) -> None:
    """But for the frames without people, which would make numbers of identities."""
    posetrack.write(tmp_path / "table.csv", clip)
    written = pd.read_csv(tmp_path / "table.csv").dropna(subset="id").reset_index(drop=True)
    table = clip.to_pandas()
    assert list(table.columns) == list(written.columns)
    assert (table["id"].dtype, table["frame"].dtype) == (np.int64, np.int64)
    pd.testing.assert_frame_equal(table, written, check_dtype=False)
    knee = table.pivot_table(index="frame", columns=["id", "joint"], values="x")
    assert knee.loc[5, (1, "left_knee")] == clip.dense()[5, 1, 11, 0]


def test_the_people_of_one_frame_as_a_table(clip: Clip) -> None:
    tracks = next(iter(clip))
    table = tracks.to_frame()
    whole = clip.to_pandas().query("frame == 0").drop(columns=["frame", "time_s"])
    pd.testing.assert_frame_equal(table, whole)
    assert len(Tracks.empty(POSETRACK_15).to_frame()) == 0


def test_the_layout_of_movement(clip: Clip) -> None:
    ds = clip.to_xarray()
    assert ds.position.dims == ("time", "space", "keypoints", "individuals")
    assert ds.confidence.dims == ("time", "keypoints", "individuals")
    assert ds.individuals.values.tolist() == ["id_0", "id_1"]
    assert ds.attrs["fps"] == 25
    assert (ds.attrs["ds_type"], ds.attrs["time_unit"]) == ("poses", "seconds")
    place = ds.position.sel(keypoints="left_knee", individuals="id_1").isel(time=5)
    np.testing.assert_array_equal(place, clip.dense()[5, 1, 11, :2])
    assert np.isnan(ds.position.isel(time=3)).all()


def test_without_times_movement_counts_frames(truth: Sequence) -> None:
    frames = tuple(FrameLabels(f.index, float("nan"), f.tracks) for f in truth.frames)
    ds = Clip(Sequence("clip", None, None, truth.skeleton, frames)).to_xarray()
    assert ds.time.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert ds.attrs["time_unit"] == "frames"


@pytest.mark.parametrize("library", ["pandas", "xarray"])
def test_a_missing_library_is_named(
    clip: Clip, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=rf'pip install "posetrack\[{library}\]"'):
        clip.to_pandas() if library == "pandas" else clip.to_xarray()


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_is_read(tmp_path: Path, truth: Sequence, name: str) -> None:
    path = tmp_path / f"clip.{FORMATS[name].suffix}"
    posetrack.write(path, truth)
    clip = posetrack.read(path)
    assert len(clip.frame) == sum(len(f.tracks) for f in truth.frames)
    assert len(clip.to_xarray().time) == len(clip)
    assert "<svg" in clip._repr_html_()


def test_what_read_and_write_refuse(tmp_path: Path, clip: Clip) -> None:
    with pytest.raises(WrongTypeError, match="path of a file or folder"):
        posetrack.read(3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="There is no file"):
        posetrack.read(tmp_path / "none.jsonl")
    with pytest.raises(OutputError, match="force=True"):
        posetrack.write(tmp_path / "clip.jsonl", clip)
    with pytest.raises(UsageError, match="ends in none of"):
        posetrack.write(tmp_path / "clip.docx", clip)
    with pytest.raises(WrongTypeError, match="not list"):
        posetrack.write(tmp_path / "b.jsonl", [])  # type: ignore[arg-type]
    posetrack.write(tmp_path / "clip.jsonl", clip, force=True)


def test_the_folder_of_a_run_is_read(tmp_path: Path) -> None:
    """In every format at once, with a video beside them."""
    images = list(draw_sequence(2, frames=3, size_wh=(96, 72), people=1).images)
    tracker = PoseTracker(detector=lambda image: [[20, 10, 70, 70]], flip=False, upright=False)
    outputs = OutputOptions(tmp_path, ("posetrack17", "posetrack18", "coco", "csv", "openpose"))
    summary = tracker.record(images, outputs)
    clip = posetrack.read(tmp_path)
    assert len(clip) == summary.frames == 3
    assert [len(tracks) for tracks in clip] == [1, 1, 1]
    shown = summary._repr_html_()
    assert "frames.mp4" in shown
    assert "<path" in shown


def _picture(shown: str) -> ElementTree.Element:
    return ElementTree.fromstring(shown[shown.index("<svg") :])


def test_pictures_are_whole_and_small(clip: Clip) -> None:
    tracks = next(iter(clip))
    for shown, paths in ((tracks._repr_html_(), 2 * 10), (clip._repr_html_(), 2)):
        picture = _picture(shown)
        found = picture.findall("{http://www.w3.org/2000/svg}path")
        assert len(found) >= paths
        assert "nan" not in shown
        assert len(shown) < 20_000
    assert Tracks.empty(POSETRACK_15)._repr_html_() == "<p>Nobody.</p>"
    assert repr(clip).startswith("Clip('clip': 6 frames, 2 identities")


def test_names_are_text_not_markup(tmp_path: Path, truth: Sequence) -> None:
    evil = "<script>alert(1)</script>"
    named = Sequence(evil, truth.size_wh, truth.fps, truth.skeleton, truth.frames)
    assert "<script" not in Clip(named)._repr_html_()
    assert "<script" not in Summary(evil, [tmp_path / evil])._repr_html_()
