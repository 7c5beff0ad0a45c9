"""Odd and broken inputs: the official tool's figures where it tolerates them, else one sentence
that says where.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eval_files import GOLDEN, NAME, Json, golden, people, write_pair

from posetrack.errors import InputError, PosetrackError
from posetrack.evaluation.posetrack import SequenceScores
from posetrack.evaluation.run import score_files
from posetrack.metrics.protocols import CORRECTED, POSEVAL, Protocol

ODD = {case["case"]: case for case in json.loads((GOLDEN / "odd_cases.json").read_text())}
IMAGE = f"images/val/{NAME}/00000%d.jpg"
HEAD_BOX = ("x1", "y1", "x2", "y2")

Edit = Callable[[Json, Json], object]


def score(
    folder: Path, truth: Any, prediction: Any, protocol: Protocol = POSEVAL
) -> SequenceScores:
    return score_files(*write_pair(folder, truth, prediction), protocol).report.total


def edited(edit: Edit) -> tuple[Json, Json]:
    truth, prediction = golden("gt"), golden("pred")
    edit(truth, prediction)
    return truth, prediction


def _minus_one(_: Json, prediction: Json) -> None:
    prediction["annolist"][0]["annorect"][0]["track_id"] = [-1]


def _flat_head(truth: Json, _: Json) -> None:
    person = truth["annolist"][5]["annorect"][0]
    person["x2"], person["y2"] = person["x1"], person["y1"]


def _twice(truth: Json, _: Json) -> None:
    for frame in truth["annolist"]:
        frame["annorect"] += copy.deepcopy(frame["annorect"])


def _scores(prediction: Json, value: list[float] | None) -> None:
    for person in people(prediction):
        for point in person["annopoints"][0]["point"]:
            point.pop("score")
            point.update({} if value is None else {"score": value})


def _no_points(_: Json, prediction: Json) -> None:
    for i, person in enumerate(people(prediction)):
        person["annopoints"] = [[], [{}], [{"other": 1}]][i % 3]


TOLERATED: dict[str, Edit] = {
    "predicted track_id -1 (accepted)": _minus_one,
    "no annotated frame at all": lambda t, _: [
        frame.update(annorect=[]) for frame in t["annolist"]
    ],
    "a GT pose whose head box has size zero (all its distances become inf or nan: nothing "
    "matches)": _flat_head,
    "every GT pose twice with the same track_id (not checked)": _twice,
    "no joint score anywhere (all -9999: AP depends on the order of an unstable sort, do not use "
    "ap_total)": (lambda _, p: _scores(p, None)),
    "joint scores NaN (NaN sorts last ascending, so first descending; order among them "
    "undefined)": (lambda _, p: _scores(p, [float("nan")])),
    "predicted poses without points (dropped)": _no_points,
}


@pytest.mark.parametrize("case", TOLERATED)
def test_tolerated_oddities_give_the_official_figures(case: str, tmp_path: Path) -> None:
    expected, total = ODD[case], score(tmp_path, *edited(TOLERATED[case]))
    assert total.ap is not None
    assert total.mot is not None
    assert total.counts is not None
    assert total.frames == expected["frames"]
    figures = {"mota_total": total.mot.mota, "motp_total": total.mot.motp}
    figures |= {"pre_total": total.mot.precision, "rec_total": total.mot.recall}
    if "score" not in case:
        figures["ap_total"] = total.ap.ap
    for key, values in figures.items():
        wanted = expected[key] if expected[key] is not None else float("nan")
        assert values[-1] == pytest.approx(wanted, rel=1e-9, nan_ok=True), key
    for key, value in (expected["counts_joint0"] or {}).items():
        field = {"sumD_all_events": "distance_events", "sumD_match_switch": "distance"}.get(
            key, key[4:]
        )
        assert getattr(total.counts, field)[0] == pytest.approx(value, rel=1e-9)


def test_a_region_that_cuts_itself_is_taken_by_the_even_odd_rule(tmp_path: Path) -> None:
    """A bow tie over the whole picture: what lies in its two wings is removed."""
    corners = [(0, 0), (1280, 720), (1280, 0), (0, 720)]

    def bow_tie(truth: Json, _: Json) -> None:
        region = {"point": [{"x": [x], "y": [y]} for x, y in corners]}
        truth["annolist"][0]["ignore_regions"] = [region]

    with_region, without = (
        score(tmp_path, *edited(bow_tie)),
        score(tmp_path, *edited(lambda *_: None)),
    )
    assert with_region.ap is not None
    assert without.ap is not None
    assert 0 < (without.ap.truth - with_region.ap.truth).sum() < 15


def _first(content: Json) -> Json:
    person: Json = content["annolist"][0]["annorect"][0]
    return person


def _points(content: Json) -> list[Json]:
    points: list[Json] = _first(content)["annopoints"][0]["point"]
    return points


def _repeat_person(_: Json, prediction: Json) -> None:
    prediction["annolist"][0]["annorect"].append(copy.deepcopy(_first(prediction)))


BAD: dict[str, tuple[Edit, str]] = {
    "frames": (lambda _, p: p["annolist"].pop(), "19 frames, but the ground truth .* has 20"),
    "repeated id": (
        _repeat_person,
        rf"frame 0 \({IMAGE % 0}\): track_id: 0 stands twice in the frame",
    ),
    "large id": (
        lambda _, p: _first(p).update(track_id=[10000]),
        "frame 0 .*track_id: 10000 is not below 10000",
    ),
    "no id": (
        lambda _, p: [r.pop("track_id") for r in people(p)],
        "frame 0 .*track_id: the field is missing",
    ),
    "one frame": (
        lambda t, _: [f.update(annorect=[]) for f in t["annolist"][1:]],
        "frame 0 .* is the only annotated frame",
    ),
    "no head box": (
        lambda t, _: [r.pop(k) for r in people(t) for k in HEAD_BOX],
        "frame 0 .*head box .*: the field is missing",
    ),
    "two corners": (
        lambda t, _: t["annolist"][3].update(
            ignore_regions=[{"point": [{"x": [1], "y": [2]}] * 2}]
        ),
        rf"frame 3 \({IMAGE % 3}\): ignore_regions: a polygon needs 3 corners",
    ),
    "NaN": (
        lambda _, p: _points(p)[2].update(x=[float("nan")]),
        "frame 0 .*person 0: point 2: x: nan is not a finite",
    ),
    "text": (
        lambda _, p: _points(p)[1].update(y=["12.5"]),
        "person 0: point 1: y: '12.5' is not a number",
    ),
    "null": (
        lambda _, p: _points(p)[0].update(id=[None]),
        "person 0: point 0: id: None is not a number",
    ),
    "scalar": (
        lambda t, _: _points(t)[0].update(x=3.0),
        "gt.*frame 0 .*person 0: point 0: x: 3.0 is not a list",
    ),
    "no field": (lambda _, p: _points(p)[4].pop("y"), "person 0: point 4: y: the field is missing"),
    "empty list": (
        lambda _, p: _points(p)[4].update(x=[]),
        "person 0: point 4: x: the list is empty",
    ),
    "half an id": (
        lambda _, p: _first(p).update(track_id=[1.5]),
        "person 0: track_id: 1.5 is not a whole number",
    ),
    "text id": (
        lambda _, p: _first(p).update(track_id=["7"]),
        "person 0: track_id: '7' is not a whole number",
    ),
    "no annorect": (
        lambda _, p: p["annolist"][2].pop("annorect"),
        rf"frame 2 \({IMAGE % 2}\): annorect: the field is",
    ),
    "null frame": (
        lambda _, p: p["annolist"].__setitem__(1, None),
        "frame 1: None is not an object",
    ),
    "no list": (lambda _, p: p.update(annolist={}), "annolist: {} is not a list"),
    "head box of text": (
        lambda t, _: _first(t).update(x1=["a"]),
        "gt.*frame 0 .*person 0: x1: 'a' is not a number",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_sentence_naming_file_frame_and_field(case: str, tmp_path: Path) -> None:
    edit, words = BAD[case]
    with pytest.raises(PosetrackError, match=words) as caught:
        score(tmp_path, *edited(edit))
    text = str(caught.value)
    assert f"{NAME}.json" in text
    assert "\n" not in text
    assert text.endswith(".")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json.dumps(golden("pred"))[:5000], "is not JSON .*; is it complete"),
        ("", "is empty"),
        ("[1, 2]", "holds a list where PoseTrack files hold an object"),
        ('{"images": []}', "categories: the field is missing"),
        ("{}", "has neither annolist .* nor images"),
        ('{"annolist": 5}', "annolist: 5 is not a list"),
    ],
)
def test_broken_json(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(PosetrackError, match=words):
        score(tmp_path, golden("gt"), text)


def _golden18() -> tuple[Json, Json]:
    folder = GOLDEN / "hota_2018"
    return golden("gt", "000006_mpii_test", folder), golden("pred", "000006_mpii_test", folder)


def _keypoint(person: Json, index: int, value: object) -> None:
    person["keypoints"][index] = value


BAD18: dict[str, tuple[Edit, str]] = {
    "image": (
        lambda _, p: p["annotations"][3].update(image_id=5),
        "annotation 3: image_id: no image has the id 5",
    ),
    "count": (
        lambda _, p: p["annotations"][2]["keypoints"].pop(),
        "annotation 2: keypoints: 50 numbers; 17 joints",
    ),
    "NaN": (
        lambda _, p: _keypoint(p["annotations"][0], 4, float("nan")),
        "annotation 0: keypoints: nan is not",
    ),
    "text": (
        lambda _, p: _keypoint(p["annotations"][0], 4, "x"),
        "annotation 0: keypoints: 'x' is not a number",
    ),
    "scores": (
        lambda _, p: p["annotations"][1].update(scores=[0.5]),
        "annotation 1: scores: 1 numbers for 17 joints",
    ),
    "head": (
        lambda t, _: t["annotations"][0].update(bbox_head=[1, 2]),
        "bbox_head: 2 numbers where x, y, width",
    ),
    "no head": (
        lambda t, _: t["annotations"][0].pop("bbox_head"),
        "frame 0 .*bbox_head.*: the field is missing",
    ),
    "names": (lambda _, p: p.update(categories=[]), "categories: the list is empty"),
    "same id": (
        lambda _, p: p["images"][1].update(id=p["images"][0]["id"]),
        "frame 1 .*: id: .* of an earlier image",
    ),
    "regions": (
        lambda t, _: t["images"][2].update(ignore_regions_x=[[1, 2, 3]], ignore_regions_y=[[1, 2]]),
        "frame 2 .*ignore_regions_x: a polygon has 3 x but 2 y",
    ),
    "no images": (lambda _, p: p.update(images=[], annotations=[]), "images: the list is empty"),
}


@pytest.mark.parametrize("case", BAD18)
def test_a_bad_file_of_the_2018_layout(case: str, tmp_path: Path) -> None:
    truth, prediction = _golden18()
    edit, words = BAD18[case]
    edit(truth, prediction)
    with pytest.raises(PosetrackError, match=words):
        score(tmp_path, truth, prediction)


def test_skip_bad_goes_on_and_says_what_was_left_out(tmp_path: Path) -> None:
    truth, prediction = golden("gt"), golden("pred")
    write_pair(tmp_path, truth, prediction)
    write_pair(tmp_path, truth, "{", "000002_mpii_test")
    folders = write_pair(tmp_path, truth, prediction, "000003_mpii_test")
    (folders[1] / "000003_mpii_test.json").unlink()
    report = score_files(*folders, skip_bad=True).report
    assert [s.name for s in report.sequences] == [NAME]
    assert [s.name for s in report.left_out] == ["000002_mpii_test", "000003_mpii_test"]
    assert "is not JSON" in report.left_out[0].reason
    assert "There is no file" in report.left_out[1].reason
    with pytest.raises(InputError, match="There is no file"):
        score_files(folders[0] / "000003_mpii_test.json", folders[1])


def test_nothing_left_to_score(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No sequence is left to score: .*is not JSON"):
        score_files(*write_pair(tmp_path, golden("gt"), "{"), skip_bad=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no label files"):
        score_files(tmp_path / "empty", tmp_path / "pred")
    with pytest.raises(InputError, match="There is no file or folder"):
        score_files(tmp_path / "nowhere", tmp_path / "pred")


def test_corrected_takes_what_poseval_refuses_and_refuses_repeated_truth(tmp_path: Path) -> None:
    for case in ("large id", "one frame"):
        score(tmp_path, *edited(BAD[case][0]), CORRECTED)
    with pytest.raises(
        PosetrackError, match=r"gt.*frame 0 .*track_id: 0 stands twice in the frame"
    ):
        score(tmp_path, *edited(_twice), CORRECTED)


def test_poses_can_be_scored_without_identities(tmp_path: Path) -> None:
    folders = write_pair(tmp_path, *edited(BAD["no id"][0]))
    total = score_files(*folders, metrics=["ap"]).report.total
    assert total.mot is None
    assert total.ap is not None
    assert total.ap.ap[-1] == pytest.approx(86.88665453963374)
