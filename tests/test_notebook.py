"""What a notebook shows, in a real kernel: one bar that is replaced, nothing printed twice."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from posetrack.notebook import in_notebook, reporting

CELLS = (
    """
from pathlib import Path
from posetrack import OutputOptions, PoseTracker, draw_sequence
images = list(draw_sequence(2, frames=12, size_wh=(96, 72), people=1).images)
tracker = PoseTracker(detector=lambda image: [[20, 10, 70, 70]], flip=False, upright=False)
""",
    "tracker.record(images, OutputOptions(Path('out'), video=False))",
    "found = list(tracker.track(images))\nfound[-1]",
    "len(list(tracker.track(images, progress=False)))",
)


def test_here_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert not in_notebook()
    for asked in (None, True, False):
        with reporting(asked, "clip") as report:
            assert report is None
    seen: list[tuple[int, int | None]] = []
    with reporting(lambda done, total: seen.append((done, total)), "clip") as report:
        assert report is not None
        report(1, None)
    assert seen == [(1, None)]
    assert capsys.readouterr() == ("", "")


def test_a_bar_in_the_output_of_the_cell(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in CELLS])
    client = NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    _, recorded, tracked, silent = (cell.outputs for cell in notebook.cells)
    for outputs, shows in ((recorded, "Summary("), (tracked, "<svg")):
        bar, result = (o.data["text/html"] for o in outputs)  # these two, and no printed line
        assert re.fullmatch(
            r'frames <progress value="12" max="12"></progress> 12 of 12 frames, [\d.]+ frames/s',
            bar,
        )
        assert shows in result
    assert [o.data for o in silent] == [{"text/plain": "12"}]
