"""``posetrack eval mot``: boxes with identities, MOTChallenge."""

from __future__ import annotations

__all__ = ["mot"]

from pathlib import Path

import click


@click.command()
@click.argument("truth", metavar="GT", type=click.Path(path_type=Path))
@click.argument("prediction", metavar="PRED", type=click.Path(path_type=Path))
@click.option(
    "--protocol",
    type=click.Choice(("motchallenge", "motmetrics")),
    default="motchallenge",
    show_default=True,
    help="Whose rules: TrackEval's, or py-motmetrics'. They differ in MOTA's matching.",
)
@click.option(
    "--similarity",
    type=click.Choice(("iou", "oks")),
    default="iou",
    show_default=True,
    help="What pairs people: overlap of boxes, or OKS of poses (labels of any body).",
)
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the table as Markdown.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the table as CSV, at full precision.")
@click.option("--json", "as_json", is_flag=True, help="Print everything at full precision as JSON.")
def mot(
    truth: Path,
    prediction: Path,
    protocol: str,
    similarity: str,
    as_markdown: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """HOTA, MOTA, MOTP, IDF1, identity switches and the rest, for boxes with identities.

    GT and PRED are files or folders of MOTChallenge text (GT also in its tree, SEQ/gt/gt.txt), or
    of any format of posetrack, paired by name. Frames count from 1 in MOTChallenge files and from 0
    in all others.
    """
    import json

    from posetrack.cli.progress import progress
    from posetrack.errors import UsageError
    from posetrack.evaluation.mot import mot_json, mot_tables, score_mot
    from posetrack.evaluation.tables import render
    from posetrack.metrics.mot import RULES

    if as_json + as_csv + as_markdown > 1:
        raise UsageError("Choose one of --json, --csv and --markdown.")
    with progress("scoring", unit="sequences") as report:
        scored = score_mot(
            truth, prediction, RULES[protocol], similarity=similarity, progress=report
        )
    for path in scored.unmatched:
        click.echo(f"Without ground truth, not scored: {path}.", err=True)
    if as_json:
        click.echo(json.dumps(mot_json(scored), indent=1))
    else:
        style = "csv" if as_csv else "markdown" if as_markdown else "text"
        click.echo(render(mot_tables(scored), style))
