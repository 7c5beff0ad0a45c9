"""Every subcommand on what it cannot use: exit 0, 1, 2 or 130 and one sentence; signals; closed
outputs; a deleted working folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from posetrack.cli import VERBS, main, sentence
from posetrack.flow import DisFlow, build_flow

BAD = {
    "empty.json": b"",
    "deep.json": b"[" * 100_000,
    "nan.json": b'{"images": [{"id": NaN}], "annotations": 3, "categories": [1]}',
    "rows.json": b'[{"image_id": {}, "keypoints": "x", "score": 1e400, "bbox": null}]',
    "head.jsonl": b'{"posetrack": 1, "name": [], "size_wh": "ab", "fps": {}, "skeleton": 3}\n',
    "net.safetensors": b"\xff" * 64,
    "net.pth": b"PK\x03\x04" + b"\0" * 60,
    "a.parquet": b"PAR1" + b"\0" * 40 + b"PAR1",
    "a.mp4": b"\0\0\0\x18ftypisom" + b"\0" * 100,
    "a.png": b"\x89PNG\r\n\x1a\n" + b"\0" * 30,
    "a.mat": b"MATLAB 5.0 MAT-file" + b"\0" * 200,
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", [*BAD, "missing", "x\0y"])
def test_one_sentence_and_an_exit_code(
    verb: str, name: str, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    if name in BAD:
        Path(name).write_bytes(BAD[name])
    before = set(tmp_path.parent.iterdir())
    with pytest.raises(SystemExit) as done:
        main([verb, name])
    assert done.value.code in (0, 1, 2, 130)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "a fault of posetrack" not in said
    assert set(tmp_path.parent.iterdir()) == before
    assert not list(tmp_path.rglob("*.part"))


def test_a_fault_of_a_library_is_a_sentence_too() -> None:
    assert sentence(RecursionError()) == "The file is nested too deeply to be read."
    assert "NUL" in sentence(ValueError("embedded null byte"))


def _start(code: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )


WAITING = """
import time, posetrack.cli as cli
@cli._root.command("wait")
def wait():
    print("ready", flush=True)
    time.sleep(60)
cli.VERBS["wait"] = ("posetrack.cli:wait", "")
cli.wait = wait
cli.main(["wait"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_with_130_and_a_word(number: int) -> None:
    with _start(WAITING) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.decode().strip() == "Interrupted."


def test_ctrl_c_while_python_imports_shows_no_traceback() -> None:
    code = "import sys; sys.argv = ['posetrack']; import posetrack.cli; raise KeyboardInterrupt"
    with _start(code) as process:
        _, said = process.communicate(timeout=60)
    assert said.decode().strip() == "Interrupted."


@pytest.mark.skipif(os.name == "nt", reason="a shell's 2>&-")
def test_closed_outputs() -> None:
    command = f"'{sys.executable}' -m posetrack convert missing x.csv 2>&- >&-"
    assert subprocess.run(command, shell=True, check=False).returncode == 1


@pytest.mark.skipif(os.name == "nt", reason="a folder in use stays there")
def test_a_deleted_working_folder(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    command = f"cd '{folder}'; rmdir '{folder}'; '{sys.executable}' -m posetrack track a.mp4"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr


def test_one_flow_object_in_two_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    rng = np.random.default_rng(0)
    pairs = [tuple(rng.integers(0, 255, (2, 64, 96, 3), dtype=np.uint8)) for _ in range(6)]
    flow = DisFlow()
    alone = [flow.estimate([pair])[0].field for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda pair: flow.estimate([pair])[0].field, pairs))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@pytest.mark.parametrize("size", [(2, 2), (4, 2000), (12, 12)])
def test_flow_of_tiny_frames_is_none(size: tuple[int, int]) -> None:
    image = np.zeros((*size, 3), np.uint8)
    assert not DisFlow().estimate([(image, image)])[0].field.any()


def test_weights_for_a_flow_without_any_are_refused() -> None:
    from posetrack.errors import UsageError

    with pytest.raises(UsageError, match="has no weights"):
        build_flow("dis", checkpoint="x.ckpt")
