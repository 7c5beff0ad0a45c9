from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from posetrack.drawn.actors import CAMERAS
from posetrack.drawn.body import keypoints, pose_skeleton, random_look
from posetrack.drawn.clip import DrawnSequence, draw_person_samples, draw_sequence
from posetrack.drawn.dataset import write_posetrack_dataset
from posetrack.drawn.figure import Figure
from posetrack.drawn.motion import ANGLES, MOTIONS, blend, posture
from posetrack.drawn.motion import Path as Way
from posetrack.drawn.render import Camera
from posetrack.errors import UsageError
from posetrack.formats import FORMATS
from posetrack.skeletons import POSETRACK_15

SMALL = (192, 108)


def _clip(seed: int = 1, **settings: object) -> DrawnSequence:
    return draw_sequence(seed, **{"frames": 12, "size_wh": SMALL, "people": 3, **settings})  # type: ignore[arg-type]


def test_same_seed_same_pixels_and_labels_in_any_order() -> None:
    first, second = _clip(4), _clip(4)
    late, early = first[7], first[2]
    np.testing.assert_array_equal(second[2].frame.image, early.frame.image)
    np.testing.assert_array_equal(second[7].frame.image, late.frame.image)
    np.testing.assert_array_equal(second[7].labels.tracks.poses.xy, late.labels.tracks.poses.xy)
    assert not np.array_equal(_clip(5)[2].frame.image, early.frame.image)


def test_frames_are_those_of_a_video() -> None:
    clip = _clip(fps=10.0, frames=3)
    frames = list(clip.frames)
    assert [f.index for f in frames] == [0, 1, 2]
    assert [f.time_s for f in frames] == pytest.approx([0, 0.1, 0.2])
    assert all(f.size_wh == SMALL for f in frames)
    assert len(clip) == len(list(clip.images)) == 3
    assert [d.frame.index for d in clip[1:]] == [1, 2]
    assert clip[-1].frame.index == 2
    with pytest.raises(IndexError):
        _ = clip[3]


def test_labels_can_be_read_alone_and_again() -> None:
    labels = _clip(frames=4).labels
    assert labels.skeleton is POSETRACK_15
    assert (labels.name, labels.size_wh, labels.fps) == ("000001_drawn", SMALL, 25.0)
    first = [f.tracks.poses.xy for f in labels.frames]
    assert len(first) == 4
    for a, b in zip(first, [f.tracks.poses.xy for f in labels.frames], strict=True):
        np.testing.assert_array_equal(a, b)


def test_labels_lie_in_the_picture_and_in_their_boxes() -> None:
    for drawn in _clip(3, people=4):
        tracks = drawn.labels.tracks
        xy, boxes = tracks.poses.xy, tracks.poses.boxes.xyxy
        given = tracks.poses.present
        assert given.any(axis=1).all()
        assert (xy[given] >= -0.5).all()
        assert (xy[given] < np.array(SMALL) - 0.5).all()
        low, high = boxes[:, None, :2] - 1, boxes[:, None, 2:] + 1
        assert ((xy >= low) & (xy <= high))[given].all()
        assert drawn.labels.head_xyxy is not None
        assert drawn.labels.head_xyxy.shape == (len(tracks), 4)
        np.testing.assert_array_equal(tracks.poses.score[given], 1)


def test_identities_last() -> None:
    clip = _clip(2, people=3, frames=50)
    drawn = [clip[i] for i in (0, 24, 49)]
    for one in drawn:
        assert one.everyone.id.tolist() == [0, 1, 2]
        for i, person in enumerate(one.labels.tracks.id):
            known = one.labels.tracks.poses.present[i]
            np.testing.assert_allclose(
                one.labels.tracks.poses.xy[i][known],
                one.everyone.poses.xy[person][known],
                atol=1e-4,
            )
    moved = np.linalg.norm(drawn[2].everyone.poses.xy[0] - drawn[0].everyone.poses.xy[0], axis=-1)
    assert moved.min() > 5


def test_two_who_cross_hide_each_other() -> None:
    clip = draw_sequence(11, frames=50, size_wh=SMALL, people=2, camera="still")
    drawn = [clip[i] for i in range(0, 50, 2)]
    x = np.array([d.everyone.poses.xy[:, :, 0].mean(axis=1) for d in drawn])
    order = np.sign(x[:, 0] - x[:, 1])
    assert order[0] != order[-1]
    behind = min(drawn, key=lambda d: d.share.min())
    assert behind.share.min() < 0.6
    i = int(behind.share.argmin())
    assert not behind.visible[i].all()
    assert behind.visible[1 - i].all()
    assert np.isnan(
        behind.labels.tracks.poses.xy[list(behind.labels.tracks.id).index(i)][~behind.visible[i]]
    ).all()


def test_without_crossing_nobody_is_hidden() -> None:
    for drawn in draw_sequence(
        8, frames=3, size_wh=(320, 180), people=3, plot="lanes", camera="still"
    ):
        assert drawn.share.min() > 0.95


