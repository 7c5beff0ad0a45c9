"""The house rules: floors, packaging, the public names of every module, and a command line that
starts fast.
"""

from __future__ import annotations

import ast
import configparser
import importlib
import re
import resource
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from click.testing import CliRunner

from posetrack.cli import VERBS, _root

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = {
    "posetrack": ROOT / "posetrack",
    "posetrack.cli": ROOT / "cli",
    "posetrack.weights": ROOT / "weights",
}

# From the top down: a module imports only from floors below its own, or from its own folder.
FLOORS: tuple[frozenset[str], ...] = tuple(
    frozenset(floor.split())
    for floor in (
        "__main__",
        "cli",
        "training",
        "evaluation review reporting running",
        "tracker",
        "assemble",
        "weights",
        "recording",
        "pipeline samples measuring stream offered",
        "events",
        "clip trackers datasets drawn metrics detect export editing refining",
        "pose flow matching formats video nets checkpoints",
        "inference skeletons geometry heatmaps oks track_table downloads",
        "structures files options",
        "svg tabular",
        "palette notebook",
        "errors",
    )
)
FACADE = "posetrack"  # posetrack/__init__.py alone may reach up, lazily
HEAVY = (
    "torch",
    "torchvision",
    "cv2",
    "numpy",
    "ptlflow",
    "lightning",
    "openvino",
    "scipy",
    "av",
    "matplotlib",
    "rich",
)


def _modules() -> dict[str, Path]:
    """Every module of the package by its installed name."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join([package, *(p for p in parts if p != "__init__")])] = path
    return found


MODULES = _modules()


def _imports(name: str) -> set[str]:
    """Modules of the package that ``name`` imports, wherever in the file the import stands."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {m for m in found if m in MODULES} - {name}


def _room(name: str) -> str:
    """The floor plan's name of a module: its folder, or itself."""
    return name.split(".")[1]


def _floor(name: str) -> int:
    """0 is the top."""
    rooms = [i for i, floor in enumerate(FLOORS) if _room(name) in floor]
    assert rooms, (
        f"{name} stands on no floor: add it to FLOORS and to the README's architecture section"
    )
    return rooms[0]


@pytest.mark.parametrize("name", sorted(set(MODULES) - {FACADE}))
def test_imports_go_down_only(name: str) -> None:
    for imported in sorted(_imports(name) - {FACADE}):
        same_room = _room(name) == _room(imported)
        assert same_room or _floor(imported) > _floor(name), f"{name} imports {imported}"


def test_the_library_never_imports_cli_or_weights() -> None:
    """But for ``assemble``, the one place where stages get their weights."""
    for name in MODULES:
        if name != FACADE and _room(name) not in {"__main__", "cli", "weights", "assemble"}:
            above = [m for m in _imports(name) - {FACADE} if _room(m) in {"cli", "weights"}]
            assert not above, f"{name} imports {above}"


def test_no_cycles() -> None:
    graph = {name: _imports(name) - {FACADE} for name in MODULES if name != FACADE}
    list(TopologicalSorter(graph).static_order())


def test_packages_are_the_tree() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = config["options"]["packages"].split()
    there = {
        name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0] for name in MODULES
    }
    assert sorted(listed) == sorted(there)
    mapped = dict(
        line.split(" = ") for line in config["options"]["package_dir"].strip().splitlines()
    )
    assert {name: ROOT / folder for name, folder in mapped.items()} == {
        n: FOLDERS[n] for n in mapped
    }


def test_package_data_exists() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    for package, globs in config["options.package_data"].items():
        for glob in globs.split(","):
            folder = FOLDERS.get(package) or ROOT.joinpath(*package.split("."))
            assert list(folder.glob(glob.strip())), f"{package}: nothing fits {glob.strip()}"


def _order(name: str) -> tuple[int, list[object]]:
    """Constants, classes, the rest; numbers in names count as numbers (the order ruff's RUF022
    keeps).
    """
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, [
        (0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", name) if p
    ]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_public_names(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{name} has no docstring"
    module = importlib.import_module(name)
    exported = list(module.__all__)
    assert exported == sorted(exported, key=_order), f"{name}.__all__ is not sorted"
    defined = {
        n.name
        for n in tree.body
        if isinstance(n, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
    }
    assert {d for d in defined if not d.startswith("_")} <= set(exported), (
        f"{name}.__all__ is not complete"
    )
    for public in exported:
        assert hasattr(module, public), f"{name}.{public}"


def test_the_facade() -> None:
    import posetrack

    assert set(posetrack.__all__) <= set(dir(posetrack))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = posetrack.no_such_name  # type: ignore[attr-defined]


def _python(code: str) -> tuple[float, str]:
    """CPU seconds and standard error of a fresh interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stderr


HELP = f"""
import sys
from posetrack.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert end.code == 0
print(*sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
"""


def test_help_is_fast_and_light() -> None:
    runs = [_python(HELP) for _ in range(3)]
    assert runs[0][1].strip() == ""
    assert min(seconds for seconds, _ in runs) < 0.5


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help(verb: str) -> None:
    result = CliRunner().invoke(_root, [verb, "--help"], prog_name="posetrack")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: posetrack {verb}")


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_verbs_help_is_light(verb: str) -> None:
    module = VERBS[verb][0].split(":")[0]
    heavy = ("torch", "torchvision", "cv2", "ptlflow", "lightning", "matplotlib", "scipy", "av")
    code = (
        f"import sys, {module}; print(*sorted(set({heavy!r}) & set(sys.modules)), file=sys.stderr)"
    )
    assert _python(code)[1].strip() == ""
