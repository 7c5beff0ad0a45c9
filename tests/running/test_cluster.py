"""Ray on this machine: videos and windows of a video, with the bytes of the serial run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from posetrack import OutputOptions, PoseTracker
from posetrack.cli import main, sentence
from posetrack.errors import UsageError
from posetrack.running.cluster import Cluster, ClusterOptions, _share
from posetrack.running.inputs import Input, list_inputs
from posetrack.running.work import Outcome, Plan

# Ray opens files and sockets that it leaves to the interpreter's end
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def _tracks(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.jsonl")}


def _actors() -> list[psutil.Process]:
    """The workers' processes, as Ray names them."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if (process.cmdline() or [""])[0].startswith("ray::_Worker"):
                found.append(process)
    return found


@pytest.fixture(scope="module", name="ray")
def _ray() -> Iterator[Any]:
    """One Ray of two cores for all tests here."""
    os.environ.pop("RAY_USAGE_STATS_ENABLED", None)  # that is ours to set
    ray = pytest.importorskip("ray")
    with Cluster(Plan({}, OutputOptions()), ClusterOptions(2)) as first:
        first._ours = False  # it stays until the end of the module
    yield ray
    ray.shutdown()


@pytest.fixture(name="cluster")
def _cluster(ray: Any, plan: Plan) -> Iterator[Cluster]:
    with Cluster(plan, ClusterOptions(2)) as cluster:
        yield cluster


def test_nothing_calls_home_and_there_is_no_dashboard(ray: Any) -> None:
    from ray._common.usage import usage_lib

    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert not usage_lib.usage_stats_enabled()
    assert not ray._private.worker.global_worker.node.address_info.get("webui_url")


def test_videos(cluster: Cluster, clips: Path, serial: dict[str, bytes], tmp_path: Path) -> None:
    """One of the inputs cannot be read, and a worker is killed on the way."""
    inputs = [*list_inputs([str(clips)]), Input("missing.mp4")]
    killed, outcomes = False, {}
    order = []
    for event in cluster.run(inputs, sentence=sentence):
        if event.outcome:
            outcomes[event.index] = event.outcome
        else:
            order.append(event.index)
        if not killed and _actors():
            killed = True
            _actors()[0].kill()
    assert killed
    assert order[:2] == [0, 1]  # the largest files
    assert _tracks(tmp_path / "out") == serial
    errors = [outcomes[i].error for i in range(4)]
    assert errors == ["", "", "", "There is no file or folder missing.mp4; check the path."]


def test_windows_of_one_video(
    cluster: Cluster,
    clips: Path,
    options: dict[str, Any],
    serial: dict[str, bytes],
    tmp_path: Path,
) -> None:
    """A worker is killed on the way; the run is broken off, and goes on."""
    outputs = OutputOptions(tmp_path / "out", video=False)
    tracker = PoseTracker(**options, window=2)

    def report(done: int, total: int | None) -> None:
        if done == 3:
            _actors()[0].kill()
        if done == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracker.record(clips / "a.mp4", outputs, windows=cluster, progress=report)
    assert list((tmp_path / "out").glob("*.part"))
    outputs = replace(outputs, resume=True)
    summary = tracker.record(clips / "a.mp4", outputs, windows=cluster)
    assert summary.frames == 24
    assert (tmp_path / "out" / "a.jsonl").read_bytes() == serial["a.jsonl"]


class _Dies:
    """A worker that every video kills."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def track(self, *args: object) -> Outcome:
        os._exit(1)

    def wake(self) -> None: ...

    def progress(self) -> tuple[None, None]:
        return None, None


def test_a_video_that_kills_its_workers_is_given_up(ray: Any, plan: Plan) -> None:
    with Cluster(plan, ClusterOptions(1), worker=_Dies) as cluster:
        events = list(cluster.run([Input("a.mp4")], sentence=sentence))
    outcome = events[-1].outcome
    assert outcome is not None
    assert outcome.error == "a.mp4: its worker was lost 3 times; is there memory?"


def test_more_than_fits_is_refused(ray: Any, plan: Plan) -> None:
    with pytest.raises(UsageError, match="1 workers of 1 cores and 1 GPUs do not fit"):
        Cluster(plan, ClusterOptions(cpus=1, gpus=1))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (ClusterOptions(2, cpus=4), (2, 4, 1)),
        (ClusterOptions(8, cpus=4), (8, 4, 0.5)),
        (ClusterOptions(cpus=2), (4, 2, 1)),
        (ClusterOptions(cpus=2, gpus=0), (16, 2, 0)),
        (ClusterOptions(address="auto"), (4, 1, 1)),
        (ClusterOptions(address="auto", gpus=0.25), (16, 1, 0.25)),
    ],
)
def test_cores_and_gpus_are_shared_out(
    asked: ClusterOptions, found: tuple[int, float, float]
) -> None:
    assert _share({"CPU": 32.0, "GPU": 4.0}, asked) == found


def test_the_command(
    ray: Any,
    clips: Path,
    options: dict[str, Any],
    serial: dict[str, bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [f"--{k.replace('_', '-')}={v}" for k, v in options.items()]
    words = ["track", str(clips), "-o", str(tmp_path), "--no-video", "--workers", "2", *given]
    with pytest.raises(SystemExit) as end:
        main(words)
    said = capsys.readouterr().err
    assert end.value.code == 0, said
    assert _tracks(tmp_path) == serial
    assert "input" in said


def test_without_ray_one_sentence_says_what_to_install(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"need Ray: pip install 'posetrack\[cluster\]'"):
        Cluster(plan, ClusterOptions(1))


def test_ray_or_processes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["track", "a.mp4", "b.mp4", "--jobs", "2", "--workers", "2"])
    assert end.value.code == 2
    assert "--jobs does without Ray" in capsys.readouterr().err
