"""One writer at a time. The kernel gives the lock back when its holder dies; readers never take it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cineloop.errors import InputError


@contextmanager
def writer_lock(path: Path, what: str = "writer") -> Iterator[None]:
    """Hold the lock on `path` while inside; an `InputError` that names the holder where another has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
    try:
        try:
            _take(handle)
        except BlockingIOError:
            raise InputError(
                f"another {what} is at work: {_holder(handle)}", file=path, accepted=f"one {what} at a time"
            ) from None
        since = datetime.now(UTC).isoformat(timespec="seconds")
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"pid": os.getpid(), "since": since}).encode(), 0)
        yield
    finally:
        os.close(handle)


def _take(handle: int) -> None:
    for wait in (0.01, 0.05, None):  # whoever only asks (`held_by`) has it for an instant too
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if wait is None:
                raise
            time.sleep(wait)


def held_by(path: Path) -> str | None:
    """Who holds the lock on `path` now ("process 42 since …"), or None; waits for nobody."""
    if not path.exists():
        return None
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(handle)
    finally:
        os.close(handle)
    return None


def _holder(handle: int) -> str:
    try:
        said = json.loads(os.pread(handle, 1000, 0))
        return f"process {said['pid']} since {said['since']}"
    except (ValueError, KeyError, TypeError):  # it has the lock and has not written its name yet
        return "a process that has only just begun"
