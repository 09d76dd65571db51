"""The rules that a set of titles has to keep, and which of them clash where none can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rule:
    """low <= weights · taken <= high, under a name that people know it by."""

    name: str
    weights: Floats  # (n,)
    low: float
    high: float

    def holds(self, taken: NDArray[np.bool_]) -> bool:
        """Whether a set (n,) keeps the rule, but for rounding."""
        total = float(self.weights[taken].sum())
        slack = 1e-9 * max(1.0, float(np.abs(self.weights).sum()))
        return self.low - slack <= total <= self.high + slack


@dataclass(frozen=True)
class Problem:
    """Titles with their profits (n, s) in s scenarios, and the rules a set must keep."""

    names: tuple[str, ...]
    profits: Floats
    rules: tuple[Rule, ...]
    tail: float = 0.05

    def without(self, rule: str) -> Problem:
        """The same problem where one rule does not count."""
        return replace(self, rules=tuple(r for r in self.rules if r.name != rule))


def clash(problem: Problem) -> tuple[str, ...]:
    """Rules that can't be kept together though any of them could be dropped; () where all can be kept.

    A deletion filter (Chinneck & Dravnieks, "Locating minimal infeasible constraint sets in linear programs", 1991).

    >>> one = Rule("two titles", np.ones(1), 2, np.inf)
    >>> clash(Problem(("A",), np.zeros((1, 1)), (one, Rule("budget 5", np.ones(1), -np.inf, 5))))
    ('two titles',)
    """
    if _feasible(problem, problem.rules):
        return ()
    kept = list(problem.rules)
    for rule in problem.rules:
        fewer = [r for r in kept if r is not rule]
        if not _feasible(problem, fewer):
            kept = fewer
    return tuple(rule.name for rule in kept)


def rows_of(rules: Sequence[Rule], n: int) -> tuple[list[Floats], list[float], list[float]]:
    """Rows (n + 1,) of the rules, each scaled to its own largest weight."""
    rows, low, high = [], [], []
    for rule in rules:
        size = float(np.abs(rule.weights).max(initial=0.0)) or 1.0
        rows.append(np.append(rule.weights / size, 0.0))
        low.append(rule.low / size)
        high.append(rule.high / size)
    return rows, low, high


def _feasible(problem: Problem, rules: Sequence[Rule]) -> bool:
    from scipy.optimize import Bounds, LinearConstraint, milp

    n = len(problem.names)
    rows, low, high = rows_of(rules, n)
    if not rows:
        return True
    result = milp(
        np.zeros(n + 1),
        integrality=np.ones(n + 1),
        bounds=Bounds(np.zeros(n + 1), np.append(np.ones(n), 0.0)),
        constraints=LinearConstraint(np.array(rows), low, high),
    )
    return bool(result.status != 2)
