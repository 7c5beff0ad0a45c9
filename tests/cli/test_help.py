"""Help pages: grouped options, as wide as the terminal, examples that parse."""

from __future__ import annotations

import shlex

import click
import pytest
from click.testing import CliRunner

from posetrack.cli import VERBS, _root
from posetrack.cli.sections import SectionedCommand


def _command(verb: str) -> click.Command:
    command = _root.get_command(click.Context(_root), verb)
    assert command is not None
    return command


def _help(width: int) -> str:
    context = click.Context(_command("track"), info_name="posetrack track", terminal_width=width)
    return _command("track").get_help(context)


def test_options_are_grouped_in_order() -> None:
    lines = _help(100).splitlines()
    titles = [line for line in lines if line.endswith(" options:")]
    order = ["Input", "Output", "Network", "People", "Speed", "Drawing", "Other"]
    assert titles == [f"{title} options:" for title in order]
    assert lines.index("Output options:") < lines.index(next(x for x in lines if "--format" in x))
    assert lines.index("Other options:") < lines.index(next(x for x in lines if "--help" in x))


def test_every_option_stands_in_the_help_once() -> None:
    command = _command("track")
    text = _help(100)
    for option in command.params:
        if isinstance(option, click.Option):
            assert sum(f"  {option.opts[-1]} " in line for line in text.splitlines()) or (
                f", {option.opts[-1]} " in text
            ), option.opts


@pytest.mark.parametrize("width", [60, 140])
def test_the_width_of_the_terminal_is_used(width: int) -> None:
    longest = max(len(line) for line in _help(width).splitlines())
    assert longest <= width
    assert longest > 0.8 * width


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_examples_parse(verb: str) -> None:
    command = _command(verb)
    for example in getattr(command, "examples", ()):
        command.make_context(verb, shlex.split(example))  # raises UsageError for a wrong option


def test_examples_are_shown() -> None:
    command = _command("track")
    assert isinstance(command, SectionedCommand)
    result = CliRunner().invoke(_root, ["track", "--help"], prog_name="posetrack")
    for example in command.examples:
        assert f"posetrack track {example}" in result.output
