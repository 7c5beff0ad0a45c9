"""``posetrack nets``: the table, its JSON, speeds, wrong names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from posetrack.cli import main
from posetrack.nets import overview, speed
from posetrack.nets.published import PUBLISHED

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(name="run")
def _run_fixture(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            main(["nets", *args])
        captured = capsys.readouterr()
        return int(exit_.value.code or 0), captured.out, captured.err

    return run


def _row(out: str, name: str, size: list[int]) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(out)["networks"]
    return next(row for row in found if row["name"] == name and row["input_wh"] == size)


def test_the_table_has_every_network_and_only_data_on_stdout(run: Run) -> None:
    code, out, err = run()
    assert code == 0
    first_words = {line.split()[0] for line in out.splitlines()[1:]}
    assert set(PUBLISHED) <= first_words
    assert "weights x output positions" in err
    line = next(line for line in out.splitlines() if line.startswith("simple_baseline_50"))
    assert line.split()[:8] == [
        "simple_baseline_50",
        "34.00",
        "M",
        "256x192",
        "5.43",
        "8.99",
        "70.4",
        "AP",
    ]


def test_json_has_exact_counts_scores_and_weights(run: Run) -> None:
    code, out, _ = run("--json")
    assert code == 0
    row = _row(out, "hrnet_w32", [192, 256])
    assert row["parameters"] == 28_536_113
    assert row["multiply_adds"] == row["weights_times_output_positions"] == 7_645_003_776
    assert row["published"] == {"coco_ap": 74.4, "mpii_pckh": None, "imagenet_top1": None}
    assert "hrnet_w32_coco_256x192" in row["weights"]
    assert _row(out, "hrnet_w32", [256, 256])["published"]["mpii_pckh"] == 90.3


def test_weights_of_a_size_without_a_row_are_not_lost(run: Run) -> None:
    out = run("hrnet_w48", "--json")[1]
    assert "hrnet_w48_mpii_256x256" in _row(out, "hrnet_w48", [192, 256])["weights"]


def test_a_network_that_no_paper_has_is_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview, "COCO", ((192, 256),))
    code, out, _ = run("hrnet_w4", "--json")
    assert code == 0
    row = _row(out, "hrnet_w4", [192, 256])
    assert 0 < row["parameters"] < 2e6
    assert row["published"]["coco_ap"] is None


def test_speeds_of_the_last_benchmark(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = {
        "device": "Abacus",
        "threads": 2,
        "precision": "float32",
        "torch": "2",
        "batch": 8,
        "runs": 5,
        "clock": "wall clock",
    }
    speeds = {
        "hourglass_1": {
            "size_wh": [256, 256],
            "crops_per_s": 12.34,
            "lowest": 12.0,
            "highest": 13.0,
        }
    }
    path = tmp_path / "nets.json"
    path.write_text(json.dumps({"machine": machine, "networks": speeds}))
    monkeypatch.setattr(overview, "RESULTS", path)
    _, out, err = run("hourglass_1")
    assert "12.3" in out.splitlines()[1].split()
    assert "Abacus, 2 threads, float32, batch 8, wall clock" in err
    monkeypatch.setattr(overview, "RESULTS", tmp_path / "none.json")
    assert json.loads(run("hourglass_1", "--json")[1])["speed_measured_on"] is None


def test_measuring_here(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "SECONDS_A_RUN", 0.0)
    code, out, err = run(
        "lite_hrnet_18", "--measure", "--batch-size", "1", "--device", "cpu", "--json"
    )
    assert code == 0
    assert _row(out, "lite_hrnet_18", [192, 256])["crops_per_s"] > 0
    assert _row(out, "lite_hrnet_18", [288, 384])["crops_per_s"] is None
    assert json.loads(out)["speed_measured_on"] == "this machine"
    assert "lite_hrnet_18" in err


def test_wrong_names_and_options_are_one_sentence(run: Run) -> None:
    code, out, err = run("hrnet_x32")
    assert (code, out) == (2, "")
    assert err.startswith("Error: Unknown network 'hrnet_x32'")
    assert len(err.splitlines()) == 1
    assert run("lite_hrnet_18", "--measure", "--device", "abacus")[0] == 2
