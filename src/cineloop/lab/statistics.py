"""How sure a mean is: bootstrap intervals over members, alone and in pairs.

The intervals are BCa (bias-corrected and accelerated; Efron, "Better bootstrap confidence intervals", JASA
1987): scores of members are skewed and bounded, many are 0, and BCa follows the skew where the percentile
interval lags behind it, at the cost of one jackknife. What is resampled is the unit, a member or a title,
with all its rows: a member judged in several folds is one witness, not several.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cineloop.errors import InputError

Floats = NDArray[np.float64]

_DRAWS_AT_ONCE = 1 << 21  # 16 MiB of indices


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval, and the number of units that it rests on."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.low > 0.0

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


def interval(
    values: ArrayLike,
    units: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The mean of `values` (n,) and its BCa interval, resampling `units` (n,) whole (None: each is one).

    The same values in any order of rows give the same interval where units are named. One unit says nothing
    of the spread: its interval is everything. InputError where there is no value.

    >>> interval([0.0, 1.0] * 50).mean, interval([3.0, 3.0, 3.0]).low, interval([1.0]).high
    (0.5, 3.0, inf)
    """
    if not 0 < level < 1:
        raise InputError("no confidence level", field="level", value=level, accepted="between 0 and 1")
    sums, counts = _clusters(np.asarray(values, dtype=np.float64), units)
    n = len(sums)
    if n == 0:
        raise InputError("nothing to take a mean of", field="values", accepted="at least one unit")
    mean = float(sums.sum() / counts.sum())
    if n == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    if np.ptp(sums / counts) == 0.0:
        return Interval(mean, mean, mean, n)
    draws = _resampled(sums, counts, resamples, np.random.default_rng(seed))
    low, high = _bca(draws, mean, (sums.sum() - sums) / (counts.sum() - counts), level)
    return Interval(mean, low, high, n)


def paired(
    a: ArrayLike,
    b: ArrayLike,
    units: ArrayLike | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """The mean of a − b, row by row the scores of two contenders on the same case, and its interval.

    >>> paired([0.5, 0.6, 0.9], [0.4, 0.5, 0.8]).above_zero
    True
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"{a.shape} and {b.shape}: pairs need a score of each")
    return interval(a - b, units, level=level, resamples=resamples, seed=seed)


def _clusters(values: Floats, units: ArrayLike | None) -> tuple[Floats, Floats]:
    """Sum and number of the values of each unit, in the order of the units' names."""
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError("values: one dimension of finite numbers")
    if units is None:
        return values, np.ones(len(values))
    names, index = np.unique(np.asarray(units), return_inverse=True)
    if len(index) != len(values):
        raise ValueError(f"{len(values)} values of {len(index)} units")
    # summed in the order of their size, so that the order of the rows can't show in the last bit
    order = np.lexsort((values, index))
    sums = np.bincount(index[order], weights=values[order], minlength=len(names))
    return sums.astype(np.float64), np.bincount(index, minlength=len(names)).astype(np.float64)


def _resampled(sums: Floats, counts: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """(resamples,) means of the values of n units drawn with replacement."""
    n = len(sums)
    alike = bool((counts == counts[0]).all())
    draws = np.empty(resamples)
    at_once = max(1, _DRAWS_AT_ONCE // n)
    for start in range(0, resamples, at_once):
        drawn = rng.integers(0, n, size=(min(at_once, resamples - start), n))
        below = n * counts[0] if alike else counts[drawn].sum(axis=1)
        draws[start : start + len(drawn)] = sums[drawn].sum(axis=1) / below
    return draws


def _bca(draws: Floats, mean: float, without: Floats, level: float) -> tuple[float, float]:
    """Efron 1987: the percentiles to read, moved by the bias of the draws and the skew of the jackknife."""
    normal = NormalDist()
    n = len(draws)
    # a draw of just the mean counts half; the clip keeps the quantile finite
    share = (np.count_nonzero(draws < mean) + 0.5 * np.count_nonzero(draws == mean)) / n
    bias = normal.inv_cdf(min(max(share, 0.5 / n), 1 - 0.5 / n))
    pull = without.mean() - without
    size = np.abs(pull).max()
    pull = pull / size if size > 0 else pull  # or the cubes of tiny differences would be lost
    skew = float((pull**3).sum() / (6.0 * (pull**2).sum() ** 1.5)) if size > 0 else 0.0
    read = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        z = bias + normal.inv_cdf(tail)
        # past 1 the acceleration has run away (a handful of units): read the end itself
        moved = bias + z / (1 - skew * z) if skew * z < 1 else math.copysign(math.inf, z)
        read.append(normal.cdf(moved))
    low, high = np.quantile(draws, read)
    return float(low), float(high)
