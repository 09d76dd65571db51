"""`Predictive`: what a forecast says, a distribution for each title, as quantiles of the natural log of an amount.

Between the levels the log is read on a straight line; beyond the outermost two it goes on as a normal tail through
them, so that every moment is finite and a rare outcome has a chance above 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from cineloop.errors import InputError

Floats = NDArray[np.float64]

LEVELS: Floats = np.array([0.01, 0.025, *np.arange(0.05, 0.951, 0.05).round(2), 0.975, 0.99])
_GRID = (np.arange(2000) + 0.5) / 2000  # where the mean is taken: the middle of 2,000 slices of equal chance

_COARSE = (np.arange(200) + 0.5) / 200


@dataclass(frozen=True)
class Predictive:
    """n distributions: levels (q,) rising, within 0 to 1; logs (n, q) their quantiles, natural logs, not falling."""

    levels: Floats
    logs: Floats

    def __post_init__(self) -> None:
        q = len(self.levels)
        if q < 2 or not (np.diff(self.levels) > 0).all() or self.levels[0] <= 0 or self.levels[-1] >= 1:
            raise InputError("no levels", field="levels", accepted="two or more, rising, between 0 and 1")
        if self.logs.ndim != 2 or self.logs.shape[1] != q:
            raise InputError("no quantiles", field="logs", value=self.logs.shape, accepted=f"(n, {q})")
        if not np.isfinite(self.logs).all() or (np.diff(self.logs, axis=1) < -1e-9).any():
            raise InputError("no quantiles", field="logs", accepted="finite, not falling along a row")

    def __len__(self) -> int:
        return len(self.logs)

    def __getitem__(self, rows: slice | NDArray[np.bool_] | NDArray[np.int64] | Sequence[int]) -> Predictive:
        """Some of the distributions."""
        chosen = rows if isinstance(rows, slice) else np.asarray(rows)
        return Predictive(self.levels, self.logs[chosen])

    def quantile(self, levels: ArrayLike) -> Floats:
        """(n, k) logs at k levels, the same for every row, or at levels (n, k) of their own."""
        asked = np.asarray(levels, np.float64)
        if ((asked <= 0) | (asked >= 1)).any():
            raise InputError("no level", field="levels", accepted="between 0 and 1")
        own = np.broadcast_to(asked, (len(self), asked.shape[-1])) if asked.ndim < 2 else asked
        if own.shape[0] != len(self):
            raise InputError("no levels", field="levels", value=own.shape, accepted=f"({len(self)}, k)")
        at = np.clip(np.searchsorted(self.levels, own), 1, len(self.levels) - 1)
        low, high = self.levels[at - 1], self.levels[at]
        below, above = np.take_along_axis(self.logs, at - 1, 1), np.take_along_axis(self.logs, at, 1)
        inside = below + (above - below) * (own - low) / (high - low)
        z = ndtri(own)
        tail = below + (above - below) * (z - ndtri(low)) / (ndtri(high) - ndtri(low))
        beyond = (own < self.levels[0]) | (own > self.levels[-1])
        return np.asarray(np.where(beyond, tail, inside), dtype=np.float64)

    def below(self, amount: ArrayLike) -> Floats:
        """(n,) the chance of at most `amount` (one, or (n,)): the quantile function, turned round."""
        given = np.broadcast_to(np.asarray(amount, np.float64), (len(self),))
        with np.errstate(divide="ignore"):
            x = np.log(np.maximum(given, 0.0))[:, None]
        # at a run of equal quantiles, the highest level
        at = np.clip((self.logs <= x).sum(axis=1), 1, len(self.levels) - 1)[:, None]
        low, high = self.levels[at - 1], self.levels[at]
        below, above = np.take_along_axis(self.logs, at - 1, 1), np.take_along_axis(self.logs, at, 1)
        step = np.maximum(above - below, 1e-12)
        share = (x - below) / step
        with np.errstate(invalid="ignore", over="ignore"):
            inside = low + (high - low) * share
            tail = ndtr(ndtri(low) + (ndtri(high) - ndtri(low)) * share)
        beyond = (x < self.logs[:, :1]) | (x > self.logs[:, -1:])
        return np.asarray(np.where(beyond, tail, np.clip(inside, 0.0, 1.0))[:, 0], dtype=np.float64)

    def chance(self, above: ArrayLike) -> Floats:
        """(n,) the chance of more than an amount, one for all or (n,).

        >>> two = Predictive(np.array([0.1, 0.5, 0.9]), np.log([[1e6, 1e7, 1e8], [2e6, 2e7, 2e8]]))
        >>> two.chance(1e7).round(3).tolist(), two.chance([1e8, 2e8]).round(3).tolist()
        ([0.5, 0.62], [0.1, 0.1])
        """
        return 1.0 - self.below(above)

    def interval(self, level: float = 0.8) -> Floats:
        """(n, 2) the central interval that holds the amount with the chance `level`, in the amount's unit."""
        if not 0 < level < 1:
            raise InputError("no such interval", field="level", value=level, accepted="between 0 and 1")
        return np.exp(self.quantile([(1 - level) / 2, (1 + level) / 2]))

    @property
    def median(self) -> Floats:
        """(n,) the amount passed with a chance of a half."""
        return np.exp(self.quantile([0.5])[:, 0])

    @property
    def mean(self) -> Floats:
        """(n,) the mean amount: of the middles of 2,000 slices of equal chance, of which one lies beyond 99.95%.

        With tails as wide as a film's the mean rests on the few best outcomes: report it with the median.
        """
        return np.asarray(np.exp(self.quantile(_GRID)).mean(axis=1), dtype=np.float64)

    @property
    def mean_log(self) -> Floats:
        """(n,) the mean of the log: the forecast that least squares of the log judge."""
        return np.asarray(self.quantile(_COARSE).mean(axis=1), dtype=np.float64)

    def sample(self, rng: np.random.Generator, draws: int, ranks: ArrayLike | None = None) -> Floats:
        """(n, draws) amounts. `ranks` (n, draws), numbers between 0 and 1, take the place of independent ones: let
        them go together, and so do the outcomes."""
        if ranks is None:
            u = rng.random((len(self), draws))
        else:
            u = np.asarray(ranks, np.float64)
            if u.shape != (len(self), draws):
                raise InputError("no ranks", field="ranks", value=u.shape, accepted=f"({len(self)}, {draws})")
        return np.exp(self.quantile(np.clip(u, 1e-9, 1 - 1e-9)))

    def scaled(self, factor: ArrayLike) -> Predictive:
        """The distributions of a multiple of the amount; `factor` above 0, one or (n,)."""
        times = np.asarray(factor, np.float64)
        if not (np.isfinite(times).all() and (times > 0).all()):
            raise InputError("no factor", field="factor", value=factor, accepted="above 0")
        return Predictive(self.levels, self.logs + np.log(np.broadcast_to(times, (len(self),)))[:, None])


def joined(parts: Sequence[Predictive]) -> Predictive:
    """The distributions of several, one after the other; all on the same levels."""
    if not parts or any(not np.array_equal(p.levels, parts[0].levels) for p in parts):
        raise InputError("cannot be joined", field="levels", accepted="one or more, on the same levels")
    return Predictive(parts[0].levels, np.concatenate([p.logs for p in parts]))
