"""``posetrack export``: a network as ONNX."""

from __future__ import annotations

__all__ = ["export"]

from pathlib import Path

import click


@click.command()
@click.argument("weights", metavar="WEIGHTS")
@click.argument("output", metavar="[OUT.onnx]", type=click.Path(path_type=Path), required=False)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--offline", is_flag=True, help="Download nothing.")
def export(weights: str, output: Path | None, force: bool, offline: bool) -> None:
    """Write a pose network as ONNX and compare it with PyTorch.

    WEIGHTS is a name of 'posetrack weights list' or a file; OUT.onnx is by default NAME.onnx in the
    working folder. The input is (N, 3, H, W): RGB crops scaled to 0..1, mean and standard deviation
    taken off; the output is heatmaps. Size, normalisation and joints are in the file, as JSON under
    the metadata key "posetrack".
    """
    from posetrack.errors import OutputError
    from posetrack.export import export_onnx
    from posetrack.weights import load_pose

    target = output or Path(
        f"{Path(weights).name.removesuffix('.safetensors').removesuffix('.pth')}.onnx"
    )
    if target.exists() and not force:
        raise OutputError(f"{target} exists already; give --force to replace it, or another name.")
    net, spec = load_pose(weights, offline=offline)
    deviation = export_onnx(net, spec, target)
    click.echo(
        f"Largest deviation from PyTorch: {deviation:.1e} of the largest heatmap value.", err=True
    )
    click.echo(target)
