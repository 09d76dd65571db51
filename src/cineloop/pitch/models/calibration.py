"""From a mean to a distribution that keeps its promise: past forecasts' errors over the size expected of them.

A forecast of each of the last years is made with a model that was fitted before that year; its errors are errors of
forecasts, not of a fit. Divided by the scale that is expected for such a film they are alike enough to be pooled, and
their quantiles, times a new film's scale, are its distribution: split conformal prediction with a normalised score
(Lei, G'Sell, Rinaldo, Tibshirani & Wasserman, "Distribution-free predictive inference for regression", JASA 2018).
The scale depends on the budget, since cheap films miss more. The years move on with every refit ("rolling").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.pitch.predictive import LEVELS, Predictive

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Errors of past forecasts: what came minus what was said (n,), in logs; `size` (n,) is what the scale depends on
    (a log budget), `doubt` (n,) the model's own variance of its mean, `age` (n,) years since, 0 the latest."""

    error: Floats
    size: Floats
    doubt: Floats
    age: Floats

    def __add__(self, other: Errors) -> Errors:
        """Both, one after the other."""
        return Errors(*(np.concatenate([a, b]) for a, b in zip(self.columns, other.columns, strict=True)))

    @property
    def columns(self) -> tuple[Floats, Floats, Floats, Floats]:
        """The four columns."""
        return self.error, self.size, self.doubt, self.age

    def later(self, years: float, keep: float = np.inf) -> Errors:
        """The same errors seen some years later, those of the last `keep` years only."""
        age = self.age + years
        kept = age < keep
        return Errors(self.error[kept], self.size[kept], self.doubt[kept], age[kept])


@dataclass(frozen=True)
class Calibration:
    """quantiles (q,) of past errors over their scale, at predictive.LEVELS.

    The log of a film's own deviation is a parabola in its standardised size with the coefficients `curve` (3,).
    """

    quantiles: Floats
    curve: Floats
    middle: float
    spread: float

    def scale(self, size: Floats, doubt: Floats) -> Floats:
        """(n,) the deviation expected of the log: that of a film of the size, and the doubt. A size that is nan counts
        as the middle one."""
        known = np.where(np.isfinite(size), size, self.middle)
        return np.sqrt(np.exp(2 * _powers((known - self.middle) / self.spread) @ self.curve) + doubt)

    def predictive(self, mean: Floats, size: Floats, doubt: Floats) -> Predictive:
        """The distributions of n titles from mean (n,), size (n,) and doubt (n,)."""
        return Predictive(LEVELS, mean[:, None] + self.scale(size, doubt)[:, None] * self.quantiles)


def calibrate(errors: Errors, *, half_life: float = 3.0) -> Calibration:
    """Learn scale and quantiles from past errors, an error half as heavy for every `half_life` years of its age.

    InputError below 30 errors: the outer quantiles would rest on nothing.
    """
    if len(errors.error) < 30:
        raise InputError(
            "too few past forecasts to calibrate on",
            field="films",
            value=len(errors.error),
            accepted="30 or more in the years before",
        )
    weights = 0.5 ** (errors.age / half_life)
    weights = weights / weights.mean()
    middle, spread = float(errors.size.mean()), float(max(errors.size.std(), 1e-9))
    curve = _scale_curve(errors, weights, (errors.size - middle) / spread)
    made = Calibration(np.zeros(len(LEVELS)), curve, middle, spread)
    scores = errors.error / made.scale(errors.size, errors.doubt)
    return Calibration(_quantiles(scores, weights), curve, middle, spread)


def _quantiles(scores: Floats, weights: Floats) -> Floats:
    """(q,) weighted quantiles, with room for the score that is still to come: n scores make n + 1 gaps."""
    order = np.argsort(scores, kind="stable")
    ranked, w = scores[order], weights[order]
    place = (np.cumsum(w) - w / 2 + w.mean() / 2) / (w.sum() + w.mean())
    return np.interp(LEVELS, place, ranked)


def _powers(z: Floats) -> Floats:
    """(n, 3) 1, z and z², beyond two deviations held: a parabola must not run away."""
    held = np.clip(z, -2.0, 2.0)
    return np.stack([np.ones_like(held), held, held**2], axis=1)


def _scale_curve(errors: Errors, weights: Floats, z: Floats) -> Floats:
    """(3,) coefficients of the log deviation: normal maximum likelihood by Fisher scoring, doubt known and added."""
    powers = _powers(z)
    variance = max(
        float(np.average(errors.error**2, weights=weights) - np.average(errors.doubt, weights=weights)), 1e-4
    )
    curve = np.array([0.5 * np.log(variance), 0.0, 0.0])
    # a prior that the curve is flat, worth a few films
    prior = np.diag([0.0, 2.0, 8.0])
    for _ in range(50):
        own = np.exp(2 * powers @ curve)
        share = own / (own + errors.doubt)
        # an error counts at most nine variances: one flop must not set the scale of its neighbours
        misfit = np.minimum(errors.error**2 / (own + errors.doubt), 9.0) - 1.0
        gradient = powers.T @ (weights * share * misfit) - prior @ curve
        hessian = 2 * (powers * (weights * share**2)[:, None]).T @ powers + prior
        step = np.linalg.solve(hessian + 1e-9 * np.eye(3), gradient)
        curve = curve + np.clip(step, -0.5, 0.5)
        if np.abs(step).max() < 1e-8:
            break
    return curve
