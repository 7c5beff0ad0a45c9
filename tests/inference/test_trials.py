"""What is faster is tried once and remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from posetrack.inference.trials import processor, quickest, remembered


class Clock:
    """A clock that only jobs move."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def job(self, *seconds: float) -> Callable[[], None]:
        left = list(seconds)

        def work() -> None:
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return work


def test_the_best_run_counts_and_the_first_one_does_not() -> None:
    clock = Clock()
    jobs = {"warm": clock.job(0.1, 0.4), "cold": clock.job(9, 0.5, 0.3)}
    assert quickest(jobs, clock) == "cold"


def test_of_equal_ones_the_first() -> None:
    clock = Clock()
    assert quickest({"a": clock.job(0.25), "b": clock.job(0.25)}, clock) == "a"


def test_found_out_once(tmp_path: Path) -> None:
    file, asked = tmp_path / "cache" / "trials.json", []

    def find_out() -> str:
        asked.append(1)
        return "bfloat16"

    assert [remembered(file, "net", find_out) for _ in range(2)] == ["bfloat16"] * 2
    assert remembered(file, "other net", lambda: "float32") == "float32"
    assert len(asked) == 1
    assert json.loads(file.read_text()) == {"net": "bfloat16", "other net": "float32"}


@pytest.mark.parametrize("content", ["", "[1]", '{"net": 3}', "\xff{"])
def test_a_broken_memory_is_written_anew(tmp_path: Path, content: str) -> None:
    file = tmp_path / "trials.json"
    file.write_text(content, "latin-1")
    assert remembered(file, "net", lambda: "float32") == "float32"
    assert json.loads(file.read_text())["net"] == "float32"


def test_a_cache_that_cannot_be_written_costs_no_run(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert remembered(tmp_path / "cache" / "trials.json", "net", lambda: "float32") == "float32"


def test_the_processor_has_a_name() -> None:
    assert processor()
