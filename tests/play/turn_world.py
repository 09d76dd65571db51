"""A small service with events waiting, ready to be turned; and one turn of it, in this process or killed in another."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from service_log import at, crowd, play, titles

from cineloop.lab.protocols import protocol
from cineloop.lab.recipe import make
from cineloop.play.turn import Turn, turn
from cineloop.store import append
from cineloop.store.events import Event
from cineloop.studio import Studio

CUT = protocol("global-time", {"days": 2, "every_days": 10, "horizon_days": 10})
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def event(n: int, day: float) -> Event:
    """Member m<n> watches a film of their genre."""
    payload = {
        "account": f"house-of-m{n}",
        "title": f"film-{n % 3 + 3 * (n % 12)}",
        "playable": f"film-{n % 3 + 3 * (n % 12)}",
        "kind": "watch",
        "completion": 1.0,
        "happened_at": at(day).isoformat(),
    }
    return Event(f"e{n}-{day}", "plays", f"m{n}", payload, at(day) + timedelta(minutes=1))


def build(folder: Path, plays: list[dict[str, Any]] | None = None) -> Path:
    """A workspace with titles and plays in the tables, and thirty events in the log."""
    studio = Studio(folder, create=True)
    rows = [*(crowd() if plays is None else plays), play("clock", "film-0", 80)]
    append(
        studio.store,
        {
            "titles": pl.DataFrame(titles(), infer_schema_length=None),
            "plays": pl.DataFrame(rows, infer_schema_length=None),
        },
        "test",
    )
    studio.append([event(n, 81 + n / 40) for n in range(30)])
    studio.close()
    return folder


def copy(of: Path, to: Path) -> Path:
    shutil.copytree(of, to)
    return to


def turned(folder: Path, calls: Callable[[str], None] = lambda what: None, **settings: Any) -> Turn:
    """One turn; `calls` hears of every stage reached and of all progress inside stages."""
    studio = Studio(folder)
    try:
        return turn(
            studio,
            [make("popularity"), make("knn")],
            settings.pop("cut", CUT),
            make("popularity"),
            at=settings.pop("at", NOW),
            progress=lambda task, done, total=None: calls(f"{task} {done}"),
            reached=lambda stage: calls(f"after {stage}"),
            **settings,
        )
    finally:
        studio.close()


def killed_at(last: int) -> Callable[[str], None]:
    """Kill this process, as the kernel does, at the `last`-th thing that is heard of."""
    heard = 0

    def hear(what: str) -> None:
        nonlocal heard
        heard += 1
        if heard == last:
            os.kill(os.getpid(), signal.SIGKILL)

    return hear


if __name__ == "__main__":
    turned(Path(sys.argv[1]), killed_at(int(sys.argv[2])))
