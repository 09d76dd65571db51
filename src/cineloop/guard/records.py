"""Where the guard keeps what it must be able to show: decisions, objections, and the keys of pseudonyms.

A decision is committed, and on the disk, before its maker returns it. A member stands in the audit under a
pseudonym; the key that leads back lies in one row, and deleting that row cuts the way for good.
"""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cineloop.guard.decision import Decision
from cineloop.guard.exclusions import Exclusions
from cineloop.store.database import Compiled, Database, Run, insert_once_compiled

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


_LAST = Compiled(
    sa.select(OBJECTIONS.c.seq, OBJECTIONS.c.member, OBJECTIONS.c.at)
    .order_by(OBJECTIONS.c.seq.desc())
    .limit(1)
)
_NEWEST = sa.select(sa.func.max(OBJECTIONS.c.seq)).group_by(OBJECTIONS.c.member)
_OBJECTORS = sa.select(OBJECTIONS.c.member).where(OBJECTIONS.c.seq.in_(_NEWEST), OBJECTIONS.c.stands)
_KEY = Compiled(sa.select(PSEUDONYMS.c.key).where(PSEUDONYMS.c.member == sa.bindparam("of")))
_NEW_KEY = insert_once_compiled(PSEUDONYMS)
_AUDITED = Compiled(
    sa.insert(AUDIT).values({c.name: sa.bindparam(c.name) for c in AUDIT.c if c.name != "seq"})
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
        self._objectors: tuple[tuple[Any, ...] | None, frozenset[str]] = (None, frozenset())

    def pseudonym(self, member: str) -> str:
        """The member's pseudonym, 32 hex digits; made at first sight, different after an erasure."""
        with self.database.quick() as run:
            return _pseudonyms(run, [member])[member]

    def forget(self, member: str) -> bool:
        """Destroy the key of the member's pseudonym: what the audit holds of them leads nowhere now."""
        with self.database.writing() as db:
            gone = db.execute(sa.delete(PSEUDONYMS).where(PSEUDONYMS.c.member == member))
            db.execute(sa.delete(OBJECTIONS).where(OBJECTIONS.c.member == member))
        return bool(gone.rowcount)

    def write(self, entries: Sequence[Entry]) -> None:
        """Commit decisions, all or none, in one transaction: on the disk when it returns."""
        rows = [_row(entry) for entry in entries]  # before the transaction: other writers wait for it
        with self.database.quick() as run:
            subjects = _pseudonyms(run, [e.subject for e in entries if e.subject is not None])
            for row, entry in zip(rows, entries, strict=True):
                row["subject"] = None if entry.subject is None else subjects[entry.subject]
            run(_AUDITED, *rows)

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
        """Members whose last word is an objection. The whole is read again only after another word was said."""
        # a row's number alone could be another row's after an erasure; its moment can't
        found = self.database.rows(_LAST)
        if not found:
            return frozenset()
        if self._objectors[0] != found[0]:
            with self.database.reading() as db:
                self._objectors = (found[0], frozenset(db.scalars(_OBJECTORS)))
        return self._objectors[1]

    def exclusions(self) -> Exclusions:
        """Whom no model may learn from: those who object to profiling."""
        return Exclusions(self.objectors())


def _pseudonyms(run: Run, members: Sequence[str]) -> dict[str, str]:
    """member -> pseudonym, in this transaction; keys are made for those who have none."""
    found: dict[str, str] = {}
    for member in sorted(set(members)):
        rows = run(_KEY, {"of": member})
        if not rows:
            run(_NEW_KEY, {"member": member, "key": os.urandom(32)})
            rows = run(_KEY, {"of": member})  # of two processes the first one's counts
        found[member] = hmac.new(bytes(rows[0][0]), member.encode(), "sha256").hexdigest()[:32]
    return found


def _row(entry: Entry) -> dict[str, Any]:
    decision = entry.decision
    uncertainty = decision.uncertainty
    return {
        "decision": decision.id,
        "at": decision.at.isoformat(),
        "action": decision.action,
        "allowed": decision.verdict.allowed,
        "verdict": decision.verdict.model_dump_json(),
        "made_by": json.dumps([part.model_dump(mode="json") for part in decision.made_by]),
        "inputs": decision.inputs.model_dump_json(),
        "uncertainty": None if uncertainty is None else uncertainty.model_dump_json(),
        "record": json.dumps(entry.record),
        "supersedes": decision.supersedes,
    }
