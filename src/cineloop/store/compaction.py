"""Compaction: committed events become rows of the tables of record, each once, however often it is interrupted.

Where it stands is read from the newest snapshot itself: an ingestion by this source names the range it took. What a
crash left unpublished is taken again; what was published is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from cineloop.engine.progress import Progress, silent
from cineloop.errors import InputError
from cineloop.store.cluster import Moved, identifier, moved
from cineloop.store.events import LOGGED, EventLog, Horizon
from cineloop.store.ingest import IngestReport, ingest
from cineloop.store.snapshot import Snapshot
from cineloop.store.sources.source import Batch
from cineloop.store.workspace import Store

SOURCE = "event-log"


def compacted(snapshot: Snapshot) -> Horizon | None:
    """Up to where events are in a snapshot; None where none are."""
    taken = [Horizon(int(i.settings["upto"])) for i in snapshot.ingestions if i.source == SOURCE]
    return max(taken, default=None)


def settled(snapshot: Snapshot, before: datetime) -> Horizon | None:
    """Up to where events were in the tables before a moment; None where none were."""
    taken = [
        Horizon(int(i.settings["upto"]))
        for i in snapshot.ingestions
        if i.source == SOURCE and datetime.fromisoformat(i.ingested_at) < before
    ]
    return max(taken, default=None)


def restored(snapshot: Snapshot, log: EventLog) -> Moved | None:
    """Whether a log lies in another PostgreSQL cluster than when a snapshot was compacted from it."""
    taken = [i for i in snapshot.ingestions if i.source == SOURCE]
    last = max(taken, key=lambda i: int(i.settings["upto"]), default=None)
    return moved(log, None if last is None else last.settings.get("cluster"), compacted(snapshot))


def compact(store: Store, log: EventLog, progress: Progress = silent) -> IngestReport | None:
    """Take what was committed since the last compaction into the tables; None where there is nothing.

    InputError where the log was moved to a PostgreSQL cluster that counts its transactions from lower.
    """
    head = store.head()
    if (found := restored(head, log)) is not None and found.behind:
        accepted = "the cluster it came from, or one whose transactions count on from there"
        raise InputError(str(found), field="events", value=f"cluster {found.now}", accepted=accepted)
    after, upto = compacted(head), log.horizon()
    if next(log.read(after, upto, 1), None) is None:
        return None
    return ingest(store, _Range(log, after, upto, identifier(log.database)), progress=progress)


def prune(store: Store, log: EventLog, upto: Horizon | None = None) -> int:
    """Remove events from the log up to `upto`, never beyond what the newest snapshot holds; how many went.

    Their keys are forgotten too: a client that repeats one of them afterwards tells a new event. A service that still
    answers from an older snapshot no longer sees what it lacks, so prune up to the snapshot it answers from.
    """
    held = compacted(store.head())
    if held is None:
        return 0
    return log.prune(held if upto is None else min(upto, held))


@dataclass(frozen=True)
class _Range:
    """The events of a range, as a source."""

    log: EventLog
    after: Horizon | None
    upto: Horizon
    cluster: str | None = None
    name: str = SOURCE
    licence: str = "the service's own"
    files: tuple[Path, ...] = ()

    @property
    def total(self) -> int:
        return self.log.count(self.after) * 200  # about the bytes of a row; it sets the number of buckets

    def settings(self) -> dict[str, Any]:
        span = {"after": self.after.tx if self.after else 0, "upto": self.upto.tx}
        return span if self.cluster is None else {**span, "cluster": self.cluster}

    def read(self) -> Iterator[Batch]:
        done = 0
        for events in self.log.read(self.after, self.upto):
            done += 200 * len(events)
            for table in LOGGED:
                rows = [event.row() for event in events if event.table == table]
                if rows:
                    yield Batch(table, pl.DataFrame(rows, infer_schema_length=None), done=done)
