"""What is live under a name, and the gate that a contender passes to get there.

A name such as `play/home` has one live run. The gate: choose on validation, report once on test. A recipe
that is not live needs its paired interval above zero, against the live one or, where nothing is live, against
a baseline. The live recipe with the same knobs, fitted anew, needs only to be no worse than a stated margin.
Both contenders were refitted as of the same days; what goes live is the refit on all data, linked to that
evidence. Promotions are only ever appended; a rollback is a row of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cineloop.errors import InputError
from cineloop.lab import tables
from cineloop.lab.evaluation import Evaluation, compare, evaluations, mean
from cineloop.lab.registry import Registry
from cineloop.lab.run import Run, moment, name_of, same_recipe
from cineloop.lab.statistics import Interval

MARGIN = 0.02


@dataclass(frozen=True)
class Verdict:
    """What the gate said. `margin` is how much worse was allowed, in the metric's own units."""

    promoted: bool
    why: str
    difference: Interval
    margin: float


@dataclass(frozen=True)
class Promotion:
    """One row of a name's history; `action` is `promote`, `refuse` or `rollback`.

    After `promote` and `rollback`, `run` is what is live. `evaluation`, `against` and `validation` are the
    ids of the evidence, and `difference` and `margin` what it said; all None for a rollback.
    """

    seq: int
    name: str
    action: str
    run: str
    at: datetime
    by: str
    why: str
    metric: str | None
    evaluation: str | None
    against: str | None
    validation: str | None
    difference: Interval | None
    margin: float | None


def promote(
    registry: Registry,
    folder: Path,
    name: str,
    run: Run,
    evidence: Evaluation,
    against: Evaluation,
    *,
    metric: str,
    by: str = "",
    margin: float = MARGIN,
    level: float = 0.95,
    once: bool = False,
) -> Verdict:
    """Ask the gate to make `run`, the refit on all data, live under `name`.

    `evidence` judges the same recipe and knobs on the test days, `against` the live one (a baseline where
    nothing is live). `margin` is the share of the opponent's mean that a refresh may lose. With `once`, the very
    question that was asked before (run, evidence, metric, margin) gets the verdict it got: no row is added, and
    it is no further look at the test; for schedules that resume. A refusal is a verdict; InputError is for
    evidence that can't carry one.
    """
    if not 0 <= margin < 1:
        raise InputError(
            "no share", field="margin", value=margin, accepted="0 up to 1, of the opponent's mean"
        )
    now = live(registry, name)
    judged, opposed = (_runs(registry, e) for e in (evidence, against))
    _check_candidate(run, evidence, judged)
    difference = compare(folder, evidence, against, metric, level=level)
    refresh = bool(opposed) and same_recipe(run, opposed[0])
    allowed = margin * abs(mean(folder, against, metric).mean) if refresh else 0.0
    if (
        once
        and (said := _said_before(registry, name, run, evidence, against, metric, allowed, now)) is not None
    ):
        return said
    if now is not None and now.id == run.id:  # asked again, as the same commands run again do
        return Verdict(True, f"{run.label} {run.id[:8]} is live under {name} already", difference, 0.0)

    _check_opponent(now, against, opposed, judged)
    passed = difference.low > -allowed if refresh else difference.above_zero
    test = name_of([run.recipe, run.knobs, evidence.protocol, evidence.snapshot])
    chosen = _chosen(registry, evidence)
    with registry.writing() as db:
        if db.dialect.name == "postgresql":  # SQLite's writers take turns by themselves
            db.execute(sa.text("LOCK TABLE promotions IN SHARE ROW EXCLUSIVE MODE"))
        if _live_id(db, name) != (now.id if now else None):
            raise InputError(
                "another run went live meanwhile", field="name", value=name, accepted="judging again"
            )
        c = tables.promotions.c
        looks = db.execute(sa.select(sa.func.count()).where(c.test == test)).scalar_one()
        why = _why(run, against, metric, difference, allowed, refresh, passed)
        if chosen is None:
            why += "; it was not judged on validation days"
        if looks:
            why += f"; this test was looked at {looks} time{'s' if looks > 1 else ''} before"
        row = {
            "name": name,
            "action": "promote" if passed else "refuse",
            "run": run.id,
            "at": datetime.now(UTC),
            "by": by,
            "why": why,
            "metric": metric,
            "evaluation": evidence.id,
            "against": against.id,
            "validation": chosen,
            "mean": difference.mean,
            "low": difference.low,
            "high": difference.high,
            "units": difference.n,
            "margin": allowed,
            "test": test,
        }
        db.execute(sa.insert(tables.promotions).values(row))
    return Verdict(passed, why, difference, allowed)


def live(registry: Registry, name: str) -> Run | None:
    """The run that is live under a name, or None."""
    with registry.reading() as db:
        id = _live_id(db, name)
    return None if id is None else registry.find(id)


def history(registry: Registry, name: str | None = None) -> list[Promotion]:
    """Everything that was promoted, refused and rolled back, oldest first; of one name, or of all."""
    c = tables.promotions.c
    asked = sa.select(tables.promotions).order_by(c.seq)
    if name is not None:
        asked = asked.where(c.name == name)
    with registry.reading() as db:
        return [_promotion(row._mapping) for row in db.execute(asked)]