def test_things_in_front_hide_joints() -> None:
    hidden = sum(
        int((~draw_sequence(s, frames=1, size_wh=SMALL, occluders=4)[0].visible).sum())
        for s in range(4)
    )
    assert hidden > 4


def test_keypoints_lie_on_their_person() -> None:
    """Taking the person away changes the picture at its joints."""
    with_one = draw_sequence(
        5, frames=1, size_wh=(320, 180), people=1, plot="lanes", noise=0, blur=0, camera="still"
    )
    drawn = with_one[0]
    stage = with_one._stage
    empty = type(stage)(
        stage.seed, stage.camera, stage.move, stage.seconds, stage.scene, (), (), 0.0, 0.0
    )
    ground = empty.draw(0, 25.0, "").frame.image
    column, row = np.round(drawn.everyone.poses.xy[0]).astype(int).T
    changed = np.abs(drawn.frame.image.astype(int) - ground).max(axis=2)[row, column]
    assert (changed > 8).mean() > 0.85


@pytest.mark.parametrize("camera", sorted(CAMERAS))
def test_cameras(camera: str) -> None:
    clip = _clip(6, camera=camera, people=0, noise=0.0, frames=5)
    difference = np.abs(clip[0].frame.image.astype(int) - clip[2].frame.image).mean()
    assert (difference < 0.5) == (camera == "still")  # exposure drifts a little


def test_the_background_moves_as_the_camera_says() -> None:
    base = Camera((640, 360), 600.0, 1.5)
    turned = Camera((640, 360), 600.0, 1.5, pan=0.1)
    ahead = np.array([0.0, 1.5, -10.0])
    np.testing.assert_allclose(base.project(ahead)[0], [319.5, 179.5])
    np.testing.assert_allclose(turned.project(ahead)[0], [319.5 - 600 * np.tan(0.1), 179.5])
    higher, nearer = base.project(np.array([[0.0, 2.0, -10.0], [0.0, 2.0, -5.0]]))[0]
    assert nearer[1] < higher[1] < 179.5


@pytest.mark.parametrize("motion", sorted(MOTIONS))
def test_motions_keep_bones_whole_and_feet_on_the_ground(motion: str) -> None:
    look = random_look(np.random.default_rng(0))
    figure = Figure(look)
    lengths, lowest = [], []
    for t in np.linspace(0, 2, 7):
        angles = MOTIONS[motion](float(t), 1.0)
        bones = pose_skeleton(look, angles, 1.0, -5.0, 0.7)
        joints = dict(zip(POSETRACK_15.joints, keypoints(look, bones), strict=True))
        limbs = [("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")]
        lengths.append(
            [
                np.linalg.norm(joints[f"{s}_{a}"] - joints[f"{s}_{b}"])
                for s in ("left", "right")
                for a, b in limbs
            ]
        )
        lowest.append(figure.vertices(bones)[:, 1].min() - angles[ANGLES["lift"]])
    np.testing.assert_allclose(lengths, np.tile(lengths[0], (len(lengths), 1)), rtol=1e-9)
    assert np.abs(lowest).max() < 0.06


def test_left_is_on_the_right_of_who_faces_the_camera() -> None:
    look = random_look(np.random.default_rng(1))
    facing = keypoints(look, pose_skeleton(look, posture(), 0, -5, 0.0))
    left, right = (POSETRACK_15.joints.index(f"{s}_shoulder") for s in ("left", "right"))
    assert facing[left, 0] > 0 > facing[right, 0]
    away = keypoints(look, pose_skeleton(look, posture(), 0, -5, np.pi))
    assert away[left, 0] < 0 < away[right, 0]
    nose, top, ankle = (POSETRACK_15.joints.index(j) for j in ("nose", "head_top", "left_ankle"))
    assert facing[nose, 2] > -5 > away[nose, 2]
    assert facing[top, 1] == pytest.approx(look.height, rel=0.03)
    assert facing[ankle, 1] == pytest.approx(0.042 * look.height, rel=0.1)


def test_paths_turn_round_at_their_ends() -> None:
    way = Way((0.0, -5.0), (2.0, -5.0), 1.0)
    assert way.at(0.0) == pytest.approx((0, -5, np.pi / 2))
    assert way.at(1.0)[0] == pytest.approx(1)
    assert way.at(2.0 + way.TURN_S + 0.5)[0] == pytest.approx(1.5)
    assert np.sin(way.at(2.0 + way.TURN_S + 0.5)[2]) == pytest.approx(-1)
    assert Way((1.0, -5.0), (1.0, 0.0), 0.0).at(9.0) == pytest.approx((1, -5, 0))


def test_postures_blend() -> None:
    a, b = posture(), posture(both_elbow=90, lift=0.2)
    assert b[ANGLES["left_elbow"]] == b[ANGLES["right_elbow"]] == pytest.approx(np.pi / 2)
    np.testing.assert_allclose(blend(a, b, 0.5), b / 2)
    np.testing.assert_array_equal(blend(a, b, 2), b)


