"""Edits as JSON objects and back, checked: a wrong field is one sentence."""

from __future__ import annotations

__all__ = ["decode_edit", "describe_edit", "encode_edit"]

import math
from dataclasses import MISSING, fields
from typing import Any

from posetrack.editing.edits import (
    EDITS,
    Accept,
    Delete,
    Edit,
    Flip,
    Merge,
    Move,
    Name,
    Split,
    Swap,
)
from posetrack.errors import FormatError

MAX_NAME = 80  # characters
_LARGEST = 2**53  # integers that JSON readers agree about
_OPS = {kind: op for op, kind in EDITS.items()}
_NO_FIELDS = {"op", "at"}  # "at" says when, for the reader


def encode_edit(edit: Edit) -> dict[str, Any]:
    """The JSON object of an edit; ranges that are open are left out."""
    values = {f.name: getattr(edit, f.name) for f in fields(edit)}
    open_ends = {k for k in ("start", "end") if values.get(k, 0) is None}
    return {"op": _OPS[type(edit)], **{k: v for k, v in values.items() if k not in open_ends}}


def decode_edit(data: Any, where: str) -> Edit:
    """The edit of a JSON object; raises FormatError that begins with ``where``."""
    if not isinstance(data, dict) or data.get("op") not in EDITS:
        op = data.get("op") if isinstance(data, dict) else data
        raise FormatError(f"{where}: {op!r} is no edit; known are {', '.join(EDITS)}.")
    kind = EDITS[data["op"]]
    known = {f.name: f for f in fields(kind)}
    for name in sorted(set(data) - set(known) - _NO_FIELDS):
        raise FormatError(f"{where}: {data['op']} has no field {name!r}.")
    values = {}
    for name, field in known.items():
        if name not in data and field.default is MISSING:
            raise FormatError(f"{where}: {data['op']} needs the field {name!r}.")
        if name in data:
            values[name] = _value(str(field.type), data[name], f"{where}: {name}")
    edit: Edit = kind(**values)
    _check(edit, where)
    return edit


def _value(kind: str, value: Any, where: str) -> Any:
    """A field's value in its type. Raises FormatError."""
    if value is None and kind.endswith("| None"):
        return None
    kind = kind.removesuffix(" | None")
    if kind == "int":
        return _integer(value, where)
    if kind == "str" and isinstance(value, str) and 0 < len(value.strip()) <= MAX_NAME:
        return value.strip()
    if kind == "tuple[int, ...]" and isinstance(value, list | tuple):
        return tuple(_integer(v, where) for v in value)
    if kind == "tuple[float, float]" and _is_point(value):
        return float(value[0]), float(value[1])
    wanted = {
        "str": f"a text of at most {MAX_NAME} characters",
        "tuple[int, ...]": "a list of whole numbers",
        "tuple[float, float]": "two numbers, x and y",
    }
    raise FormatError(f"{where} must be {wanted[kind]}, not {value!r}.")


def _integer(value: Any, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST:
        return value
    raise FormatError(f"{where} must be a whole number of at least 0, not {value!r}.")


def _is_point(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
        and all(math.isfinite(v) and abs(v) < 1e6 for v in value)
    )


def _check(edit: Edit, where: str) -> None:
    """What fields say together. Raises FormatError."""
    start, end = getattr(edit, "start", None), getattr(edit, "end", None)
    if start is not None and end is not None and end < start:
        raise FormatError(f"{where}: the range ends at frame {end}, before its start {start}.")
    people = edit.people()
    if len(set(people)) < len(people):
        raise FormatError(f"{where}: two different people are needed, not {people[0]} twice.")
    if isinstance(edit, Split) and edit.new == edit.id:
        raise FormatError(f"{where}: the new identity must differ from {edit.id}.")


def describe_edit(edit: Edit) -> str:
    """An edit in words, for lists and buttons."""
    match edit:
        case Merge(into, other):
            text = f"merge {other} into {into}"
        case Split(identity, start, new):
            text = f"split {identity} at frame {start}: {new} from there on"
        case Swap(a, b):
            text = f"swap {a} and {b}"
        case Delete(identity):
            text = f"delete {identity}"
        case Flip(identity):
            text = f"exchange left and right of {identity}"
        case Move(identity, frame, joint, xy):
            doing = "hide" if xy is None else "move"
            text = f"{doing} the {joint.replace('_', ' ')} of {identity} in frame {frame}"
        case Name(identity, name):
            text = f"call {identity} {name!r}" if name else f"take the name of {identity} away"
        case Accept(kind, frame, _):
            text = f"accept the {kind} at frame {frame}"
    return text if isinstance(edit, Split | Move | Name | Accept) else text + _range(edit)


def _range(edit: Merge | Swap | Delete | Flip) -> str:
    if edit.start is None and edit.end is None:
        return ""
    if edit.end is None:
        return f" from frame {edit.start} on"
    return f" in frames {edit.start or 0} to {edit.end}"
