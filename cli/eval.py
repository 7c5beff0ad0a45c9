"""``posetrack eval``: score predictions for PoseTrack, COCO and MPII."""

from __future__ import annotations

__all__ = ["coco", "evaluate", "mpii", "posetrack"]

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from posetrack.cli.eval_grid import print_grid, read_grid
from posetrack.cli.eval_model import model_options, model_run
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


def _style(as_json: bool, as_csv: bool, as_markdown: bool, as_latex: bool = False) -> str:
    from posetrack.errors import UsageError

    styles = {"json": as_json, "csv": as_csv, "markdown": as_markdown, "latex": as_latex}
    chosen = [name for name, wanted in styles.items() if wanted]
    if len(chosen) > 1:
        others = ", --markdown and --latex" if as_latex else " and --markdown"
        raise UsageError(f"Choose one of --json, --csv{others}.")
    return chosen[0] if chosen else "text"


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
@click.option(
    "--grid",
    multiple=True,
    metavar="NAME=LIST",
    help="With --model: run all combinations of such options, as in --grid flow=dis,none "
    "--grid memory=1,5; one table.",
)
@click.option("--latex", is_flag=True, help="Print the tables as LaTeX.")
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
    grid: tuple[str, ...],
    latex: bool,
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
    from posetrack.cli.progress import progress
    from posetrack.errors import UsageError, unknown_name
    from posetrack.evaluation.evaluate import evaluate_posetrack
    from posetrack.evaluation.run import write_results
    from posetrack.metrics.protocols import PROTOCOLS

    how = _style(as_json, as_csv, as_markdown, latex)
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    network = model_run(run, track=track)
    if grid:
        if sweep or output:
            raise UsageError("--grid goes with neither --output nor --sweep-joint-threshold.")
        scoring = {"protocol": PROTOCOLS[protocol], "metrics": [m for m in metrics.split(",") if m]}
        print_grid(truth, prediction, network, read_grid(grid), how, skip_bad=skip_bad, **scoring)
        return
    doing, unit = ("scoring", "sequences") if network is None else ("tracking", "frames")
    with progress(doing, unit=unit) as report:
        found = evaluate_posetrack(
            truth,
            prediction,
            network,
            protocol=PROTOCOLS[protocol],
            metrics=[m for m in metrics.split(",") if m],
            skip_bad=skip_bad,
            sweep=sweep,
            progress=report,
        )
    scored, settings = found.scored, found.settings
    _say_what_is_missing(scored)
    if network is not None and not sweep:
        click.echo(
            "All joints are scored, however weak; --sweep-joint-threshold says what MOTA gains "
            "where weak ones are dropped.",
            err=True,
        )
    _print_posetrack(scored, how, settings)
    if output:
        click.echo(
            f"Wrote {len(write_results(scored, output, settings))} files to {output}.", err=True
        )
    elif scored.sweep:
        _plot_here(scored.sweep)


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
@click.option(
    "--oks-nms",
    type=click.FloatRange(0, 1),
    metavar="OKS",
    help="With --model: of two poses more alike the worse one goes. [0.9, as in the official code]",
)
def coco(
    truth: Path,
    results: Path,
    as_json: bool,
    as_csv: bool,
    as_markdown: bool,
    six_scales: bool,
    oks_nms: float | None,
    **run: Any,
) -> None:
    """COCO keypoint AP and AR, by pycocotools.

    GT is an annotation file, PRED a list of people in the COCO results layout, from any tool. With
    --model PRED is written first, on ground-truth boxes (--boxes truth), detected ones (detector),
    or those of a file; where GT has no annotations (image_info_test-dev2017.json), PRED is the file
    to submit, and nothing is scored.
    """
    from posetrack.cli.progress import progress
    from posetrack.evaluation.coco import coco_table
    from posetrack.evaluation.evaluate import evaluate_coco

    how = _style(as_json, as_csv, as_markdown)
    network = model_run(run, six_scales=six_scales, oks_nms=oks_nms)
    with progress("predicting", quiet=network is None, unit="images") as report:
        scores = evaluate_coco(truth, results, network, progress=report)
    if how == "json":
        _print_json(scores.to_json())
    if scores.figures is None:
        click.echo(f"{truth} has no annotations to score by; {results} is to submit.", err=True)
    elif how != "json":
        title = f"COCO keypoints, percent ({results.name}{_words(scores.ran)})"
        _print_tables([coco_table(scores.figures, title)], how)


def _words(ran: Mapping[str, Any]) -> str:
    """What a network was fed with and how it looked, for the title of a table."""
    if not ran:
        return ""
    tests = [name for name in ("flip", "upright") if ran[name]]
    if len(ran["scale_factors"]) > 1:
        tests.append("six scales")
    detector = f" {ran['detector']}" if "detector" in ran else ""
    return f"; boxes: {ran['boxes']}{detector}; {' and '.join(tests) or 'no'} test; {ran['decode']}"


@evaluate.command()
@click.argument("truth", metavar="GT", type=PATH)
@click.argument("prediction", metavar="PRED", type=PATH)
@_output_options
@model_options
@_SIX_SCALES
@click.option(
    "--split",
    type=click.Choice(("train", "test")),
    default="train",
    show_default=True,
    help="Of MPII's .mat: test has no labels, PRED (.mat) is written as the server wants it.",
)
def mpii(
    truth: Path,
    prediction: Path,
    as_json: bool,
    as_csv: bool,
    as_markdown: bool,
    six_scales: bool,
    split: str,
    **run: Any,
) -> None:
    """MPII PCKh@0.5 per joint and mean, PCKh@0.1, and the official figure that is really at 0.11.

    GT is MPII's own .mat, or the HRNet code's gt_valid.mat or JSON. PRED is a .mat with preds, an
    .npy or JSON, people in the order of GT. With --model PRED (a JSON file) is written first, on
    the annotated people.
    """
    from posetrack.cli.progress import progress
    from posetrack.evaluation.evaluate import evaluate_mpii
    from posetrack.evaluation.mpii import mpii_tables

    how = _style(as_json, as_csv, as_markdown)
    network = model_run(run, six_scales=six_scales)
    with progress("predicting", quiet=network is None, unit="people") as report:
        scores = evaluate_mpii(truth, prediction, network, split=split, progress=report)
    if how == "json":
        _print_json(scores.to_json())
    if scores.result is None:
        click.echo(f"Wrote {prediction}, the file to submit.", err=True)
    elif how != "json":
        _print_tables(mpii_tables(scores.result), how)
