"""PoseTrack files for the tests of the evaluator: one golden sequence to spoil, and small made
ones.
"""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden" / "posetrack_eval"
NAME = "000001_mpii_test"

Json = dict[str, Any]


def golden(side: str, name: str = NAME, folder: Path = GOLDEN) -> Json:
    """The content of a golden file: side "gt" or "pred"."""
    content: Json = json.loads(gzip.decompress((folder / side / f"{name}.json.gz").read_bytes()))
    return content


def write_pair(folder: Path, truth: Any, prediction: Any, name: str = NAME) -> tuple[Path, Path]:
    """Write both sides (JSON content, or text as it is) into ``gt`` and ``pred``; returns these
    folders.
    """
    for side, content in (("gt", truth), ("pred", prediction)):
        (folder / side).mkdir(exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / side / f"{name}.json").write_text(text, encoding="utf-8")
    return folder / "gt", folder / "pred"


def people(content: Json) -> list[Json]:
    """All people of a 2017 file."""
    return [person for frame in content["annolist"] for person in frame["annorect"]]


def as_prediction(truth: Json) -> Json:
    """A perfect prediction: the ground truth's joints with scores."""
    prediction = copy.deepcopy(truth)
    for k, person in enumerate(people(prediction)):
        for point in person["annopoints"][0]["point"]:
            point["score"] = [0.5 + 0.4 / (k + 2)]
    return prediction
