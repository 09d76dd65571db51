"""The efficient frontier of slates: for each bound on risk the most profit, and what more budget would bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.pitch.rules import Problem
from cineloop.pitch.selection import Choice, choose, cvar

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A slate that no other beats in both: `titles`, and its profit and CVaR on the scenarios it was chosen on.

    `fresh_expected` and `fresh_cvar` are the same on scenarios it was not chosen on; `gap` is how much more profit
    another slate of no more risk could at most bring on the former.
    """

    titles: tuple[str, ...]
    expected: float
    cvar: float
    fresh_expected: float
    fresh_cvar: float
    proven: bool
    gap: float


@dataclass(frozen=True)
class Step:
    """A budget, what its best slate is worth, and how much of that each dollar more than the last budget brought."""

    budget: float
    value: float
    per_dollar: float
    titles: tuple[str, ...]
    proven: bool


def frontier(
    problem: Problem, fresh: Floats, points: int = 7, known: Sequence[NDArray[np.bool_]] = ()
) -> tuple[Point, ...]:
    """The frontier from the safest slate to the most profitable one, by rising CVaR and rising profit.

    Caps on CVaR evenly apart between the two ends; a slate that is the best under several is one point. `fresh`
    (n, s) are profits on other scenarios.
    """
    if points < 2:
        raise InputError("too few points", field="points", value=points, accepted="2 or more")
    top = choose(problem)
    safest = choose(problem, reward=0.0, risk=1.0, known=[*known, top.taken])
    found: list[Choice] = []
    sets = [*known, top.taken, safest.taken]
    for cap in np.linspace(safest.cvar, max(top.cvar, safest.cvar), points)[:-1]:
        best = choose(problem, cap=float(cap), known=sets)
        sets.append(best.taken)
        found.append(best)
    found.append(top)
    kept: list[Point] = []
    for choice in sorted(found, key=lambda c: (c.cvar, -c.expected)):
        if kept and choice.expected <= kept[-1].expected:
            continue
        outcome = fresh[choice.taken].sum(axis=0)
        kept.append(
            Point(
                named(problem, choice.taken),
                choice.expected,
                choice.cvar,
                float(outcome.mean()),
                cvar(outcome, problem.tail),
                choice.proven,
                choice.gap,
            )
        )
    return tuple(kept)


def budgets(
    problem: Problem,
    rule: str,
    amounts: Sequence[float],
    *,
    risk: float = 0.0,
    cap: float | None = None,
    known: Sequence[NDArray[np.bool_]] = (),
) -> tuple[Step, ...]:
    """The best slate at each of the `amounts` (rising) that the rule of that name may allow.

    Titles come whole, so the value rises in steps: what a dollar brings is the mean over the way from the last
    amount, not a derivative. The first amount is where the way starts; its `per_dollar` is nan. Amounts that no slate
    fits in are left out.
    """
    if list(amounts) != sorted(set(amounts)):
        raise InputError("not rising", field="amounts", value=list(amounts), accepted="amounts that rise")
    steps: list[Step] = []
    sets = list(known)
    for amount in amounts:
        rules = tuple(replace(r, high=float(amount)) if r.name == rule else r for r in problem.rules)
        try:
            best = choose(replace(problem, rules=rules), risk=risk, cap=cap, known=sets)
        except InputError:
            continue
        sets.append(best.taken)
        brought = (best.value - steps[-1].value) / (amount - steps[-1].budget) if steps else float("nan")
        steps.append(Step(float(amount), best.value, brought, named(problem, best.taken), best.proven))
    return tuple(steps)


def always(points: Sequence[Point]) -> tuple[str, ...]:
    """Titles in every slate of the frontier that makes anything: those that no appetite for risk decides on."""
    sets = [set(point.titles) for point in points if point.titles]
    return tuple(sorted(set.intersection(*sets))) if sets else ()


def named(problem: Problem, taken: NDArray[np.bool_]) -> tuple[str, ...]:
    """The names of a set (n,)."""
    return tuple(name for name, chosen in zip(problem.names, taken, strict=True) if chosen)
