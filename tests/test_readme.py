"""The README says what the code and the committed results say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from posetrack.cli import VERBS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_are_those_of_the_results(tables: ModuleType) -> None:
    for page in tables.PAGES:
        text = page.read_text(encoding="utf-8")
        assert tables.filled(text) == text, f"{page.name}: run python benchmarks/tables.py"


def test_every_table_is_on_a_page(tables: ModuleType) -> None:
    texts = "".join(page.read_text(encoding="utf-8") for page in tables.PAGES)
    assert set(re.findall(r"<!-- table: (\w+) -->", texts)) == set(tables.TABLES)


def test_a_changed_figure_is_noticed(tables: ModuleType) -> None:
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert tables.filled(text.replace("| yes | ", "| yes | 1", 1)) == text


def test_two_lines_are_enough() -> None:
    """One line installs and tracks, one installs and passes the tests (CI runs the second)."""
    assert "pip install . && posetrack track clip.mp4\n" in README
    assert re.search(r'^pip install "\.\[test\]" && pytest', README, re.MULTILINE)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_command_is_shown(verb: str) -> None:
    assert any(f"posetrack {verb}" in page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    named = set(re.findall(r"`posetrack ([a-z]+)", page.read_text(encoding="utf-8")))
    assert named <= set(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_a_page_points_to_exist(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith("http")]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_the_command_lines_page_is_current() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert module.cli_page() == page, "run python docs/generate.py"
