"""How many places a newcomer's change takes: does each once in a copy of the checkout, sees that it
works, and counts.

    python benchmarks/newcomers_changes.py

A place is a spot of a file in which lines are added; imports do not count. Writes
benchmarks/results/newcomers_changes.json.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "newcomers_changes.json"
HEAD = '"""New."""\n\nfrom __future__ import annotations\n\n__all__ = ["{name}"]\n\n{body}'
ONE_BOX = """import numpy as np

from posetrack.structures import Boxes


class WholePicture:
    def detect(self, images):
        return [
            Boxes(np.array([[0, 0, *i.shape[1::-1]]], np.float32), np.ones(1, np.float32))
            for i in images
        ]
"""
EAGER = """def eager(network, example_hw, device, precision):
    from posetrack.inference.runtimes import RUNTIMES

    return RUNTIMES["torch"](network, example_hw, device, precision)
"""


@dataclass(frozen=True)
class Change:
    """A change: new files by path (public name and body), lines put before others by file, imports
    likewise, and code that fails unless it works.
    """

    name: str
    new: dict[str, tuple[str, str]]
    added: list[tuple[str, str, str]]  # file, the text before which, what
    works: str
    imports: list[tuple[str, str, str]] = field(default_factory=list)


COMMAND = """
from click.testing import CliRunner
from posetrack.cli import _root
def run(*args):
    done = CliRunner().invoke(_root, list(args), prog_name="posetrack")
    assert done.exit_code == 0, done.output
    return done.output
"""
TRACKER = """
from posetrack import PoseTracker
def tracker(**options):
    return PoseTracker(offline=True, device="cpu", threads=1, flow="none", **options)
