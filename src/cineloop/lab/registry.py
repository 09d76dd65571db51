"""The registry of what was made, judged and promoted: SQLite in the workspace, or PostgreSQL by URL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from cineloop.errors import InputError
from cineloop.lab import tables
from cineloop.lab.run import Run
from cineloop.store.database import Database, insert_once


@dataclass(frozen=True)
class Registry(Database):
    """An open registry. Any number of processes may hold one; each write is one transaction, synced."""

    @classmethod
    def open(cls, folder: Path, url: str | None = None) -> Registry:
        """The registry at `url`, else `registry.sqlite` in the folder, made where there is none.

        InputError where it does not answer or has a newer format; MissingExtra without psycopg.
        """
        registry = cls.at(folder / "registry.sqlite", url, "the registry", tables.metadata)
        with registry.writing() as db:
            insert_once(db, tables.registry, {"key": "format", "value": str(tables.FORMAT)})
            key, value = tables.registry.c.key, tables.registry.c.value
            found = int(db.execute(sa.select(value).where(key == "format")).scalar_one())
        if found > tables.FORMAT:
            raise InputError(
                "made by a newer version",
                file=registry.engine.url.render_as_string(),
                field="registry format",
                value=found,
                accepted=f"up to {tables.FORMAT}",
            )
        return registry

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


def _run(db: sa.Connection, id: str) -> Run | None:
    row = db.execute(sa.select(tables.runs).where(tables.runs.c.id == id)).one_or_none()
    return None if row is None else Run(**row._mapping)
