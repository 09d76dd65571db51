"""Which PostgreSQL cluster an event log lies in: its transactions, by which compaction counts, mean nothing in another.

A log that is restored into another cluster brings its rows and leaves the count behind. Where the new one counts from
lower, what members tell next would lie below the horizon, and no compaction would ever take it.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cineloop.store.database import Database
from cineloop.store.events import EventLog, Horizon


@dataclass(frozen=True)
class Moved:
    """The log was in the cluster `then` at its last compaction up to `after` and is in `now`.

    `behind`: the cluster has not come to that transaction yet, so that what is told now would be lost to compaction.
    """

    then: str
    now: str
    after: Horizon
    behind: bool

    def __str__(self) -> str:
        counts = f"counts below transaction {self.after.tx}" if self.behind else "counts on above it"
        return f"the event log is in another PostgreSQL cluster than at its last compaction, which {counts}"


def identifier(database: Database) -> str | None:
    """The cluster's own number; None on SQLite, and where a server does not tell it to this role."""
    if database.engine.dialect.name != "postgresql":
        return None
    try:
        with database.reading() as db:
            return str(db.execute(sa.text("SELECT system_identifier FROM pg_control_system()")).scalar_one())
    except sa.exc.ProgrammingError:
        return None


def moved(log: EventLog, then: str | None, after: Horizon | None) -> Moved | None:
    """Whether a log whose last compaction, up to `after`, was in the cluster `then` has been moved since."""
    if then is None or after is None:
        return None
    now = identifier(log.database)
    if now is None or now == then:
        return None
    return Moved(then, now, after, log.horizon() < after)