def rollback(registry: Registry, name: str, by: str = "", why: str = "") -> Run:
    """Go back to what was live before, and return it; once more goes further back, never forth again.

    InputError where nothing was live before: a name that has had a live run is not left without one.
    """
    with registry.writing() as db:
        if db.dialect.name == "postgresql":
            db.execute(sa.text("LOCK TABLE promotions IN SHARE ROW EXCLUSIVE MODE"))
        stack = _stack(db, name)
        if len(stack) < 2:
            what = "nothing was live before" if stack else "nothing is live"
            raise InputError(what, field="name", value=name, accepted="a name with two promotions")
        row = {
            "name": name,
            "action": "rollback",
            "run": stack[-2],
            "at": datetime.now(UTC),
            "by": by,
            "why": why or f"back from {stack[-1][:8]}",
        }
        db.execute(sa.insert(tables.promotions).values(row))
    return registry.find(stack[-2])


def _live_id(db: sa.Connection, name: str) -> str | None:
    c = tables.promotions.c
    last = sa.select(c.run).where(c.name == name, c.action != "refuse").order_by(c.seq.desc()).limit(1)
    found: str | None = db.execute(last).scalar_one_or_none()
    return found


def _stack(db: sa.Connection, name: str) -> list[str]:
    """What went live, without what was rolled back; the last is live."""
    c = tables.promotions.c
    stack: list[str] = []
    for action, run in db.execute(sa.select(c.action, c.run).where(c.name == name).order_by(c.seq)):
        if action == "promote":
            stack.append(run)
        elif action == "rollback":
            stack.pop()
    return stack


def _runs(registry: Registry, of: Evaluation) -> list[Run]:
    return [registry.find(id) for id in of.runs]


def _said_before(
    registry: Registry,
    name: str,
    run: Run,
    evidence: Evaluation,
    against: Evaluation,
    metric: str,
    allowed: float,
    now: Run | None,
) -> Verdict | None:
    """The verdict on this very question, if it still stands: a promotion does only while its run is live."""
    asked = (run.id, evidence.id, against.id, metric, allowed)
    for p in reversed(history(registry, name)):
        if (p.run, p.evaluation, p.against, p.metric, p.margin) != asked or p.difference is None:
            continue
        stands = p.action == "refuse" or (now is not None and now.id == run.id)
        return Verdict(p.action == "promote", p.why, p.difference, allowed) if stands else None
    return None


def _check_candidate(run: Run, evidence: Evaluation, judged: list[Run]) -> None:
    if evidence.stage != "test":
        raise InputError(
            "is not of test days", field="evidence", value=evidence.id, accepted="a test evaluation"
        )
    if not judged or not all(same_recipe(run, j) for j in judged):
        raise InputError(
            f"judges {evidence.contender} and not {run.label}",
            field="evidence",
            value=evidence.id,
            accepted="an evaluation of the same recipe and knobs",
        )
    if run.snapshot != evidence.snapshot:
        raise InputError(
            "is made from other data than its evidence",
            field="run",
            value=run.id,
            accepted=f"snapshot {evidence.snapshot}",
        )
    if run.id in evidence.runs or run.as_of < max(j.as_of for j in judged):
        raise InputError(
            "was made for judging and has not learned from all data",
            field="run",
            value=run.id,
            accepted="a refit on all data",
        )


def _check_opponent(now: Run | None, against: Evaluation, opposed: list[Run], judged: list[Run]) -> None:
    if now is not None and (not opposed or not all(same_recipe(now, o) for o in opposed)):
        raise InputError(
            f"judges {against.contender}, which is not what is live",
            field="against",
            value=against.id,
            accepted=f"an evaluation of {now.label}",
        )
    days, theirs = {j.as_of for j in judged}, {o.as_of for o in opposed}
    # the live model as it stands may be judged too, on days that it has not seen
    stands = now is not None and {o.id for o in opposed} == {now.id} and now.as_of <= min(days)
    if opposed and days != theirs and not stands:
        raise InputError(
            "the two were not refitted as of the same days",
            field="against",
            value=against.id,
            accepted=", ".join(moment(d) for d in sorted(days)),
        )


def _chosen(registry: Registry, evidence: Evaluation) -> str | None:
    """The latest evaluation of the same contender on the validation days of the same protocol."""
    protocol: dict[str, Any] = evidence.protocol | {"stage": "validation"}
    found = evaluations(registry, contender=evidence.contender, protocol=protocol, snapshot=evidence.snapshot)
    return found[-1].id if found else None


def _why(
    run: Run,
    against: Evaluation,
    metric: str,
    difference: Interval,
    allowed: float,
    refresh: bool,
    passed: bool,
) -> str:
    found = f"{metric} of {run.label} less that of {against.contender} is {difference}"
    if refresh:
        return f"{found}: {'no' if passed else 'may be'} worse than the margin of {allowed:.4f}"
    return f"{found}: {'above' if passed else 'not above'} zero"


def _promotion(row: Any) -> Promotion:
    difference = None if row["mean"] is None else Interval(row["mean"], row["low"], row["high"], row["units"])
    kept = (
        "seq",
        "name",
        "action",
        "run",
        "at",
        "by",
        "why",
        "metric",
        "evaluation",
        "against",
        "validation",
        "margin",
    )
    return Promotion(difference=difference, **{key: row[key] for key in kept})
