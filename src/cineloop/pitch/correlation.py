"""How titles rise and fall together: a factor model of forecast residuals, and ranks drawn from it.

A residual is taken apart as r = mean + year + genre within year + its own, the nested variance components of the
classical analysis of variance (Searle, Casella & McCulloch, "Variance Components", 1992). Two titles of one year
then correlate by `market`, two of one year and genre by `market + genre`. The components come from products of
pairs of residuals: they are unbiased however unbalanced the years and genres are, the mean needs no centring that
would eat part of the year's component, and they agree with the analysis of variance where all cells are equal.

There are few years, so an interval by resampling them is too narrow. `correlations` inverts a test instead: a value
stays in the interval where Gaussian residuals of the same years and genres would give an estimate as far out as
the one found in more than (1 − level)/2 of the draws on either side.

Years are taken as independent of each other: an error that all years share counts as the mean, not as market.

Outcomes are joined to this correlation by a Gaussian copula: `ranks` draws uniform numbers that correlate, which
each title's own quantile function turns into money. A title's own part depends on its name and the seed alone, so
slates with and without a title are compared on the same chances.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from cineloop.errors import InputError

Floats = NDArray[np.float64]

_MOST = 0.98  # a title keeps at least this much less than one for itself
_GRID = 41


@dataclass(frozen=True)
class Share:
    """A share of the variance of residuals, 0 to 1, with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Correlation:
    """What titles of a year (`market`) and, on top, of a genre within it (`genre`) share.

    `spread` is the residuals' standard deviation.
    `years`, `cells` (genres within years) and `n` say what the estimate rests on; all 0 where it was stated by hand.
    """

    market: Share
    genre: Share
    spread: float = 1.0
    years: int = 0
    cells: int = 0
    n: int = 0

    def shares(self, end: str = "value") -> tuple[float, float]:
        """The two shares at `end` of their intervals ("low", "value", "high"), made to fit below one.

        >>> stated(0.2, 0.1).shares()
        (0.2, 0.1)
        """
        market, genre = (max(float(getattr(share, end)), 0.0) for share in (self.market, self.genre))
        total = market + genre
        fit = _MOST / total if total > _MOST else 1.0
        return market * fit, genre * fit


def stated(market: float, genre: float) -> Correlation:
    """A correlation that a person states, without an interval; InputError where the shares pass one."""
    if not (market >= 0 and genre >= 0 and market + genre <= _MOST):
        raise InputError(
            "shares of the variance that don't fit",
            field="market, genre",
            value=(market, genre),
            accepted=f"each from 0, together up to {_MOST}",
        )
    return Correlation(Share(market, market, market), Share(genre, genre, genre))