"""
CHANGES = [
    Change(
        "network",
        {
            "posetrack/nets/small.py": (
                "small",
                "from torch import nn\n\n\ndef small(joints):\n"
                "    return nn.Conv2d(3, joints, 4, 4)\n",
            )
        },
        [
            (
                "posetrack/nets/__init__.py",
                '        "person_detector": ',
                '        "small": small,\n',
            )
        ],
        COMMAND + 'assert "small" in run("train", "--net", "small", "--print-recipe")',
        [
            (
                "posetrack/nets/__init__.py",
                "from posetrack.nets.simple_baseline",
                "from posetrack.nets.small import small\n",
            )
        ],
    ),
    Change(
        "tracker",
        {
            "posetrack/trackers/still.py": (
                "StillTracker",
                "from posetrack.trackers.iou import IouTracker\n\n\n"
                "class StillTracker(IouTracker):\n    pass\n",
            )
        },
        [("posetrack/trackers/__init__.py", '    "byte": ', '    "still": StillTracker,\n')],
        COMMAND + TRACKER + 'assert "still" in run("track", "--help")\n'
        'tracker(tracker="still").stream()',
        [
            (
                "posetrack/trackers/__init__.py",
                "from posetrack.trackers.paper",
                "from posetrack.trackers.still import StillTracker\n",
            )
        ],
    ),
    Change(
        "detector",
        {"posetrack/detect/whole.py": ("WholePicture", ONE_BOX)},
        [("posetrack/detect/__init__.py", '"hog": HogDetector', '"whole": WholePicture, ')],
        TRACKER + "import numpy as np\n"
        "picture = np.zeros((9, 9, 3), np.uint8)\n"
        'found = tracker(detector="whole").stages.detector.detect([picture])\n'
        "assert len(found[0]) == 1",
        [
            (
                "posetrack/detect/__init__.py",
                "from posetrack.detect.detectors",
                "from posetrack.detect.whole import WholePicture\n",
            )
        ],
    ),
    Change(
        "file format",
        {"posetrack/formats/tsv.py": ("read", "from posetrack.formats.csv import read, write\n")},
        [
            (
                "posetrack/formats/__init__.py",
                '        _format(\n            "csv",',
                '        _format("tsv", "tsv", "tsv", "the same"),\n',
            )
        ],
        "from posetrack.formats import format_of_name, get_format\n"
        'assert get_format("tsv") is format_of_name("a.tsv")',
    ),
    Change(
        "dataset layout",
        {
            "posetrack/datasets/yolo.py": (
                "read",
                "from posetrack.datasets.people import PersonSet\n"
                "from posetrack.skeletons import COCO_17\n\n\n"
                "def read(path):\n    return PersonSet(path.stem, COCO_17, (), ())\n",
            )
        },
        [
            ("posetrack/datasets/__init__.py", '    "mpii": mpii.read', '    "yolo": yolo.read,\n'),
            (
                "posetrack/datasets/__init__.py",
                '    if path.suffix == ".mat":\n        return "lsp"',
                '    if path.suffix == ".yaml":\n        return "yolo"\n',
            ),
        ],
        "from pathlib import Path\nfrom posetrack.datasets import DATASETS, kind_of\n"
        'assert kind_of(Path("a.yaml")) == "yolo" in DATASETS',
        [
            (
                "posetrack/datasets/__init__.py",
                "from posetrack.datasets.images",
                "from posetrack.datasets import yolo\n",
            )
        ],
    ),
    Change(
        "metric",
        {
            "posetrack/metrics/presence.py": (
                "presence",
                "def presence(found, people):\n    return found / max(people, 1)\n",
            )
        },
        [
            (
                "posetrack/evaluation/boxes.py",
                "    # pycocotools has -1",
                '    more = {"presence": presence(len(rows), len(people))}\n',
            ),
            ("docs/evaluation.md", "# ", "presence: share of people found\n\n"),
        ],
        "import posetrack.evaluation.boxes",
        [
            (
                "posetrack/evaluation/boxes.py",
                "from posetrack.structures",
                "from posetrack.metrics.presence import presence\n",
            )
        ],
    ),
    Change(
        "runtime",
        {"posetrack/inference/eager.py": ("eager", EAGER)},
        [("posetrack/inference/runtimes.py", '    "openvino": _openvino', '    "eager": eager,\n')],
        COMMAND + TRACKER + 'assert "eager" in run("track", "--help")\n'
        'assert tracker(runtime="eager").stages.pose is not None',
        [
            (
                "posetrack/inference/runtimes.py",
                "from posetrack.inference.network",
                "from posetrack.inference.eager import eager\n",
            )
        ],
    ),
    Change(
        "command",
        {
            "cli/hello.py": (
                "hello",
                "import click\n\n\n@click.command()\ndef hello():\n"
                '    """Say hello."""\n    click.echo("hello")\n',
            )
        },
        [
            (
                "cli/__init__.py",
                '    "demo": (',
                '    "hello": ("posetrack.cli.hello:hello", "Say hello."),\n',
            )
        ],
        COMMAND + 'assert run("hello") == "hello\\n"',
    ),
    Change(
        "option of track",
        {},
        [
            (
                "posetrack/options.py",
                "    smooth: bool = _option(",
                '    max_people: int | None = _option(PEOPLE, None, "People at most.", min=1)\n',
            ),
            (
                "posetrack/assemble.py",
                "    settings = PipelineSettings(",
                "    assert o.max_people is None or o.max_people > 0\n",
            ),
        ],
        COMMAND + 'assert "--max-people" in run("track", "--help")',
    ),
]


def apply(root: Path, change: Change) -> None:
    """Make the change in a checkout."""
    for path, (name, body) in change.new.items():
        (root / path).write_text(HEAD.format(name=name, body=body), encoding="utf-8")
    for path, before, what in (*change.added, *change.imports):
        text = (root / path).read_text(encoding="utf-8")
        assert before in text, f"{path} has no {before!r}"
        (root / path).write_text(text.replace(before, what + before, 1), encoding="utf-8")


def main() -> None:
    """Do and count all."""
    rows = {}
    skipped = shutil.ignore_patterns(".git", "tests", "results", "__pycache__", ".*cache")
    for change in CHANGES:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "checkout"
            shutil.copytree(ROOT, root, symlinks=True, ignore=skipped)
            apply(root, change)
            environment = {**os.environ, "PYTHONPATH": str(root)}
            subprocess.run(
                [sys.executable, "-c", change.works], cwd=root, env=environment, check=True
            )
        files = sorted({*change.new, *(path for path, _, _ in change.added)})
        rows[change.name] = {"places": len(change.new) + len(change.added), "files": files}
        print(f"{change.name:16s} {rows[change.name]['places']}  {', '.join(files)}", flush=True)
    what = {"what": __doc__.splitlines()[0], "changes": rows}
    RESULTS.write_text(json.dumps(what, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
