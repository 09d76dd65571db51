"""Cineloop: the machine-learning platform of a studio or streamer, one loop from pitch to play."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cineloop.errors import InputError as InputError
    from cineloop.guard import Decision as Decision
    from cineloop.guard import Denied as Denied
    from cineloop.studio import Studio as Studio
    from cineloop.studio import open_studio as open_studio

__version__ = "0.1.0"
__all__ = ["Decision", "Denied", "InputError", "Studio", "__version__", "open_studio"]

_FACE = {
    "Decision": "cineloop.guard",
    "Denied": "cineloop.guard",
    "InputError": "cineloop.errors",
    "Studio": "cineloop.studio",
    "open_studio": "cineloop.studio",
}


def __getattr__(name: str) -> Any:
    """The public face; what is behind it is imported when it is asked for."""
    if name in _FACE:
        return getattr(import_module(_FACE[name]), name)
    raise AttributeError(f"module 'cineloop' has no attribute {name!r}")
