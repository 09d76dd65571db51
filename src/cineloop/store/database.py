"""One way to keep rows: SQLite in the workspace, PostgreSQL by URL, the same SQLAlchemy Core over both."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cineloop.errors import InputError, MissingExtra
from cineloop.store.durable import sync_folder

_SETUP_LOCK = 0x63696E65  # any number that only this platform asks PostgreSQL to lock


@dataclass(frozen=True)
class Database:
    """An open database. Any number of processes may hold one; each write is one transaction, synced.

    `what` names it in errors: "the registry", "the audit". `queue` is a file beside a SQLite one that its writers lock
    to wait in: SQLite's own waiting is sleeping ever longer, so that the unlucky one of several waits for long.
    """

    engine: sa.Engine
    what: str
    queue: Path | None = None
    _asking: list[sqlite3.Connection] = field(default_factory=list, repr=False, compare=False)
    _own: threading.local = field(default_factory=threading.local, repr=False, compare=False)

    @classmethod
    def at(cls, file: Path, url: str | None, what: str, tables: sa.MetaData) -> Self:
        """The database at `url`, else the SQLite `file`; its tables are made where they are not there.

        InputError where it does not answer; MissingExtra without psycopg.
        """
        fresh = url is None and not file.exists()
        queue = file.with_name(f".{file.name}.queue") if url is None else None
        database = cls(open_database(url or f"sqlite:///{file}"), what, queue)
        with database.writing() as db:
            if db.dialect.name == "postgresql":  # two first openers would race to create the tables
                db.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": _SETUP_LOCK})
            tables.create_all(db)
        if fresh:
            sync_folder(file.parent)
        return database

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One read of one state."""
        with self._answers(), self.engine.connect() as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction: all of it is on the disk when this ends, or nothing."""
        with self._answers(), self._turn(), self.engine.connect() as db:
            db = db.execution_options(writes=True)
            with db.begin():
                yield db

    def rows(self, statement: Compiled, **values: Any) -> list[tuple[Any, ...]]:
        """What one statement finds, for what every request asks: a SQLite file is read without a pool between."""
        if self.queue is None:
            with self.reading() as db:
                return [tuple(row) for row in statement.run(db, values)]
        with self._answers():
            return statement.on(self._connection(), self.engine.dialect, values)

    @contextmanager
    def quick(self) -> Iterator[Run]:
        """As `writing`, for compiled statements alone: `run(statement, *values)` gives what the last one finds."""
        if self.queue is None:
            with self.writing() as db:
                yield lambda statement, *values: _found(statement.run(db, *values))
            return
        dialect = self.engine.dialect
        with self._answers(), self._turn():
            own = self._connection()
            own.execute("BEGIN IMMEDIATE")
            try:
                yield lambda statement, *values: statement.on(own, dialect, *values)
                own.execute("COMMIT")
            except BaseException:
                if own.in_transaction:
                    own.execute("ROLLBACK")
                raise

    def _connection(self) -> sqlite3.Connection:
        """This thread's own connection to the file."""
        if not hasattr(self._own, "connection"):
            self._own.connection = sqlite3.connect(str(self.engine.url.database), check_same_thread=False)
            _settle(self._own.connection, None)
            self._asking.append(self._own.connection)
        own: sqlite3.Connection = self._own.connection
        return own

    def close(self) -> None:
        """Let go of the connections."""
        self.engine.dispose()
        while self._asking:
            self._asking.pop().close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other writer of this file is at work; the system ends a turn with its process."""
        try:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
            handle = None if self.queue is None else os.open(self.queue, flags, 0o644)
        except OSError:  # a folder that can't be written to: the database says so in its own words
            handle = None
        try:
            if handle is not None:
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            if handle is not None:
                os.close(handle)

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """A database that is down, locked, full or no database is a line, not a traceback."""
        try:
            yield
        except sa.exc.DatabaseError as bad:
            if isinstance(bad, sa.exc.IntegrityError | sa.exc.ProgrammingError):
                raise
            raise self._silent(bad.orig) from bad
        except sqlite3.DatabaseError as bad:
            if isinstance(bad, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise
            raise self._silent(bad) from bad

    def _silent(self, bad: BaseException | None) -> InputError:
        said = str(bad).strip().splitlines() or ["no reason given"]
        where = self.engine.url.render_as_string()  # without the password
        return InputError(f"{self.what} does not answer: {said[0]}", file=where)


Statement = sa.Select[Any] | sa.Insert | sa.Update


class Compiled:
    """A statement turned into text once a dialect, for what every request asks: looking it up costs more than it does.

    `other` is what it is called on PostgreSQL, where that differs. Values go to the driver as they are: text, numbers
    and bytes, JSON as text.
    """

    def __init__(self, statement: Statement, other: Statement | None = None) -> None:
        self._statement, self._other = statement, other
        self._texts: dict[str, tuple[str, Sequence[str] | None, Mapping[str, Any]]] = {}

    def run(self, db: sa.Connection, *values: Mapping[str, Any]) -> sa.CursorResult[Any]:
        """Run it with the values of its parameters, once for each mapping."""
        made = [self._text(db.dialect, each) for each in values or ({},)]
        return db.exec_driver_sql(made[0][0], [given for _, given in made] if len(made) > 1 else made[0][1])

    def on(
        self, own: sqlite3.Connection, dialect: sa.Dialect, *values: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """The same without a pool between; what the last one finds."""
        found: list[tuple[Any, ...]] = []
        for each in values or ({},):
            text, given = self._text(dialect, each)
            found = own.execute(text, given).fetchall()
        return found

    def _text(self, dialect: sa.Dialect, values: Mapping[str, Any]) -> tuple[str, Any]:
        """The statement in a driver's words, and the values as it takes them."""
        if dialect.name not in self._texts:
            chosen = (
                self._other if dialect.name == "postgresql" and self._other is not None else self._statement
            )
            made = chosen.compile(dialect=dialect)
            self._texts[dialect.name] = (str(made), made.positiontup, made.params)
        text, order, fixed = self._texts[dialect.name]
        named = {**fixed, **values}
        return text, named if order is None else tuple([named[n] for n in order])


