"""A recipe: a frozen dataclass whose fields are its knobs; what it fits is a model that saves and loads itself.

The platform's own recipes and third parties' come through one door, the entry-point group `cineloop.recipes`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar, cast, runtime_checkable

from pydantic import TypeAdapter, ValidationError

from cineloop.errors import InputError
from cineloop.lab.view import TrainingView

GROUP = "cineloop.recipes"
Configured = TypeVar("Configured")


@runtime_checkable
class Model(Protocol):
    """What a recipe fits. It is kept in open formats (npz, safetensors, JSON, LightGBM text, ONNX), never pickle."""

    def save(self, folder: Path) -> None:
        """Write into an existing empty folder; the same model gives the same bytes."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, memory-mapped where large; runs no code from the folder."""


@runtime_checkable
class Recipe(Protocol):
    """How a model is made: a frozen dataclass of knobs, every one of which is part of the run's name."""

    name: ClassVar[str]
    model: ClassVar[type[Model]]

    def fit(self, view: TrainingView, seed: int) -> Model:
        """Learn from the view and nothing else; the same view, knobs and seed give the same bytes."""


def knobs(recipe: Recipe) -> dict[str, Any]:
    """The knobs as plain JSON values."""
    return cast(dict[str, Any], json.loads(json.dumps(dataclasses.asdict(cast(Any, recipe)))))


@cache
def recipes() -> dict[str, type[Recipe]]:
    """Every recipe that an installed package offers, by name."""
    return {entry.name: entry.load() for entry in sorted(entry_points(group=GROUP), key=lambda e: e.name)}


def make(name: str, values: dict[str, Any] | None = None) -> Recipe:
    """A recipe by its name, with some knobs turned; an unknown name or knob is refused in one line."""
    known = recipes()
    if name not in known:
        raise InputError("no such recipe", field="recipe", value=name, accepted=", ".join(known))
    return configured(known[name], name, values or {})


def configured(kind: type[Configured], name: str, values: Mapping[str, Any]) -> Configured:
    """A frozen dataclass of settings with some of them turned; InputError names the one that is refused."""
    fields = {f.name for f in dataclasses.fields(cast(Any, kind))}
    for key in values:
        if key not in fields:
            raise InputError("no such knob", field=f"{name}.{key}", accepted=", ".join(sorted(fields)))
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as bad:
        first = bad.errors()[0]
        where = ".".join([name, *map(str, first["loc"])])
        raise InputError(first["msg"], field=where, value=first.get("input")) from None
