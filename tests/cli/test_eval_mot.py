"""``posetrack eval mot``: the table, its JSON, other formats, OKS, wrong files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from posetrack.cli import main
from posetrack.drawn.clip import draw_sequence
from posetrack.formats import FORMATS
from posetrack.structures import Poses, Sequence, Tracks

GOLDEN = Path(__file__).parents[1] / "golden" / "mot"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(name="run")
def _run_fixture(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*args: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            main(["eval", "mot", *map(str, args)])
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture(scope="module", name="drawn")
def _drawn_fixture() -> Sequence:
    return draw_sequence(3, frames=6, people=3, size_wh=(320, 180)).labels


def _moved(sequence: Sequence, pixels: float) -> Sequence:
    frames = []
    for labels in sequence.frames:
        p = labels.tracks.poses
        moved = Poses(p.xy + pixels, p.score, p.boxes, p.skeleton)
        frames.append(replace(labels, tracks=Tracks(labels.tracks.id, moved)))
    return replace(sequence, frames=tuple(frames))


def test_a_table_of_all_sequences(run: Run) -> None:
    code, out, _ = run(GOLDEN / "gt", GOLDEN / "pred")
    assert code == 0
    assert out.splitlines()[0].endswith("(rules of motchallenge; overlap of boxes)")
    assert [line.split()[0] for line in out.splitlines()[3:]] == [
        "classes",
        "square",
        "street",
        "all",
    ]


def test_json_has_every_digit_and_the_files(run: Run) -> None:
    truth, file = GOLDEN / "gt" / "street" / "gt" / "gt.txt", GOLDEN / "pred" / "street.txt"
    code, out, _ = run(truth, file, "--json", "--protocol", "motmetrics")
    found = json.loads(out)
    gold = json.loads((GOLDEN / "gold.json").read_text())["motmetrics"]["street"]
    assert code == 0
    assert found["total"]["MOTA"] == pytest.approx(gold["MOTA"], abs=1e-12)
    assert found["settings"] == {"protocol": "motmetrics", "similarity": "iou"}
    assert len(found["files"][0]["truth_sha256"]) == 64


def test_other_formats_and_a_prediction_without_truth(
    run: Run, drawn: Sequence, tmp_path: Path
) -> None:
    for name in ("gt", "pred"):
        (tmp_path / name).mkdir()
    FORMATS["mot"].write(tmp_path / "gt" / "a.mot.txt", drawn)
    for stem in ("a", "b"):
        FORMATS["native"].write(tmp_path / "pred" / f"{stem}.jsonl", drawn)
    code, out, err = run(tmp_path / "gt", tmp_path / "pred", "--json")
    total = json.loads(out)["total"]
    assert (code, total["MOTA"], total["IDF1"], total["IDs"]) == (0, 100, 100, 0)
    assert total["HOTA"] == pytest.approx(100, abs=1e-3)  # boxes as text lose their last digits
    assert "b.jsonl" in err


def test_oks_needs_no_boxes_that_overlap(run: Run, drawn: Sequence, tmp_path: Path) -> None:
    """Far poses in the same boxes: nobody by OKS, everybody by overlap."""
    truth, far = tmp_path / "truth.jsonl", tmp_path / "far.jsonl"
    FORMATS["native"].write(truth, drawn)
    FORMATS["native"].write(far, _moved(drawn, 500))
    by_poses = json.loads(run(truth, far, "--similarity", "oks", "--json")[1])["total"]
    by_boxes = json.loads(run(truth, far, "--json")[1])["total"]
    same = json.loads(run(truth, truth, "--similarity", "oks", "--json")[1])["total"]
    assert by_poses["Rcll"] == 0
    assert by_boxes["Rcll"] == 100
    assert same["MOTA"] == same["HOTA"] == 100
    assert "OKS of poses" in run(truth, truth, "--similarity", "oks")[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,1,0,0,10,10,1\n1,1,5,5,10,10,1\n", "identity 1 stands twice in frame 0"),
        ("0,1,0,0,10,10,1\n", "line 1: frames count from 1"),
        ("1,1,0,0,10,-4,1\n", "line 1: a box has a negative size"),
        ("1,1.5,0,0,10,4,1\n", "line 1: frame and id must be whole"),
        ("1,1,0,nan,10,4,1\n", "line 1: a box or its confidence is not a finite number"),
        ("1,1,0,0\n", "4 columns"),
        ("people\n", "is no MOTChallenge file"),
    ],
)
def test_a_bad_file_is_one_sentence(run: Run, tmp_path: Path, text: str, words: str) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "bad.txt"
    good.write_text("1,1,0,0,10,10,1\n")
    bad.write_text(text)
    for order in ((good, bad), (bad, good)):
        code, out, err = run(*order)
        assert (code, out) == (1, "")
        assert words in err
        assert err.count("\n") == 1


def test_joints_that_fit_nothing(run: Run, drawn: Sequence, tmp_path: Path) -> None:
    boxes, poses = tmp_path / "boxes.mot.txt", tmp_path / "poses.jsonl"
    FORMATS["mot"].write(boxes, drawn)
    FORMATS["native"].write(poses, drawn)
    code, _, err = run(boxes, poses, "--similarity", "oks")
    assert code == 1
    assert "share no joint by name" in err