Run = Callable[..., list[tuple[Any, ...]]]
"""Runs a `Compiled` in a transaction."""


def _found(result: sa.CursorResult[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in result] if result.returns_rows else []


def insert_once_compiled(table: sa.Table) -> Compiled:
    """A row unless one of its key is there, compiled."""
    values: Any = {column.name: sa.bindparam(column.name) for column in table.c}
    local, other = (
        kind.insert(table).values(values).on_conflict_do_nothing() for kind in (sqlite, postgresql)
    )
    return Compiled(local, other)


def open_database(url: str) -> sa.Engine:
    """An engine whose commits are on the disk when they return.

    SQLite runs with a write-ahead log and full syncs, so that readers never wait for the writer and a power cut
    loses nothing that was acknowledged. `postgresql://…` goes through psycopg 3 (extra `postgres`).
    """
    accepted = "sqlite:///FILE or postgresql://HOST/NAME"
    try:
        address = sa.make_url(url)
    except sa.exc.ArgumentError:
        # a URL may hold a password: it is not repeated
        raise InputError("not a database URL", field="database", accepted=accepted) from None
    kind = address.get_backend_name()
    if kind == "postgresql":
        if find_spec("psycopg") is None:
            raise MissingExtra("psycopg", extra="postgres", why="PostgreSQL databases")
        return sa.create_engine(address.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    if kind != "sqlite":
        raise InputError("no such kind of database", field="database", value=kind, accepted=accepted)
    engine = sa.create_engine(address)
    sa.event.listen(engine, "connect", _settle)
    sa.event.listen(engine, "begin", _begin)
    return engine


def insert_once(db: sa.Connection, table: sa.Table, rows: dict[str, Any] | list[dict[str, Any]]) -> None:
    """Insert rows unless one of their key is there; a racing process waits and then finds it."""
    dialect = postgresql if db.dialect.name == "postgresql" else sqlite
    db.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


def _settle(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver's own guesses at BEGIN are off: `_begin` says it
    for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(db: sa.Connection) -> None:
    # a writer takes its turn at once: a reader that turns writer half-way can't wait, it fails
    db.exec_driver_sql("BEGIN IMMEDIATE" if db.get_execution_options().get("writes") else "BEGIN")
