"""All combinations of options in one table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from posetrack.cli import main
from posetrack.cli.eval_grid import read_grid
from posetrack.drawn.clip import draw_sequence
from posetrack.drawn.dataset import write_posetrack_dataset
from posetrack.errors import UsageError
from posetrack.evaluation.evaluate import evaluate_posetrack
from posetrack.evaluation.grid import combinations, evaluate_grid, grid_table
from posetrack.evaluation.model import ModelRun
from posetrack.evaluation.report import total_figures
from posetrack.evaluation.tables import Table, render


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn PoseTrack folder."""
    folder = tmp_path_factory.mktemp("set")
    clip = draw_sequence(3, frames=6, size_wh=(160, 120), people=2, name="clip")
    write_posetrack_dataset(folder, [clip], "2018", "val")
    return folder


def test_values_get_their_option_s_type_and_every_choice_is_made() -> None:
    grid = read_grid(("flow=dis,none memory=1,5", "min-oks=0.3"))
    assert grid == {"flow": ["dis", "none"], "memory": [1, 5], "min_oks": [0.3]}
    chosen = combinations(grid)
    assert [(c["flow"], c["memory"]) for c in chosen] == [
        ("dis", 1),
        ("dis", 5),
        ("none", 1),
        ("none", 5),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("memory", "names no values"),
        ("memory=1,x", "--grid memory=x: 'x' is not a int"),
        ("memory=1 memory=2", "names memory twice"),
        ("memry=1", "memory"),
    ],
)
def test_a_bad_grid_is_told(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_grid((text,))


@pytest.mark.parametrize("grid", [{"memory": [1, 1]}, {"memory": list(range(1, 2000))}])
def test_repeated_and_far_too_many_values_are_refused(grid: dict[str, list[int]]) -> None:
    with pytest.raises(UsageError, match="--grid"):
        combinations(grid)


def test_a_row_is_what_the_run_by_itself_gives(labels: Path, tmp_path: Path) -> None:
    truth = labels / "annotations" / "val"
    run = ModelRun(images=labels, boxes="poses", options={"flow": "none"})
    rows = evaluate_grid(truth, tmp_path / "grid", run, {"tracker": ["iou", "oks"], "memory": [2]})
    assert [row.options for row in rows] == [
        {"tracker": "iou", "memory": 2},
        {"tracker": "oks", "memory": 2},
    ]
    alone = ModelRun(
        images=labels, boxes="poses", options={"flow": "none", "tracker": "oks", "memory": 2}
    )
    expected = evaluate_posetrack(truth, tmp_path / "alone", alone).scored.report
    table = grid_table(rows)
    figures = dict(zip(table.columns, table.rows[1], strict=True))
    assert (figures["tracker"], figures["memory"]) == ("oks", "2")
    for name in ("MOTA", "IDF1", "HOTA", "IDsw"):
        assert figures[name] == total_figures(expected)[name]


def test_nothing_runs_where_one_combination_is_wrong(labels: Path, tmp_path: Path) -> None:
    run = ModelRun(images=labels, boxes="poses", options={"flow": "none"})
    with pytest.raises(UsageError, match="memory must be at least 1"):
        evaluate_grid(labels / "annotations" / "val", tmp_path / "grid", run, {"memory": [5, 0]})
    assert not (tmp_path / "grid").exists()


def test_on_the_command_line(
    labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(labels / "annotations" / "val"), str(tmp_path / "pred"), "--images", str(labels)]
    words += ["--boxes", "poses", "--track", "flow=none", "--grid", "memory=1,5"]
    assert _run([*words, "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| run | memory | mAP | MOTA |")
    assert [line.split(" | ")[1] for line in lines[4:]] == ["1", "5"]
    assert _run([*words, "--json", "--force"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert [row["options"] for row in content] == [{"memory": 1}, {"memory": 5}]
    assert _run(words) == 1
    assert "--force replaces it" in capsys.readouterr().err
    assert _run([*words[:2], "--grid", "memory=1"]) == 2
    assert "give --model" in capsys.readouterr().err


def _run(words: list[str]) -> int:
    with pytest.raises(SystemExit) as done:
        main(["eval", "posetrack", *words])
    assert isinstance(done.value.code, int)
    return done.value.code


def test_latex_escapes_what_is_latex_s_own() -> None:
    table = Table("50 % of it", ("run", "min_oks"), (("a&b", 0.25),))
    assert render([table], "latex").splitlines() == [
        "% 50 % of it",
        r"\begin{tabular}{lr}",
        r"\hline",
        r"run & min\_oks \\",
        r"\hline",
        r"a\&b & 0.2 \\",
        r"\hline",
        r"\end{tabular}",
    ]
