"""The event log: what members do, acknowledged only once it is on the disk, until compaction takes it into the tables.

Rows carry the order in which they were committed. On SQLite that is their number: writers take turns. On PostgreSQL
numbers are handed out before a commit and may appear late, so there a row's transaction counts: the horizon is the
oldest transaction still open, and whatever is below it has been committed or never will be.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import polars as pl
import sqlalchemy as sa

from cineloop.errors import InputError
from cineloop.store.check import check, conform
from cineloop.store.database import Compiled, Database
from cineloop.store.plainly import plainly_sound
from cineloop.store.schema import TABLES

META = sa.MetaData()
EVENTS = sa.Table(
    "events",
    META,
    # SQLite counts rows by itself only in a plain INTEGER key
    sa.Column(
        "seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    sa.Column("tx", sa.BigInteger, nullable=False),
    sa.Column("key", sa.String(200), nullable=False, unique=True),
    sa.Column("table", sa.String(20), nullable=False),
    sa.Column("profile", sa.String(200), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("digest", sa.String(32), nullable=False),
    sa.Column("received_at", sa.BigInteger, nullable=False),
    sa.Index("events_of_profile", "profile", "tx", "seq"),
    sa.Index("events_in_order", "tx", "seq"),
    sqlite_autoincrement=True,
)

_C = EVENTS.c
_FRESH = Compiled(
    sa.select(_C.key, _C.table, _C.profile, _C.payload, _C.received_at)
    .where(_C.profile == sa.bindparam("of"), _C.tx >= sa.bindparam("after"))
    .order_by(_C.tx.desc(), _C.seq.desc())
    .limit(sa.bindparam("most"))
)
_KNOWN = Compiled(sa.select(_C.digest).where(_C.key == sa.bindparam("of")))
_STORED = ("tx", "key", "table", "profile", "payload", "digest", "received_at")
_INSERT = Compiled(sa.insert(EVENTS).values({name: sa.bindparam(name) for name in _STORED}))
_NUMBERED = Compiled(sa.update(EVENTS).where(_C.tx == 0).values(tx=_C.seq))

EventTable = Literal["plays", "feedback", "impressions"]
LOGGED: tuple[EventTable, ...] = ("plays", "feedback", "impressions")
TRIES = 5  # of a transaction that raced with another for the same keys
AHEAD = timedelta(minutes=5)  # how far a client's clock may run before ours
_NOT_THE_CLIENTS = {"known_at", "supersedes"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Event:
    """One row of plays, feedback or impressions as a client tells it; `payload` holds its columns as plain JSON.

    `key` makes it idempotent: the same key again is the same event. `received_at` becomes the row's `known_at`.
    """

    key: str
    table: EventTable
    profile: str
    payload: Mapping[str, Any]
    received_at: datetime

    def row(self) -> dict[str, Any]:
        """The event in the columns of its table."""
        happened = self.payload.get("happened_at")
        at = self.received_at if happened is None else datetime.fromisoformat(happened)
        return {
            "account": self.profile,
            **self.payload,
            "profile": self.profile,
            "happened_at": at,
            "known_at": self.received_at,
        }


@dataclass(frozen=True)
class Appended:
    """How many events were new, and how many the log had already."""

    accepted: int
    repeated: int


@dataclass(frozen=True, order=True)
class Horizon:
    """Everything below this has been committed: on SQLite rows up to `tx`, on PostgreSQL transactions below it."""

    tx: int


class EventLog:
    """The log in `events.sqlite` of a workspace, or in PostgreSQL by URL. Any number of processes may append."""

    def __init__(self, file: Path, url: str | None = None) -> None:
        self.database = Database.at(file, url, "the event log", META)
        self._postgres = self.database.engine.dialect.name == "postgresql"

    def append(self, batches: Sequence[Sequence[Event]]) -> list[Appended]:
        """Commit several callers' events in one transaction: on the disk when it returns.

        The events are as `checked` leaves them. InputError where a key comes again with another content.
        """
        rows, own = _by_key(batches)  # before the transaction: other writers wait for it
        for left in reversed(range(TRIES)):
            try:
                known = self._take(rows)
                break
            except (sa.exc.IntegrityError, InputError) as bad:
                if left == 0 or not _raced(bad):
                    raise
        accepted = [len(keys - known) for keys in own]
        return [Appended(n, len(events) - n) for n, events in zip(accepted, batches, strict=True)]

    def _take(self, rows: Mapping[str, dict[str, Any]]) -> set[str]:
        """Commit the rows whose keys are not there; the keys that are."""
        if not self._postgres:
            with self.database.quick() as run:
                found = ((key, run(_KNOWN, {"of": key})) for key in rows)
                known = {key: digests[0][0] for key, digests in found if digests}
                if fresh := _unknown(rows, known):
                    run(_INSERT, *({"tx": 0, **row} for row in fresh))
                    run(_NUMBERED)
            return set(known)
        with self.database.writing() as db:
            return self._insert(db, rows)

    def _insert(self, db: sa.Connection, rows: Mapping[str, dict[str, Any]]) -> set[str]:
        """As `_take`, within a transaction on PostgreSQL."""
        known: dict[str, str] = {}
        keys = list(rows)
        for start in range(0, len(keys), 500):  # databases limit the values of one statement
            asked = sa.select(_C.key, _C.digest).where(_C.key.in_(keys[start : start + 500]))
            known |= {row.key: row.digest for row in db.execute(asked)}
        if fresh := _unknown(rows, known):
            tx: Any = sa.text("pg_current_xact_id()::text::bigint")
            db.execute(sa.insert(EVENTS).values(tx=tx), fresh)
        return set(known)

    def horizon(self) -> Horizon:
        """Up to where the log is complete now: nothing will appear below it later."""
        with self.database.reading() as db:
            if self._postgres:
                return Horizon(
                    int(
                        db.execute(
                            sa.text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
                        ).scalar_one()
                    )
                )
            return Horizon(
                int(db.execute(sa.select(sa.func.coalesce(sa.func.max(EVENTS.c.seq), 0))).scalar_one()) + 1
            )

    def read(self, after: Horizon | None, upto: Horizon, size: int = 20_000) -> Iterator[list[Event]]:
        """Committed events from `after` to below `upto`, in their order, in lists of at most `size`."""
        c = EVENTS.c
        last = (after.tx if after else 0, 0)
        with self.database.reading() as db:
            while True:
                later = sa.or_(c.tx > last[0], sa.and_(c.tx == last[0], c.seq > last[1]))
                query = sa.select(EVENTS).where(later, c.tx < upto.tx).order_by(c.tx, c.seq).limit(size)
                rows = db.execute(query).all()
                if not rows:
                    return
                yield [_event(row) for row in rows]
                last = (rows[-1].tx, rows[-1].seq)

    def fresh(self, profile: str, after: Horizon | None, most: int = 1000) -> list[Event]:
        """A profile's newest committed events that no compaction up to `after` has taken, oldest first."""
        rows = self.database.rows(_FRESH, of=profile, after=after.tx if after else 0, most=most)
        return [
            Event(key, table, profile, json.loads(payload), _EPOCH + timedelta(microseconds=received))
            for key, table, profile, payload, received in reversed(rows)
        ]

    def count(self, after: Horizon | None = None) -> int:
        """How many events no compaction up to `after` has taken."""
        query = sa.select(sa.func.count()).where(EVENTS.c.tx >= (after.tx if after else 0))
        with self.database.reading() as db:
            return int(db.execute(query).scalar_one())

    def prune(self, upto: Horizon) -> int:
        """Remove everything below a horizon; `compaction.prune` sees to it that the tables hold it."""
        with self.database.writing() as db:
            return int(db.execute(sa.delete(EVENTS).where(EVENTS.c.tx < upto.tx)).rowcount)


