"""``posetrack eval``: score predictions for PoseTrack, COCO and MPII."""

from __future__ import annotations

__all__ = ["coco", "evaluate", "mpii", "posetrack"]

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from posetrack.cli.eval_model import model_options
from posetrack.cli.eval_mot import mot

Command = TypeVar("Command", bound=Callable[..., None])
PATH = click.Path(path_type=Path)


@click.group()
def evaluate() -> None:
    """Score predictions: PoseTrack mAP, MOTA, IDF1 and HOTA; boxes with identities; COCO AP; MPII
    PCKh.
    """


evaluate.add_command(mot)


def _output_options(command: Command) -> Command:
    """The three ways to print results other than as text."""
    for name, text in (
        ("--markdown", "Print the tables as Markdown."),
        ("--csv", "Print the tables as CSV, at full precision."),
        ("--json", "Print everything at full precision as JSON."),
    ):
        command = click.option(name, f"as_{name[2:]}", is_flag=True, help=text)(command)
    return command


def _style(as_json: bool, as_csv: bool, as_markdown: bool) -> str:
    from posetrack.errors import UsageError

    if as_json + as_csv + as_markdown > 1:
        raise UsageError("Choose one of --json, --csv and --markdown.")
    return "json" if as_json else "csv" if as_csv else "markdown" if as_markdown else "text"


def _print_json(content: Any) -> None:
    import json

    click.echo(json.dumps(content, indent=1))


@evaluate.command()
@click.argument("truth", metavar="GT", type=PATH)
@click.argument("prediction", metavar="PRED", type=PATH)
@click.option(
    "--protocol", default="poseval", show_default=True, metavar="NAME", help="poseval or corrected."
)
@click.option(
    "--metrics",
    default="ap,mot,hota",
    show_default=True,
    metavar="LIST",
    help="Which of ap, mot, hota.",
)
@click.option(
    "--output",
    type=PATH,
    metavar="DIR",
    help="Write poseval's result files, and one with everything, here.",
)
@click.option(
    "--sweep-joint-threshold",
    "sweep",
    is_flag=True,
    help="mAP, MOTA over joint score thresholds; a plot.",
)
@click.option(
    "--skip-bad", is_flag=True, help="Leave bad sequences out and say which, instead of stopping."
)
@_output_options
@model_options
@click.option(
    "--track",
    multiple=True,
    metavar="NAME=VALUE",
    help="With --model: an option of posetrack track.",
)
def posetrack(
    truth: Path,
    prediction: Path,
    protocol: str,
    metrics: str,
    output: Path | None,
    sweep: bool,
    skip_bad: bool,
    as_json: bool,
    as_csv: bool,
    as_markdown: bool,
    track: tuple[str, ...],
    **run: Any,
) -> None:
    """mAP, MOTA, MOTP, IDF1 and HOTA of PoseTrack predictions.

    GT and PRED are files or folders of PoseTrack 2017 or 2018/2021 JSON (.json, .json.gz), paired
    by name; PRED may also hold other formats of posetrack. The protocol poseval gives the numbers
    of the official tool, to the last digit; corrected counts every frame and mends the oversights.

    With --model the tracker runs first and PRED, a folder, is written. --boxes says where people
    come from: detector (end to end), truth (ground-truth boxes), poses (ground-truth poses:
    matching alone), or a file of boxes, a folder of such files. The tables say which it was.
    """
    from posetrack.cli.eval_model import predict_posetrack_folder
    from posetrack.cli.progress import progress
    from posetrack.errors import unknown_name
    from posetrack.evaluation.run import score_files, write_results
    from posetrack.metrics.protocols import PROTOCOLS

    how = _style(as_json, as_csv, as_markdown)
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    rules, chosen = PROTOCOLS[protocol], [m for m in metrics.split(",") if m]
    settings: dict[str, Any] = {"metrics": chosen, "skip_bad": skip_bad}
    source = ""
    if _runs(run):
        source, settings["run"] = predict_posetrack_folder(truth, prediction, run, track)
    with progress("scoring", unit="sequences") as report:
        scored = score_files(
            truth,
            prediction,
            rules,
            metrics=chosen,
            skip_bad=skip_bad,
            sweep=sweep,
            source=source,
            progress=report,
        )
    _say_what_is_missing(scored)
    _print_posetrack(scored, how, settings)
    if output:
        click.echo(
            f"Wrote {len(write_results(scored, output, settings))} files to {output}.", err=True
        )
    elif scored.sweep:
        _plot_here(scored.sweep)


