"""Refining: sides, outliers, gaps, filters; what was right stays, what was changed is marked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posetrack.cli import main
from posetrack.drawn.clip import draw_sequence
from posetrack.errors import FormatError, InputError, OutputError, UsageError
from posetrack.formats import FORMATS, native
from posetrack.refining.filters import SMOOTHERS, FilterSettings, butterworth
from posetrack.refining.gaps import fill_gaps, remove_outliers
from posetrack.refining.kalman import rts_smooth
from posetrack.refining.one_euro import LiveSmoother, one_euro
from posetrack.refining.refine import SMOOTHINGS, RefineOptions, refine, refine_file
from posetrack.refining.series import Mark, Series, series_of
from posetrack.refining.sides import mend_sides, side_exchanges
from posetrack.skeletons import POSETRACK_15
from posetrack.structures import Boxes, FrameLabels, Poses, Sequence, Tracks
from posetrack.track_table import table_of

KNEES, ANKLES, LEGS = (11, 12), (13, 14), (11, 12, 13, 14)
NOTHING = RefineOptions(0, outliers=False, sides=False, smooth="none")


@pytest.fixture(scope="module", name="walk")
def _walk() -> Sequence:
    """Two people who walk, three seconds, exact."""
    clip = draw_sequence(
        13, frames=75, size_wh=(320, 180), people=2, camera="still", motions=("walk",)
    )
    return replace(clip.labels, frames=tuple(clip.labels.frames))


def _series(sequence: Sequence) -> list[Series]:
    return series_of(table_of(sequence.frames, sequence.skeleton))


def _wave(time_s: np.ndarray, hz: float = 1.0) -> Series:
    """A person of 100 pixels whose 15 joints swing."""
    T = len(time_s)
    xy = np.stack([200 + 30 * np.sin(2 * np.pi * hz * time_s), 100 + 20 * time_s], axis=1)
    xy = xy[:, None] + np.arange(15)[None, :, None] * 3.0
    box = np.tile([150.0, 50, 250, 150], (T, 1))
    ones, marks = np.ones((T, 15)), np.zeros((T, 15), np.uint8)
    return Series(
        4,
        np.arange(T),
        time_s,
        np.ones(T, bool),
        xy,
        ones,
        box,
        np.ones(T),
        marks,
        np.zeros(T, int),
    )


EVEN = np.arange(90) / 30
UNEVEN = np.cumsum(np.random.default_rng(5).uniform(0.01, 0.06, 90))


# --- sides
# --------------------------------------------------------------------------------------------------


def test_true_sides_are_left_alone(walk: Sequence) -> None:
    for s in _series(walk):
        assert not any(exchanged.any() for _, exchanged in side_exchanges(s, POSETRACK_15))


@pytest.mark.parametrize(("first", "last"), [(20, 20), (28, 33), (0, 4), (63, 69)])
def test_exchanged_legs_are_found_and_mended(walk: Sequence, first: int, last: int) -> None:
    for s in _series(walk):
        faulty = s.xy.copy()
        rows = slice(first, last + 1)
        for left, right in (KNEES, ANKLES):
            faulty[rows, left], faulty[rows, right] = s.xy[rows, right], s.xy[rows, left]
        mended = mend_sides(replace(s, xy=faulty), POSETRACK_15)
        apart = np.abs(s.xy[:, KNEES[0]] - s.xy[:, KNEES[1]]).max(axis=1) > 0.04 * s.size
        assert np.array_equal(mended.xy[apart], s.xy[apart], equal_nan=True)
        assert (mended.marks[rows][apart[rows]][:, LEGS] == Mark.SIDES).all()
        assert not mended.marks[:, :9].any()


def _knee(xy: np.ndarray) -> np.ndarray:
    """The angle at the left knee, degrees, (T,)."""
    thigh, shank = xy[:, 9] - xy[:, 11], xy[:, 13] - xy[:, 11]
    cross = thigh[:, 0] * shank[:, 1] - thigh[:, 1] * shank[:, 0]
    return np.degrees(np.abs(np.arctan2(cross, (thigh * shank).sum(axis=1))))


def test_a_knee_curve_looks_like_a_gait(walk: Sequence) -> None:
    """Noise, side exchanges and a leap: the refined curve follows the true one."""
    rng = np.random.default_rng(2)
    s = _series(walk)[0]
    bad = s.xy + rng.normal(0, 0.006 * s.size, s.xy.shape)
    for rows in (slice(12, 16), slice(40, 45)):
        bad[rows][:, [11, 12, 13, 14]] = bad[rows][:, [12, 11, 14, 13]]
    bad[30, 11] += 0.4 * s.size
    frames = [
        replace(f, tracks=_person(replace(s, xy=bad), t), head_xyxy=None)
        for t, f in enumerate(walk.frames)
    ]
    refined = refine(replace(walk, frames=frames)).sequence
    good = np.stack([f.tracks.poses.xy[0] for f in refined.frames])
    before, after = (np.abs(_knee(xy) - _knee(s.xy)) for xy in (bad, good))
    assert np.percentile(before, 95) > 20
    assert np.percentile(after, 95) < 12
    steps = [np.abs(np.diff(_knee(xy), 2)).mean() for xy in (bad, good, s.xy)]
    assert steps[1] < 2 * steps[2] < steps[0]


def _person(s: Series, t: int) -> Tracks:
    box = Boxes(s.box[None, t], s.box_score[None, t])
    return Tracks([s.identity], Poses(s.xy[None, t], s.score[None, t], box, POSETRACK_15))


# --- outliers and gaps
# --------------------------------------------------------------------------------------------------


def test_a_leap_is_an_outlier_and_fast_motion_is_not() -> None:
    s = _wave(EVEN, hz=1.5)
    assert np.array_equal(remove_outliers(s).xy, s.xy)
    xy = s.xy.copy()
    xy[40, 3] += 40
    xy[41, 3] += 40
    found = remove_outliers(replace(s, xy=xy))
    away = np.isnan(found.xy[..., 0])
    assert np.argwhere(away).tolist() == [[40, 3], [41, 3]]
    assert np.array_equal(found.marks == Mark.OUTLIER, away)


def test_short_gaps_are_filled_long_ones_not() -> None:
    s = _wave(EVEN)
    xy = s.xy.copy()
    xy[20:26, 3] = np.nan
    xy[50:70, 3] = np.nan
    xy[:4, 5] = np.nan
    filled = fill_gaps(replace(s, xy=xy), 0.25)
    assert np.abs(filled.xy[20:26, 3] - s.xy[20:26, 3]).max() < 8  # of 30, where it turns
    assert np.isnan(filled.xy[50:70, 3]).all()
    assert np.isnan(filled.xy[:4, 5]).all()  # nothing is known before
    assert np.argwhere(filled.marks).tolist() == [[t, 3] for t in range(20, 26)]


def test_gaps_count_in_time_not_in_frames() -> None:
    s = _wave(EVEN / 4)
    xy = s.xy.copy()
    xy[50:70, 3] = np.nan  # 20 frames of 120 a second
    assert np.isfinite(fill_gaps(replace(s, xy=xy), 0.25).xy).all()


def test_somebody_away_for_a_moment_is_filled_in() -> None:
    frames = [f for f in _frames(_wave(EVEN)) if f.index not in (30, 31)]
    empty = [FrameLabels(i, i / 30, Tracks.empty(POSETRACK_15)) for i in (30, 31)]
    sequence = Sequence("a", (320, 240), 30.0, POSETRACK_15, sorted(frames + empty, key=_index))
    refined = tuple(refine(sequence, RefineOptions(smooth="none")).sequence.frames)
    there = refined[30]
    assert there.tracks.id.tolist() == [4]
    assert np.isfinite(there.tracks.poses.boxes.xyxy).all()
    assert there.marks is not None
    assert (there.marks == Mark.FILLED).all()
    assert len(tuple(refine(sequence, NOTHING).sequence.frames)[30].tracks) == 0


def _index(labels: FrameLabels) -> int:
    return labels.index


def _frames(s: Series) -> list[FrameLabels]:
    return [
        FrameLabels(
            int(s.frame[t]),
            float(s.time_s[t]),
            _person(s, t),
        )
        for t in range(len(s.frame))
    ]


# --- filters
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMOOTHERS)
@pytest.mark.parametrize("time_s", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_every_filter_makes_noise_less_and_keeps_motion(name: str, time_s: np.ndarray) -> None:
    s = _wave(time_s)
    noisy = s.xy + np.random.default_rng(1).normal(0, 1.2, s.xy.shape)
    smooth = SMOOTHERS[name](time_s, noisy, s.score, s.size, FilterSettings())
    inner = slice(5, -5)
    assert np.abs(smooth - s.xy)[inner].mean() < 0.75 * np.abs(noisy - s.xy)[inner].mean()
    jitter = [np.abs(np.diff(xy - s.xy, 2, axis=0)).mean() for xy in (noisy, smooth)]
    assert jitter[1] < 0.4 * jitter[0]


@pytest.mark.parametrize("name", SMOOTHERS)
def test_every_filter_leaves_straight_motion_and_absence(name: str) -> None:
    xy = np.stack([3 * UNEVEN, 100 - 20 * UNEVEN], axis=1)[:, None] + np.zeros((1, 2, 1))
    xy[30:40, 1] = np.nan
    xy[50:52, 1] = np.nan
    smooth = SMOOTHERS[name](UNEVEN, xy, np.ones((90, 2)), 100.0, FilterSettings())
    assert np.array_equal(np.isnan(smooth), np.isnan(xy))
    assert np.nanmax(np.abs(smooth - xy)[5:-5]) < 0.3


@pytest.mark.parametrize("length", [0, 1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("name", SMOOTHINGS)
def test_short_series(name: str, length: int) -> None:
    s = _wave(EVEN[:length])
    sequence = Sequence("a", None, None, POSETRACK_15, tuple(_frames(s)))
    refined = refine(sequence, RefineOptions(smooth=name)).sequence
    assert sum(len(f.tracks) for f in refined.frames) == length


def test_butterworths_cutoff_is_where_power_halves() -> None:
    time_s = np.arange(600) / 100
    xy = np.sin(2 * np.pi * 6 * time_s)[:, None, None] * np.ones((1, 1, 2))
    smooth = butterworth(time_s, xy, np.ones((600, 1)), 1.0, FilterSettings(cutoff_hz=6))
    assert np.abs(smooth[200:400]).max() == pytest.approx(np.sqrt(0.5), abs=0.01)


def test_the_kalman_smoother_is_the_gaussian_posterior() -> None:
    """Against the normal equations of all states at once, for a joint with a gap."""
    rng = np.random.default_rng(0)
    time_s, agility = UNEVEN[:12], 7.0
    xy = rng.normal(0, 30, (12, 1, 2))
    xy[4:6] = np.nan
    noise = rng.uniform(0.5, 2, (12, 1))
    smooth = rts_smooth(time_s, xy, noise, agility)
    known = np.isfinite(xy[:, 0, 0])
    A, b = np.zeros((24, 24)), np.zeros((24, 2))
    A[:2, :2] += np.diag([1e-4, 1 / (3 * agility) ** 2])
    b[0] += 1e-4 * xy[0, 0]
    for t in np.flatnonzero(known):
        A[2 * t, 2 * t] += 1 / noise[t, 0] ** 2
        b[2 * t] += xy[t, 0] / noise[t, 0] ** 2
    for t in range(11):
        d = time_s[t + 1] - time_s[t]
        Q = agility**2 * np.array([[d**3 / 3, d**2 / 2], [d**2 / 2, d]])
        J = np.hstack([-np.array([[1, d], [0, 1]]), np.eye(2)])
        A[2 * t : 2 * t + 4, 2 * t : 2 * t + 4] += J.T @ np.linalg.inv(Q) @ J
    assert np.allclose(np.linalg.solve(A, b)[::2], smooth[:, 0], atol=1e-6)


def test_one_euro_is_causal_and_the_same_live() -> None:
    s = _wave(UNEVEN)
    noisy = s.xy + np.random.default_rng(1).normal(0, 2, s.xy.shape)
    whole = one_euro(UNEVEN, noisy, 100.0)
    assert np.array_equal(one_euro(UNEVEN[:40], noisy[:40], 100.0), whole[:40])
    live = LiveSmoother(POSETRACK_15)
    for t, labels in enumerate(_frames(replace(s, xy=noisy))):
        if t == 30:  # a run that is interrupted here and goes on
            state, live = live.state(), LiveSmoother(POSETRACK_15)
            live.restore(state)
        smooth = live.smooth(labels.tracks, labels.time_s)
        assert np.allclose(smooth.poses.xy[0], whole[t], atol=0.01)
    assert len(live.smooth(Tracks.empty(POSETRACK_15), 9e9)) == 0
    assert len(live.state()["smooth_id"]) == 0  # nobody is remembered for ever


# --- files
# --------------------------------------------------------------------------------------------------


def _noisy(walk: Sequence) -> Sequence:
    rng = np.random.default_rng(3)
    frames = []
    for f in walk.frames:
        p = f.tracks.poses
        xy = p.xy + rng.normal(0, 1, p.xy.shape).astype(np.float32)
        frames.append(replace(f, tracks=Tracks(f.tracks.id, replace(p, xy=xy))))
    return replace(walk, frames=tuple(frames))


@pytest.mark.parametrize("name", SMOOTHINGS)
def test_what_was_changed_is_marked_and_the_marks_last(
    name: str, walk: Sequence, tmp_path: Path
) -> None:
    noisy = _noisy(walk)
    native.write(tmp_path / "a.jsonl", noisy)
    raw = (tmp_path / "a.jsonl").read_bytes()
    path, done = refine_file(tmp_path / "a.jsonl", None, RefineOptions(smooth=name))
    assert path == tmp_path / "a.refined.jsonl"
    assert (tmp_path / "a.jsonl").read_bytes() == raw
    back = native.read(path)[0]
    assert back.meta["refined"]["smooth"] == name
    assert back.meta["refined"]["source"] == "a.jsonl"
    changed = 0
    for before, after in zip(noisy.frames, back.frames, strict=True):
        moved = (before.tracks.poses.xy != after.tracks.poses.xy).any(axis=2)
        moved &= np.isfinite(after.tracks.poses.xy).all(axis=2)
        marks = np.zeros_like(moved, np.uint8) if after.marks is None else after.marks
        assert not (moved & (marks == 0)).any()
        changed += int(moved.sum())
    assert (changed > 1000) == (name != "none")
    assert done.people == len({int(i) for f in walk.frames for i in f.tracks.id})


def test_refining_nothing_changes_nothing(walk: Sequence) -> None:
    same = refine(walk, NOTHING).sequence
    for before, after in zip(walk.frames, same.frames, strict=True):
        assert np.array_equal(before.tracks.id, after.tracks.id)
        assert np.array_equal(before.tracks.poses.xy, after.tracks.poses.xy, equal_nan=True)
        assert np.array_equal(before.head_xyxy, after.head_xyxy, equal_nan=True)
        assert after.marks is None


def test_marks_of_an_earlier_time_stay(walk: Sequence) -> None:
    once = refine(_noisy(walk), RefineOptions(smooth="kalman")).sequence
    twice = refine(once, NOTHING).sequence
    for a, b in zip(once.frames, twice.frames, strict=True):
        assert np.array_equal(a.marks, b.marks)


def test_broken_marks_are_told(walk: Sequence, tmp_path: Path) -> None:
    native.write(tmp_path / "a.jsonl", refine(_noisy(walk)).sequence)
    text = (tmp_path / "a.jsonl").read_text().replace('"marks":[', '"marks":[7,', 1)
    (tmp_path / "b.jsonl").write_text(text)
    with pytest.raises(FormatError, match="line 2"):
        list(native.read(tmp_path / "b.jsonl")[0].frames)


def test_other_formats_are_read_and_written(walk: Sequence, tmp_path: Path) -> None:
    FORMATS["csv"].write(tmp_path / "a.csv", walk)
    path, _ = refine_file(tmp_path / "a.csv", tmp_path / "b.csv")
    assert len(list(FORMATS["csv"].read(path)[0].frames)) == 75
    timeless = replace(
        walk, fps=None, frames=tuple(replace(f, time_s=float("nan")) for f in walk.frames)
    )
    FORMATS["csv"].write(tmp_path / "c.csv", timeless)
    with pytest.raises(InputError, match="--fps"):
        refine_file(tmp_path / "c.csv")
    refine_file(tmp_path / "c.csv", fps=25)


def test_what_is_in_the_way(walk: Sequence, tmp_path: Path) -> None:
    native.write(tmp_path / "a.jsonl", walk)
    with pytest.raises(UsageError, match="never overwritten"):
        refine_file(tmp_path / "a.jsonl", tmp_path / "a.jsonl", force=True)
    refine_file(tmp_path / "a.jsonl")
    with pytest.raises(OutputError, match="--force"):
        refine_file(tmp_path / "a.jsonl")
    with pytest.raises(UsageError, match="format"):
        refine_file(tmp_path / "a.jsonl", tmp_path / "a.xyz")
    with pytest.raises(UsageError, match="did you mean 'kalman'"):
        RefineOptions(smooth="kalmann")
    with pytest.raises(UsageError):
        RefineOptions(fill_s=-1)


def test_the_command(walk: Sequence, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    native.write(tmp_path / "a.jsonl", walk)
    for more in (["--smooth", "one-euro", "--cutoff", "1"], ["--fill", "0", "--no-sides"]):
        out = tmp_path / "b.jsonl"
        with pytest.raises(SystemExit) as end:
            main(["refine", str(tmp_path / "a.jsonl"), "-o", str(out), "--force", *more])
        assert end.value.code == 0
        said = capsys.readouterr()
        assert said.out == f"{out}\n"
        assert "2 people" in said.err
