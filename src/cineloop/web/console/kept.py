"""What takes a while to work out and stays true, kept by its key: at most so many, each made once at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from fastapi import Request

T = TypeVar("T")


@dataclass
class _Slot:
    """One key's value, once it is made; its lock is held while it is."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    made: bool = False
    value: Any = None


class Kept:
    """Values by key, safe among threads; beyond `most`, what was asked for longest ago goes.

    A key has to name all that the value is made from, so that what is kept never grows old.

    >>> kept = Kept(2)
    >>> [kept.once(n % 2, lambda n=n: n) for n in range(4)]
    [0, 1, 0, 1]
    """

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._slots: OrderedDict[Hashable, _Slot] = OrderedDict()

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, made at the first call. Who asks meanwhile waits; what fails is tried again."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            while len(self._slots) > self._most:
                self._slots.popitem(last=False)
        with slot.lock:
            if not slot.made:
                slot.value, slot.made = make(), True
            return cast(T, slot.value)


def kept_of(request: Request) -> Kept:
    """What the app of this worker keeps."""
    kept: Kept = request.app.state.kept
    return kept