def checked(events: Sequence[Event]) -> list[Event]:
    """The events, once every one could go into its table; else InputError with its index and field.

    A batch is refused whole, so that the log never holds what compaction would refuse.
    """
    for i, event in enumerate(events):
        if event.table not in LOGGED:
            raise _refused(i, "table", event.table, ", ".join(LOGGED))
        if not event.profile:
            raise _refused(i, "profile", event.profile, "an id")
        if not 0 < len(event.key) <= 200:
            raise _refused(i, "key", event.key, "1 to 200 characters")
        columns = set(TABLES[event.table].columns) - _NOT_THE_CLIENTS
        for name in event.payload:
            if name not in columns:
                raise _refused(i, name, event.payload[name], ", ".join(sorted(columns)))
        _timed(i, event)
    for table in LOGGED:
        rows = [(i, event.row()) for i, event in enumerate(events) if event.table == table]
        mine = [(i, row) for i, row in rows if not plainly_sound(table, row)]
        if mine:
            _fits(table, mine)
    return list(events)


def _timed(i: int, event: Event) -> None:
    happened = event.payload.get("happened_at")
    if happened is None:
        return
    accepted = "ISO 8601 with its zone, not after now"
    try:
        at = datetime.fromisoformat(happened)
    except (TypeError, ValueError):
        raise _refused(i, "happened_at", happened, accepted) from None
    if at.tzinfo is None or at > event.received_at + AHEAD or at.year < 1970:
        raise _refused(i, "happened_at", happened, accepted)


