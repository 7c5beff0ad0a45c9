"""``posetrack track`` as scripts see it: names of files, standard output, exit codes, sentences,
resume after a kill.

The networks are a tiny untrained one and boxes from a file, which is all the plumbing needs.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from posetrack import PoseTracker, TrackOptions
from posetrack.checkpoints import ModelSpec, read_spec, read_state, save
from posetrack.cli import main
from posetrack.cli.drawing import NAMES as DRAWING
from posetrack.cli.track import track
from posetrack.formats import FORMATS
from posetrack.formats.native import is_complete, read
from posetrack.nets import build
from posetrack.nets.blocks import init_he
from posetrack.structures import InputSpec

FRAMES = 16
SIZE = (96, 64)
LOOSE = [
    "--min-pose-score",
    "0",
    "--min-new-score",
    "0",
    "--min-joint-score",
    "0",
    "--tracker",
    "iou",
    "--oks-nms",
    "1",
]


def _draw(path: Path, frames: int = FRAMES) -> Path:
    """A clip of two textured squares: one walks, one stands."""
    texture = cv2.GaussianBlur(
        np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8), (0, 0), 1
    )
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for index in range(frames):
            image = np.full((SIZE[1], SIZE[0], 3), 30, np.uint8)
            for x, y in _places(index):
                image[y : y + 24, x : x + 24] = texture
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def _places(index: int) -> list[tuple[int, int]]:
    return [(4 + 2 * (index % FRAMES), 4), (60, 36)]


@pytest.fixture(scope="module", name="here")
def _here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip, a tiny network, and boxes for the clip (the walker is missed in every
    third frame).
    """
    folder = tmp_path_factory.mktemp("track")
    _draw(folder / "clip.mp4")
    torch.manual_seed(0)
    args = {"joints": 15, "modules": [1, 1, 1], "blocks": 1}
    net = build("hrnet_w4", **args)
    init_he(net, 15)  # the paper's initial weights give heatmaps of next to nothing
    torch.nn.init.normal_(net.final_layer.weight, std=0.01)
    save(
        folder / "tiny.safetensors",
        net.state_dict(),
        ModelSpec("hrnet_w4", args, input=InputSpec((32, 32))),
    )
    rows = [
        {"image_id": index, "category_id": 1, "bbox": [x, y, 24, 24], "score": 0.9}
        for index in range(FRAMES)
        for n, (x, y) in enumerate(_places(index))
        if n or index % 3
    ]
    (folder / "boxes.json").write_text(json.dumps(rows))
    (folder / "nobody.json").write_text("[]")
    return folder


def _args(here: Path, *more: str | Path, boxes: str = "boxes.json") -> list[str]:
    """The arguments of a small run."""
    given = [
        "--weights",
        here / "tiny.safetensors",
        "--boxes",
        here / boxes,
        "--precision",
        "float32",
        *LOOSE,
        *more,
    ]
    return ["track", *map(str, given)]


