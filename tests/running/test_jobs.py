"""Several videos at once in processes: the bytes of the serial run, whatever happens to workers."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from posetrack.cli import sentence
from posetrack.running.inputs import Input, list_inputs
from posetrack.running.jobs import Event, run_jobs
from posetrack.running.summary import summary_rows, write_summary
from posetrack.running.work import MAX_TRIES, Outcome, Plan


def _tracks(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.jsonl")}


def _workers() -> list[psutil.Process]:
    """Processes that work on videos, started by this one."""
    found = psutil.Process().children()
    return [p for p in found if "spawn_main" in " ".join(p.cmdline())]


def test_two_processes_give_the_bytes_of_one(
    clips: Path, plan: Plan, serial: dict[str, bytes], tmp_path: Path
) -> None:
    """One of the inputs cannot be read, and a worker is killed on the way."""
    inputs = [*list_inputs([str(clips)]), Input("missing.mp4")]
    killed = False
    outcomes = {}
    for event in run_jobs(inputs, plan, 2, sentence=sentence):
        if event.outcome:
            outcomes[event.index] = event.outcome
        elif not killed:
            killed = True
            _workers()[0].kill()
    assert _tracks(tmp_path / "out") == serial
    errors = [outcomes[i].error for i in range(4)]
    assert errors == ["", "", "", "There is no file or folder missing.mp4; check the path."]
    assert [outcomes[i].exit_code for i in range(4)] == [0, 0, 0, 1]
    assert not _workers()


def test_a_video_that_kills_its_worker_is_given_up(clips: Path, plan: Plan) -> None:
    seen: list[Event] = []
    for event in run_jobs([Input(str(clips / "a.mp4"))], plan, 1, sentence=sentence):
        seen.append(event)
        if len(seen) % 2:  # begun; after that comes that it was lost
            for worker in _workers():
                worker.kill()
    outcome = seen[-1].outcome
    assert outcome is not None
    assert f"its worker was lost {MAX_TRIES} times" in outcome.error
    assert outcome.exit_code == 1


def _command(clips: Path, out: Path, options: dict[str, Any], *more: str) -> list[str]:
    given = [f"--{k.replace('_', '-')}={v}" for k, v in options.items()]
    start = [sys.executable, "-m", "posetrack", "track", str(clips), "-o", str(out), "--no-video"]
    return [*start, *given, *more]


def test_the_command(
    clips: Path, options: dict[str, Any], serial: dict[str, bytes], tmp_path: Path
) -> None:
    out, table = tmp_path / "out", tmp_path / "runs.csv"
    (tmp_path / "broken.mp4").write_text("no video")
    more = ["--jobs", "2", "--json", "--summary", str(table), str(tmp_path / "broken.mp4")]
    done = subprocess.run(_command(clips, out, options, *more), capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert _tracks(out) == serial
    lines = done.stderr.strip().splitlines()
    assert lines[-2] == "1 of 4 failed:"
    assert "broken.mp4" in lines[-1]
    said = json.loads(done.stdout)
    assert [s["frames"] for s in said[:3]] == [24, 12, 8]
    assert "broken.mp4" in said[3]["error"]
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["frames"] for row in rows] == ["24", "12", "8", ""]
    assert [bool(row["error"]) for row in rows] == [False, False, False, True]


def test_ctrl_c_stops_all_and_resume_goes_on(
    clips: Path, options: dict[str, Any], serial: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = _command(clips, out, options, "--jobs", "2", "--window", "2")
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(out.rglob("*.part")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert b"Traceback" not in said
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    subprocess.run([*command, "--resume"], check=True, capture_output=True)
    assert _tracks(out) == serial


def test_the_table_names_what_failed(tmp_path: Path) -> None:
    outcomes = [Outcome("a\udce4.mp4", error="a cannot be read.", exit_code=1)]
    assert summary_rows(outcomes)[-2:] == ["1 of 1 failed:", "  a cannot be read."]
    write_summary(tmp_path / "t.csv", outcomes)
    assert r"a\xe4.mp4" in (tmp_path / "t.csv").read_text()


@pytest.mark.parametrize("option", [["--show"], ["--profile", "x.json"]])
def test_one_video_at_a_time(option: list[str], capsys) -> None:
    from posetrack.cli import main

    with pytest.raises(SystemExit) as end:
        main(["track", "a.mp4", "b.mp4", "--jobs", "2", *option])
    assert end.value.code == 2
    assert "one video at a time" in capsys.readouterr().err
