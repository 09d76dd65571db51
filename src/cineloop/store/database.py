"""One way to open a database: SQLite in the workspace, PostgreSQL by URL, the same SQLAlchemy Core over both."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import sqlalchemy as sa

from cineloop.errors import InputError, MissingExtra


def open_database(url: str) -> sa.Engine:
    """An engine whose commits are on the disk when they return.

    SQLite runs with a write-ahead log and full syncs, so that readers never wait for the writer and a power cut
    loses nothing that was acknowledged. `postgresql://…` goes through psycopg 3 (extra `postgres`).
    """
    try:
        address = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise InputError(
            "not a database URL",
            field="database",
            value=url,
            accepted="sqlite:///FILE or postgresql://HOST/NAME",
        ) from None
    if address.get_backend_name() == "postgresql":
        if find_spec("psycopg") is None:
            raise MissingExtra("psycopg", extra="postgres", why="PostgreSQL databases")
        return sa.create_engine(address.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    if address.get_backend_name() != "sqlite":
        raise InputError(
            "no such kind of database",
            field="database",
            value=address.get_backend_name(),
            accepted="sqlite or postgresql",
        )
    engine = sa.create_engine(address)
    sa.event.listen(engine, "connect", _durable)
    return engine


def _durable(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout = 30000")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
