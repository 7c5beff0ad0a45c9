"""``posetrack track``: people in videos, followed."""

from __future__ import annotations

__all__ = ["track"]

import json
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posetrack.cli.drawing import draw_options, style_of
from posetrack.cli.sections import SectionedCommand, section
from posetrack.offered import OFFERED
from posetrack.options import TrackOptions

if TYPE_CHECKING:
    from posetrack import Summary
    from posetrack.pipeline import Stopwatch
    from posetrack.running.cluster import ClusterOptions
    from posetrack.running.inputs import Input
    from posetrack.running.jobs import Event
    from posetrack.running.work import Outcome, Plan

Command = Callable[..., Any]


def _tracking_options(command: Command) -> Command:
    """One option for each field of ``TrackOptions``, in its section."""
    for f in reversed(fields(TrackOptions)):
        command = section(f.metadata["section"], _option(f))(command)
    return command


def _option(f: Field[Any]) -> Callable[[Command], Command]:
    flag, kind, rule = "--" + f.name.replace("_", "-"), str(f.type).split(" |")[0], f.metadata
    more: dict[str, Any] = {
        "default": f.default,
        "help": rule["help"],
        "show_default": f.default not in (None, False),
    }
    if kind == "bool":
        both = f"{flag}/--no-{flag[2:]}" if f.default is None else flag
        return click.option(both, is_flag=True, **more)
    choices = rule.get("choices") or OFFERED.get(f.name)
    if choices:
        more["type"] = click.Choice(choices)
    elif kind in ("int", "float"):
        ranged = click.IntRange if kind == "int" else click.FloatRange
        more["type"] = ranged(rule.get("min"), rule.get("max"))
    metavar = rule.get("metavar") or {"int": "N", "float": "X"}.get(kind)
    return click.option(flag, metavar=metavar, **more)


