"""The slate worth making within a budget: which titles, what they bring together, how sure that is, and the proof.

The slate is chosen on one set of scenarios and judged on another that it has not seen, because the best of many
slates on one set is partly the luckiest: the difference is stated as `optimism`. How far the choice may be from the
best one on all scenarios there could be is estimated by choosing again on further sets (Mak, Morton & Wood,
"Monte Carlo bounding techniques for determining solution quality in stochastic programs", 1999).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cineloop.pitch.candidates import BUDGET, SlateBrief, outcomes, problem
from cineloop.pitch.correlation import Correlation
from cineloop.pitch.frontier import Point, Step, always, budgets, frontier
from cineloop.pitch.predictive import Predictive
from cineloop.pitch.rules import Problem
from cineloop.pitch.selection import Choice, choose, cvar, worst

Floats = NDArray[np.float64]

FRESH = 20_000  # scenarios that the chosen slate is judged on
_STEPS = (0.8, 0.9, 1.0, 1.1, 1.25)  # budgets that the slate is chosen again for, as multiples


@dataclass(frozen=True)
class Part:
    """A title of the slate, in dollars, on fresh scenarios.

    `expected` is its mean profit, `in_tail` its mean profit in the slate's own worst outcomes (these add up to the
    slate's CVaR with the sign turned), `loses` the chance that it loses money.
    """

    name: str
    cost: float
    expected: float
    in_tail: float
    loses: float


@dataclass(frozen=True)
class Price:
    """A rule that binds, and how much more the slate would be worth without it, on the scenarios it was chosen on."""

    rule: str
    worth: float


@dataclass(frozen=True)
class Slate:
    """The slate chosen, in dollars. Figures are on fresh scenarios where nothing else is said.

    `interval` holds the profit with a chance of 80%; `loses` is the chance of a loss, `overrun` that the true costs
    pass the budget. `cvar_correlated` is the CVaR where titles move together as much as the estimate's interval
    allows. `planned_*` are on the scenarios of the choice; `optimism` is the planned value less the fresh one, the
    value being expected profit less the brief's `risk` times CVaR. No slate is worth more than `bound` there;
    `proven` says that this one is worth as much. `regret` estimates how much another slate might be worth more on
    all scenarios there could be, and `regret_high` what it does not pass with 95% confidence (nan where not
    asked, or under a cap).
    `binding` are the rules that cost something, `always` the titles in every slate of the frontier.
    """

    chosen: tuple[Part, ...]
    cost: float
    expected: float
    cvar: float
    cvar_correlated: float
    interval: tuple[float, float]
    loses: float
    overrun: float
    planned_expected: float
    planned_cvar: float
    optimism: float
    bound: float
    gap: float
    proven: bool
    regret: float
    regret_high: float
    binding: tuple[Price, ...]
    frontier: tuple[Point, ...]
    always: tuple[str, ...]
    budgets: tuple[Step, ...]

    @property
    def titles(self) -> tuple[str, ...]:
        """The names of the titles chosen."""
        return tuple(part.name for part in self.chosen)


def slate(
    brief: SlateBrief,
    forecasts: Mapping[str, Predictive] | None = None,
    correlation: Correlation | None = None,
    *,
    points: int = 7,
    prices: bool = True,
    replicates: int = 4,
) -> Slate:
    """Choose the slate. `forecasts` are distributions of gross, one row each, of candidates that state none.

    `correlation` is an estimate (`correlation.correlations`) for briefs that state none. `points` of the frontier
    (0: none), `prices` of the rules and the budget, and `replicates` for the regret (0: none) take more solves: about
    as long each as the choice itself. Raises InputError where no slate keeps the rules, naming those that clash.
    """
    known = forecasts or {}
    drawn = outcomes(brief, known, correlation)
    asked = problem(brief, drawn)
    best = choose(asked, risk=brief.risk, cap=brief.cvar_cap)
    fresh = outcomes(brief, known, correlation, draws=FRESH, seed=brief.seed + 1)
    correlated = outcomes(brief, known, correlation, draws=FRESH, seed=brief.seed + 1, end="high")
    profit = fresh.profits[best.taken].sum(axis=0)
    expected, lost = float(profit.mean()), cvar(profit, brief.tail)
    low, high = np.quantile(profit, [0.1, 0.9])
    curve = frontier(asked, fresh.profits, points, [best.taken]) if points else ()
    regret, regret_high = _regret(brief, known, correlation, best, replicates)
    return Slate(
        chosen=_parts(brief, asked, best, fresh.profits, profit),
        cost=float(sum(c.cost for c, taken in zip(brief.ordered, best.taken, strict=True) if taken)),
        expected=expected,
        cvar=lost,
        cvar_correlated=cvar(correlated.profits[best.taken].sum(axis=0), brief.tail),
        interval=(float(low), float(high)),
        loses=float(np.mean(profit < 0)),
        overrun=float(np.mean(fresh.costs[best.taken].sum(axis=0) > brief.budget * (1 + 1e-12))),
        planned_expected=best.expected,
        planned_cvar=best.cvar,
        optimism=best.value - (expected - brief.risk * lost),
        bound=best.bound,
        gap=best.gap,
        proven=best.proven,
        regret=regret,
        regret_high=regret_high,
        binding=_prices(brief, asked, best) if prices else (),
        frontier=curve,
        always=always(curve),
        budgets=_steps(brief, asked, best) if prices else (),
    )


def _parts(
    brief: SlateBrief, asked: Problem, best: Choice, fresh: Floats, profit: Floats
) -> tuple[Part, ...]:
    weights = worst(profit, asked.tail)
    return tuple(
        Part(
            title.name,
            title.cost,
            float(fresh[row].mean()),
            float(fresh[row] @ weights),
            float(np.mean(fresh[row] < 0)),
        )
        for row, title in enumerate(brief.ordered)
        if best.taken[row]
    )


def _prices(brief: SlateBrief, asked: Problem, best: Choice) -> tuple[Price, ...]:
    """Each rule's worth, found by choosing again without it; the dearest first."""
    found = []
    for rule in asked.rules:
        freer = choose(asked.without(rule.name), risk=brief.risk, cap=brief.cvar_cap, known=[best.taken])
        found.append(Price(rule.name, freer.value - best.value))
    if brief.cvar_cap is not None:
        freer = choose(asked, risk=brief.risk, known=[best.taken])
        found.append(Price("cvar cap", freer.value - best.value))
    least = 1e-6 * brief.budget
    return tuple(sorted((p for p in found if p.worth > least), key=lambda p: (-p.worth, p.rule)))


