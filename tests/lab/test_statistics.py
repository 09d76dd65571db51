from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cineloop.errors import InputError
from cineloop.lab.statistics import interval, paired


def skewed(rng: np.random.Generator, n: int) -> np.ndarray:
    """Like recalls: 4 in 10 are zero, the rest 0 to 1 and mostly low. The mean is 0.6 / 3 = 0.2."""
    return np.where(rng.random(n) < 0.4, 0.0, rng.beta(1, 2, n))


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    """Over 600 samples of 100 the true mean is inside 95% of the time, within 2.5 standard errors (0.022)."""
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(600):
        found = interval(skewed(rng, 100), resamples=800)
        inside += found.low <= 0.2 <= found.high
    assert abs(inside / 600 - 0.95) < 0.022 + 0.005


def test_members_are_resampled_whole() -> None:
    """60 members score alike in 4 folds each: the interval by member covers, the one by row can't."""
    rng = np.random.default_rng(2)
    units = np.repeat(np.arange(60), 4)
    by_member = by_row = 0
    for _ in range(300):
        values = np.repeat(rng.normal(0.3, 0.2, 60), 4) + rng.normal(0, 0.02, 240)
        whole, loose = interval(values, units, resamples=500), interval(values, resamples=500)
        by_member += whole.low <= 0.3 <= whole.high
        by_row += loose.low <= 0.3 <= loose.high
        assert whole.n == 60 and loose.n == 240
    assert by_member / 300 > 0.91
    assert by_row / 300 < 0.75  # half the width that it needs: covers 1.96 / 2 deviations, 67%


def test_on_many_values_it_is_the_normal_interval() -> None:
    values = np.random.default_rng(3).normal(5.0, 2.0, 4000)
    found = interval(values, resamples=8000)
    half = 1.959964 * values.std(ddof=1) / math.sqrt(4000)
    assert found.mean == pytest.approx(values.mean(), abs=1e-12)
    assert found.low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.05 * half)
    narrower = interval(values, level=0.8, resamples=8000)
    assert narrower.high - narrower.low == pytest.approx(2 * half * 1.281552 / 1.959964, rel=0.05)


def test_it_agrees_with_an_independent_bca() -> None:
    values = np.random.default_rng(4).exponential(1.0, 40)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=40_000, method="BCa", rng=0).confidence_interval
    ours = interval(values, resamples=40_000)
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.02 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.02 * width)
    # the skew is followed: further up than down
    assert ours.high - ours.mean > 1.1 * (ours.mean - ours.low)


def test_units_of_unequal_size_weigh_by_their_rows() -> None:
    """The mean is that of the rows; the interval is held against a plain loop over whole units."""
    rng = np.random.default_rng(5)
    sizes = rng.integers(1, 6, 80)
    units = np.repeat(np.arange(80), sizes)
    values = rng.normal(0, 1, 80)[units] + rng.normal(0, 0.3, len(units))
    found = interval(values, units, resamples=6000)
    rows = [values[units == u] for u in range(80)]
    draws = [np.concatenate([rows[i] for i in rng.integers(0, 80, 80)]).mean() for _ in range(6000)]
    low, high = np.quantile(draws, [0.025, 0.975])
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.06 * (high - low))


def test_pairs_see_a_difference_that_single_intervals_hide() -> None:
    rng = np.random.default_rng(6)
    b = skewed(rng, 300)
    a = b + rng.normal(0.01, 0.02, 300)
    assert interval(a).low < interval(b).high
    found = paired(a, b)
    assert found.above_zero and found.mean == pytest.approx((a - b).mean())
    assert paired(b, a).mean == -found.mean and not paired(b, a).above_zero


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(-1e3, 1e3)), min_size=1, max_size=40),
    seed=st.integers(0, 9),
)
def test_any_rows_in_any_order_give_one_finite_answer(rows: list[tuple[str, float]], seed: int) -> None:
    units, values = zip(*rows, strict=True)
    found = interval(values, units, resamples=200)
    assert found.n == len(set(units)) and not math.isnan(found.low) and not math.isnan(found.high)
    assert found.low <= found.high
    if found.n > 1:
        means = [np.mean([v for u, v in rows if u == unit]) for unit in set(units)]
        assert min(means) - 1e-6 <= found.low and found.high <= max(means) + 1e-6
    order = np.random.default_rng(seed).permutation(len(rows))
    again = interval([values[i] for i in order], [units[i] for i in order], resamples=200)
    assert again == found


def test_edges() -> None:
    assert (interval([0.5, 0.5]).low, interval([0.5, 0.5]).high) == (0.5, 0.5)
    alone = interval([0.5, 0.7], ["a", "a"])
    assert (alone.mean, alone.low, alone.high, alone.n) == (0.6, -math.inf, math.inf, 1)
    with pytest.raises(InputError, match="nothing to take a mean of"):
        interval([])
    with pytest.raises(InputError, match=r"level 95: no confidence level; accepted: between 0 and 1"):
        interval([1.0, 2.0], level=95)
    with pytest.raises(ValueError, match="finite"):
        interval([1.0, math.nan])
    assert str(interval([1.0, 1.0])) == "1.0000 [1.0000, 1.0000]"