def _run(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of ``posetrack args``."""
    with pytest.raises(SystemExit) as end:
        main(args)
    captured = capsys.readouterr()
    return int(end.value.code or 0), captured.out, captured.err


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


# --- options
# --------------------------------------------------------------------------------------------------


def test_the_command_has_every_option_of_the_library_with_its_default() -> None:
    given = {p.name: p for p in track.params}
    for f in fields(TrackOptions):
        assert given[f.name].default == f.default, f.name
        assert given[f.name].help == f.metadata["help"]
    own = {"inputs", "output", "formats", "no_video", "show", "force", "resume", "quiet", "as_json"}
    own |= {"inputs_from", "summary", "jobs", "workers", "cluster"}
    own |= {"cpus_per_worker", "gpus_per_worker"}
    own |= {"encode_on"}  # of what is written: OutputOptions
    own |= {"profile"}  # a file of the command's; the library takes a Stopwatch
    assert set(given) == own | set(DRAWING) | {f.name for f in fields(TrackOptions)}


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--tracker", "sort", "'sort' is not one of"),
        ("--preset", "huge", "'huge' is not one of"),
        ("--detect-every", "0", "0 is not in the range"),
        ("--min-oks", "2", "2.0 is not in the range"),
        ("--format", "yolo", "Unknown format 'yolo'. Known: coco, csv, mot, native, "),
        ("--device", "tpu", "Unknown device 'tpu'"),
    ],
)
def test_unknown_values_name_the_known_ones(
    here: Path, tmp_path: Path, capsys, option, value, sentence
) -> None:
    code, out, err = _run(
        _args(here, here / "clip.mp4", "-o", tmp_path / "out", option, value), capsys
    )
    assert (code, out) == (2, "")
    assert sentence in err
    assert _names(tmp_path / "out") == set()


@pytest.mark.parametrize(("asked", "found"), [([], "dark"), (["--decode", "quarter"], "quarter")])
def test_a_checkpoint_says_how_it_wants_to_be_decoded(
    here: Path, tmp_path: Path, capsys, asked, found
) -> None:
    spec = replace(read_spec(here / "tiny.safetensors"), notes={"decode": "dark"})
    save(tmp_path / "dark.safetensors", read_state(here / "tiny.safetensors"), spec)
    more = ["-o", tmp_path, "--no-video", "--weights", tmp_path / "dark.safetensors", *asked]
    code, _, err = _run(_args(here, here / "clip.mp4", *more), capsys)
    assert code == 0, err
    assert read(tmp_path / "clip.jsonl")[0].meta["settings"]["decode"] == found


def test_the_library_checks_its_options_too() -> None:
    from posetrack.errors import UsageError

    with pytest.raises(UsageError, match=r"Unknown tracker 'flwo'; did you mean 'flow'\?"):
        PoseTracker(tracker="flwo")
    with pytest.raises(UsageError, match="detect_every must be at least 1, not 0"):
        PoseTracker(detect_every=0)
    with pytest.raises(UsageError, match="min_oks must be between 0 and 1, not 3"):
        PoseTracker(min_oks=3)


# --- results
# --------------------------------------------------------------------------------------------------


def test_a_run_writes_what_it_says_where_it_says(here: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    formats = ["--format", "posetrack18", "--format", "csv"]
    code, printed, err = _run(_args(here, here / "clip.mp4", "-o", out, *formats), capsys)
    assert code == 0, err
    assert _names(out) == {"clip.mp4", "clip.jsonl", "clip.posetrack18.json", "clip.csv"}
    assert set(printed.split()) == {str(path) for path in out.iterdir()}
    assert f"clip.mp4: {FRAMES} frames in" in err
    assert "2 tracks, at most 2 at once" in err
    assert all(stage in err for stage in ("decode", "detect", "pose", "track", "render", "write"))
    with av.open(str(out / "clip.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height, stream.frames, float(stream.average_rate)) == (
            *SIZE,
            FRAMES,
            25.0,
        )
    frames = list(read(out / "clip.jsonl")[0].frames)
    assert [f.tracks.id.tolist() for f in frames[1:]] == [[1, 2]] * (FRAMES - 1)


def test_without_a_folder_the_results_lie_beside_the_input(
    here: Path, tmp_path: Path, capsys
) -> None:
    clip = _draw(tmp_path / "walk.mp4", 6)
    code, _, err = _run(_args(here, clip, "--quiet"), capsys)
    assert (code, err) == (0, "")
    assert _names(tmp_path) == {"walk.mp4", "walk.tracked.mp4", "walk.tracked.jsonl"}


def test_json_summary_and_no_video(here: Path, tmp_path: Path, capsys) -> None:
    code, out, _ = _run(
        _args(here, here / "clip.mp4", "-o", tmp_path, "--no-video", "--json"), capsys
    )
    assert code == 0
    (summary,) = json.loads(out)
    assert (summary["frames"], summary["tracks"]) == (FRAMES, 2)
    assert summary["files"] == [str(tmp_path / "clip.jsonl")]
    assert _names(tmp_path) == {"clip.jsonl"}


def test_a_time_range(here: Path, tmp_path: Path, capsys) -> None:
    args = _args(
        here, here / "clip.mp4", "-o", tmp_path, "--start", "0.2", "--end", "0.6", "--no-video"
    )
    assert _run(args, capsys)[0] == 0
    assert [f.index for f in read(tmp_path / "clip.jsonl")[0].frames] == list(range(5, 15))


def test_the_window_and_the_library_give_the_same_tracks(
    here: Path, tmp_path: Path, capsys
) -> None:
    for window in (1, 8):
        args = _args(
            here,
            here / "clip.mp4",
            "-o",
            tmp_path / str(window),
            "--no-video",
            "--window",
            str(window),
        )
        assert _run(args, capsys)[0] == 0
    one, eight = (list(read(tmp_path / w / "clip.jsonl")[0].frames) for w in ("1", "8"))
    tracker = PoseTracker(
        weights=str(here / "tiny.safetensors"),
        boxes=str(here / "boxes.json"),
        precision="float32",
        tracker="iou",
        min_pose_score=0,
        min_new_score=0,
        min_joint_score=0,
        oks_nms=1,
    )
    for a, b, c in zip(one, eight, tracker.track(here / "clip.mp4"), strict=True):
        assert a.tracks.id.tolist() == b.tracks.id.tolist() == c.id.tolist()
        np.testing.assert_allclose(a.tracks.poses.xy, b.tracks.poses.xy, atol=1e-3)
        np.testing.assert_array_equal(b.tracks.poses.xy, c.poses.xy)


def test_a_video_without_people_is_a_valid_empty_result(here: Path, tmp_path: Path, capsys) -> None:
    args = _args(
        here,
        here / "clip.mp4",
        "-o",
        tmp_path,
        *(f"--format={name}" for name in FORMATS),
        boxes="nobody.json",
    )
    code, _, err = _run(args, capsys)
    assert code == 0
    assert "Nobody was found: the tracks are empty." in err
    for fmt in FORMATS.values():
        sequences = fmt.read(tmp_path / f"clip.{fmt.suffix}")
        assert sum(len(f.tracks) for s in sequences for f in s.frames) == 0
    assert len(list(read(tmp_path / "clip.jsonl")[0].frames)) == FRAMES


def test_a_folder_of_pictures(here: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "walk").mkdir()
    for index in range(5):
        cv2.imwrite(str(tmp_path / f"walk/{index}.png"), np.full((32, 48, 3), 50 * index, np.uint8))
    assert (
        _run(
            _args(here, tmp_path / "walk", "--format", "posetrack18", "--format", "posetrack17"),
            capsys,
        )[0]
        == 0
    )
    more = {"walk.tracked.posetrack17.json", "walk.tracked.posetrack18.json"}
    assert _names(tmp_path) == {"walk", "walk.tracked.mp4", "walk.tracked.jsonl", *more}
    for fmt in ("native", "posetrack17", "posetrack18"):
        (sequence,) = FORMATS[fmt].read(tmp_path / f"walk.tracked.{FORMATS[fmt].suffix}")
        assert [f.image for f in sequence.frames] == [f"walk/{index}.png" for index in range(5)]


# --- several inputs, progress
# ----------------------------------------------------------------------------------------


def test_several_inputs_each_have_tracks_of_their_own_and_one_failure_stops_none(
    here, tmp_path, capsys
) -> None:
    clips = [_draw(tmp_path / "a.mp4", 6), tmp_path / "missing.mp4", _draw(tmp_path / "b.mp4", 6)]
    code, out, err = _run(_args(here, *clips, "-o", tmp_path / "out", "--no-video"), capsys)
    assert code == 1
    assert "Error: There is no file or folder" in err
    assert out.split() == [str(tmp_path / "out/a.jsonl"), str(tmp_path / "out/b.jsonl")]
    assert (tmp_path / "out/a.jsonl").read_bytes().split(b"\n")[1:] == (
        tmp_path / "out/b.jsonl"
    ).read_bytes().split(b"\n")[1:]


def test_progress_in_a_pipe_is_a_line_now_and_then(
    here: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    from posetrack.cli import progress

    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    _, _, err = _run(_args(here, here / "clip.mp4", "-o", tmp_path / "out", "--no-video"), capsys)
    assert f"clip.mp4: 1 of {FRAMES} frames, " in err
    assert "s left" in err
    assert "\x1b" not in err


def test_progress_on_a_terminal_is_a_bar(capsys, monkeypatch) -> None:
    from posetrack.cli.progress import progress

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress("clip.mp4") as report:
        assert report is not None
        report(3, 10)
        report(12, None)


def test_show_without_a_display_is_one_sentence(
    here: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    def refuse(*_: object) -> None:
        raise cv2.error("no GUI")

    monkeypatch.setattr(cv2, "namedWindow", refuse)
    code, _, err = _run(_args(here, here / "clip.mp4", "-o", tmp_path, "--show"), capsys)
    assert code == 2
    assert "cannot open a window" in err


# --- bad input
# --------------------------------------------------------------------------------------------------


def _bad_inputs(folder: Path) -> dict[str, Path]:
    whole = _draw(folder / "whole.mp4", 10).read_bytes()
    (folder / "text.mp4").write_text("dear diary")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 3])
    for name in ("nothing", "broken"):
        (folder / name).mkdir()
    cv2.imwrite(str(folder / "broken/0.png"), np.zeros((32, 32, 3), np.uint8))
    (folder / "broken/1.png").write_bytes(b"no picture")
    return {
        name: folder / name
        for name in ("missing.mp4", "text.mp4", "empty.mp4", "cut.mp4", "nothing", "broken")
    }


@pytest.mark.parametrize(
    "name", ["missing.mp4", "text.mp4", "empty.mp4", "cut.mp4", "nothing", "broken"]
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    here: Path, tmp_path: Path, capsys, name: str
) -> None:
    path = _bad_inputs(tmp_path)[name]
    code, out, err = _run(_args(here, path, "-o", tmp_path / "out", "--quiet"), capsys)
    assert (code, out) == (1, "")
    assert err.startswith("Error: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    assert {n for n in _names(tmp_path / "out") if not n.endswith((".part", ".state"))} == set()


def test_existing_results_are_kept(here: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "clip.jsonl").write_text("mine")
    code, _, err = _run(_args(here, here / "clip.mp4", "-o", tmp_path), capsys)
    assert code == 1
    assert "exists already; use --force" in err
    assert (tmp_path / "clip.jsonl").read_text() == "mine"
    assert _run(_args(here, here / "clip.mp4", "-o", tmp_path, "--force"), capsys)[0] == 0
    assert is_complete(tmp_path / "clip.jsonl")


def test_an_output_that_is_no_folder(here: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "file").write_text("mine")
    code, _, err = _run(_args(here, here / "clip.mp4", "-o", tmp_path / "file", "--quiet"), capsys)
    assert code == 1
    assert err.startswith("Error: Cannot write")


def test_bad_boxes_and_bad_weights(here: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "bad.json").write_text('[{"image_id": 0}]')
    args = [
        "track",
        str(here / "clip.mp4"),
        "-o",
        str(tmp_path / "out"),
        "--weights",
        str(here / "tiny.safetensors"),
    ]
    code, _, err = _run([*args, "--boxes", str(tmp_path / "bad.json")], capsys)
    assert code == 1
    assert "bad.json, entry 0: a box needs image_id" in err
    code, _, err = _run([*args, "--boxes", str(tmp_path / "none.json")], capsys)
    assert (code, "There is no file" in err) == (1, True)
    (tmp_path / "corrupt.safetensors").write_bytes(b"\x00" * 64)
    args[-1] = str(tmp_path / "corrupt.safetensors")
    code, _, err = _run([*args, "--boxes", str(here / "boxes.json")], capsys)
    assert code == 1
    assert "corrupt.safetensors" in err
    assert _names(tmp_path / "out") == set()


# --- interruption
# --------------------------------------------------------------------------------------------------


STOPPED = """
import os
from posetrack.cli import main
from posetrack.formats.native_writer import NativeWriter
write = NativeWriter.write
def write_and_stop(self, labels, state=None):
    write(self, labels, state)
    if self.frame_count == 11:
        os.kill(os.getpid(), {signal})
NativeWriter.write = write_and_stop
main({args!r})
"""


@pytest.mark.parametrize(
    ("kill", "code", "more"),
    [
        (signal.SIGKILL, -9, ()),
        (signal.SIGINT, 130, ()),
        (signal.SIGKILL, -9, ("--smooth", "--trails", "1")),
    ],
)
def test_a_run_that_was_stopped_resumes_to_the_same_bytes(
    here: Path, tmp_path: Path, capsys, kill, code, more
) -> None:
    clip = [here / "clip.mp4", "--tracker", "flow", "--window", "4", *more, "-o"]
    assert _run(_args(here, *clip, tmp_path / "whole"), capsys)[0] == 0
    script = STOPPED.format(signal=int(kill), args=_args(here, *clip, tmp_path / "cut"))
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert [f.index for f in read(tmp_path / "cut/clip.jsonl.part")[0].frames] == list(range(11))
    assert not _names(tmp_path / "cut") & {"clip.jsonl", "clip.mp4"}
    if kill == signal.SIGINT:
        assert "11 finished frames are in" in done.stderr
        assert "Traceback" not in done.stderr
    assert _run(_args(here, *clip, tmp_path / "cut", "--resume"), capsys)[0] == 0
    assert (tmp_path / "cut/clip.jsonl").read_bytes() == (
        tmp_path / "whole/clip.jsonl"
    ).read_bytes()
    assert _names(tmp_path / "cut") == {"clip.mp4", "clip.jsonl"}
    _, _, err = _run(_args(here, *clip, tmp_path / "cut", "--resume"), capsys)
    assert "complete already" in err


def test_help_tells_every_option() -> None:
    result: Result = CliRunner().invoke(track, ["--help"], terminal_width=200)
    for f in fields(TrackOptions):
        assert "--" + f.name.replace("_", "-") in result.output


def test_a_profile_says_where_the_time_went(here: Path, tmp_path: Path, capsys) -> None:
    clip, trace = _draw(tmp_path / "a.mp4", 6), tmp_path / "trace.json"
    args = _args(here, clip, "-o", tmp_path / "out", "--no-video", "--profile", trace)
    code, _, err = _run(args, capsys)
    assert code == 0
    assert "waiting" in err
    spans = {e["name"] for e in json.loads(trace.read_text())["traceEvents"] if e["ph"] == "X"}
    assert {"detect", "pose", "track", "write"} <= spans
