"""The registry of what was made, judged and promoted: SQLite in the workspace, or PostgreSQL by URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cineloop.errors import InputError
from cineloop.lab import tables
from cineloop.lab.run import Run
from cineloop.store.database import open_database
from cineloop.store.durable import sync_folder

_SETUP_LOCK = 0x63696E65  # any number that only this platform asks PostgreSQL to lock


@dataclass(frozen=True)
class Registry:
    """An open registry. Any number of processes may hold one; each write is one transaction, synced."""

    engine: sa.Engine

    @classmethod
    def open(cls, folder: Path, url: str | None = None) -> Registry:
        """The registry at `url`, else `registry.sqlite` in the folder, made where there is none.

        InputError where it does not answer or has a newer format; MissingExtra without psycopg.
        """
        path = folder / "registry.sqlite"
        fresh = url is None and not path.exists()
        registry = cls(_engine(url or f"sqlite:///{path}"))
        registry._prepare()
        if fresh:
            sync_folder(folder)
        return registry

    def _prepare(self) -> None:
        with self.writing() as db:
            if self.engine.dialect.name == "postgresql":  # two first openers would race to create the tables
                db.execute(sa.text("SELECT pg_advisory_xact_lock(:n)"), {"n": _SETUP_LOCK})
            tables.metadata.create_all(db)
            insert_once(db, tables.registry, {"key": "format", "value": str(tables.FORMAT)})
            key, value = tables.registry.c.key, tables.registry.c.value
            found = int(db.execute(sa.select(value).where(key == "format")).scalar_one())
        if found > tables.FORMAT:
            raise InputError(
                "made by a newer version",
                file=self.engine.url.render_as_string(),
                field="registry format",
                value=found,
                accepted=f"up to {tables.FORMAT}",
            )

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

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """A database that is down, locked, full or no database is a line, not a traceback."""
        try:
            yield
        except (sa.exc.OperationalError, sa.exc.DatabaseError) as bad:
            if isinstance(bad, sa.exc.IntegrityError | sa.exc.ProgrammingError):
                raise
            said = str(bad.orig).strip().splitlines() or ["no reason given"]
            where = self.engine.url.render_as_string()  # without the password
            raise InputError(f"the registry does not answer: {said[0]}", file=where) from bad

    def add_run(self, run: Run) -> Run:
        """Keep a run. Of several processes that made it one wins, and all get the winner's row.

        A run whose folder was lost and made again replaces its files, should their bytes have changed.
        """
        row = run.to_json() | {"as_of": run.as_of, "made_at": run.made_at}
        with self.writing() as db:
            insert_once(db, tables.runs, row)
            kept = _run(db, run.id)
            assert kept is not None
            if kept.files != run.files:
                changed = {"files": run.files, "made_at": run.made_at, "seconds": run.seconds}
                db.execute(sa.update(tables.runs).where(tables.runs.c.id == run.id).values(changed))
                kept = run
        return kept

    def run(self, id: str) -> Run | None:
        """The run of this very id, or None."""
        with self.reading() as db:
            return _run(db, id)

    def find(self, prefix: str) -> Run:
        """The one run whose id starts so; InputError where there is none or more than one."""
        c = tables.runs.c
        with self.reading() as db:
            rows = db.execute(
                sa.select(tables.runs).where(c.id.startswith(prefix, autoescape=True)).limit(2)
            ).all()
        if len(rows) != 1 or not prefix:
            what = "no such run" if not rows else "several runs start so"
            raise InputError(
                what, field="run", value=prefix, accepted="an id out of `cineloop runs`, or its start"
            )
        return Run(**rows[0]._mapping)

    def runs(self, recipe: str | None = None, snapshot: str | None = None) -> list[Run]:
        """Runs, oldest first."""
        c = tables.runs.c
        asked = sa.select(tables.runs).order_by(c.made_at, c.id)
        if recipe is not None:
            asked = asked.where(c.recipe == recipe)
        if snapshot is not None:
            asked = asked.where(c.snapshot == snapshot)
        with self.reading() as db:
            return [Run(**row._mapping) for row in db.execute(asked)]


def insert_once(db: sa.Connection, table: sa.Table, row: dict[str, Any]) -> None:
    """Insert a row unless one of its key is there; a racing process waits and then finds it."""
    dialect = postgresql if db.dialect.name == "postgresql" else sqlite
    db.execute(dialect.insert(table).values(row).on_conflict_do_nothing())


def _run(db: sa.Connection, id: str) -> Run | None:
    row = db.execute(sa.select(tables.runs).where(tables.runs.c.id == id)).one_or_none()
    return None if row is None else Run(**row._mapping)


def _engine(url: str) -> sa.Engine:
    """An engine whose writers on SQLite take their turn at once: a reader turned writer fails at once."""
    engine = open_database(url)
    if engine.dialect.name == "sqlite":

        @sa.event.listens_for(engine, "connect")
        def settle(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # the driver's own guesses at BEGIN are off: `begin` says it

        @sa.event.listens_for(engine, "begin")
        def begin(db: sa.Connection) -> None:
            writes = db.get_execution_options().get("writes")
            db.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
