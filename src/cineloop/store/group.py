"""Group commit: what many callers bring within a moment goes to the disk in one commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class GroupCommit(Generic[Item, Result]):
    """One thread that commits what has gathered; each caller's future ends once its own item is committed.

    `commit(items)` commits all or none and returns a result for each. Where it fails for several, each item is tried
    by itself, so that one that can't be committed takes no other with it. The thread starts with the first item.

    >>> group = GroupCommit(lambda items: [item * 2 for item in items])
    >>> [group.put(n).result() for n in (1, 2)]
    [2, 4]
    >>> group.close()
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Sequence[Result]],
        most: int = 512,
        wait_seconds: float = 0.002,
    ) -> None:
        self._commit, self._most, self._wait = commit, most, wait_seconds
        self._queue: SimpleQueue[tuple[Item, Future[Result]] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, item: Item) -> Future[Result]:
        """Hand an item in; the future's result means that it is committed. RuntimeError after `close`."""
        future: Future[Result] = Future()
        with self._lock:  # nothing may be queued behind the mark that ends the thread
            if self._closed:
                raise RuntimeError("closed: nothing more is committed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
                self._thread.start()
            self._queue.put((item, future))
        return future

    def close(self) -> None:
        """Commit what was handed in, then end."""
        with self._lock:
            thread, closed, self._closed = self._thread, self._closed, True
            if thread is not None and not closed:
                self._queue.put(None)
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            gathered, ended = [first], False
            until = monotonic() + self._wait
            while len(gathered) < self._most:
                try:
                    more = self._queue.get(timeout=max(0.0, until - monotonic()))
                except Empty:
                    break
                if more is None:
                    ended = True
                    break
                gathered.append(more)
            self._settle(gathered)
            if ended:
                return

    def _settle(self, gathered: list[tuple[Item, Future[Result]]]) -> None:
        try:
            results = self._commit([item for item, _ in gathered])
        except Exception as failed:
            if len(gathered) == 1:
                if gathered[0][1].set_running_or_notify_cancel():
                    gathered[0][1].set_exception(failed)
                return
            for each in gathered:
                self._settle([each])
            return
        for (_, future), result in zip(gathered, results, strict=True):
            if future.set_running_or_notify_cancel():  # else its caller has stopped waiting
                future.set_result(result)
