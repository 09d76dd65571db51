"""Regressions against an independent likelihood (scipy.stats) and against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import nbinom

from cineloop.errors import InputError
from cineloop.pitch.regression import Counts, logistic, negative_binomial, shifted_to


def draw(n: int, spread: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.stack([np.ones(n), rng.normal(size=n)], axis=1)
    mu = np.exp(x @ [1.5, 0.7])
    return x, rng.poisson(mu * rng.gamma(1 / spread, spread, n) if spread else mu)


@pytest.mark.parametrize("spread", [0.3, 2.0])
def test_negative_binomial_is_the_maximum_that_scipy_finds(spread: float) -> None:
    x, y = draw(400, spread, 1)

    def loss(w: np.ndarray) -> float:
        size = np.exp(-w[2])
        return -float(nbinom.logpmf(y, size, size / (size + np.exp(x @ w[:2]))).sum())

    best = minimize(loss, [1.0, 0.0, 0.0], method="Nelder-Mead", options={"maxiter": 4000, "fatol": 1e-10}).x
    found = negative_binomial(x, y, ridge=1e-12)
    assert found.coefficients == pytest.approx(best[:2], abs=2e-3)
    assert found.spread == pytest.approx(np.exp(best[2]), rel=5e-3)


def test_its_interval_holds_what_it_says_on_later_draws() -> None:
    fitted = negative_binomial(*draw(3000, 1.0, 2))
    x, y = draw(4000, 1.0, 3)
    span = fitted.interval(x, 0.8)
    covered = ((span[:, 0] <= y) & (y <= span[:, 1])).mean()
    # what the very distribution that was drawn from gives these whole numbers: never less than the level
    p = 1 / (1 + np.exp(x @ [1.5, 0.7]))
    meant = (nbinom.cdf(span[:, 1], 1, p) - nbinom.cdf(span[:, 0] - 1, 1, p)).mean()
    assert meant > 0.79 and covered == pytest.approx(meant, abs=0.02)


def test_counts_without_spread_are_a_poisson() -> None:
    x, y = draw(3000, 0.0, 4)
    fitted = negative_binomial(x, y)
    assert fitted.spread < 0.02 and fitted.coefficients == pytest.approx([1.5, 0.7], abs=0.05)
    assert Counts(np.array([np.log(4.0)]), 0.0).interval(np.ones((1, 1))).tolist() == [
        [2, 7]
    ]  # a Poisson table
    with pytest.raises(InputError, match="no counts"):
        negative_binomial(np.ones((3, 1)), [0, 0, 0])


def test_logistic_finds_the_odds() -> None:
    rng = np.random.default_rng(0)
    x = np.stack([np.ones(20_000), rng.normal(size=20_000)], axis=1)
    yes = rng.random(20_000) < expit(x @ [-2.0, 1.2])
    assert logistic(x, yes) == pytest.approx([-2.0, 1.2], abs=0.08)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-20, 20), min_size=2, max_size=30), st.floats(0.01, 0.99))
def test_shifted_chances_sum_to_the_total_in_the_same_order(odds: list[float], share: float) -> None:
    total = share * len(odds)
    found = shifted_to(np.array(odds)[:, None], np.array([total]))[:, 0]
    assert found.sum() == pytest.approx(total, rel=1e-6)
    assert (np.diff(found[np.argsort(odds)]) >= 0).all()
