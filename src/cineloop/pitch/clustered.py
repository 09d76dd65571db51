"""How sure a figure of many films is when the films of one year stand or fall together.

A figure is a function of sums over years, and its interval comes from leaving one year out at a time: the cluster
jackknife (CV3 of MacKinnon, Nielsen & Webb, "Cluster-robust inference: a guide to empirical practice", J. Econometrics
2023) with Student's t of one degree less than there are years. With four to nine years it keeps its level better than
drawing years with replacement, which never sees how different the next year may be.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from cineloop.errors import InputError
from cineloop.lab.statistics import Interval

Floats = NDArray[np.float64]


def jackknife(
    columns: Floats, clusters: ArrayLike, figure: Callable[[Floats], float], *, level: float = 0.95
) -> Interval:
    """The figure of the summed `columns` (n, s), sums (s,) to a number, and its interval over `clusters` (n,).

    One cluster says nothing of the spread: its interval is everything.

    >>> def mean(sums: Floats) -> float:
    ...     return float(sums[0] / sums[1])
    >>> two = jackknife(np.array([[1.0, 1.0], [3.0, 1.0]]), [2001, 2002], mean)
    >>> two.mean, round(two.high - two.mean, 3)  # 1 (the error of a mean of 1 and 3) times t(1) = 12.706
    (2.0, 12.706)
    """
    if not 0 < level < 1:
        raise InputError("no confidence level", field="level", value=level, accepted="between 0 and 1")
    if len(columns) == 0:
        raise InputError("nothing to judge", field="films", accepted="at least one film")
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.stack([np.bincount(index, column) for column in columns.T], axis=1)
    total, k = sums.sum(axis=0), len(sums)
    value = figure(total)
    if k == 1:
        return Interval(value, -math.inf, math.inf, 1)
    without = np.array([figure(total - one) for one in sums])
    error = math.sqrt((k - 1) / k * float(((without - without.mean()) ** 2).sum()))
    reach = float(stdtrit(k - 1, (1 + level) / 2)) * error
    return Interval(value, value - reach, value + reach, k)


def mean_of(values: ArrayLike, clusters: ArrayLike) -> Interval:
    """The mean of values (n,) and its interval."""
    v = np.asarray(values, np.float64)
    return jackknife(np.stack([v, np.ones(len(v))], axis=1), clusters, lambda s: float(s[0] / s[1]))


def explained(y: ArrayLike, said: ArrayLike, clusters: ArrayLike) -> Interval:
    """R2 of forecasts `said` of y, both (n,): the share of the variance round the mean of all of y."""
    truth, error = np.asarray(y, np.float64), np.asarray(y, np.float64) - np.asarray(said, np.float64)
    return jackknife(_moments(truth, error**2), clusters, lambda s: 1 - float(s[3] / _variance(s)))


def explained_more(y: ArrayLike, said: ArrayLike, than: ArrayLike, clusters: ArrayLike) -> Interval:
    """The R2 of `said` less that of `than`, forecasts of the same y."""
    truth = np.asarray(y, np.float64)
    gain = (truth - np.asarray(than, np.float64)) ** 2 - (truth - np.asarray(said, np.float64)) ** 2
    return jackknife(_moments(truth, gain), clusters, lambda s: float(s[3] / _variance(s)))


def _moments(y: Floats, more: Floats) -> Floats:
    """(n, 4) what sums up to n, the sum and the sum of squares of y round its middle, and one thing more."""
    centred = y - y.mean()
    return np.stack([np.ones(len(y)), centred, centred**2, more], axis=1)


def _variance(sums: Floats) -> float:
    return max(float(sums[2] - sums[1] ** 2 / sums[0]), 1e-12)
