"""Distributions held as quantiles, against the log-normal they were made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from cineloop.errors import InputError
from cineloop.pitch.predictive import LEVELS, Predictive, joined

MU, SIGMA = np.array([16.0, 18.5]), np.array([1.5, 0.4])
TWO = Predictive(LEVELS, MU[:, None] + SIGMA[:, None] * norm.ppf(LEVELS))


def test_a_log_normal_comes_back() -> None:
    assert TWO.median == pytest.approx(np.exp(MU))
    assert TWO.interval(0.8) == pytest.approx(np.exp(MU[:, None] + SIGMA[:, None] * norm.ppf([0.1, 0.9])))
    # tails go on as normal ones: exact even far out
    assert TWO.quantile([0.0001, 0.9999]) == pytest.approx(
        MU[:, None] + SIGMA[:, None] * norm.ppf([1e-4, 0.9999])
    )
    # between the levels the log is a straight line: off by no more than the curve of a normal
    assert TWO.quantile([0.93]) == pytest.approx(MU[:, None] + SIGMA[:, None] * norm.ppf([0.93]), abs=0.05)
    # the mean of a log-normal is exp(mu + sigma² / 2)
    assert TWO.mean == pytest.approx(np.exp(MU + SIGMA**2 / 2), rel=0.06)
    assert TWO.mean_log == pytest.approx(MU, abs=0.01)


def test_chances() -> None:
    assert TWO.chance(np.exp(MU)) == pytest.approx([0.5, 0.5])
    assert TWO.chance(np.exp(MU + SIGMA * norm.ppf(0.999))) == pytest.approx([0.001, 0.001], rel=1e-6)
    assert TWO.chance(0.0).tolist() == [1.0, 1.0]
    assert TWO.chance(1e30).tolist() == pytest.approx([0.0, 0.0], abs=1e-12)


@given(st.floats(0.001, 0.999))
def test_chance_turns_the_quantile_round(level: float) -> None:
    amount = np.exp(TWO.quantile([level])[:, 0])
    assert TWO.chance(amount) == pytest.approx([1 - level] * 2, abs=1e-9)


@given(st.lists(st.floats(0, 3), min_size=4, max_size=4), st.floats(-5, 30))
def test_any_quantiles_give_chances(steps: list[float], log: float) -> None:
    odd = Predictive(np.array([0.1, 0.4, 0.5, 0.9]), 10.0 + np.cumsum([steps], axis=1))
    chance = odd.chance([float(np.exp(log))])
    assert 0.0 <= float(chance[0]) <= 1.0
    assert odd.chance(float(np.exp(log + 0.5))) <= chance + 1e-9
    low, high = odd.interval(0.8)[0]
    assert low <= odd.median[0] <= high


def test_samples_follow_the_distribution_and_the_ranks() -> None:
    drawn = TWO.sample(np.random.default_rng(0), 20_000)
    assert np.log(drawn).mean(axis=1) == pytest.approx(MU, abs=0.05)
    assert np.quantile(drawn, 0.9, axis=1) == pytest.approx(TWO.interval(0.8)[:, 1], rel=0.05)
    ranks = np.tile(np.random.default_rng(1).random(500), (2, 1))
    together = np.log(TWO.sample(np.random.default_rng(0), 500, ranks))
    assert np.corrcoef(together)[0, 1] > 0.99
    with pytest.raises(InputError, match="ranks"):
        TWO.sample(np.random.default_rng(0), 5, ranks)


def test_scaled_rows_and_joined() -> None:
    assert TWO.scaled(2.0).median == pytest.approx(2 * TWO.median)
    assert TWO.scaled([1.0, 3.0])[1:].median == pytest.approx(3 * TWO.median[1:])
    assert len(joined([TWO, TWO[:1]])) == 3
    with pytest.raises(InputError, match="factor"):
        TWO.scaled(0.0)


@pytest.mark.parametrize(
    ("levels", "logs"),
    [
        ([0.5], [[1.0]]),
        ([0.5, 0.4], [[1.0, 2.0]]),
        ([0.0, 0.5], [[1.0, 2.0]]),
        ([0.1, 0.5], [[2.0, 1.0]]),
        ([0.1, 0.5], [[1.0, np.inf]]),
        ([0.1, 0.5], [[1.0, 2.0, 3.0]]),
    ],
)
def test_what_is_no_distribution_is_refused(levels: list[float], logs: list[list[float]]) -> None:
    with pytest.raises(InputError):
        Predictive(np.array(levels), np.array(logs))
