"""Write the page that is made from the code: ``cli.md`` from the commands' help.

    python docs/generate.py

A test compares the page with what this writes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WIDTH = 100  # columns of the help texts
FOLDER = Path(__file__).parent


def cli_page() -> str:
    """Every command's help as ``posetrack COMMAND --help`` prints it on a wide terminal."""
    os.environ["COLUMNS"] = str(WIDTH)
    from posetrack.cli import _root

    parts = [
        "# The command line",
        "Made from the commands themselves by `docs/generate.py`. Data goes to standard output, "
        "progress and messages to standard error. Exit codes: 0 done, 1 failed, 2 wrong usage, "
        "130 interrupted. Completion of commands and options in bash, zsh or fish: "
        "[below](#shell-completion).",
    ]
    parts += [f"## {name}\n\n```\n{text}\n```" for name, text in _helps(_root, "posetrack")]
    parts.append(COMPLETION)
    return "\n\n".join(parts) + "\n"


def _helps(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """Name and help of a command and of all below it, depth first."""
    import click

    names = ["-h", "--help"]
    command._help_option = None  # click keeps the one it made first, whoever asked
    context = click.Context(command, info_name=name, terminal_width=WIDTH, help_option_names=names)
    yield name, command.get_help(context).strip()
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            inner = command.get_command(context, verb)
            assert inner is not None
            yield from _helps(inner, f"{name} {verb}")


COMPLETION = """## Shell completion

bash: put `eval "$(_POSETRACK_COMPLETE=bash_source posetrack)"` into `~/.bashrc`;
zsh: `eval "$(_POSETRACK_COMPLETE=zsh_source posetrack)"` into `~/.zshrc`;
fish: `_POSETRACK_COMPLETE=fish_source posetrack | source` into
`~/.config/fish/completions/posetrack.fish`."""


def main() -> None:
    """Write the pages."""
    (FOLDER / "cli.md").write_text(cli_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
