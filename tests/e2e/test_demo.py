"""The whole tool on a drawn clip: bundled detector, optical flow, bundled pose network, tracker,
writer, evaluator.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from posetrack.cli.demo import FRAMES, demo
from posetrack.errors import OutputError
from posetrack.formats import FORMATS
from posetrack.video.open import open_source

# A little below what the bundled weights reach on this clip, percent: a fall below means that
# something broke.
AT_LEAST = {"mAP": 28.0, "MOTA": 5.0, "IDF1": 25.0, "HOTA": 10.0}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("demo")
    result = CliRunner().invoke(demo, ["-o", str(folder), "--json", "--quiet"])
    assert result.exit_code == 0, result.output
    return folder, json.loads(result.stdout)


@pytest.mark.parametrize("score", sorted(AT_LEAST))
def test_scores(run: tuple[Path, dict[str, Any]], score: str) -> None:
    assert AT_LEAST[score] <= run[1]["scores"][score] <= 100


def test_everybody_is_found_and_few_are_mistaken(run: tuple[Path, dict[str, Any]]) -> None:
    assert run[1]["run"]["frames"] == FRAMES
    assert 3 <= run[1]["run"]["tracks"] <= 6


def test_files(run: tuple[Path, dict[str, Any]]) -> None:
    folder, printed = run
    assert sorted(p.name for p in folder.iterdir()) == [
        "drawn.mp4",
        "drawn.tracked.jsonl",
        "drawn.tracked.mp4",
        "drawn.truth.posetrack18.json",
    ]
    assert {Path(p) for p in printed["files"].values()} == set(folder.iterdir())
    (truth,) = FORMATS["posetrack18"].read(folder / "drawn.truth.posetrack18.json")
    (tracks,) = FORMATS["native"].read(folder / "drawn.tracked.jsonl")
    assert len(list(truth.frames)) == len(list(tracks.frames)) == FRAMES
    with open_source(folder / "drawn.tracked.mp4") as video:
        assert video.size_wh == (640, 360)
        assert sum(1 for _ in video) == FRAMES


def test_results_are_not_overwritten(run: tuple[Path, dict[str, Any]]) -> None:
    result = CliRunner().invoke(demo, ["-o", str(run[0])])
    assert isinstance(result.exception, OutputError)
    assert "exists; replace it with --force" in str(result.exception)
