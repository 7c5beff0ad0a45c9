"""Changes to a recipe by name, as a command line gives them: ``lr=1e-4``,
``augmentation.rotation_deg=30``.
"""

from __future__ import annotations

__all__ = ["changed", "to_json"]

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any, get_type_hints

from posetrack.errors import UsageError, unknown_name
from posetrack.samples.augment import Augmentation
from posetrack.training.recipes import Recipe, Stage

_AUGMENTATION = "augmentation."
_FIXED = {"name", "stages", "notes", "augmentation", "task"}  # not to be set as one value
_KINDS: dict[Any, tuple[tuple[type, ...], str]] = {
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a word"),
    bool: ((bool,), "true or false"),
}


def changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with other values; those of a stage change in all stages, ``augmentation.NAME``
    likewise.

    Values may be text, as it stands in JSON. With other ``epochs`` the milestones move along, with
    another ``size_wh`` the ``sigma`` of the targets, unless it is given; another ``net`` loses the
    arguments of the old one. Raises UsageError naming the key.
    """
    if "net" in changes and changes["net"] != recipe.net:
        recipe = replace(recipe, net_args={})
    if "epochs" in changes and "milestones" not in changes and recipe.milestones:
        share = _value("epochs", changes["epochs"], int) / sum(s.epochs for s in recipe.stages)
        recipe = replace(recipe, milestones=tuple(round(m * share) for m in recipe.milestones))
    if "size_wh" in changes:
        size_wh = _value("size_wh", changes["size_wh"], tuple[int, int])
        if min(size_wh) > 0:  # others are refused later
            stages = tuple(stage.resized(size_wh) for stage in recipe.stages)
            recipe = replace(recipe, stages=stages)
    for key, value in changes.items():
        recipe = _with(recipe, key, value)
    return recipe


def _with(recipe: Recipe, key: str, value: Any) -> Recipe:
    of_recipe, of_stage, of_how = (_settable(kind) for kind in (Recipe, Stage, Augmentation))
    name = key.removeprefix(_AUGMENTATION)
    if key in of_recipe:
        return replace(recipe, **{key: _value(key, value, of_recipe[key])})
    if key in of_stage:
        part = {key: _value(key, value, of_stage[key])}
        return replace(recipe, stages=tuple(replace(s, **part) for s in recipe.stages))
    if key.startswith(_AUGMENTATION) and name in of_how:
        part = {name: _value(key, value, of_how[name])}
        stages = tuple(
            replace(s, augmentation=replace(s.augmentation, **part)) for s in recipe.stages
        )
        return replace(recipe, stages=stages)
    raise unknown_name(
        "setting", key, [*of_recipe, *of_stage, *(_AUGMENTATION + n for n in of_how)]
    )


def _settable(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind) if f.name not in _FIXED}


def _value(key: str, value: Any, kind: Any) -> Any:
    """``value``, read as JSON where it is text and ``kind`` is no text. Raises UsageError."""
    if isinstance(value, str) and kind is not str:
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise UsageError(
                f"The setting {key} cannot be {value!r}; write it as in JSON ({_wanted(kind)})."
            ) from None
    wanted = _KINDS.get(kind)
    if wanted is None:
        return _collection(key, value, kind)
    if not isinstance(value, wanted[0]) or (isinstance(value, bool) and kind is not bool):
        raise UsageError(f"The setting {key} cannot be {value!r}; it is {wanted[1]}.")
    return value


def _collection(key: str, value: Any, kind: Any) -> Any:
    """A dict as it is, a list as a tuple of the length and types that ``kind`` has."""
    if kind == dict[str, Any]:
        if not isinstance(value, dict):
            raise UsageError(f"The setting {key} cannot be {value!r}; it is {_wanted(kind)}.")
        return value
    parts: tuple[Any, ...] = kind.__args__
    endless = len(parts) == 2 and parts[1] is Ellipsis
    if not isinstance(value, list | tuple) or (not endless and len(value) != len(parts)):
        raise UsageError(f"The setting {key} cannot be {value!r}; it is {_wanted(kind)}.")
    kinds = [parts[0]] * len(value) if endless else parts
    return tuple(_value(key, v, k) for v, k in zip(value, kinds, strict=True))


def _wanted(kind: Any) -> str:
    if kind in _KINDS:
        return _KINDS[kind][1]
    if kind == dict[str, Any]:
        return 'an object, say {"blocks": 2}'
    return "a list, say [1, 2]" if kind.__args__[-1] is not Ellipsis else "a list of any length"


def to_json(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain values, as JSON has them (tuples are lists)."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return plain