@click.command(
    cls=SectionedCommand,
    examples=(
        "clip.mp4",
        "*.mp4 -o tracked/ --format coco --no-video",
        "videos/ -o tracked/ --jobs 4 --summary runs.csv",
        "clip.mp4 --preset accurate --device cuda",
        "clip.mp4 --boxes my_boxes.json --start 10 --end 20",
        "long.mp4 -o tracked/ --resume",
    ),
)
@click.argument("inputs", metavar="INPUT...", nargs=-1)
@section(
    "Input",
    click.option(
        "--inputs-from",
        metavar="FILE",
        help="Also the inputs of this text file, one a line; - is standard input.",
    ),
)
@section(
    "Output",
    click.option(
        "-o",
        "--output",
        metavar="FOLDER",
        help="Folder for the results, or an address (s3://...); default: beside the input, as "
        "NAME.tracked.mp4 and so on.",
    ),
    click.option(
        "--format",
        "formats",
        multiple=True,
        metavar="NAME",
        help="Also write posetrack17, posetrack18, coco, csv, parquet or openpose; repeatable.",
    ),
    click.option("--no-video", is_flag=True, help="Do not render a video."),
    click.option(
        "--encode-on",
        metavar="NAME",
        help="Encode the video by h264_nvenc, h264_qsv, h264_videotoolbox ... where PyAV and the "
        "machine can.",
    ),
    click.option("--show", is_flag=True, help="Show the frames in a window as they are tracked."),
    click.option("--force", is_flag=True, help="Replace existing results."),
    click.option(
        "--resume", is_flag=True, help="Go on with an interrupted run; skip what is complete."
    ),
    click.option(
        "--summary",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Also a CSV table of the inputs: frames, people, seconds, error.",
    ),
)
@_tracking_options
@section(
    "Speed",
    click.option(
        "--jobs",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        metavar="N",
        help="Videos at once, each in a process with its share of the cores.",
    ),
    click.option(
        "--workers",
        type=click.IntRange(1),
        metavar="N",
        help="Workers through Ray: videos, or the windows of a single one, go to them.",
    ),
    click.option(
        "--cluster",
        metavar="ADDRESS",
        help="The Ray cluster that has the workers: auto, or an address; default: this machine.",
    ),
    click.option(
        "--cpus-per-worker",
        type=click.FloatRange(0, min_open=True),
        metavar="X",
        help="Cores of each worker; default: this machine's shared out, or one on a cluster.",
    ),
    click.option(
        "--gpus-per-worker",
        type=click.FloatRange(0),
        metavar="X",
        help="GPUs of each worker, 0.5: two share one; default: those there are shared out.",
    ),
)
@draw_options("--draw-boxes")
@click.option("--quiet", is_flag=True, help="No progress and no summary.")
@click.option(
    "--profile",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Show where the time went; FILE is a trace for chrome://tracing or Perfetto.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def track(
    inputs: tuple[str, ...],
    inputs_from: str | None,
    output: str | None,
    formats: tuple[str, ...],
    no_video: bool,
    encode_on: str | None,
    show: bool,
    force: bool,
    resume: bool,
    summary: Path | None,
    jobs: int,
    workers: int | None,
    cluster: str | None,
    cpus_per_worker: float | None,
    gpus_per_worker: float | None,
    quiet: bool,
    profile: Path | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Follow the people of videos: INPUT is a file, a folder of videos (also deep) or of pictures,
    a pattern of either, a camera's number or an address.

    Writes FOLDER/NAME.mp4 with the skeletons drawn in and FOLDER/NAME.jsonl with the tracks, and
    prints the files' names. The tracks grow in NAME.jsonl.part while the run goes on; a run that
    was interrupted keeps them there.
    """
    from posetrack import OutputOptions
    from posetrack.pipeline import Stopwatch
    from posetrack.running.cluster import ClusterOptions
    from posetrack.running.inputs import read_list
    from posetrack.running.remote import is_address
    from posetrack.running.work import Plan

    style = style_of(options)
    there = output if output and is_address(output) else None
    folder = Path(output) if output and not there else None
    outputs = OutputOptions(folder, formats, not no_video, force, resume, style, encode_on)
    plan = Plan(options, outputs, there)
    names = [*inputs, *(read_list(inputs_from) if inputs_from else ())]
    found = _inputs(names, output, plan)
    spread = bool(workers or cluster)
    if (jobs > 1 or spread) and (show or profile):
        raise click.UsageError("--show and --profile are for one video at a time, without workers.")
    if jobs > 1 and spread:
        raise click.UsageError("--jobs does without Ray; give it, or --workers and --cluster.")
    watch = Stopwatch(profile=True) if profile else None
    if spread:
        farm = ClusterOptions(workers, cluster, cpus_per_worker, gpus_per_worker)
        outcomes = _on_cluster(found, plan, farm, quiet)
    elif jobs > 1 and len(found) > 1:
        outcomes = _together(found, plan, jobs, quiet)
    else:
        outcomes = _one_by_one(found, plan, quiet, show=show, stopwatch=watch)
    if profile and watch:
        _show_profile(profile, watch)
    return _report(outcomes, summary, quiet, as_json)


def _inputs(names: list[str], output: str | None, plan: Plan) -> list[Input]:
    """What is to be tracked. No two write the same files. Raises UsageError."""
    from posetrack.recording.results import refuse_same_names
    from posetrack.running.inputs import list_inputs

    if not names:
        raise click.UsageError("Give an INPUT, or a list of them with --inputs-from.")
    found = list_inputs(names, output, offline=plan.offline)
    outputs = replace(plan.outputs, folder=Path(output)) if output else plan.outputs
    for under in dict.fromkeys(one.under for one in found):
        refuse_same_names([one.name for one in found if one.under == under], outputs)
    return found


def _together(found: list[Input], plan: Plan, jobs: int, quiet: bool) -> list[Outcome]:
    """Outcomes of all inputs in their order; told as they come."""
    from posetrack import PoseTracker
    from posetrack.cli import sentence
    from posetrack.running.jobs import run_jobs

    PoseTracker(**plan.options)  # what is wrong with the options is told at once
    return _watched(run_jobs(found, plan, jobs, sentence=sentence), found, quiet)


def _watched(events: Generator[Event], found: list[Input], quiet: bool) -> list[Outcome]:
    from posetrack.cli.progress import progress_of_many

    outcomes: dict[int, Outcome] = {}
    with closing(events), progress_of_many([one.label for one in found], quiet) as report:
        for event in events:
            report(event.index, event.done, event.total, event.outcome is not None)
            if event.outcome is not None:
                outcomes[event.index] = event.outcome
                _tell(event.outcome, quiet)
    return [outcome for _, outcome in sorted(outcomes.items())]


def _on_cluster(found: list[Input], plan: Plan, farm: ClusterOptions, quiet: bool) -> list[Outcome]:
    """Several videos go to the workers whole; a single one goes there in windows."""
    from posetrack import PoseTracker
    from posetrack.cli import sentence
    from posetrack.running.cluster import Cluster

    PoseTracker(**plan.options)  # what is wrong with the options is told at once
    with Cluster(plan, farm) as cluster:
        if len(found) == 1:
            return _one_by_one(found, cluster.here(plan), quiet, windows=cluster)
        return _watched(cluster.run(found, sentence=sentence), found, quiet)


def _one_by_one(
    found: list[Input], plan: Plan, quiet: bool, *, show: bool = False, **more: Any
) -> list[Outcome]:
    """Outcomes of all inputs, one after the other. The error of a single one is raised."""
    from posetrack import PoseTracker
    from posetrack.cli import sentence
    from posetrack.cli.progress import progress
    from posetrack.cli.window import open_window
    from posetrack.running.work import Outcome, attempt, track_input

    tracker = PoseTracker(**plan.options)
    more["show"] = open_window() if show else None
    outcomes = []
    for one in found:
        with progress(one.label, quiet, waiting="loading networks") as report:
            if len(found) == 1:
                done, files = track_input(tracker, one, plan, progress=report, **more)
                outcome = Outcome(one.name, done, tuple(files))
            else:
                outcome = attempt(tracker, one, plan, sentence, progress=report, **more)
        _tell(outcome, quiet)
        outcomes.append(outcome)
    return outcomes


def _tell(outcome: Outcome, quiet: bool) -> None:
    if outcome.error:
        click.echo(f"Error: {outcome.error}", err=True)
    elif outcome.summary and not quiet:
        click.echo(_describe(outcome.summary), err=True)


def _report(outcomes: list[Outcome], summary: Path | None, quiet: bool, as_json: bool) -> int:
    """The files or the JSON on stdout, a table of several on stderr; the exit code."""
    from posetrack.running.summary import summary_rows, write_summary

    if summary:
        write_summary(summary, outcomes)
    if len(outcomes) > 1 and not quiet:
        click.echo("\n".join(summary_rows(outcomes)), err=True)
    if as_json:
        click.echo(json.dumps([outcome.to_dict() for outcome in outcomes], indent=2))
    else:
        click.echo("".join(f"{path}\n" for o in outcomes for path in o.files), nl=False)
    return max((outcome.exit_code for outcome in outcomes), default=0)


def _show_profile(path: Path, watch: Stopwatch) -> None:
    """Threads and their stages on stderr, every single span in the file."""
    from posetrack.recording.profile import profile_rows, write_trace

    write_trace(path, watch.spans)
    for thread, stage, seconds, share in profile_rows(watch.spans):
        click.echo(f"{thread:14}  {stage:8}  {seconds:7.2f} s  {share:4.0%}", err=True)


def _describe(s: Summary) -> str:
    """What a run did, in a few lines."""
    if s.skipped:
        return f"{s.name}: complete already, nothing to do."
    speed = s.frames / s.seconds if s.seconds else 0.0
    people = f"{s.tracks} track{'s' * (s.tracks != 1)}, at most {s.most_people} at once"
    stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in s.stages.items())
    lines = [
        f"{s.name}: {s.frames} frames in {s.seconds:.1f} s ({speed:.1f} frames/s); {people}.",
        f"  {stages}",
    ]
    if not s.tracks:
        lines.append(
            "  Nobody was found: the tracks are empty. (--min-box-score and --min-new-score set "
            "what counts.)"
        )
    return "\n".join(lines)
