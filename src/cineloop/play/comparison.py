"""Contenders side by side: means, paired differences to a baseline, and how sure they are.

It reads nothing but recorded evaluations, so it holds an outside system's lists against a recipe, or last
month's recipe against today's, the same way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from cineloop.errors import InputError
from cineloop.lab.evaluation import Evaluation
from cineloop.lab.lab import Lab
from cineloop.lab.statistics import Interval, interval, paired

METRICS = ("recall@20", "ndcg@10", "ndcg@100")
KEY = ["fold", "unit"]

Group = Literal["warm", "cold"]


@dataclass(frozen=True)
class Figure:
    """One contender under one metric: its mean over members and, paired, the difference to the baseline's.

    A figure of all lists together (coverage, Gini) is a mean over folds and has no intervals. None is a mean
    that no member has a value for.
    """

    mean: float | None
    interval: Interval | None = None
    difference: Interval | None = None

    @property
    def above(self) -> bool | None:
        """Whether the whole interval of the difference is above zero; None where there is no difference."""
        return None if self.difference is None else self.difference.above_zero


@dataclass(frozen=True)
class Standing:
    """A contender's line. A case is a member in a fold: how many were judged, were warm, and had a list."""

    contender: str
    evaluation: str
    members: int
    cases: int
    warm: int
    listed: int
    figures: dict[str, Figure]


@dataclass(frozen=True)
class Comparison:
    """Contenders under one protocol on one snapshot: the table that faces and reports show."""

    protocol: dict[str, Any]
    snapshot: str
    baseline: str | None
    group: Group | None
    metrics: tuple[str, ...]
    standings: tuple[Standing, ...]

    @property
    def stage(self) -> str:
        """`validation` or `test`."""
        return str(self.protocol.get("stage", "test"))

    def rows(self) -> list[dict[str, Any]]:
        """The table as plain JSON values: a row a contender and metric, bounds that are infinite as None."""
        made = []
        for s in self.standings:
            counts = {"members": s.members, "cases": s.cases, "warm": s.warm, "listed": s.listed}
            for metric, figure in s.figures.items():
                made.append(
                    {
                        "contender": s.contender,
                        "evaluation": s.evaluation,
                        "metric": metric,
                        "mean": figure.mean,
                        "interval": _bounds(figure.interval),
                        "difference": None if figure.difference is None else figure.difference.mean,
                        "difference_interval": _bounds(figure.difference),
                        "above": figure.above,
                        **counts,
                    }
                )
        return made


def comparison(
    lab: Lab,
    evaluations: Sequence[Evaluation],
    metrics: Sequence[str] = METRICS,
    baseline: str | None = "popularity",
    group: Group | None = None,
) -> Comparison:
    """Hold contenders against a baseline, in pairs, with bootstrap intervals over members.

    `baseline` is a contender, or the name of its recipe whatever its knobs; `group` keeps the members with
    (`warm`) or without (`cold`) a history. InputError where the contenders were not judged alike, where the
    baseline is not among them or a metric was not recorded.
    """
    if not evaluations:
        raise InputError("nothing to compare", field="evaluations", accepted="one or more")
    first = evaluations[0]
    for other in evaluations:
        if (other.protocol, other.snapshot) != (first.protocol, first.snapshot):
            raise InputError(
                f"{other.contender} and {first.contender} were not judged alike",
                field="evaluations",
                accepted="evaluations of one protocol and snapshot",
            )
        for metric in metrics:
            if metric not in other.metrics and metric not in other.facts:
                known = [m for m in (*other.metrics, *other.facts) if "@" in m]
                raise InputError("not recorded", field="metric", value=metric, accepted=", ".join(known))
    base = None if baseline is None else _baseline(evaluations, baseline)
    scores = {e.id: _scores(lab, e, group) for e in evaluations}
    standings = []
    for e in evaluations:
        mine = scores[e.id]
        theirs = None if base is None or base.id == e.id else scores[base.id]
        standings.append(
            Standing(
                contender=e.contender,
                evaluation=e.id,
                members=mine["unit"].n_unique(),
                cases=len(mine),
                warm=int(mine["warm"].sum()),
                listed=int(mine["listed"].sum()),
                figures={m: _figure(e, m, mine, theirs) for m in metrics},
            )
        )
    return Comparison(
        protocol=first.protocol,
        snapshot=first.snapshot,
        baseline=None if base is None else base.contender,
        group=group,
        metrics=tuple(metrics),
        standings=tuple(standings),
    )


def choose(compared: Comparison, metric: str = "ndcg@100") -> Standing:
    """The contender to send to the gate: the best mean on validation, the first by name among equals.

    InputError for a comparison on test days: those report on a choice and don't make it.
    """
    if compared.stage != "validation":
        raise InputError(
            "the choice is made on validation", field="stage", value=compared.stage, accepted="validation"
        )
    if metric not in compared.metrics:
        raise InputError("not compared", field="metric", value=metric, accepted=", ".join(compared.metrics))

    def order(standing: Standing) -> tuple[float, str]:
        mean = standing.figures[metric].mean
        return (math.inf if mean is None else -mean, standing.contender)

    return min(compared.standings, key=order)


def _baseline(evaluations: Sequence[Evaluation], named: str) -> Evaluation:
    fits = [e for e in evaluations if e.contender == named]
    fits += [e for e in evaluations if e.contender.startswith(f"{named}(")]
    if not fits:
        names = ", ".join(e.contender for e in evaluations)
        raise InputError("not among the contenders", field="baseline", value=named, accepted=names)
    return fits[0]


def _scores(lab: Lab, of: Evaluation, group: Group | None) -> pl.DataFrame:
    rows = lab.scores(of)
    return rows if group is None else rows.filter(pl.col("warm") == (1.0 if group == "warm" else 0.0))


def _figure(of: Evaluation, metric: str, mine: pl.DataFrame, theirs: pl.DataFrame | None) -> Figure:
    if metric not in of.metrics:
        return Figure(of.facts[metric])
    own = mine.select(*KEY, metric).drop_nulls()
    if own.is_empty():
        return Figure(None)
    made = interval(own[metric], own["unit"])
    if theirs is None:
        return Figure(made.mean, made)
    both = own.join(theirs.select(*KEY, pl.col(metric).alias("_base")).drop_nulls(), on=KEY).sort(KEY)
    if both.is_empty():
        return Figure(made.mean, made)
    return Figure(made.mean, made, paired(both[metric], both["_base"], both["unit"]))


def _bounds(of: Interval | None) -> list[float | None] | None:
    return None if of is None else [x if math.isfinite(x) else None for x in (of.low, of.high)]
