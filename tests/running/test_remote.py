"""Videos and results behind addresses, in fsspec's memory and on a local web server."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pytest

from posetrack import OutputOptions, PoseTracker
from posetrack.errors import InputError, OutputError, UsageError
from posetrack.running import remote
from posetrack.running.inputs import list_inputs
from posetrack.running.work import Plan, again, track_input


@pytest.fixture(name="memory")
def _memory() -> Iterator[fsspec.AbstractFileSystem]:
    files = fsspec.filesystem("memory")
    files.pipe("/in/a.mp4", b"aaaa")
    files.pipe("/in/deep/b.mp4", b"bb")
    yield files
    files.rm("/", recursive=True)


@pytest.fixture(name="web")
def _web(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "a clip.mp4").write_bytes(b"x" * 10_000)
    handler = partial(_Silent, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None: ...


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("s3://bucket/a.mp4", True),
        ("memory://a", True),
        ("https://x.org/a.mp4?key=1", True),
        ("https://x.org/live", False),
        ("rtsp://x.org/a.mp4", False),
        ("C:\\a.mp4", False),
        ("a.mp4", False),
    ],
)
def test_what_is_an_address(name: str, address: bool) -> None:
    assert remote.is_address(name) is address


def test_a_video_is_fetched_and_removed(memory: fsspec.AbstractFileSystem) -> None:
    with remote.fetched("memory://in/a.mp4") as copy:
        assert (copy.name, copy.read_bytes()) == ("a.mp4", b"aaaa")
    assert not copy.parent.exists()


def test_patterns_at_addresses(memory: fsspec.AbstractFileSystem) -> None:
    assert remote.expanded("memory://in/**/*.mp4") == [
        "memory://in/a.mp4",
        "memory://in/deep/b.mp4",
    ]
    with pytest.raises(InputError, match=r"No file matches memory://in/\*\.mov"):
        remote.expanded("memory://in/*.mov")
    found = list_inputs(["memory://in/**/*.mp4", "memory://in/x.mp4"], "memory://out")
    assert [one.under.as_posix() for one in found] == [".", "deep", "."]


def test_from_the_web(web: str) -> None:
    with remote.fetched(f"{web}/a%20clip.mp4") as copy:
        assert copy.stat().st_size == 10_000
    with (
        pytest.raises(InputError, match=r"missing\.mp4 cannot be read"),
        remote.fetched(f"{web}/missing.mp4"),
    ):
        pass


def test_offline_nothing_leaves_the_machine(web: str, memory: fsspec.AbstractFileSystem) -> None:
    with (
        pytest.raises(UsageError, match="is not on this machine; leave out --offline"),
        remote.fetched(f"{web}/a.mp4", offline=True),
    ):
        pass
    with pytest.raises(UsageError, match="leave out --offline"):
        remote.publish([], "s3://bucket/out", offline=True)
    with remote.fetched("memory://in/a.mp4", offline=True) as copy:
        assert copy.exists()


def test_the_disk_is_not_filled(
    memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "SPARE_BYTES", 1 << 60)
    with (
        pytest.raises(InputError, match="larger than the free space"),
        remote.fetched("memory://in/a.mp4"),
    ):
        pass


def test_results_appear_whole(memory: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("tracks")
    assert remote.publish([tmp_path / "a.jsonl"], "memory://out/b/") == ["memory://out/b/a.jsonl"]
    assert memory.cat("/out/b/a.jsonl") == b"tracks"
    (tmp_path / "a.jsonl").write_text("newer")  # replaced
    remote.publish([tmp_path / "a.jsonl"], "memory://out/b")
    assert memory.cat("/out/b/a.jsonl") == b"newer"
    assert memory.ls("/out/b", detail=False) == ["/out/b/a.jsonl"]
    assert remote.exists("memory://out/b", "a.jsonl")
    assert not remote.exists("memory://out/b", "b.jsonl")


def test_a_failed_copy_leaves_nothing(
    memory: fsspec.AbstractFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jsonl").write_text("tracks")

    def fail(*args: object, **kwargs: object) -> None:
        raise PermissionError("not yours")

    monkeypatch.setattr(type(memory), "mv", fail)
    with pytest.raises(OutputError, match=r"out/a\.jsonl cannot be written: not yours; check"):
        remote.publish([tmp_path / "a.jsonl"], "memory://out")
    assert memory.find("/out") == []


def test_services_without_their_package_are_named() -> None:
    with pytest.raises((UsageError, InputError), match="nothing://x"):
        remote.expanded("nothing://x/*.mp4")


def test_tracks_from_one_address_to_another(
    memory: fsspec.AbstractFileSystem,
    clips: Path,
    options: dict[str, Any],
    serial: dict[str, bytes],
    tmp_path: Path,
) -> None:
    memory.pipe("/in/a.mp4", (clips / "a.mp4").read_bytes())
    inputs, tracker = list_inputs(["memory://in/a.mp4"]), PoseTracker(**options)
    plan = Plan(options, OutputOptions(video=False), "memory://out")
    _, files = track_input(tracker, inputs[0], plan)
    assert files == ["memory://out/a.jsonl"]
    assert memory.cat("/out/a.jsonl") == serial["a.jsonl"]
    with pytest.raises(OutputError, match=r"memory://out/a\.jsonl exists already"):
        track_input(tracker, inputs[0], plan)
    summary, _ = track_input(tracker, inputs[0], again(plan))
    assert summary.skipped
    here = Plan(options, OutputOptions(video=False))
    with pytest.raises(UsageError, match="say with -o where results go"):
        track_input(tracker, inputs[0], here)