def _fits(table: str, mine: list[tuple[int, dict[str, Any]]]) -> None:
    """Whether the rows conform to the schema; the first that does not is named."""
    try:
        broken = check(
            table, conform(table, pl.DataFrame([row for _, row in mine], infer_schema_length=None))
        )[1]
    except (InputError, pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
        for i, row in mine if len(mine) > 1 else ():
            _fits(table, [(i, row)])
        field, value = _odd(table, mine[0][1])
        raise _refused(mine[0][0], field, value, "a value of the column's type") from None
    if broken:
        first = broken[0]
        raise _refused(mine[first.row][0], first.field, first.value, first.accepted)


def _odd(table: str, row: dict[str, Any]) -> tuple[str, Any]:
    """The column of a row whose value can't be one of its type."""
    sound = {"account": "a", "profile": "p", "title": "t", "titles": ["t"], "kind": "", "known_at": _EPOCH}
    required = {f.name: sound[f.name] for f in TABLES[table].schema if not f.nullable}
    for name, value in row.items():
        try:
            conform(table, pl.DataFrame([required | {name: value}], infer_schema_length=None))
        except (InputError, pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
            return name, value
    return "payload", None


def _by_key(batches: Sequence[Sequence[Event]]) -> tuple[dict[str, dict[str, Any]], list[set[str]]]:
    """The rows to store, in order; and for each batch the keys that it is the first to bring."""
    rows: dict[str, dict[str, Any]] = {}
    own: list[set[str]] = []
    for events in batches:
        mine: set[str] = set()
        for event in events:
            row = _stored(event)
            kept = rows.setdefault(event.key, row)
            if kept is row:
                mine.add(event.key)
            elif kept["digest"] != row["digest"]:
                raise _used(event.key)
        own.append(mine)
    return rows, own


def _unknown(rows: Mapping[str, dict[str, Any]], known: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows to insert; InputError where a known key has another content."""
    for key, digest in known.items():
        if rows[key]["digest"] != digest:
            raise _used(key)
    return [row for key, row in rows.items() if key not in known]


def _used(key: str) -> InputError:
    return InputError("was used before for another event", field="key", value=key, accepted="a new key")


def _raced(bad: Exception) -> bool:
    """Whether another process committed the same keys meanwhile: the next look finds them.

    PostgreSQL says so in two ways: a key that is there by now, or two writers that wait for each other's keys.
    """
    said = bad if isinstance(bad, sa.exc.IntegrityError) else bad.__cause__
    return getattr(getattr(said, "orig", None), "sqlstate", None) in ("23505", "40P01")


def _refused(i: int, field: str, value: Any, accepted: str) -> InputError:
    return InputError("not accepted", field=f"events[{i}].{field}", value=value, accepted=accepted)


def _stored(event: Event) -> dict[str, Any]:
    payload = json.dumps(dict(event.payload), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    said = "\0".join((event.table, event.profile, payload))
    return {
        "key": event.key,
        "table": event.table,
        "profile": event.profile,
        "payload": payload,
        "digest": hashlib.sha256(said.encode()).hexdigest()[:32],
        "received_at": (event.received_at - _EPOCH) // timedelta(microseconds=1),
    }


def _event(row: Any) -> Event:
    at = _EPOCH + timedelta(microseconds=row.received_at)
    return Event(row.key, row.table, row.profile, json.loads(row.payload), at)