def test_person_samples() -> None:
    samples = list(draw_person_samples(3, 3, (96, 128)))
    again = next(iter(draw_person_samples(3, 1, (96, 128))))
    np.testing.assert_array_equal(samples[0].image, again.image)
    for s in samples:
        assert s.image.shape == (128, 96, 3)
        assert s.xy.shape == (15, 2)
        assert (~np.isnan(s.xy).any(axis=1)).sum() >= 13
        assert s.visible.sum() >= 13
        x1, y1, x2, y2 = s.box
        assert 0.7 < max((x2 - x1) / 96, (y2 - y1) / 128) < 1.0
        assert ((s.xy >= s.box[:2] - 1) & (s.xy <= s.box[2:] + 1))[s.visible].all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"camera": "pann"}, "Unknown camera 'pann'; did you mean 'pan'"),
        ({"motions": ["fly"]}, "Unknown motion 'fly'"),
        ({"frames": 0}, "Cannot draw 0 frames"),
        ({"size_wh": (16, 100)}, "16x100"),
        ({"fps": 0.0}, "positive frame rate"),
    ],
)
def test_bad_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        _clip(**settings)


@pytest.mark.parametrize("layout", ["2017", "2018"])
def test_datasets_in_posetrack_layout(layout: str, tmp_path: Path) -> None:
    clips = [_clip(seed, frames=3) for seed in (1, 2)]
    files = write_posetrack_dataset(tmp_path, clips, layout, "val")
    assert [f.relative_to(tmp_path).as_posix() for f in files] == [
        "annotations/val/000001_drawn.json",
        "annotations/val/000002_drawn.json",
    ]
    for clip, file in zip(clips, files, strict=True):
        (read,) = FORMATS["posetrack17" if layout == "2017" else "posetrack18"].read(file)
        frames = list(read.frames)
        assert len(frames) == 3
        for drawn, labels in zip(clip, frames, strict=True):
            truth = drawn.labels.tracks
            order = np.argsort(labels.tracks.id)
            np.testing.assert_array_equal(labels.tracks.id[order], truth.id)
            np.testing.assert_allclose(labels.tracks.poses.xy[order], truth.poses.xy, atol=1e-3)
            np.testing.assert_allclose(labels.head_xyxy[order], drawn.labels.head_xyxy, atol=1e-3)
            image = cv2.imread(str(tmp_path / labels.image))[..., ::-1]
            assert np.abs(image.astype(int) - drawn.frame.image).mean() < 6
    assert not list(tmp_path.rglob("*.part"))


def test_unknown_layout(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Unknown PoseTrack layout '2019'"):
        write_posetrack_dataset(tmp_path, [], "2019")


def test_in_like_clothes() -> None:
    cast_alike = _clip(6, people=3, alike=1.0)._stage.actors
    looks = [actor.figure.look for actor in cast_alike]
    assert len({(look.shirt, look.trousers, look.pattern) for look in looks}) == 1
    assert len({look.height for look in looks}) == 3
    others = [actor.figure.look for actor in _clip(6, people=3)._stage.actors]
    assert len({look.shirt for look in others}) == 3


def test_dummies_hide_people_but_are_none() -> None:
    plain, crowded = (_clip(9, people=2, camera="still", dummies=n)[5] for n in (0, 3))
    assert crowded.everyone.id.tolist() == plain.everyone.id.tolist() == [0, 1]
    np.testing.assert_array_equal(crowded.everyone.poses.xy, plain.everyone.poses.xy)
    assert not np.array_equal(crowded.frame.image, plain.frame.image)


def test_dummies_do_not_move() -> None:
    clip = _clip(9, people=0, dummies=1, camera="still", noise=0, frames=40)
    first, later = (clip[i].frame.image.astype(int) for i in (0, 30))
    assert np.abs(first - later * first.mean() / later.mean()).max() < 25  # only the light sways


def test_who_leaves_comes_back_as_the_same() -> None:
    clip = _clip(31, people=3, plot="return", frames=100, camera="still")
    seen = [set(clip[i].labels.tracks.id.tolist()) for i in (0, 50, 99)]
    assert seen == [{0, 1, 2}, {0}, {0, 1, 2}]


def test_a_group_stays_together() -> None:
    clip = _clip(4, people=4, plot="group", frames=60, camera="still")
    boxes = [clip[i].everyone.poses.boxes.xyxy for i in (0, 59)]
    middle = [(b[:, 0] + b[:, 2]) / 2 for b in boxes]
    spread = [float(np.ptp(m)) for m in middle]
    assert abs(middle[1].mean() - middle[0].mean()) > spread[0] / 2
    assert spread[1] < 1.5 * spread[0]


def test_poles_stand_before_people() -> None:
    hidden = [
        sum(float((1 - _clip(s, frames=1, poles=n)[0].share).sum()) for s in range(4))
        for n in (0, 4)
    ]
    assert hidden[1] > hidden[0] + 0.5


def test_a_plot_that_does_not_exist() -> None:
    with pytest.raises(UsageError, match="plot"):
        _clip(plot="romance")
