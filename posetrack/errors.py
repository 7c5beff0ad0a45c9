"""The error tree: everything posetrack raises on bad input, with the exit code the command line
gives it.

    PosetrackError            something the user can mend; one sentence that says what and how
    (exit 1) ├── UsageError            an option or a name that does not exist
    (exit 2) │   └── WrongTypeError    a value of a type that is not taken; a TypeError as well
    (exit 2) ├── InputError            a file that is missing, unreadable or of the wrong kind
    (exit 1) │   └── FormatError       a label or prediction file that breaks its format
    (exit 1) ├── OutputError           a result that cannot be written
    (exit 1) ├── WeightsError          a checkpoint that is missing, corrupt or of another network
    (exit 1) └── TrainingError         a run that cannot start or go on
    (exit 1)

Programming mistakes inside posetrack raise ``AssertionError`` or ``ValueError`` instead.
"""

from __future__ import annotations

__all__ = [
    "FormatError",
    "InputError",
    "OutputError",
    "PosetrackError",
    "TrainingError",
    "UsageError",
    "WeightsError",
    "WrongTypeError",
    "unknown_name",
]

from collections.abc import Iterable
from difflib import get_close_matches


class PosetrackError(Exception):
    """Base of all errors a user can mend. ``str(error)`` is one sentence without a traceback."""

    exit_code = 1


class UsageError(PosetrackError):
    """An option, name or combination of options that does not exist."""

    exit_code = 2


class WrongTypeError(UsageError, TypeError):
    """A value of a type that is not taken; the sentence says which ones are."""


class InputError(PosetrackError):
    """An input that is missing, unreadable, empty or of the wrong kind."""


class FormatError(InputError):
    """A label or prediction file that breaks its format; the sentence names file, frame
    and field.
    """


class OutputError(PosetrackError):
    """A result that cannot be written: exists already, folder missing, disk full, no permission."""


class WeightsError(PosetrackError):
    """A checkpoint that is missing, corrupt, not verified, or made for another network."""


class TrainingError(PosetrackError):
    """A training run that cannot start or cannot go on."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is not in a table: it lists the known names and the closest one."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return UsageError(f"Unknown {kind} {name!r}{hint} Known: {', '.join(names)}.")