def _steps(brief: SlateBrief, asked: Problem, best: Choice) -> tuple[Step, ...]:
    amounts = [brief.budget * step for step in _STEPS]
    return budgets(asked, BUDGET, amounts, risk=brief.risk, cap=brief.cvar_cap, known=[best.taken])


def _regret(
    brief: SlateBrief,
    known: Mapping[str, Predictive],
    correlation: Correlation | None,
    best: Choice,
    replicates: int,
) -> tuple[float, float]:
    """The mean of what was lost against the best slates of further scenarios, and its 95% upper bound (Student)."""
    if (
        replicates < 2 or brief.cvar_cap is not None
    ):  # under a cap, a set may fit one set of scenarios and not another
        return math.nan, math.nan
    from scipy.stats import t

    lost = []
    for replicate in range(replicates):
        drawn = outcomes(brief, known, correlation, seed=brief.seed + 2 + replicate)
        again = problem(brief, drawn)
        top = choose(again, risk=brief.risk, cap=None, known=[best.taken])
        profit = drawn.profits[best.taken].sum(axis=0)
        lost.append(top.bound - (float(profit.mean()) - brief.risk * cvar(profit, brief.tail)))
    error = float(np.std(lost, ddof=1)) / math.sqrt(replicates)
    mean = float(np.mean(lost))
    return max(mean, 0.0), max(mean + float(t.ppf(0.95, replicates - 1)) * error, 0.0)
