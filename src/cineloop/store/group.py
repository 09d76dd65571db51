"""Group commit: what many callers bring at the same time goes to the disk in one commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(eq=False)
class _Waiting(Generic[Item, Result]):
    """One caller's item, and what came of it."""

    item: Item
    done: bool = False
    results: list[Result] = field(default_factory=list)
    failed: Exception | None = None


class GroupCommit(Generic[Item, Result]):
    """Whoever comes first commits, with all that gathered while the one before was committing.

    A caller who is alone commits at once, in its own thread: nobody waits for company. `commit(items)` commits all or
    none and returns a result for each. Where it fails for several, each item is tried by itself, so that one that
    can't be committed takes no other with it.

    >>> group = GroupCommit(lambda items: [item * 2 for item in items])
    >>> [group.commit(n) for n in (1, 2)]
    [2, 4]
    >>> group.close()
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Sequence[Result]], most: int = 512) -> None:
        self._commit, self._most = commit, most
        self._changed = threading.Condition()
        self._waiting: list[_Waiting[Item, Result]] = []
        self._busy = self._closed = False

    def commit(self, item: Item) -> Result:
        """The item's result, once it is committed, or the reason why it can't be. RuntimeError after `close`."""
        mine: _Waiting[Item, Result] = _Waiting(item)
        with self._changed:
            if self._closed:
                raise RuntimeError("closed: nothing more is committed")
            self._waiting.append(mine)
        while (gathered := self._turn(mine)) is not None:
            try:
                self._settle(gathered)
            finally:
                with self._changed:
                    for each in gathered:
                        each.done = True
                    self._busy = False
                    self._changed.notify_all()
        if mine.failed is not None:
            raise mine.failed
        if not mine.results:  # whoever committed for us was interrupted
            raise RuntimeError("not known to be committed: ask again")
        return mine.results[0]

    def _turn(self, mine: _Waiting[Item, Result]) -> list[_Waiting[Item, Result]] | None:
        """What to commit once it is our turn; None once another caller has committed ours."""
        with self._changed:
            self._changed.wait_for(lambda: mine.done or not self._busy)
            if mine.done:
                return None
            self._busy = True
            gathered, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            return gathered

    def close(self) -> None:
        """Take nothing more, and wait until all that was handed in is committed."""
        with self._changed:
            self._closed = True
            while self._busy or self._waiting:
                self._changed.wait()

    def _settle(self, gathered: Sequence[_Waiting[Item, Result]]) -> None:
        try:
            results = self._commit([each.item for each in gathered])
        except Exception as failed:
            if len(gathered) == 1:
                gathered[0].failed = failed
                return
            for each in gathered:
                self._settle([each])
            return
        for each, result in zip(gathered, results, strict=True):
            each.results.append(result)
