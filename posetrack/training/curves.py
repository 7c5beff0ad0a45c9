"""What a run looked like: curves as a picture, and the same numbers for TensorBoard."""

from __future__ import annotations

__all__ = ["BoardWatcher", "draw_curves", "score_names"]

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from posetrack.files import write_beside
from posetrack.training.loop import Run, Watcher
from posetrack.training.run import METRICS


class BoardWatcher(Watcher):
    """Writes loss, learning rate and scores to a folder that ``tensorboard --logdir`` shows."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter  # type: ignore[attr-defined]

        self._writer: Any = SummaryWriter(str(folder))  # type: ignore[no-untyped-call]

    def step(self, run: Run, loss: float, samples_per_s: float) -> None:
        self._writer.add_scalar("loss/step", loss, run.step)
        self._writer.add_scalar("rate", run.rate(), run.step)

    def epoch(self, run: Run, row: Mapping[str, Any]) -> None:
        for name in ("loss", "samples_per_s", *score_names([row])):
            self._writer.add_scalar(f"epoch/{name}", row[name], row["epoch"])
        self._writer.flush()


def draw_curves(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Loss (left axis) and scores in percent (right axis) by epoch, as PNG. Raises OutputError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    epochs = [row["epoch"] for row in history]
    axes.plot(epochs, [row["loss"] for row in history], color="tab:blue", label="loss")
    axes.set(xlabel="epoch", ylabel="loss")
    scores = score_names(history)
    if scores:
        right = axes.twinx()
        right.set(ylabel="percent", ylim=(0, 100))
        for name, colour in zip(
            scores, ("tab:orange", "tab:green", "tab:red", "tab:purple"), strict=False
        ):
            right.plot(
                epochs, [row.get(name, float("nan")) for row in history], color=colour, label=name
            )
    figure.legend(loc="upper left", bbox_to_anchor=(0.1, 0.97))
    with write_beside(path) as part:
        figure.savefig(part, format="png", dpi=120)


def score_names(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the scores in the last line of metrics."""
    return [k for k in (history[-1] if history else {}) if k.partition("_")[0] in METRICS]
