"""``posetrack eval`` as a user meets it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eval_files import GOLDEN, golden, write_pair

from posetrack.cli import main

EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
GT, PRED = str(GOLDEN / "gt"), str(GOLDEN / "pred")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as done:
        main(["eval", *words])
    out, err = capsys.readouterr()
    assert isinstance(done.value.code, int)
    return done.value.code, out, err


def test_the_text_holds_the_official_tables(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "posetrack", GT, PRED)
    assert code == 0
    assert "".join(EXPECTED["all"]["printed_AP_table"]) in out
    assert "".join(EXPECTED["all"]["printed_MOT_table"]) in out
    assert out.startswith("PoseTrack, protocol poseval (the official tool's rules")
    assert "MOTP over matched pairs, as in the tables published for 2017: 84.7" in out
    tables = [line for line in out.splitlines() if "(protocol" in line]
    assert len(tables) == 5
    assert all("protocol poseval" in line for line in tables)


def test_json_has_everything_at_full_precision(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "posetrack", GT, PRED, "--json")
    data = json.loads(out)
    assert code == 0
    np.testing.assert_allclose(data["total"]["AP"]["ap"], EXPECTED["all"]["AP"]["ap"], rtol=1e-9)
    np.testing.assert_allclose(
        data["total"]["MOT"]["motp"], EXPECTED["all"]["MOT"]["motp"], rtol=1e-9
    )
    assert sorted(data["sequences"]) == sorted(EXPECTED["sequences"])
    assert {"posetrack", "numpy", "scipy", "python"} <= data["versions"].keys()
    assert data["settings"]["protocol"] == "poseval"
    assert len(data["files"]) == 8
    assert all(
        len(f["truth_sha256"]) == 64 and len(f["prediction_sha256"]) == 64 for f in data["files"]
    )


def test_output_files_are_poseval_s(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(
        capsys,
        "posetrack",
        GT,
        PRED,
        "--output",
        str(tmp_path / "new" / "out"),
        "--metrics",
        "ap,mot",
    )
    written = {p.name for p in (tmp_path / "new" / "out").iterdir()}
    assert {
        "total_AP_metrics.json",
        "total_MOT_metrics.json",
        "000004_bonn_test_AP_metrics.json",
    } <= written
    assert len(written) == 2 * 9 + 1
    ap = json.loads((tmp_path / "new" / "out" / "total_AP_metrics.json").read_text())
    mot = json.loads((tmp_path / "new" / "out" / "total_MOT_metrics.json").read_text())
    assert list(ap) == ["ap", "pre", "rec", "names"]
    assert list(mot) == ["mota", "motp", "pre", "rec", "names"]
    np.testing.assert_allclose(ap["ap"], EXPECTED["all"]["AP"]["ap"], rtol=1e-9)
    np.testing.assert_allclose(mot["mota"], EXPECTED["all"]["MOT"]["mota"], rtol=1e-9)
    assert (ap["names"]["0"], ap["names"]["15"]) == ("right_ankle", "total")


def test_csv_and_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "posetrack", GT, PRED, "--metrics", "ap,mot", "--csv")
    rows = list(csv.reader(io.StringIO(out)))
    total = next(r for r in rows if r[:1] == ["By sequence (protocol poseval)"] and r[1] == "total")
    assert float(total[3]) == pytest.approx(EXPECTED["all"]["AP"]["ap"][-1], rel=1e-12)
    _, out, _ = run(capsys, "posetrack", GT, PRED, "--metrics", "ap", "--markdown")
    assert "| total | 187 | 70.6 |" in out
    code, _, err = run(capsys, "posetrack", GT, PRED, "--csv", "--json")
    assert (code, err) == (2, "Error: Choose one of --json, --csv and --markdown.\n")


def test_sweep_names_the_best_threshold_and_plots(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "000002_mpii_test.json.gz"
    pair = (str(GOLDEN / "gt" / name), str(GOLDEN / "pred" / name))
    words = ("--sweep-joint-threshold", "--metrics", "ap,mot", "--output", str(tmp_path))
    code, out, _ = run(capsys, "posetrack", *pair, *words)
    assert code == 0
    assert "Joint score threshold (protocol poseval): best MOTA " in out
    assert "before)" in out
    assert out.count("<- best MOTA") == 1
    assert (tmp_path / "joint_threshold_sweep.png").read_bytes().startswith(b"\x89PNG")
    sweep = json.loads((tmp_path / "posetrack_eval.json").read_text())["sweep"]
    expected = EXPECTED["sequences"]["000002_mpii_test"]
    assert sweep["points"][0]["map"] == pytest.approx(expected["AP"]["ap"][-1], rel=1e-9)
    assert sweep["points"][0]["mota"] == pytest.approx(expected["MOT"]["mota"][-1], rel=1e-9)
    assert sweep["best"]["mota"] == max(p["mota"] for p in sweep["points"])


def test_corrected_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "posetrack", GT, PRED, "--protocol", "corrected")
    assert "NOT comparable with published tables" in out
    assert "protocol poseval" not in out


def test_errors_and_left_out_sequences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pair(tmp_path, golden("gt"), golden("pred"))
    gt, pred = write_pair(tmp_path, golden("gt"), "{", "000002_mpii_test")
    (pred / "extra.json").write_text("{}")
    code, out, err = run(capsys, "posetrack", str(gt), str(pred))
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "000002_mpii_test.json is not JSON" in err
    code, out, err = run(capsys, "posetrack", str(gt), str(pred), "--skip-bad", "--metrics", "ap")
    assert code == 0
    assert "Left out 000002_mpii_test: " in err
    assert "Without ground truth, not scored: 1 prediction files (extra.json)." in err
    assert "20 frames of 1 sequence." in out
    code, _, err = run(capsys, "posetrack", GT, PRED, "--protocol", "posval")
    assert code == 2
    assert "did you mean 'poseval'" in err
    assert run(capsys, "posetrack", GT, PRED, "--metrics", "ap,mop")[0] == 2


def coco_files(folder: Path) -> tuple[Path, Path, list[dict[str, Any]]]:
    rng = np.random.default_rng(0)
    people, rows = [], []
    for n in range(6):
        xy = rng.uniform(20, 180, (17, 2))
        keypoints = np.column_stack([xy, np.full(17, 2)]).ravel().tolist()
        people.append(
            {"id": n + 1, "image_id": n // 2, "keypoints": keypoints, "bbox": [0, 0, 200, 200]}
        )
        rows.append(
            {"image_id": n // 2, "category_id": 1, "keypoints": keypoints, "score": 0.9 - 0.1 * n}
        )
    truth = {"images": [{"id": i} for i in range(3)], "annotations": people}
    (folder / "gt.json").write_text(json.dumps(truth))
    (folder / "results.json").write_text(json.dumps(rows))
    return folder / "gt.json", folder / "results.json", rows


def test_coco(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, results, rows = coco_files(tmp_path)
    code, out, err = run(capsys, "coco", str(truth), str(results), "--json")
    assert (code, err) == (0, "")
    data = json.loads(out)
    assert data["figures"]["AP"] == pytest.approx(100)
    assert data["figures"]["AP_M"] is None
    assert data["versions"]["pycocotools"]
    for spoil, words in (
        ({"image_id": 77}, "result 1: image_id: 77 is no image of"),
        ({"keypoints": [1, 2, 3]}, "result 1: keypoints: 3 values, but 17 joints need 51"),
        ({"score": "high"}, "result 1: keypoints or score: 'high' is not a finite number"),
    ):
        results.write_text(json.dumps([rows[0], {**rows[1], **spoil}]))
        code, out, err = run(capsys, "coco", str(truth), str(results))
        assert (code, out) == (1, "")
        assert words in err
    results.write_text("[]")
    assert "holds no results" in run(capsys, "coco", str(truth), str(results))[2]


def mpii_truth(folder: Path) -> tuple[Path, np.ndarray[Any, Any]]:
    from scipy.io import savemat

    z = np.load(GOLDEN.parent / "decode" / "mpii_pckh.npz")
    keys = ("pos_gt_src", "jnt_missing", "headboxes_src")
    savemat(folder / "gt_valid.mat", {key: z[f"3_{key}"] for key in keys})
    return folder / "gt_valid.mat", z["3_preds_zero_based"]


def test_mpii_in_every_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from scipy.io import savemat

    truth, predicted = mpii_truth(tmp_path)
    expected = np.load(GOLDEN.parent / "decode" / "mpii_pckh.npz")["3_values"]
    savemat(tmp_path / "pred.mat", {"preds": predicted + 1})
    np.save(tmp_path / "pred.npy", predicted)
    rows = [{"image": f"{n}.jpg", "keypoints": xy.tolist()} for n, xy in enumerate(predicted)]
    (tmp_path / "pred.json").write_text(json.dumps(rows))
    people = [{"image": f"{n}.jpg", "joints": [[0, 0]] * 16} for n in range(len(predicted))]
    (tmp_path / "valid.json").write_text(json.dumps(people))
    for gt, pred in (
        ("gt_valid.mat", "pred.mat"),
        ("gt_valid.mat", "pred.npy"),
        ("valid.json", "pred.json"),
    ):
        code, out, err = run(capsys, "mpii", str(tmp_path / gt), str(tmp_path / pred), "--json")
        assert (code, err) == (0, "")
        data = json.loads(out)
        mine = [*data["groups"].values(), data["mean"], data["official_mean_at_0_1"]]
        np.testing.assert_allclose(mine, expected, rtol=1e-9)
    _, out, _ = run(capsys, "mpii", str(truth), str(tmp_path / "pred.npy"))
    assert 'official "Mean@0.1" (at 0.11)' in out
    rows[2]["image"] = "other.jpg"
    (tmp_path / "pred.json").write_text(json.dumps(rows))
    _, _, err = run(capsys, "mpii", str(tmp_path / "valid.json"), str(tmp_path / "pred.json"))
    assert "person 2: image: 'other.jpg'" in err
    truth.unlink()
    assert (
        "put the HRNet code's gt_valid.mat beside it"
        in run(capsys, "mpii", str(tmp_path / "valid.json"), str(tmp_path / "pred.npy"))[2]
    )


def test_mpii_s_own_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A small file of the official structure: the second person has no joints, the second image is
    a test image.
    """
    from scipy.io import savemat

    points = [{"x": 10.0 + 3 * j, "y": 20.0 + j, "id": j, "is_visible": 1} for j in range(16)]
    box = {
        "x1": 5.0,
        "y1": 5.0,
        "x2": 35.0,
        "y2": 45.0,
        "scale": 1.0,
        "objpos": {"x": 30.0, "y": 30.0},
    }
    people = [{**box, "annopoints": {"point": points}}, {**box, "annopoints": []}]
    first = {"image": {"name": "a.jpg"}, "annorect": people}
    second = {"image": {"name": "b.jpg"}, "annorect": [box]}
    release = {"annolist": [first, second], "img_train": np.array([1, 0])}
    savemat(tmp_path / "mpii.mat", {"RELEASE": release})
    predicted = np.array([[[p["x"] - 1, p["y"] - 1] for p in points]])
    np.save(tmp_path / "pred.npy", predicted)
    _, out, _ = run(
        capsys, "mpii", str(tmp_path / "mpii.mat"), str(tmp_path / "pred.npy"), "--json"
    )
    assert json.loads(out)["mean"] == 100


def test_help_is_light() -> None:
    code = (
        "import sys; import posetrack.cli.eval; print(sorted({'numpy', 'torch', 'rich'} & "
        "set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.strip() == "[]"
