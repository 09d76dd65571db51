"""An evaluation: one contender's scores under one protocol on one snapshot, a score for each member or title.

The scores are kept, so that any two contenders, ours or an outside system's, can be compared in pairs at any
later time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from cineloop.errors import InputError
from cineloop.lab import tables
from cineloop.lab.registry import Registry
from cineloop.lab.run import Run, name_of, plain
from cineloop.lab.splits import Splits
from cineloop.lab.statistics import Interval, interval, paired
from cineloop.store.database import insert_once
from cineloop.store.durable import write_atomic

KEY = ["fold", "unit"]


@dataclass(frozen=True)
class Evaluation:
    """The record. `runs` are the models judged, in the order of the folds, none for outside systems.

    `metrics` names the columns of the scores; `facts` holds figures of the whole (a coverage, a count);
    `scores` is the scores' digest. The id names all of it but the time.
    """

    id: str
    contender: str
    runs: tuple[str, ...]
    protocol: dict[str, Any]
    snapshot: str
    metrics: tuple[str, ...]
    facts: dict[str, float]
    scores: str
    made_at: datetime

    @property
    def stage(self) -> str:
        """`validation` or `test`, as the protocol says."""
        return str(self.protocol.get("stage", "test"))

    @property
    def protocol_id(self) -> str:
        """The protocol's name by its settings."""
        return name_of(self.protocol)


def record(
    registry: Registry,
    folder: Path,
    contender: str,
    protocol: Splits | Mapping[str, Any],
    snapshot: str,
    runs: Sequence[Run | str],
    scores: pl.DataFrame,
    facts: Mapping[str, float] | None = None,
) -> Evaluation:
    """Keep the scores, rows (fold, unit, one Float64 column a metric; null where it says nothing of a unit).

    The same scores of the same contender are kept once. The file is on the disk before the row.
    """
    described = plain(dict(protocol) if isinstance(protocol, Mapping) else protocol.describe())
    scores = _checked(scores)
    digest = _digest(scores)
    ids = tuple(r.id if isinstance(r, Run) else r for r in runs)
    known = {k: float(v) for k, v in sorted((facts or {}).items())}
    identity = {
        "contender": contender,
        "protocol": described,
        "snapshot": snapshot,
        "runs": list(ids),
        "scores": digest,
        "facts": known,
    }
    made = Evaluation(
        id=name_of(identity),
        contender=contender,
        runs=ids,
        protocol=described,
        snapshot=snapshot,
        metrics=tuple(scores.columns[2:]),
        facts=known,
        scores=digest,
        made_at=datetime.now(UTC),
    )
    path = scores_file(folder, made.id)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        out = BytesIO()
        scores.write_parquet(out)
        write_atomic(path, out.getvalue())
    row = {
        "id": made.id,
        "contender": contender,
        "protocol": described,
        "protocol_id": made.protocol_id,
        "snapshot": snapshot,
        "metrics": list(made.metrics),
        "facts": known,
        "scores": digest,
        "made_at": made.made_at,
    }
    with registry.writing() as db:
        insert_once(db, tables.evaluations, row)
        for position, run in enumerate(ids):
            insert_once(db, tables.evaluation_runs, {"evaluation": made.id, "position": position, "run": run})
        [kept] = _read(db, tables.evaluations.c.id == made.id)
    return kept


def evaluations(
    registry: Registry,
    *,
    contender: str | None = None,
    stage: str | None = None,
    protocol: Splits | Mapping[str, Any] | None = None,
    snapshot: str | None = None,
    runs: Sequence[Run | str] | None = None,
) -> list[Evaluation]:
    """The records that fit, oldest first; `runs` asks for those that judged just these."""
    c = tables.evaluations.c
    asked: list[sa.ColumnElement[bool]] = [sa.true()]
    if contender is not None:
        asked.append(c.contender == contender)
    if snapshot is not None:
        asked.append(c.snapshot == snapshot)
    if protocol is not None:
        described = dict(protocol) if isinstance(protocol, Mapping) else protocol.describe()
        asked.append(c.protocol_id == name_of(plain(described)))
    with registry.reading() as db:
        found = _read(db, *asked)
    if runs is not None:
        ids = tuple(r.id if isinstance(r, Run) else r for r in runs)
        found = [e for e in found if e.runs == ids]
    return [e for e in found if stage is None or e.stage == stage]


def evaluation(registry: Registry, prefix: str) -> Evaluation:
    """The one evaluation whose id starts so; InputError where there is none or more than one."""
    with registry.reading() as db:
        found = _read(db, tables.evaluations.c.id.startswith(prefix, autoescape=True)) if prefix else []
    if len(found) != 1:
        what = "no such evaluation" if not found else "several evaluations start so"
        raise InputError(what, field="evaluation", value=prefix, accepted="an evaluation's id, or its start")
    return found[0]


def scores(folder: Path, of: Evaluation) -> pl.DataFrame:
    """The kept scores, rows (fold, unit, metrics); InputError where the file is not as it was recorded."""
    path = scores_file(folder, of.id)
    try:
        found = pl.read_parquet(path)
        whole = found.columns[:2] == KEY and _digest(found) == of.scores
    except FileNotFoundError:
        raise InputError("is missing; evaluate again and it is made anew", file=path) from None
    except (OSError, pl.exceptions.PolarsError):
        whole = False
    if not whole:
        raise InputError("is not what was recorded; remove it and evaluate again", file=path)
    return found


