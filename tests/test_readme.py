"""The README says what the code and the committed results say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from posetrack.cli import VERBS
from posetrack.formats import FORMATS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "readme_tables", ROOT / "benchmarks" / "readme_tables.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_are_those_of_the_results(tables: ModuleType) -> None:
    assert tables.filled(README) == README, "run python benchmarks/readme_tables.py"


def test_every_table_is_in_the_readme(tables: ModuleType) -> None:
    assert set(re.findall(r"<!-- table: (\w+) -->", README)) == set(tables.TABLES)


def test_a_changed_figure_is_noticed(tables: ModuleType) -> None:
    assert tables.filled(README.replace("| yes | ", "| yes | 1", 1)) == README


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_command_is_shown(verb: str) -> None:
    assert f"posetrack {verb}" in README


def test_commands_and_formats_exist() -> None:
    assert set(re.findall(r"`posetrack (\w+)", README)) <= set(VERBS)
    assert set(re.findall(r"`(posetrack1[78]|coco|csv|parquet)`", README)) <= set(FORMATS)


def test_files_it_points_to_exist() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert [
        link for link in links if not link.startswith("http") and not (ROOT / link).exists()
    ] == []
