"""The command line: one verb a file, loaded only when it is called, so that ``posetrack --help`` is
fast.

Data goes to stdout, progress and messages to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage,
130 interrupted.
"""

from __future__ import annotations

__all__ = ["VERBS", "main", "sentence"]

import importlib
import os
import signal
import sys
from types import FrameType, TracebackType
from typing import Any


def _interrupted_early(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Ctrl-C while Python still imports: one word, no traceback (the exit code is Python's 130)."""
    if issubclass(kind, KeyboardInterrupt):
        print("Interrupted.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


if os.path.basename(sys.argv[0] if sys.argv else "") in ("posetrack", "posetrack.exe", "-m"):
    sys.excepthook = _interrupted_early

import click  # noqa: E402 - after the hook

from posetrack.cli.sections import terminal_width  # noqa: E402

# rounds of waiting; on an idle machine as fast as to spin on (benchmarks/end_to_end.py)
SPINS = "5000"

# verb: (module:attribute, one line for the overview). Add yours here.
VERBS: dict[str, tuple[str, str]] = {
    "track": (
        "posetrack.cli.track:track",
        "Track the people of a video: skeletons with stable identities.",
    ),
    "demo": (
        "posetrack.cli.demo:demo",
        "Draw a clip, track it with the bundled weights, score the result.",
    ),
    "render": (
        "posetrack.cli.render:render",
        "Draw tracks again: mended, refined, of other tools; in another style.",
    ),
    "refine": (
        "posetrack.cli.refine:refine",
        "Smooth tracks, fill short gaps, replace outliers, mend left and right.",
    ),
    "measure": (
        "posetrack.cli.measure:measure",
        "Angles, distances and speeds of tracked people, as a table.",
    ),
    "events": (
        "posetrack.cli.events:events",
        "What happened when: gaps, crossings, jumps, switches; where to look.",
    ),
    "review": (
        "posetrack.cli.review:review",
        "Look at tracks in the browser, and mend them: swap, merge, split, move.",
    ),
    "report": (
        "posetrack.cli.report:report",
        "A page of who was there, their ways, speeds and angles, and the quality.",
    ),
    "eval": (
        "posetrack.cli.eval:evaluate",
        "Score predictions: PoseTrack mAP/MOTA/HOTA, COCO AP, MPII PCKh.",
    ),
    "train": ("posetrack.cli.train:train", "Train or fine-tune a network."),
    "edit": ("posetrack.cli.edit:edit", "Apply the edits made in review to tracks."),
    "convert": ("posetrack.cli.convert:convert", "Turn one track or label format into another."),
    "export": ("posetrack.cli.export:export", "Write a network as ONNX."),
    "nets": ("posetrack.cli.nets:nets", "List the networks: size, cost, published scores."),
    "weights": ("posetrack.cli.weights:weights", "List, download, verify and add checkpoints."),
}


class _LazyGroup(click.Group):
    """A click group that imports a verb's module only when the verb is run or asked for help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module, attribute = VERBS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in VERBS:
            from posetrack.errors import unknown_name

            raise unknown_name("command", name, VERBS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])


@click.group(
    cls=_LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": terminal_width(),
    },
)
@click.version_option(package_name="posetrack", message="posetrack %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def _root(debug: bool) -> None:
    """Multi-person pose tracking in video."""


def main(argv: list[str] | None = None) -> None:
    """Entry point of the ``posetrack`` command: errors become one sentence and an exit code."""
    argv = sys.argv[1:] if argv is None else argv
    _wait_briefly()
    _prepare_process()
    try:
        result = _root.main(args=argv, prog_name="posetrack", standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except Exception as error:
        if "--debug" in argv:
            raise
        code = _report(error)
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        code = 130
    sys.exit(code)


def _prepare_process() -> None:
    """SIGTERM ends as Ctrl-C does; output goes nowhere where it was closed, and names that are no
    text can be printed.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - until the end
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        signal.signal(signal.SIGTERM, stop)
    except ValueError:
        return  # not the main thread: whoever started this one decides


def _wait_briefly() -> None:
    """Let threads spin for microseconds only before they sleep, unless the user set how; read when
    torch is loaded.

    GNU OpenMP's threads spin for milliseconds, and beside other busy programs that makes PyTorch
    slower, at times many times; without spinning, small networks lose half their speed on an idle
    machine.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)


def _report(error: Exception) -> int:
    """Print one sentence for ``error`` on stderr and return the exit code."""
    from posetrack.errors import PosetrackError

    if isinstance(error, click.exceptions.Abort):
        click.echo("Interrupted.", err=True)
        return 130
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, PosetrackError):
        click.echo(f"Error: {error}", err=True)
        return error.exit_code
    click.echo(f"Error: {sentence(error)}", err=True)
    return 1


def sentence(error: Exception) -> str:
    """What the user is told about ``error``."""
    from posetrack.errors import PosetrackError

    if isinstance(error, PosetrackError):
        return str(error)
    if isinstance(error, FileNotFoundError) and not _folder_exists():
        return "The working folder was deleted; change to one that exists."
    if isinstance(error, RecursionError):
        return "The file is nested too deeply to be read."
    if isinstance(error, ValueError) and "null" in str(error):
        return "A name holds a NUL character; give another."
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}."
    if isinstance(error, MemoryError):
        return "Out of memory; use a smaller --batch-size, --window or input size."
    kind: Any = type(error).__name__
    return f"{kind}: {' '.join(str(error).split())} (a fault of posetrack; --debug shows where)."


def _folder_exists() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True
