"""Recipes, runs, registry, evaluation, promotion.

`Lab` is the room's front: it holds a workspace's folder and registry. What it hands out stands in modules of
one idea each: `run`, `training`, `registry`, `splits`, `heldout`, `statistics`, `evaluation`, `external`,
`promotion`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cineloop.lab.lab import Lab as Lab

__all__ = ["Lab"]


def __getattr__(name: str) -> Any:
    """The lab is imported when it is asked for: recipes import this room and need no database."""
    if name == "Lab":
        return import_module("cineloop.lab.lab").Lab
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
