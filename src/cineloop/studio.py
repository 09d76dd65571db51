"""`Studio`: an opened workspace. It hands out the store, the lab and the guard, and alone makes decisions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from cineloop.engine import Progress, silent
from cineloop.errors import InputError
from cineloop.guard import (
    RULES,
    Decision,
    Denied,
    Entry,
    Evidence,
    Exclusions,
    Inputs,
    MadeBy,
    Records,
    Request,
    Rule,
    judge,
)
from cineloop.guard.decision import Uncertainty, decision_id
from cineloop.lab import Lab
from cineloop.lab.view import TrainingView
from cineloop.store import Collected, IngestReport, Store, collect
from cineloop.store.compaction import compact
from cineloop.store.events import Appended, Event, EventLog, checked
from cineloop.store.group import GroupCommit

T = TypeVar("T")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What a wing hands to `Studio.decide`: the answer and what it rests on.

    `record` is what the audit keeps of it: plain JSON without the member's name.
    """

    value: T
    made_by: tuple[MadeBy, ...]
    record: Any = None
    uncertainty: Uncertainty | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Question:
    """What a wing asks to decide: the policy's request, and the inputs that an answer would be made from."""

    request: Request
    as_of: datetime
    snapshot: str | None = None
    watermark: datetime | None = None
    brief: dict[str, Any] = field(default_factory=dict)


class Pending(Generic[T]):
    """A decision that nobody has seen yet: it is handed out by `commit`, once it is in the audit."""

    def __init__(self, entry: Entry, audits: GroupCommit[Entry, None]) -> None:
        self._entry, self._audits = entry, audits

    def commit(self) -> Decision[T]:
        """The decision, on the disk; `Denied` where the policy refuses, that on the disk too."""
        self._audits.commit(self._entry)
        decision: Decision[T] = self._entry.decision
        if not decision.verdict.allowed:
            raise Denied(decision.id, decision.verdict)
        return decision


class Studio:
    """A workspace, opened. `registry`, `records` and `events` are database URLs; else SQLite files."""

    def __init__(
        self,
        folder: Path,
        *,
        registry: str | None = None,
        records: str | None = None,
        events: str | None = None,
        rules: tuple[Rule, ...] = RULES,
        create: bool = False,
    ) -> None:
        self.folder = folder.absolute()
        self.store = Store.open(self.folder, create=create)
        self.rules = rules
        self._registry = registry
        self._records = records
        self._events = events
        self._appends: GroupCommit[Sequence[Event], Appended] = GroupCommit(lambda b: self.events.append(b))
        self._audits: GroupCommit[Entry, None] = GroupCommit(self._audit)

    @cached_property
    def lab(self) -> Lab:
        """The registry of runs, evaluations and promotions, and the folder their artefacts lie in."""
        return Lab(self.folder, self._registry)

    @cached_property
    def guard(self) -> Records:
        """The audit, the objections and the pseudonyms' keys."""
        return Records(self.folder / "guard.sqlite", self._records)

    @cached_property
    def events(self) -> EventLog:
        """What members did that no snapshot holds yet."""
        return EventLog(self.folder / "events.sqlite", self._events)

    @property
    def local(self) -> bool:
        """Whether events and audit lie in files of the workspace, not in a database elsewhere."""
        return self._records is None and self._events is None

    def append(self, events: Sequence[Event]) -> Appended:
        """Check events and commit them, together with those of other callers; on the disk when it returns."""
        return self._appends.commit(checked(events))

    def compact(self, progress: Progress = silent) -> IngestReport | None:
        """Take committed events into the tables of record; None where there is nothing new."""
        return compact(self.store, self.events, progress)

    def view(self, as_of: datetime | None = None, *, also_without: Exclusions | None = None) -> TrainingView:
        """The newest snapshot as of a moment (default: its last behaviour), without whoever must be left out."""
        snapshot = self.store.head()
        exclusions = self.guard.exclusions() | (also_without or Exclusions())
        return TrainingView(snapshot, as_of or self.watermark(), exclusions)

    def watermark(self) -> datetime:
        """When the last play, impression or feedback of the newest snapshot became known.

        It is what "now" means for a log: a log that ended in 1998 is served as of 1998.
        """
        behaviour = ("plays", "feedback", "impressions")
        last = [part.known_to for part in self.store.head().parts if part.table in behaviour]
        if not last:
            raise InputError(
                "no plays, impressions or feedback yet",
                file=self.folder,
                accepted="ingest a log first: cineloop data ingest …",
            )
        return moment_of(max(last))

    def collect(self, keep: tuple[str, ...] = ()) -> Collected:
        """Free what nothing refers to: not the head, not what a run or an evaluation rests on, not `keep`."""
        there = set(self.store.snapshots())
        rests = {run.snapshot for run in self.lab.runs()} | {e.snapshot for e in self.lab.evaluations()}
        return collect(self.store, [*keep, *sorted(rests & there)])

    def decide(self, question: Question, answer: Callable[[], Answer[T]]) -> Decision[T]:
        """Ask the policy, make the answer if it allows, commit both to the audit, and hand the decision out.

        A refusal is audited too and raised as `Denied`; `answer` is not called then. What is decided at the same time
        is committed together.
        """
        return self.prepare(question, answer).commit()

    def prepare(self, question: Question, answer: Callable[[], Answer[T]]) -> Pending[T]:
        """All of `decide` but the commit, for callers that have something else to do while the disk works."""
        verdict = judge(question.request, self.rules)
        brief = json.dumps(question.brief, sort_keys=True, separators=(",", ":"))
        parts = [brief, question.as_of.isoformat(), question.snapshot or ""]
        made = answer() if verdict.allowed else None
        decision: Decision[T | None] = Decision(
            id=decision_id(),
            action=question.request.action,
            at=datetime.now(UTC),
            answer=None if made is None else made.value,
            uncertainty=None if made is None else made.uncertainty,
            made_by=() if made is None else made.made_by,
            inputs=Inputs(
                digest=hashlib.sha256("\n".join(parts).encode()).hexdigest(),
                as_of=question.as_of,
                snapshot=question.snapshot,
                watermark=question.watermark,
            ),
            evidence=() if made is None else made.evidence,
            verdict=verdict,
        )
        entry = Entry(decision, question.request.subject, None if made is None else made.record)
        return Pending(entry, self._audits)

    def close(self) -> None:
        """Commit what was handed in, and let go of the databases."""
        self._appends.close()
        self._audits.close()
        for name in ("lab", "guard", "events"):
            if name in self.__dict__:
                (self.lab.registry if name == "lab" else getattr(self, name).database).close()

    def _audit(self, entries: Sequence[Entry]) -> list[None]:
        self.guard.write(entries)
        return [None] * len(entries)


def moment_of(microseconds: int) -> datetime:
    """The moment that stands as microseconds since 1970 UTC in manifests and logs."""
    return EPOCH + timedelta(microseconds=microseconds)


def open_studio(
    folder: str | Path = "studio",
    *,
    create: bool = False,
    registry: str | None = None,
    records: str | None = None,
    events: str | None = None,
) -> Studio:
    """Open a workspace folder; `create=True` makes a new one where there is none.

    `registry`, `records` and `events` take `postgresql://…` where SQLite files in the folder are outgrown.
    """
    return Studio(Path(folder), create=create, registry=registry, records=records, events=events)