def correlations(
    residuals: ArrayLike,
    years: ArrayLike,
    genres: ArrayLike,
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Correlation:
    """The factor model of `residuals` (n,), each of a year (n,) and a genre (n,): log gross less its forecast.

    Residuals of out-of-sample forecasts, or their normal scores; never of a fit, which has learned the year. Raises
    InputError where there are fewer than three years, or no year has two genres, or no genre two titles of a year.
    """
    values = np.asarray(residuals, dtype=np.float64)
    year_of, genre_of = np.asarray(years), np.asarray(genres)
    if (
        values.ndim != 1
        or not (len(values) == len(year_of) == len(genre_of))
        or not np.isfinite(values).all()
    ):
        raise ValueError("residuals, years, genres: one dimension, of one length, residuals finite")
    design = _Design.of(year_of, genre_of)
    sums, squares = design.summed(values), design.summed(values**2)
    market, genre, total = (float(part[0]) for part in design.components(sums[None], squares[None]))
    if total <= 0:
        raise InputError("residuals that don't vary", field="residuals", accepted="forecasts that miss")
    found = (market / total, genre / total)
    kept = [min(max(share, 0.0), _MOST / 2) for share in found]
    rng = np.random.default_rng(seed)
    noise = design.noise(draws, rng)
    intervals = []
    for which in (0, 1):
        grid = (_MOST - kept[1 - which]) * np.linspace(
            0.0, 1.0, _GRID
        ) ** 2  # finest near 0, where shares are
        pairs = [(g, kept[1]) if which == 0 else (kept[0], g) for g in grid]
        above = np.array([np.mean(design.estimates(noise, *pair)[which] >= found[which]) for pair in pairs])
        tail = (1 - level) / 2
        inside = grid[(above > tail) & (above < 1 - tail)]
        at = max(found[which], 0.0)
        # the end is the first value that the test refuses, so the grid never makes the interval too short
        low = grid[max(int(np.searchsorted(grid, inside[0])) - 1, 0)] if len(inside) else at
        high = grid[min(int(np.searchsorted(grid, inside[-1])) + 1, _GRID - 1)] if len(inside) else at
        intervals.append(Share(at, min(float(low), at), max(float(high), at)))
    return Correlation(
        intervals[0], intervals[1], float(np.sqrt(total)), design.years, design.cells, len(values)
    )


def ranks(
    correlation: Correlation,
    names: Sequence[str],
    years: Sequence[object],
    genres: Sequence[str],
    draws: int,
    *,
    seed: int = 0,
    end: str = "value",
) -> Floats:
    """Uniform numbers (n, draws) of n titles, correlated by year and by genre within year.

    Every factor is spread evenly over its own quantiles (Latin hypercube; McKay, Beckman & Conover 1979), which
    makes the mean and the tails of few draws steadier. `end` takes the shares from an end of their intervals.
    """
    if len(set(names)) != len(names):
        raise InputError("two titles of one name", field="name", accepted="names that differ")
    market, genre = correlation.shares(end)
    scores = np.empty((len(names), draws))
    for row, (name, year, kind) in enumerate(zip(names, years, genres, strict=True)):
        scores[row] = np.sqrt(market) * _factor(f"year/{year}", draws, seed)
        scores[row] += np.sqrt(genre) * _factor(f"genre/{year}/{kind}", draws, seed)
        scores[row] += np.sqrt(1 - market - genre) * _factor(f"title/{name}", draws, seed)
    return np.asarray(ndtr(scores), dtype=np.float64)


def uniform(name: str, draws: int, seed: int) -> Floats:
    """(draws,) numbers between 0 and 1, evenly spread, that depend on the name and the seed alone."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
    rng = np.random.default_rng(int.from_bytes(digest, "big"))
    return (rng.permutation(draws) + rng.random(draws)) / draws


def _factor(name: str, draws: int, seed: int) -> Floats:
    return np.asarray(ndtri(uniform(name, draws, seed)), dtype=np.float64)


@dataclass(frozen=True)
class _Design:
    """Which titles share a year and a cell (genre within year), and how many pairs there are of each kind."""

    cell_of: NDArray[np.intp]  # (n,)
    year_of_cell: NDArray[np.intp]  # (cells,)
    sizes: Floats  # (cells,)
    years: int
    cells: int

    @classmethod
    def of(cls, years: NDArray[np.generic], genres: NDArray[np.generic]) -> _Design:
        names, year = np.unique(years, return_inverse=True)
        kinds, genre = np.unique(genres, return_inverse=True)
        keys, cell = np.unique(year * len(kinds) + genre, return_inverse=True)
        sizes = np.bincount(cell, minlength=len(keys)).astype(np.float64)
        made = cls(cell, keys // max(len(kinds), 1), sizes, len(names), len(keys))
        if made.years < 3:
            raise InputError(
                "too few years to see a market", field="years", value=made.years, accepted="3 or more"
            )
        alike, same_year, _ = made._pairs()
        if alike <= 0 or same_year - alike <= 0:
            raise InputError(
                "years and genres can't be told apart",
                field="genres",
                accepted="years with several genres, and genres with several titles in a year",
            )
        return made

    def summed(self, values: Floats) -> Floats:
        """(n,) values summed to (cells,)."""
        return np.bincount(self.cell_of, weights=values, minlength=self.cells).astype(np.float64)

    def _by_year(self, cells: Floats) -> Floats:
        """(…, cells) summed to (…, years); the cells lie in the order of the years."""
        starts = np.searchsorted(self.year_of_cell, np.arange(self.years))
        return np.asarray(np.add.reduceat(cells, starts, axis=-1), dtype=np.float64)

    def _pairs(self) -> tuple[float, float, float]:
        n = self.sizes.sum()
        in_cell = float((self.sizes**2).sum() - n)
        in_year = float((self._by_year(self.sizes) ** 2).sum() - n)
        return in_cell, in_year, float(n * n - (self._by_year(self.sizes) ** 2).sum())

    def components(self, sums: Floats, squares: Floats) -> tuple[Floats, Floats, Floats]:
        """Variances (market, genre, total), each (b,), of b samples with sums and squares (b, cells)."""
        in_cell, in_year, apart = self._pairs()
        square, year_sums = squares.sum(axis=1), self._by_year(sums)
        alike = (sums**2).sum(axis=1) - square
        same_year = (year_sums**2).sum(axis=1) - square
        other_year = sums.sum(axis=1) ** 2 - (year_sums**2).sum(axis=1)
        mean_square = other_year / apart  # the squared mean: residuals of two years share nothing else
        across = (same_year - alike) / (in_year - in_cell)
        return (
            across - mean_square,
            alike / in_cell - across,
            square / self.sizes.sum() - mean_square,
        )

    def noise(self, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
        """Standard normal years, cells and cell means, and chi-squares within cells, for `estimates`."""
        freedom = self.sizes - 1
        within = np.where(freedom > 0, rng.chisquare(np.maximum(freedom, 1), (draws, self.cells)), 0.0)
        return (
            rng.standard_normal((draws, self.years)),
            rng.standard_normal((draws, self.cells)),
            rng.standard_normal((draws, self.cells)),
            within,
        )

    def estimates(
        self, noise: tuple[Floats, Floats, Floats, Floats], market: float, genre: float
    ) -> tuple[Floats, Floats]:
        """The two shares (draws,) that would be found where the true ones are `market` and `genre`."""
        own = max(1 - market - genre, 0.0)
        means = np.sqrt(market) * noise[0][:, self.year_of_cell] + np.sqrt(genre) * noise[1]
        means += np.sqrt(own / self.sizes) * noise[2]
        found = self.components(means * self.sizes, self.sizes * means**2 + own * noise[3])
        return found[0] / found[2], found[1] / found[2]
