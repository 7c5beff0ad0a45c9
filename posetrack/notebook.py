"""In a notebook: whether this is one, and a progress bar that suits it.

The bar is one output of the cell that is replaced as the work goes on, made of HTML that every
front end shows; nothing is printed, and no widgets are needed.
"""

from __future__ import annotations

__all__ = ["NotebookBar", "in_notebook", "reporting"]

import html
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

REDRAW_S = 0.2  # between pictures of the bar

Report = Callable[[int, int | None], None]


def in_notebook() -> bool:
    """Whether a kernel of Jupyter (of Colab, of an editor) runs this."""
    shells = sys.modules.get("IPython")
    shell = shells.get_ipython() if shells else None
    return hasattr(shell, "kernel")


class NotebookBar:
    """A bar in the output of the cell, to be called with (done, total); total None: unknown."""

    def __init__(self, label: str) -> None:
        self._label, self._begin = label, time.monotonic()
        self._drawn = -REDRAW_S
        self._shown: Any = None
        self._state: tuple[int, int | None] = 0, None

    def __call__(self, done: int, total: int | None) -> None:
        self._state = done, total
        if time.monotonic() - self._drawn >= REDRAW_S:
            self._draw(done, total)

    def close(self) -> None:
        """Show where it ended."""
        done, _ = self._state
        if done:
            self._draw(done, done)

    def _draw(self, done: int, total: int | None) -> None:
        shown: Any = importlib.import_module("IPython.display")  # nothing there is typed
        self._drawn = time.monotonic()
        speed = done / max(self._drawn - self._begin, 1e-9)
        of = f" of {max(total, done)}" if total else ""
        left = f", {(total - done) / speed:.0f} s left" if total and total > done else ""
        value = f' value="{done}" max="{max(total, done)}"' if total else ""
        text = f"{done}{of} frames, {speed:.1f} frames/s{left}"
        bar = shown.HTML(f"{html.escape(self._label)} <progress{value}></progress> {text}")
        if self._shown is None:
            self._shown = shown.display(bar, display_id=True)
        else:
            self._shown.update(bar)


@contextmanager
def reporting(asked: Report | bool | None, label: str) -> Iterator[Report | None]:
    """What to call with (done, total): the caller's own function; a bar, where one is ``asked`` for
    with True or, with None, by running in a notebook; nothing otherwise.
    """
    if callable(asked):
        yield asked
    elif in_notebook() if asked is None else (asked and in_notebook()):
        bar = NotebookBar(label)
        try:
            yield bar
        finally:
            bar.close()
    else:
        yield None
