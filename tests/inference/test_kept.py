"""What a runtime makes of a network is kept: the second run needs neither PyTorch nor a compiler,
gives the same bytes, and minds no damage.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from posetrack import assemble, weights
from posetrack.drawn.clip import draw_sequence
from posetrack.inference import devices, kept, openvino_runner, threads
from posetrack.inference.network import Network
from posetrack.inference.runtimes import make_runner
from posetrack.options import TrackOptions
from posetrack.video.writer import VideoWriter

needs_openvino = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="a dependency on x86 processors only",
)
needs_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere PyTorch is asked what the processor can do"
)
HEAVY = ("torch", "torchvision", "scipy", "matplotlib", "lightning", "ptlflow", "PIL", "pandas")

CODE = """
import atexit, json, sys
from posetrack.cli import main
atexit.register(lambda: print(json.dumps(sorted({name.split(".")[0] for name in sys.modules}))))
main(sys.argv[1:])
"""


def track(video: Path, out: Path, cache: Path, *more: str) -> list[str]:
    """The packages that a run in a process of its own has loaded at its end."""
    command = [sys.executable, "-c", CODE, "track", str(video), "-o", str(out), "--quiet", *more]
    env = {**os.environ, "POSETRACK_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded: list[str] = json.loads(done.stdout.splitlines()[-1])
    return loaded


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    drawn = draw_sequence(3, frames=3, size_wh=(160, 120), people=2)
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with VideoWriter(path, (160, 120), 25.0) as video:
        for index, image in enumerate(drawn.images):
            video.write(np.asarray(image), index / 25)
    return path


@needs_openvino
@needs_linux
def test_the_second_run_loads_nothing_heavy_and_writes_the_same(clip: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    assert "torch" in track(clip, first, cache)
    assert not set(HEAVY) & set(track(clip, second, cache))
    assert (second / "clip.jsonl").read_bytes() == (first / "clip.jsonl").read_bytes()
    for file in (cache / "networks").iterdir():
        whole = bytearray(file.read_bytes())
        whole[len(whole) // 2] ^= 1
        file.write_bytes(whole)
    assert "torch" in track(clip, third, cache)
    assert (third / "clip.jsonl").read_bytes() == (first / "clip.jsonl").read_bytes()


def small(folder: Path | None = None, identity: str = "one") -> tuple[Network, list[int]]:
    """A network with a batch norm, and how often it was built."""
    built: list[int] = []

    def build() -> nn.Module:
        built.append(1)
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())

    return Network(build, identity, folder), built


@needs_openvino
@pytest.mark.parametrize("damage", ["none", "other", "cut", "refused", "gone"])
def test_only_a_whole_file_of_the_same_network_is_used(tmp_path: Path, damage: str) -> None:
    x = torch.randn(2, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    before = make_runner(small(tmp_path)[0], (16, 16), device="cpu", runtime="openvino")(x)[0]
    (file,) = tmp_path.iterdir()
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-7])
    elif damage == "refused":  # whole, but not of this OpenVINO
        kept.keep(file, b"something else")
    elif damage == "gone":
        file.unlink()
    net, built = small(tmp_path, "two" if damage == "other" else "one")
    after = make_runner(net, (16, 16), device="cpu", runtime="openvino")(x)[0]
    assert len(built) == (damage != "none")
    assert torch.equal(after, before)
    assert len(list(tmp_path.iterdir())) == 1 + (damage == "other")
    assert kept.kept(file)


@needs_openvino
def test_a_folder_that_cannot_be_written_costs_no_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    net, built = small(tmp_path / "file" / "networks")
    assert make_runner(net, (16, 16), device="cpu", runtime="openvino").runtime == "openvino"
    assert len(built) == 1


@needs_openvino
def test_number_formats_are_kept_apart_and_built_together(tmp_path: Path) -> None:
    net, built = small(tmp_path)
    for precision in ("float32", "bfloat16"):
        make_runner(net, (16, 16), device="cpu", dtype=precision, runtime="openvino")
    assert len(built) == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_those_used_last_stay(tmp_path: Path) -> None:
    paths = [kept.kept_path(tmp_path, i) for i in range(kept.MOST_KEPT + 3)]
    for when, path in enumerate(paths):
        kept.keep(path, bytes([when]))
        os.utime(path, (when, when))
    kept.kept(paths[3])  # used now
    kept.keep(kept.kept_path(tmp_path, "new"), b"new")
    assert kept.kept(paths[3]) == b"\x03"
    assert len(list(tmp_path.iterdir())) == kept.MOST_KEPT


# --- what is known without PyTorch is what PyTorch says
# --------------------------------------------------------------------------------------------------


def _without_torch(code: str, **env: str) -> str:
    """What an expression gives in a process that has not loaded torch."""
    lines = f"import sys\nfrom posetrack.inference import devices, threads\nprint({code})"
    check = "\nassert 'torch' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", lines + check],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@needs_linux
def test_threads_are_counted_as_torch_counts_them() -> None:
    environment = {k: v for k, v in os.environ.items() if not k.endswith("NUM_THREADS")}
    code = "import torch; print(torch.get_num_threads())"
    command = [sys.executable, "-c", code]
    torchs = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    ours = "[sys.modules['os'].environ.pop(n, 0) for n in threads._VARIABLES]"
    assert _without_torch(f"({ours}, threads.thread_count())[1]") == torchs.stdout.strip()
    assert _without_torch("threads.thread_count()", OMP_NUM_THREADS="3") == "3"
    assert _without_torch("(threads.set_threads(5), threads.thread_count())[1]") == "5"
    assert threads.thread_count() == torch.get_num_threads()


def test_streams_are_some_of_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for count, streams in ((1, 1), (2, 2), (4, 4), (16, 4)):
        monkeypatch.setattr(threads, "thread_count", lambda n=count: n)
        assert threads.stream_count() == streams


@needs_openvino
def test_streams_of_several_threads_give_the_bits_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(5, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    found = []
    for count in (1, 3, 6):  # 6: four streams share them
        monkeypatch.setattr(openvino_runner, "thread_count", lambda n=count: n)
        monkeypatch.setattr(openvino_runner, "stream_count", lambda n=count: min(n, 4))
        run = make_runner(small()[0], (16, 16), device="cpu", runtime="openvino")
        with ThreadPoolExecutor(5) as pool:
            found += [torch.cat([tensors[0] for tensors in pool.map(run, x.split(1))])]
    assert all(torch.equal(found[0], other) for other in found[1:])


@needs_linux
def test_the_processor_is_known_as_torch_knows_it() -> None:
    found = _without_torch("devices.has_native_bfloat16(), devices.has_native_int8()")
    assert found == f"{devices.has_native_bfloat16()} {devices.has_native_int8()}"
    if not torch.cuda.is_available() and not Path("/dev/kfd").exists():
        assert _without_torch("devices.device_name()") == "cpu"


def test_a_driver_means_that_torch_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    asked: list[str] = []
    monkeypatch.setattr(devices, "pick_device", lambda name: asked.append(name) or "cuda")
    monkeypatch.setattr(devices, "_may_have_gpu", lambda: True)
    assert devices.device_name() == "cuda"
    monkeypatch.setattr(devices, "_may_have_gpu", lambda: False)
    assert devices.device_name() == "cpu"
    assert devices.device_name("cuda") == "cuda"
    assert asked == ["auto", "cuda"]


# --- the number format by trial
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "taken"), [("bfloat16", "bfloat16"), ("int8", "int8"), ("nonsense", "float32")]
)
def test_the_quickest_number_format_is_tried_once(
    answer: str, taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSETRACK_CACHE", str(tmp_path))
    tried: list[list[str]] = []
    made: list[str] = []

    def quickest(jobs: dict[str, Callable[[], object]]) -> str:
        assert [job() for job in jobs.values()] == [f"{name} at work" for name in formats]
        tried.append(list(jobs))
        return answer

    def make(name: str) -> str:
        made.append(name)
        return name

    monkeypatch.setattr(assemble, "quickest", quickest)
    formats = ("float32", "bfloat16", "int8")
    candidates = {name: partial(make, name) for name in formats}
    for _ in range(2):
        assert assemble._quickest(candidates, "net", lambda name: f"{name} at work") == taken
    assert tried == [list(formats)]
    assert made == [*formats, taken]  # the second time the one alone
    assemble._quickest(candidates, "another net", lambda name: f"{name} at work")
    assert len(tried) == 2


def test_formats_to_try_are_those_the_machine_and_the_checkpoint_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, spec = weights.find_pose("pose_lite")
    for bfloat16, int8, expected in (
        (True, True, ("float32", "int8")),
        (True, False, ("float32", "bfloat16")),
        (False, True, ("float32", "int8")),
        (False, False, ("auto",)),
    ):
        monkeypatch.setattr(assemble, "has_native_bfloat16", lambda b=bfloat16: b)
        monkeypatch.setattr(assemble, "has_native_int8", lambda i=int8: i)
        assert assemble._formats(TrackOptions(device="cpu"), spec) == expected
    asked = TrackOptions(device="cpu", precision="bfloat16")
    assert assemble._formats(asked, spec) == ("bfloat16",)
