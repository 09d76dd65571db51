"""How long work says how far it is: a callable that a face turns into a bar and a test ignores."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called with the task's name, how much is done and of how much (None: unknown), in one unit."""

    def __call__(self, task: str, done: float, total: float | None = None) -> None:
        """Say how far `task` is."""
        ...


def silent(task: str, done: float, total: float | None = None) -> None:
    """Say nothing."""
