"""How a code base is laid out, in numbers: files a folder, length of functions, tokens a line,
imports inside functions, comments, typed parameters, and array functions that name their shapes.

    python benchmarks/structure.py [NAME=]CHECKOUT ... [--json]

Tests, benchmarks and docs are left out. The numbers show a direction; they are no limits.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import statistics
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LEFT_OUT = {
    "tests",
    "benchmarks",
    "docs",
    "examples",
    "build",
    "scripts",
    "tools",
    ".git",
    "assets",
}
SHAPE = re.compile(r"\([A-Z0-9][\w ]*,[^)]*\)|\(N,?\)|\b(px|pixels|seconds|frames)\b")
ARRAYS = ("Array", "Tensor", "ndarray", "NDArray", "Image")
SKIPPED = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> None:
    """Print a row a measure, a column a code base."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("roots", nargs="+", metavar="[NAME=]CHECKOUT")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    named = (root.rpartition("=") for root in args.roots)
    found = {name or root: measure(Path(root)) for name, _, root in named}
    if args.json:
        print(json.dumps(found, indent=2))
        return
    for row in next(iter(found.values())):
        print(f"{row:44s}", *(f"{values[row]!s:>12}" for values in found.values()))


def measure(root: Path) -> dict[str, Any]:
    """The numbers of one checkout."""
    files = list(_files(root))
    sources = [path.read_text(encoding="utf-8") for path in files]
    trees = [ast.parse(source) for source in sources]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, Function)]
    bodies = [_body_lines(function) for function in functions]
    arrays = [function for function in functions if _takes_arrays(function)]
    folders = Counter(path.parent.relative_to(root) for path in files)
    tokens, code_lines, comments = (
        sum(column) for column in zip(*map(_count, sources), strict=True)
    )
    fullest, most = folders.most_common(1)[0]
    return {
        "files": len(files),
        "folders": len(folders),
        "files in the fullest folder": f"{most} {fullest}",
        "lines of code": code_lines,
        "tokens a line of code": round(tokens / code_lines, 1),
        "comments a hundred lines of code": round(100 * comments / code_lines, 1),
        "imports inside functions": sum(_imports(function) for function in functions),
        "lines of a function, median": statistics.median(bodies),
        "lines of a function, 90th percentile": statistics.quantiles(bodies, n=10)[-1],
        "typed parameters, %": _percent(map(_is_typed, functions)),
        "array functions naming shape or unit, %": _percent(
            bool(SHAPE.search(ast.get_docstring(function) or "")) for function in arrays
        ),
    }


def _files(root: Path) -> Iterator[Path]:
    """The package's own files, links to folders left out."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        linked = any((root / Path(*parts[:n])).is_symlink() for n in range(1, len(parts)))
        if not LEFT_OUT & set(parts) and not linked and path.name != "setup.py":
            yield path


def _count(source: str) -> tuple[int, int, int]:
    """Tokens, lines with code, comments; docstrings are no code."""
    tree, docs = ast.parse(source), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docs |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    comments = sum(t.type == tokenize.COMMENT for t in tokens)
    code = [
        t for t in tokens if t.type not in (*SKIPPED, tokenize.COMMENT) and t.start[0] not in docs
    ]
    lines = {n for t in code for n in range(t.start[0], t.end[0] + 1)}
    return len(code), len(lines), comments


def _body_lines(function: Function) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0]
    skip = bool(ast.get_docstring(function))
    start = function.body[1].lineno if skip and len(function.body) > 1 else first.lineno
    return (function.end_lineno or start) - start + 1


def _imports(function: Function) -> int:
    return sum(isinstance(node, ast.Import | ast.ImportFrom) for node in function.body)


def _parameters(function: Function) -> list[ast.arg]:
    a = function.args
    return [p for p in (*a.posonlyargs, *a.args, *a.kwonlyargs) if p.arg not in ("self", "cls")]


def _is_typed(function: Function) -> bool:
    return all(parameter.annotation for parameter in _parameters(function))


def _takes_arrays(function: Function) -> bool:
    notes = [p.annotation for p in _parameters(function)] + [function.returns]
    return any(word in ast.unparse(note) for note in notes if note for word in ARRAYS)


def _percent(values: Any) -> int:
    known = list(values)
    return round(100 * sum(known) / max(1, len(known)))


if __name__ == "__main__":
    main()
