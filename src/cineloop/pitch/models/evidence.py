"""Bayesian linear regression whose coefficients come in groups, each with a variance that the data choose.

    y = X w + noise,   w_j ~ N(0, variance of j's group),   noise_i ~ N(0, noise / weight_i)

A group is the levels of a factor (companies), the slopes of a smooth curve, or anything that is alike beforehand: the
more its members differ in the data, the less they are shrunk. This is the mixed model of Henderson ("Best linear
unbiased estimation and prediction under a selection model", Biometrics 1975). The variances maximise the evidence; for
flat fixed effects that is the restricted likelihood of Patterson & Thompson (Biometrika 1971). The updates are the
geometric mean of MacKay's ("Bayesian interpolation", Neural Computation 1992), which leap, and those of EM, which
never overshoot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotri

Floats = NDArray[np.float64]

FLAT = 100.0  # the variance of a coefficient that is not shrunk
_LEAST, _MOST = 1e-7, 10.0


@dataclass(frozen=True)
class Posterior:
    """mean (p,) and covariance (p, p) of the coefficients; variances (g,) of the groups; the noise's variance."""

    mean: Floats
    covariance: Floats
    variances: Floats
    noise: float

    def variance(self, columns: Floats) -> Floats:
        """(n,) how unsure the fitted value of each row (n, p) is, noise left out."""
        return np.asarray(np.maximum(((columns @ self.covariance) * columns).sum(axis=1), 0.0))


def bounds(sizes: Sequence[int]) -> list[slice]:
    """Where each group's columns lie.

    >>> bounds([2, 3])
    [slice(0, 2, None), slice(2, 5, None)]
    """
    return [slice(a, b) for a, b in pairwise(np.cumsum([0, *sizes]).tolist())]


def fit(
    columns: Floats,
    sizes: Sequence[int],
    flat: Sequence[bool],
    y: Floats,
    weights: Floats,
    *,
    steps: int = 40,
    tolerance: float = 0.05,
) -> Posterior:
    """The posterior given columns (n, p) in groups of `sizes`, those in `flat` groups not shrunk; y and weights (n,).

    It stops when no variance changes by more than the share `tolerance` of itself, or after `steps` steps.
    """
    groups = bounds(sizes)
    weighted = columns * weights[:, None]
    gram, moment = weighted.T @ columns, weighted.T @ y
    total, n, p = float(weights @ (y * y)), len(y), columns.shape[1]
    variances = np.array([FLAT if f else 0.05 for f in flat])
    noise = max(total / max(float(weights.sum()), 1e-12) / 2, 1e-9)
    prior = np.empty(p)
    mean, covariance = np.zeros(p), np.zeros((p, p))
    for _ in range(steps):
        for group, variance in zip(groups, variances, strict=True):
            prior[group] = variance
        precision = gram / noise
        precision[np.diag_indices(p)] += 1.0 / prior
        factor = cho_factor(precision, lower=True, overwrite_a=True, check_finite=False)
        mean = cho_solve(factor, moment / noise, check_finite=False)
        lower, _ = dpotri(factor[0], lower=1)
        spread = np.diag(lower).copy()
        before, before_noise = variances.copy(), noise
        for g, group in enumerate(groups):
            size = group.stop - group.start
            if flat[g] or size == 0:
                continue
            power = float(mean[group] @ mean[group])
            fitted = max(size - spread[group].sum() / variances[g], 1e-9)
            em, leap = (power + spread[group].sum()) / size, power / fitted
            variances[g] = np.clip(np.sqrt(em * leap), _LEAST, _MOST)
        misfit = total - 2 * float(mean @ moment) + float(mean @ gram @ mean)
        freedom = n - (p - float((spread / prior).sum()))
        noise = max(misfit / max(freedom, 1.0), 1e-9)
        covariance = np.tril(lower) + np.tril(lower, -1).T
        # a variance on its way to nothing halves for ever; below a ten-thousandth of the noise it is nothing
        alive = np.maximum(before, variances) > 1e-4 * noise
        moved = np.abs(np.log(variances / before))[alive]
        if max(moved.max(initial=0.0), abs(np.log(noise / before_noise))) < tolerance:
            break
    return Posterior(mean, covariance, variances, noise)
