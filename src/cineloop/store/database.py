"""One way to keep rows: SQLite in the workspace, PostgreSQL by URL, the same SQLAlchemy Core over both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

    `what` names it in errors: "the registry", "the audit".
    """

    engine: sa.Engine
    what: str

    @classmethod
    def at(cls, file: Path, url: str | None, what: str, tables: sa.MetaData) -> Self:
        """The database at `url`, else the SQLite `file`; its tables are made where they are not there.

        InputError where it does not answer; MissingExtra without psycopg.
        """
        fresh = url is None and not file.exists()
        database = cls(open_database(url or f"sqlite:///{file}"), what)
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
        with self._answers(), self.engine.connect() as db:
            db = db.execution_options(writes=True)
            with db.begin():
                yield db

    def close(self) -> None:
        """Let go of the connections."""
        self.engine.dispose()

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """A database that is down, locked, full or no database is a line, not a traceback."""
        try:
            yield
        except sa.exc.DatabaseError as bad:
            if isinstance(bad, sa.exc.IntegrityError | sa.exc.ProgrammingError):
                raise
            said = str(bad.orig).strip().splitlines() or ["no reason given"]
            where = self.engine.url.render_as_string()  # without the password
            raise InputError(f"{self.what} does not answer: {said[0]}", file=where) from bad


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
