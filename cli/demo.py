"""``posetrack demo``: draw a clip, track it with the bundled weights, score what came out."""

from __future__ import annotations

__all__ = ["demo"]

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from posetrack.drawn.clip import DrawnSequence
    from posetrack.structures import Sequence

FOLDER = Path("posetrack-demo")
SEED = 32  # of the clip everybody sees: two cross, one stands behind them
FRAMES, FPS, SIZE_WH, PEOPLE = 50, 25.0, (640, 360), 3


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=FOLDER,
    metavar="FOLDER",
    show_default=True,
    help="Folder for the clip, its ground truth and the tracks.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=SEED, show_default=True, help="Another clip."
)
@click.option(
    "--frames",
    type=click.IntRange(2),
    default=FRAMES,
    show_default=True,
    help="Length of the clip.",
)
@click.option(
    "--people", type=click.IntRange(1, 12), default=PEOPLE, show_default=True, help="People in it."
)
@click.option("--force", is_flag=True, help="Replace existing results.")
@click.option("--quiet", is_flag=True, help="No progress and no explanations.")
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON.")
def demo(
    output: Path, seed: int, frames: int, people: int, force: bool, quiet: bool, as_json: bool
) -> None:
    """Check this installation: draw a clip of people, track it with the bundled weights and score
    the result.

    The clip is drawn by posetrack itself, so its ground truth is exact and nothing is downloaded.
    Writes drawn.mp4, drawn.truth.posetrack18.json and, with the skeletons drawn in,
    drawn.tracked.mp4; prints the scores.
    """
    from posetrack.drawn.clip import draw_sequence

    clip, files = (
        draw_sequence(seed, frames=frames, size_wh=SIZE_WH, people=people, fps=FPS),
        _plan(output, force),
    )
    _draw(clip, files["clip"], files["truth"], quiet)
    predicted, summary = _track(files, quiet)
    scores = _score(clip, predicted)
    if as_json:
        click.echo(
            json.dumps(
                {"scores": scores, "run": summary, "files": {k: str(f) for k, f in files.items()}},
                indent=2,
            )
        )
        return
    if not quiet:
        speed = summary["frames"] / max(summary["seconds"], 1e-9)
        click.echo(
            f"Tracked {summary['frames']} frames at {speed:.1f} frames/s; look at "
            f"{files['tracked']}.",
            err=True,
        )
    for name, value in scores.items():
        click.echo(f"{name:9}{value:6.1f}")


def _plan(folder: Path, force: bool) -> dict[str, Path]:
    """Where everything goes. Raises OutputError where something stands there already."""
    from posetrack.errors import OutputError

    names = {
        "clip": "drawn.mp4",
        "truth": "drawn.truth.posetrack18.json",
        "tracked": "drawn.tracked.mp4",
        "tracks": "drawn.tracked.jsonl",
    }
    files = {key: folder / name for key, name in names.items()}
    for path in files.values():
        if path.exists() and not force:
            raise OutputError(
                f"{path} exists; replace it with --force, or choose another folder with -o."
            )
    return files


def _draw(clip: DrawnSequence, video: Path, truth: Path, quiet: bool) -> None:
    from posetrack.cli.progress import progress
    from posetrack.formats import FORMATS
    from posetrack.video.writer import VideoWriter

    with progress("drawing", quiet) as report, VideoWriter(video, clip.size_wh, clip.fps) as writer:
        for frame in clip.frames:
            writer.write(frame.image, frame.time_s)
            if report:
                report(frame.index + 1, len(clip))
    FORMATS["posetrack18"].write(truth, clip.labels)


def _track(files: dict[str, Path], quiet: bool) -> tuple[Sequence, dict[str, Any]]:
    """The tracks of the drawn clip by the default preset, and the summary of the run."""
    from posetrack import OutputOptions, PoseTracker
    from posetrack.cli.progress import progress
    from posetrack.formats import FORMATS

    with progress("tracking", quiet) as report:
        summary = PoseTracker().record(files["clip"], OutputOptions(force=True), progress=report)
    return FORMATS["native"].read(files["tracks"])[0], summary.to_dict()


def _score(clip: DrawnSequence, predicted: Sequence) -> dict[str, float]:
    """Percent, over all joints: what a table of PoseTrack results gives, and the identities' scores
    beside it.
    """
    from posetrack.evaluation.posetrack import evaluate_sequence

    total = evaluate_sequence(clip.labels, predicted).total
    if total.ap is None or total.mot is None or total.idf1 is None or total.hota is None:
        raise AssertionError("all metrics were asked for")
    return {
        "mAP": float(total.ap.ap[-1]),
        "MOTA": float(total.mot.mota[-1]),
        "IDF1": float(total.idf1[-1]),
        "HOTA": 100 * float(total.hota.mean("HOTA")[-1]),
    }