def _runs(run: dict[str, Any]) -> bool:
    """Whether a network is to be run; refuses options that would do nothing without one."""
    from posetrack.errors import UsageError

    if run["model"] or run["boxes"] == "poses":  # matching alone needs no network
        return True
    if run["boxes"] or run["images"]:
        raise UsageError("--boxes and --images only matter with --model.")
    return False


def _factors(six_scales: bool) -> tuple[float, ...]:
    from posetrack.evaluation.predict import PYRAMID

    return PYRAMID if six_scales else (1.0,)


def _say_what_is_missing(scored: Any) -> None:
    """On stderr: the sequences left out, and the predictions without ground truth."""
    for left in scored.report.left_out:
        click.echo(f"Left out {left.name}: {left.reason}", err=True)
    if scored.unmatched:
        names = ", ".join(path.name for path in scored.unmatched[:5]) + (
            ", ..." if len(scored.unmatched) > 5 else ""
        )
        click.echo(
            f"Without ground truth, not scored: {len(scored.unmatched)} prediction files "
            f"({names}).",
            err=True,
        )


def _print_posetrack(scored: Any, how: str, settings: dict[str, Any]) -> None:
    from posetrack.evaluation.report import header, official_text, report_tables
    from posetrack.evaluation.sweep import sweep_table

    if how == "json":
        _print_json(scored.to_json(settings))
        return
    tables = report_tables(scored.report) + ([sweep_table(scored.sweep)] if scored.sweep else [])
    if how == "text":
        click.echo(f"{header(scored.report)}\n\n{official_text(scored.report)}")
    _print_tables(tables, how)


def _plot_here(sweep: Any) -> None:
    from posetrack.evaluation.run import SWEEP_PLOT
    from posetrack.evaluation.sweep import plot_sweep

    plot_sweep(sweep, SWEEP_PLOT)
    click.echo(f"Wrote {SWEEP_PLOT}.", err=True)


def _print_tables(tables: list[Any], how: str) -> None:
    from posetrack.evaluation.tables import render

    click.echo(render(tables, how))


_SIX_SCALES = click.option(
    "--six-scales", is_flag=True, help="With --model: average the heatmaps of six crop sizes."
)


@evaluate.command()
@click.argument("truth", metavar="GT", type=PATH)
@click.argument("results", metavar="PRED", type=PATH)
@_output_options
@model_options
@_SIX_SCALES
def coco(
    truth: Path,
    results: Path,
    as_json: bool,
    as_csv: bool,
    as_markdown: bool,
    six_scales: bool,
    **run: Any,
) -> None:
    """COCO keypoint AP and AR, by pycocotools.

    GT is an annotation file, PRED a list of people in the COCO results layout, from any tool. With
    --model PRED is written first, on ground-truth boxes (--boxes truth), detected ones (detector),
    or those of a file.
    """
    from posetrack.cli.eval_model import predict_coco_file
    from posetrack.evaluation.coco import coco_json, coco_table, evaluate_coco

    how = _style(as_json, as_csv, as_markdown)
    settings = predict_coco_file(truth, results, run, _factors(six_scales)) if _runs(run) else {}
    figures = evaluate_coco(truth, results)
    boxes = f"; boxes: {settings['boxes']}" if settings else ""
    if how == "json":
        _print_json(coco_json(figures, truth, results, settings))
    else:
        _print_tables(
            [coco_table(figures, f"COCO keypoints, percent ({results.name}{boxes})")], how
        )


@evaluate.command()
@click.argument("truth", metavar="GT", type=PATH)
@click.argument("prediction", metavar="PRED", type=PATH)
@_output_options
@model_options
@_SIX_SCALES
def mpii(
    truth: Path,
    prediction: Path,
    as_json: bool,
    as_csv: bool,
    as_markdown: bool,
    six_scales: bool,
    **run: Any,
) -> None:
    """MPII PCKh@0.5 per joint and mean, PCKh@0.1, and the official figure that is really at 0.11.

    GT is MPII's own .mat, or the HRNet code's gt_valid.mat or JSON. PRED is a .mat with preds, an
    .npy or JSON, people in the order of GT. With --model PRED (a JSON file) is written first, on
    the annotated people.
    """
    from posetrack.cli.eval_model import predict_mpii_file
    from posetrack.evaluation.mpii import evaluate_mpii, mpii_json, mpii_tables

    how = _style(as_json, as_csv, as_markdown)
    settings = predict_mpii_file(truth, prediction, run, _factors(six_scales)) if _runs(run) else {}
    result = evaluate_mpii(truth, prediction)
    if how == "json":
        _print_json(mpii_json(result, (truth, prediction), settings))
    else:
        _print_tables(mpii_tables(result), how)
