"""The registry's tables, in SQLAlchemy Core, for SQLite and PostgreSQL alike.

`evaluations` and `promotions` are only ever appended to. A format number stands in the `registry` table; a
registry of a newer format is refused.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

FORMAT = 1

metadata = sa.MetaData()


class Moment(sa.TypeDecorator[datetime]):
    """A moment in UTC to the microsecond; SQLite, which has no time zones, keeps it without one."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value}: needs a time zone; UTC is meant everywhere")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        made: datetime = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return made


registry = sa.Table(
    "registry",
    metadata,
    sa.Column("key", sa.String(40), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("recipe", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("knobs", sa.JSON, nullable=False),
    sa.Column("source", sa.String(64), nullable=False),
    sa.Column("lock", sa.String(64), nullable=False),
    sa.Column("snapshot", sa.Text, nullable=False, index=True),
    sa.Column("as_of", Moment, nullable=False),
    sa.Column("exclusions", sa.String(64), nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
)

evaluations = sa.Table(
    "evaluations",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("contender", sa.Text, nullable=False, index=True),
    sa.Column("protocol", sa.JSON, nullable=False),
    sa.Column("protocol_id", sa.String(32), nullable=False, index=True),
    sa.Column("snapshot", sa.Text, nullable=False),
    sa.Column("metrics", sa.JSON, nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("scores", sa.String(64), nullable=False),
    sa.Column("made_at", Moment, nullable=False),
)

evaluation_runs = sa.Table(
    "evaluation_runs",
    metadata,
    sa.Column("evaluation", sa.ForeignKey("evaluations.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("run", sa.ForeignKey("runs.id"), nullable=False, index=True),
)

promotions = sa.Table(
    "promotions",
    metadata,
    # SQLite counts rows by itself only in a plain INTEGER key
    sa.Column(
        "seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    sa.Column("name", sa.Text, nullable=False, index=True),
    sa.Column("action", sa.String(8), sa.CheckConstraint("action IN ('promote', 'refuse', 'rollback')")),
    sa.Column("run", sa.ForeignKey("runs.id"), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("metric", sa.Text),
    sa.Column("evaluation", sa.ForeignKey("evaluations.id")),
    sa.Column("against", sa.ForeignKey("evaluations.id")),
    sa.Column("validation", sa.ForeignKey("evaluations.id")),
    sa.Column("mean", sa.Double),
    sa.Column("low", sa.Double),
    sa.Column("high", sa.Double),
    sa.Column("units", sa.Integer),
    sa.Column("margin", sa.Double),
    # names recipe, knobs, protocol and snapshot: how often this test was looked at
    sa.Column("test", sa.String(32), index=True),
    sqlite_autoincrement=True,
)
