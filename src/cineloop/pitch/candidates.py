"""What a slate may be made of, under which rules, and what each title may bring: the brief of a slate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cineloop.errors import InputError
from cineloop.lab.brief import Brief
from cineloop.pitch.correlation import Correlation, ranks, stated, uniform
from cineloop.pitch.predictive import Predictive
from cineloop.pitch.rules import Problem, Rule

Floats = NDArray[np.float64]
Name = Annotated[str, Field(min_length=1, max_length=300)]
Money = Annotated[float, Field(gt=0, le=1e12)]
Count = Annotated[int, Field(ge=0, le=1000)]

BUDGET = "budget"  # the name of the rule
_PERCENTILES = np.array([0.1, 0.5, 0.9])


class Spread(Brief):
    """An amount that is not known: passed with a chance of 90% (`low`), 50% (`median`) and 10% (`high`)."""

    low: Money
    median: Money
    high: Money

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.low <= self.median <= self.high:
            raise ValueError("low, median and high have to rise")
        return self

    def predictive(self) -> Predictive:
        """The same as a distribution of one row."""
        return Predictive(_PERCENTILES, np.log([[self.low, self.median, self.high]]))


class Candidate(Brief):
    """A title that may be made. Money is in US dollars.

    `gross` states what it may take; left out, a forecast of that name has to be handed in with the brief, of the
    pitch that `pitch` names. `cost` is what the budget counts; `cost_range` what the title may really cost. `year` and
    `genre` say with which titles it rises and falls. `period` is where it takes a place of the capacity, `segments`
    what the limits look at (genre and year are there by themselves). Of the titles of one `group` (versions of one
    project, one title in two periods) at most one is made.
    """

    name: Name
    cost: Money
    year: Annotated[int, Field(ge=1900, le=2200)]
    genre: Name
    cost_range: Spread | None = None
    gross: Spread | None = None
    pitch: Path | None = None
    period: Name | None = None
    segments: dict[Name, Name] = Field(default_factory=dict)
    group: Name | None = None
    must: bool = False
    never: bool = False

    @model_validator(mode="after")
    def _one_wish(self) -> Self:
        if self.must and self.never:
            raise ValueError("must and never at once")
        if {"genre", "year"} & set(self.segments):
            raise ValueError("genre and year are segments already")
        return self

    def segment(self, by: str) -> str | None:
        """What the title counts as in a limit by `by`."""
        return {"genre": self.genre, "year": str(self.year)}.get(by, self.segments.get(by))


class Limit(Brief):
    """Of the titles whose segment `by` is `value`: at least and at most so many titles, or so much of the cost."""

    by: Name
    value: Name
    of: Literal["titles", "cost"] = "titles"
    at_least: Annotated[float, Field(ge=0)] | None = None
    at_most: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise ValueError("a limit needs at_least or at_most")
        return self


class Shares(Brief):
    """How titles rise and fall together, where it is stated and not estimated: see `correlation`."""

    market: Annotated[float, Field(ge=0, le=0.98)]
    genre: Annotated[float, Field(ge=0, le=0.98)]


class SlateBrief(Brief):
    """Which of the candidates to make within `budget`.

    A title's profit is `share` of its gross less its cost and `marketing` times its planned cost: neither has a
    default, for neither holds everywhere. The slate has the largest expected profit less `risk` times its CVaR, the
    mean loss in the worst `tail` of outcomes; with `cvar_cap` only slates whose CVaR is at most that. `capacity` is
    the number of titles that a period takes, `titles` of all together.
    """

    budget: Money
    share: Annotated[float, Field(gt=0, le=1)]
    marketing: Annotated[float, Field(ge=0, le=10)]
    candidate: Annotated[tuple[Candidate, ...], Field(min_length=1, max_length=500)]
    risk: Annotated[float, Field(ge=0, le=1000)] = 0.5
    tail: Annotated[float, Field(gt=0, le=1)] = 0.05
    cvar_cap: float | None = None
    capacity: dict[Name, Count] = Field(default_factory=dict)
    titles: Count | None = None
    limit: tuple[Limit, ...] = ()
    correlation: Shares | None = None
    scenarios: Annotated[int, Field(ge=100, le=20_000)] = 1000
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [c.name for c in self.candidate]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ValueError(f"two candidates named {twice[0]!r}")
        if self.scenarios * self.tail < 5:
            raise ValueError(f"{self.scenarios} scenarios leave fewer than 5 in a tail of {self.tail}")
        periods = {c.period for c in self.candidate}
        unknown = sorted(set(self.capacity) - {p for p in periods if p is not None})
        if unknown:
            raise ValueError(f"capacity of {unknown[0]!r}, a period of no candidate")
        for limit in self.limit:
            if all(c.segment(limit.by) != limit.value for c in self.candidate):
                raise ValueError(f"a limit of {limit.by} {limit.value!r}, which no candidate has")
        return self

    @property
    def ordered(self) -> tuple[Candidate, ...]:
        """The candidates by name: the order of every array, so that the order of the file means nothing."""
        return tuple(sorted(self.candidate, key=lambda c: c.name))


@dataclass(frozen=True)
class Outcomes:
    """Profits and true costs (n, s) of the candidates by name, in s scenarios, in dollars."""

    profits: Floats
    costs: Floats


def outcomes(
    brief: SlateBrief,
    forecasts: Mapping[str, Predictive],
    correlation: Correlation | None,
    *,
    draws: int | None = None,
    seed: int | None = None,
    end: str = "value",
) -> Outcomes:
    """Draw what the candidates bring. `forecasts` are distributions of gross (one row each) by name.

    The brief's own correlation goes before the one handed in. Raises InputError where a candidate has neither a
    stated gross nor a forecast, or there is no correlation.
    """
    if brief.correlation is not None:
        correlation = stated(brief.correlation.market, brief.correlation.genre)
    if correlation is None:
        raise InputError(
            "not known", field="correlation", accepted="market and genre, or an estimate of them"
        )
    count, root = draws or brief.scenarios, brief.seed if seed is None else seed
    titles = brief.ordered
    levels = ranks(
        correlation,
        [c.name for c in titles],
        [c.year for c in titles],
        [c.genre for c in titles],
        count,
        seed=root,
        end=end,
    )
    rng = np.random.default_rng(root)  # asked for, but unused: the ranks decide
    profits, costs = np.empty((2, len(titles), count))
    for row, title in enumerate(titles):
        gross = title.gross.predictive() if title.gross is not None else forecasts.get(title.name)
        if gross is None or len(gross) != 1:
            raise InputError(
                "no outcome known",
                field=f"candidate {title.name}",
                accepted="gross with low, median, high; or a forecast",
            )
        costs[row] = title.cost
        if title.cost_range is not None:
            chances = uniform(f"cost/{title.name}", count, root)
            costs[row] = title.cost_range.predictive().sample(rng, count, chances[None])[0]
        profits[row] = brief.share * gross.sample(rng, count, levels[row : row + 1])[0]
        profits[row] -= costs[row] + brief.marketing * title.cost
    return Outcomes(profits, costs)


def problem(brief: SlateBrief, drawn: Outcomes) -> Problem:
    """The choice as a program: profits in scenarios, and every rule of the brief under its name."""
    titles = brief.ordered
    cost = np.array([c.cost for c in titles])
    rules = [Rule(BUDGET, cost, -np.inf, brief.budget)]

    def counted(test: NDArray[np.bool_]) -> Floats:
        return test.astype(np.float64)

    if brief.titles is not None:
        rules.append(Rule(f"at most {brief.titles} titles", np.ones(len(titles)), -np.inf, brief.titles))
    for period, places in sorted(brief.capacity.items()):
        inside = counted(np.array([c.period == period for c in titles]))
        rules.append(Rule(f"capacity of {period}: {places}", inside, -np.inf, places))
    for group in sorted({c.group for c in titles if c.group is not None}):
        inside = counted(np.array([c.group == group for c in titles]))
        rules.append(Rule(f"one of group {group}", inside, -np.inf, 1))
    for limit in brief.limit:
        weights = counted(np.array([c.segment(limit.by) == limit.value for c in titles]))
        unit = "titles"
        if limit.of == "cost":
            weights, unit = weights * cost, "of cost"
        what = f"{limit.by} {limit.value}"
        if limit.at_least is not None:
            rules.append(
                Rule(f"{what}: at least {limit.at_least:,g} {unit}", weights, limit.at_least, np.inf)
            )
        if limit.at_most is not None:
            rules.append(Rule(f"{what}: at most {limit.at_most:,g} {unit}", weights, -np.inf, limit.at_most))
    for row, title in enumerate(titles):
        one = np.zeros(len(titles))
        one[row] = 1.0
        if title.must:
            rules.append(Rule(f"must make {title.name}", one, 1, np.inf))
        if title.never:
            rules.append(Rule(f"never make {title.name}", one, -np.inf, 0))
    return Problem(tuple(c.name for c in titles), drawn.profits, tuple(rules), brief.tail)
