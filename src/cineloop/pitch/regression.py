"""Two regressions of few coefficients, fitted by Newton's method: counts with a spread, and yes or no.

Counts are negative binomial, of variance mu + spread mu^2 (Cameron & Trivedi, "Regression-based tests for
overdispersion", 1990; "NB2"): plays of a title vary far more than a Poisson's. Rows of `features` are cases; the first
column is the caller's ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, expit, gammaln

from cineloop.errors import InputError

Floats = NDArray[np.float64]

_ROUNDS = 100
_CLOSE = 1e-9


@dataclass(frozen=True)
class Counts:
    """A fitted negative binomial: coefficients (p,) of log mu, and the spread (0: a Poisson)."""

    coefficients: Floats
    spread: float

    def mean(self, features: ArrayLike) -> Floats:
        """(n,) expected counts."""
        return np.asarray(np.exp(np.clip(np.asarray(features) @ self.coefficients, -30, 30)))

    def interval(self, features: ArrayLike, level: float = 0.8) -> NDArray[np.int64]:
        """(n, 2) the central interval of counts, which holds at least `level` of the chance.

        It knows the spread of counts, not how unsure the coefficients are.
        """
        from scipy.stats import nbinom, poisson

        mu = self.mean(features)[:, None]
        tails = np.array([(1 - level) / 2, (1 + level) / 2])
        if self.spread <= 0:
            return np.asarray(poisson.ppf(tails, mu), np.int64)
        size = 1 / self.spread
        return np.asarray(nbinom.ppf(tails, size, size / (size + mu)), np.int64)


def negative_binomial(features: ArrayLike, counts: ArrayLike, ridge: float = 1e-6) -> Counts:
    """Maximum likelihood of log mu = features @ coefficients, and of the spread.

    features (n, p), counts (n,) from 0. The coefficients by Fisher scoring at a spread, the spread by bisection at
    coefficients, in turn. `ridge` per case keeps what can't be told apart near 0. InputError where all counts are 0.

    >>> fitted = negative_binomial(np.ones((4, 1)), [0, 8, 1, 3])
    >>> round(float(np.exp(fitted.coefficients[0])), 3), fitted.spread > 0.5
    (3.0, True)
    """
    x, y = np.asarray(features, np.float64), np.asarray(counts, np.float64)
    if len(y) == 0 or (y < 0).any() or not y.any():
        raise InputError("no counts to learn from", field="plays", accepted="some above 0, none below")
    b = np.zeros(x.shape[1])
    b[0] = np.log(y.mean())
    spread, before = 0.0, np.inf
    for _ in range(_ROUNDS):
        for _ in range(_ROUNDS):
            mu = np.exp(np.clip(x @ b, -30, 30))
            w = mu / (1 + spread * mu)
            step = _solve(x, w, x.T @ (w * (y - mu) / mu) - ridge * len(y) * b, ridge * len(y))
            b = b + step / max(1.0, float(np.abs(step).max()) / 2)  # no leap beyond e^2
            if np.abs(step).max() < _CLOSE:
                break
        spread = _spread(y, np.exp(np.clip(x @ b, -30, 30)))
        loss = -_log_likelihood(y, np.exp(np.clip(x @ b, -30, 30)), spread)
        if abs(before - loss) < 1e-8 * (1 + abs(loss)):
            break
        before = loss
    return Counts(b, spread)


def logistic(features: ArrayLike, yes: ArrayLike, ridge: float = 1e-6) -> Floats:
    """(p,) coefficients of the log odds of `yes` (n,), 0 or 1, by Newton's method.

    >>> round(float(logistic(np.ones((4, 1)), [1, 0, 0, 0])[0]), 3)  # log(1 / 3)
    -1.099
    """
    x, y = np.asarray(features, np.float64), np.asarray(yes, np.float64)
    b = np.zeros(x.shape[1])
    for _ in range(_ROUNDS):
        p = expit(x @ b)
        step = _solve(x, p * (1 - p), x.T @ (y - p) - ridge * len(y) * b, ridge * len(y))
        b = b + step / max(1.0, float(np.abs(step).max()) / 2)
        if np.abs(step).max() < _CLOSE:
            break
    return b


def shifted_to(log_odds: Floats, total: Floats) -> Floats:
    """(n, c) chances: each column's log odds moved by one amount, so that the column sums to `total` (c,).

    A total of n or more, or 0 or less, can't be reached and is taken as near it as chances go.

    >>> round(float(shifted_to(np.array([[0.0], [2.0]]), np.array([1.0])).sum()), 6)
    1.0
    """
    n = len(log_odds)
    aim = np.clip(total, 1e-6 * n, (1 - 1e-6) * n)
    low = -40.0 - log_odds.max(axis=0)
    high = 40.0 - log_odds.min(axis=0)
    for _ in range(60):
        middle = (low + high) / 2
        under = expit(log_odds + middle).sum(axis=0) < aim
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return np.asarray(expit(log_odds + (low + high) / 2))


def _solve(x: Floats, w: Floats, slope: Floats, ridge: float) -> Floats:
    curve = x.T @ (w[:, None] * x) + ridge * np.eye(x.shape[1])
    return np.asarray(np.linalg.solve(curve, slope))


def _log_likelihood(y: Floats, mu: Floats, spread: float) -> float:
    if spread <= 0:
        return float((y * np.log(mu) - mu - gammaln(y + 1)).sum())
    r = 1 / spread
    log_mix = np.log1p(spread * mu)
    return float(
        (
            gammaln(y + r) - gammaln(r) - gammaln(y + 1) + y * (np.log(spread * mu) - log_mix) - r * log_mix
        ).sum()
    )


def _spread(y: Floats, mu: Floats) -> float:
    """The spread of greatest likelihood at the means: where its slope in log spread is nought; 0 if it only falls."""

    def slope(log_spread: float) -> float:
        a = exp(log_spread)
        r = 1 / a
        by_r = digamma(y + r) - digamma(r) - np.log1p(a * mu) + (mu - y) / (mu + r)
        return float(-r * by_r.sum())

    low, high = np.log(1e-6), np.log(1e3)
    if slope(low) <= 0:
        return 0.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    return exp((low + high) / 2)