def compare(
    folder: Path, a: Evaluation, b: Evaluation, metric: str, *, level: float = 0.95, seed: int = 0
) -> Interval:
    """The mean difference a − b over the (fold, unit) that both scored, and its interval over units.

    InputError where the two were judged under different protocols or on different snapshots.
    """
    for field in ("snapshot", "protocol"):
        if getattr(a, field) != getattr(b, field):
            raise InputError(
                f"{a.contender} and {b.contender} were judged on different ones",
                field=field,
                accepted="the same",
            )
    left, right = (_metric(folder, e, metric) for e in (a, b))
    both = left.join(right, on=KEY, how="inner", suffix="_b").sort(KEY)
    if both.is_empty():
        raise InputError(
            "no unit was scored for both", field=metric, accepted="evaluations with members in common"
        )
    return paired(both[metric], both[f"{metric}_b"], both["unit"], level=level, seed=seed)


def mean(folder: Path, of: Evaluation, metric: str, *, level: float = 0.95, seed: int = 0) -> Interval:
    """The mean of one metric and its interval over units."""
    rows = _metric(folder, of, metric)
    return interval(rows[metric], rows["unit"], level=level, seed=seed)


@dataclass(frozen=True)
class Cell:
    """One contender under one metric: its mean, and its difference to the baseline (which has None)."""

    contender: str
    evaluation: str
    metric: str
    score: Interval
    difference: Interval | None


def table(
    folder: Path,
    judged: Sequence[Evaluation],
    metrics: Sequence[str],
    baseline: Evaluation | str | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> list[Cell]:
    """A cell for each contender and metric, in the order given; `baseline` is one, or its contender."""
    base = (
        next((e for e in judged if e.contender == baseline), None) if isinstance(baseline, str) else baseline
    )
    if baseline is not None and base is None:
        names = ", ".join(e.contender for e in judged)
        raise InputError("not among the contenders", field="baseline", value=baseline, accepted=names)
    return [
        Cell(
            contender=e.contender,
            evaluation=e.id,
            metric=metric,
            score=mean(folder, e, metric, level=level, seed=seed),
            difference=None
            if base is None or e.id == base.id
            else compare(folder, e, base, metric, level=level, seed=seed),
        )
        for e in judged
        for metric in metrics
    ]


def scores_file(folder: Path, id: str) -> Path:
    """Where a workspace keeps an evaluation's scores."""
    return folder / "lab" / "evaluations" / f"{id}.parquet"


def _metric(folder: Path, of: Evaluation, metric: str) -> pl.DataFrame:
    if metric not in of.metrics:
        raise InputError("no such metric", field="metric", value=metric, accepted=", ".join(of.metrics))
    return scores(folder, of).select(*KEY, metric).drop_nulls()


def _checked(scores: pl.DataFrame) -> pl.DataFrame:
    metrics = [c for c in scores.columns if c not in KEY]
    if not set(KEY) <= set(scores.columns) or not metrics:
        raise ValueError(f"scores with the columns {scores.columns}: need fold, unit and a metric")
    made = scores.select(
        *[pl.col(k).cast(pl.String) for k in KEY], *[pl.col(m).cast(pl.Float64) for m in metrics]
    )
    made = made.with_columns(pl.col(metrics).fill_nan(None)).sort(KEY)
    if made.is_empty() or made.select(pl.col(KEY).is_null().any()).row(0) != (False, False):
        raise ValueError("scores: need rows, and a fold and a unit in each")
    if made.select(pl.struct(KEY).is_duplicated().any()).item():
        raise ValueError("scores: a unit stands twice in a fold")
    return made


def _digest(scores: pl.DataFrame) -> str:
    """SHA-256 of the values, whatever the file's encoding."""
    h = hashlib.sha256("\0".join(scores.columns).encode())
    for column in scores.get_columns():
        h.update(b"\0" + column.is_null().to_numpy().tobytes())
        if column.dtype == pl.String:
            h.update("\0".join(column.to_list()).encode())
        else:
            h.update((column.fill_null(0.0).to_numpy() + 0.0).astype("<f8").tobytes())
    return h.hexdigest()


def _read(db: sa.Connection, *asked: sa.ColumnElement[bool]) -> list[Evaluation]:
    e, r = tables.evaluations.c, tables.evaluation_runs.c
    rows = db.execute(sa.select(tables.evaluations).where(*asked).order_by(e.made_at, e.id)).all()
    ids = [row.id for row in rows]
    links: dict[str, list[str]] = {id: [] for id in ids}
    for start in range(0, len(ids), 500):  # databases limit the values of one statement
        found = (
            sa.select(r.evaluation, r.run)
            .where(r.evaluation.in_(ids[start : start + 500]))
            .order_by(r.position)
        )
        for id, run in db.execute(found):
            links[id].append(run)
    return [
        Evaluation(
            id=row.id,
            contender=row.contender,
            runs=tuple(links[row.id]),
            protocol=row.protocol,
            snapshot=row.snapshot,
            metrics=tuple(row.metrics),
            facts=row.facts,
            scores=row.scores,
            made_at=row.made_at,
        )
        for row in rows
    ]
