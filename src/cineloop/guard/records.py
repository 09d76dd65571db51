"""Where the guard keeps what it must be able to show: decisions, objections, and the keys of pseudonyms.

A decision is committed, and on the disk, before its maker returns it. A member stands in the audit under a
pseudonym; the key that leads back lies in one row, and deleting that row cuts the way for good.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cineloop.guard.decision import Decision
from cineloop.guard.exclusions import Exclusions
from cineloop.store.database import Database, insert_once

META = sa.MetaData()

AUDIT = sa.Table(
    "audit",
    META,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("decision", sa.String(40), nullable=False, unique=True),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("action", sa.String(80), nullable=False),
    sa.Column("subject", sa.String(64), index=True),
    sa.Column("allowed", sa.Boolean, nullable=False),
    sa.Column("verdict", sa.JSON, nullable=False),
    sa.Column("made_by", sa.JSON, nullable=False),
    sa.Column("inputs", sa.JSON, nullable=False),
    sa.Column("uncertainty", sa.JSON),
    sa.Column("record", sa.JSON),
    sa.Column("supersedes", sa.String(40)),
)

PSEUDONYMS = sa.Table(
    "pseudonyms",
    META,
    sa.Column("member", sa.String(200), primary_key=True),
    sa.Column("key", sa.LargeBinary(32), nullable=False),
)

OBJECTIONS = sa.Table(
    "objections",
    META,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("member", sa.String(200), nullable=False, index=True),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("stands", sa.Boolean, nullable=False),
)


@dataclass(frozen=True)
class Entry:
    """One decision to be audited: whom it is about, and what to keep of the answer, without the member."""

    decision: Decision[Any]
    subject: str | None
    record: Any


class Records:
    """The guard's database: SQLite in the workspace, or PostgreSQL by URL."""

    def __init__(self, file: Path, url: str | None = None) -> None:
        self.database = Database.at(file, url, "the audit", META)

    def pseudonym(self, member: str) -> str:
        """The member's pseudonym, 32 hex digits; made at first sight, different after an erasure."""
        with self.database.writing() as db:
            return _pseudonyms(db, [member])[member]

    def forget(self, member: str) -> bool:
        """Destroy the key of the member's pseudonym: what the audit holds of them leads nowhere now."""
        with self.database.writing() as db:
            gone = db.execute(sa.delete(PSEUDONYMS).where(PSEUDONYMS.c.member == member))
            db.execute(sa.delete(OBJECTIONS).where(OBJECTIONS.c.member == member))
        return bool(gone.rowcount)

    def write(self, entries: Sequence[Entry]) -> None:
        """Commit decisions, all or none, in one transaction: on the disk when it returns."""
        with self.database.writing() as db:
            subjects = _pseudonyms(db, [e.subject for e in entries if e.subject is not None])
            db.execute(sa.insert(AUDIT), [_row(entry, subjects) for entry in entries])

    def audit(self, *, last: int = 20, member: str | None = None) -> Sequence[dict[str, Any]]:
        """The newest audit rows first; of one member by the pseudonym they have now."""
        query = sa.select(AUDIT).order_by(AUDIT.c.seq.desc()).limit(last)
        if member is not None:
            query = query.where(AUDIT.c.subject == self.pseudonym(member))
        with self.database.reading() as db:
            return [dict(row) for row in db.execute(query).mappings()]

    def object(self, member: str, *, stands: bool = True) -> None:
        """Note that a member objects to profiling, or withdraws it (`stands=False`)."""
        with self.database.writing() as db:
            now = datetime.now(UTC).isoformat()
            db.execute(sa.insert(OBJECTIONS).values(member=member, at=now, stands=stands))

    def objectors(self) -> frozenset[str]:
        """Members whose last word is an objection."""
        newest = sa.select(sa.func.max(OBJECTIONS.c.seq)).group_by(OBJECTIONS.c.member)
        query = sa.select(OBJECTIONS.c.member).where(OBJECTIONS.c.seq.in_(newest), OBJECTIONS.c.stands)
        with self.database.reading() as db:
            return frozenset(db.scalars(query))

    def exclusions(self) -> Exclusions:
        """Whom no model may learn from: those who object to profiling."""
        return Exclusions(self.objectors())


def _pseudonyms(db: sa.Connection, members: Sequence[str]) -> dict[str, str]:
    """member -> pseudonym, in this transaction; keys are made for those who have none."""
    wanted = sorted(set(members))
    query = sa.select(PSEUDONYMS.c.member, PSEUDONYMS.c.key).where(PSEUDONYMS.c.member.in_(wanted))
    keys: dict[str, bytes] = {row.member: row.key for row in db.execute(query)}
    fresh = [{"member": member, "key": os.urandom(32)} for member in wanted if member not in keys]
    if fresh:
        insert_once(db, PSEUDONYMS, fresh)
    if len(keys) < len(wanted):  # another process may have been first: the key in the table counts
        keys = {row.member: row.key for row in db.execute(query)}
    return {m: hmac.new(keys[m], m.encode(), "sha256").hexdigest()[:32] for m in wanted}


def _row(entry: Entry, subjects: dict[str, str]) -> dict[str, Any]:
    decision = entry.decision
    return {
        "decision": decision.id,
        "at": decision.at.isoformat(),
        "action": decision.action,
        "subject": None if entry.subject is None else subjects[entry.subject],
        "allowed": decision.verdict.allowed,
        "verdict": decision.verdict.model_dump(mode="json"),
        "made_by": [part.model_dump(mode="json") for part in decision.made_by],
        "inputs": decision.inputs.model_dump(mode="json"),
        "uncertainty": None if decision.uncertainty is None else decision.uncertainty.model_dump(mode="json"),
        "record": entry.record,
        "supersedes": decision.supersedes,
    }
