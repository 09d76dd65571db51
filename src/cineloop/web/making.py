"""What takes a worker seconds to make, made in the background: one thing at a time, each once, then kept.

A forecaster learns for some seconds. Whoever asks for one that is not there is told so at once and asks again: a page
by itself, a program because the API answers 503 with Retry-After.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

log = logging.getLogger("cineloop.web")
T = TypeVar("T")


@dataclass
class _Slot:
    """One thing: in the making, there, or refused."""

    value: Any = None
    wrong: Exception | None = None
    there: bool = False


class Making:
    """Things by key; beyond `most`, what was asked for longest ago goes. A key names all that a thing is made from.

    At most `due` wait for their turn: what is asked for beyond that is not taken, and may be asked for again.

    >>> making = Making()
    >>> making.look("a", lambda: 1 + 1, wait=10.0), making.look("a", lambda: 3)
    (2, 2)
    """

    def __init__(self, most: int = 12, due: int = 8) -> None:
        self._most, self._most_due = most, due
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()
        self._due: list[tuple[Hashable, Callable[[], Any]]] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def look(self, key: Hashable, make: Callable[[], T], wait: float = 0.0) -> T | None:
        """What stands under the key; None while it is being made, after waiting `wait` seconds for it.

        What its making raised is raised to the next who asks; then it is tried again.
        """
        with self._changed:
            slot = self._slots.get(key)
            if slot is None:
                if len(self._due) >= self._most_due:
                    return None
                slot = self._slots[key] = _Slot()
                self._due.append((key, make))
                self._start()
            self._slots.move_to_end(key)
            self._changed.wait_for(lambda: slot.there, wait)
            if not slot.there:
                return None
            if slot.wrong is not None:
                self._slots.pop(key, None)
                raise slot.wrong
            return cast(T, slot.value)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="making", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._due:
                    self._thread = None
                    return
                key, make = self._due.pop(0)
                slot = self._slots.get(key)
            if slot is None:  # forgotten before its turn
                continue
            try:
                slot.value = make()
            except Exception as bad:  # it is told to who asks; the next thing is made all the same
                slot.wrong = bad
                log.info("not made", extra={"about": {"why": type(bad).__name__}})
            with self._changed:
                slot.there = True
                while len(self._slots) > self._most:
                    self._slots.popitem(last=False)
                self._changed.notify_all()
