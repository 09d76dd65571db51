"""Track records as of a day: what people and companies had to show by then, shrunk towards nobody's in particular.

A record is the number of earlier films and the mean of their excess (log gross over what their budget would have led
one to expect, or any other score of a film). A mean of two films says little, so it is shrunk by empirical Bayes
(Efron & Morris, "Data analysis using Stein's estimator and its generalizations", JASA 1975) with the variances between
names and between films of one name, estimated by moments (Searle, Casella & McCulloch, "Variance Components", 1992,
chapter 3: unbalanced one-way layout).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from cineloop.errors import InputError

Floats = NDArray[np.float64]
ROLES = ("companies", "directors", "writers", "cast")


@dataclass(frozen=True)
class Spread:
    """Variance of the true means `between` names and of single films `within` a name; `mean` of all."""

    mean: float
    between: float
    within: float

    def shrunk(self, total: ArrayLike, count: ArrayLike) -> tuple[Floats, Floats]:
        """Posterior (mean, standard deviation) of names whose `count` films sum up to `total`; the same shapes.

        >>> mean, sd = Spread(mean=0.0, between=1.0, within=2.0).shrunk([3.0, 0.0], [2, 0])
        >>> mean.tolist(), sd.round(3).tolist()
        ([0.75, 0.0], [0.707, 1.0])
        """
        n = np.asarray(count, np.float64)
        excess = np.asarray(total, np.float64) - n * self.mean
        if self.between <= 0.0:
            return np.full(n.shape, self.mean), np.zeros(n.shape)
        precision = 1.0 / self.between + n / self.within
        return self.mean + excess / self.within / precision, np.sqrt(1.0 / precision)


def spread(values: ArrayLike, names: ArrayLike) -> Spread:
    """Variance components of `values` (n,) grouped by `names` (n,), by moments; a negative one is 0.

    InputError where there are fewer than two names or no name has two values: nothing says how much is noise.
    """
    v = np.asarray(values, np.float64)
    _, group = np.unique(np.asarray(names), return_inverse=True)
    count = np.bincount(group)
    groups, n = len(count), len(v)
    if groups < 2 or n == groups:
        raise InputError(
            "no variance can be told from the other",
            field="names",
            value=groups,
            accepted="two names or more, one of them with two films",
        )
    means = np.bincount(group, v) / count
    within = float(((v - means[group]) ** 2).sum() / (n - groups))
    grand = float(v.mean())
    among = float((count * (means - grand) ** 2).sum() / (groups - 1))
    typical = (n - (count**2).sum() / n) / (groups - 1)
    return Spread(grand, max((among - within) / typical, 0.0), max(within, 1e-12))


@dataclass(frozen=True)
class Record:
    """What a name had to show: films released, films whose gross was known, shrunken mean of their excess and its
    standard deviation."""

    films: int
    known: int
    mean: float
    deviation: float


class TrackRecords:
    """The records of everyone of one role, on any day.

    A film counts as released on its `released` day and its excess from its `known` day on; a null excess counts as a
    film alone.
    """

    def __init__(self, films: pl.DataFrame, role: str, excess: pl.Series) -> None:
        """From a FILMS frame and an excess (natural log) for each of its rows; films without a date take no part."""
        if role not in ROLES:
            raise InputError("no such role", field="role", value=role, accepted=", ".join(ROLES))
        rows = (
            films.select("title", "released", "known", name=role)
            .with_columns(excess=excess.cast(pl.Float64).fill_nan(None))
            .filter(pl.col("released").is_not_null())
            .with_columns(pl.col("name").list.unique(maintain_order=True))
            .explode("name")
            .filter(pl.col("name").is_not_null())
        )
        self.role = role
        self._released: dict[str, list[tuple[date, str]]] = {}
        self._known: dict[str, list[tuple[date, float, str]]] = {}
        for title, released, known, name, value in rows.sort("released", "title").iter_rows():
            self._released.setdefault(name, []).append((released, title))
            if value is not None and known is not None:
                self._known.setdefault(name, []).append((known, value, title))
        self._spreads: dict[date, Spread] = {}

    def spread(self, day: date) -> Spread:
        """The variance components of what was known before the day; nothing between names where little is known."""
        if day not in self._spreads:
            seen = [(v, n) for n, films in self._known.items() for k, v, _ in films if k < day]
            try:
                made = spread([v for v, _ in seen], [n for _, n in seen])
            except InputError:
                made = Spread(float(np.mean([v for v, _ in seen])) if seen else 0.0, 0.0, 1.0)
            self._spreads[day] = made
        return self._spreads[day]

    def record(self, name: str, day: date, without: str | None = None) -> Record:
        """One name's record before the day, `without` one film (the one that is asked about)."""
        films = sum(r < day and t != without for r, t in self._released.get(name, ()))
        known = [v for k, v, t in self._known.get(name, ()) if k < day and t != without]
        mean, deviation = self.spread(day).shrunk(sum(known), len(known))
        return Record(films, len(known), float(mean), float(deviation))


@dataclass(frozen=True)
class Experience:
    """The release days of each name's films in one role, rising: how much of a name there was to see on a day."""

    days: dict[str, NDArray[np.datetime64]]

    @classmethod
    def of(cls, films: pl.DataFrame, role: str) -> Experience:
        """From a FILMS frame; films without a date take no part."""
        if role not in ROLES:
            raise InputError("no such role", field="role", value=role, accepted=", ".join(ROLES))
        out = (
            films.filter(pl.col("released").is_not_null())
            .select("released", name=pl.col(role).list.unique())
            .explode("name")
            .drop_nulls()
            .sort("name", "released")
            .group_by("name", maintain_order=True)
            .agg("released")
        )
        return cls({name: np.array(days, dtype="datetime64[D]") for name, days in out.iter_rows()})

    def before(self, names: Sequence[str | None], days: Sequence[date]) -> Floats:
        """(n,) how many films each name had out before its day; 0 for nobody."""
        none = np.zeros(0, "datetime64[D]")
        return np.array(
            [
                float(np.searchsorted(self.days.get(name, none), np.datetime64(day, "D")))
                if name is not None
                else 0.0
                for name, day in zip(names, days, strict=True)
            ],
            dtype=np.float64,
        )
