"""What each characteristic goes with, other things equal, as a factor on the amount, and how surely.

An association is a contrast of a regression: the mean over the films concerned of the log with the characteristic
less the log without it, all else as it is. Numbers are compared locally, over the films that are near (accumulated
local effects: Apley & Zhu, "Visualizing the effects of predictor variables in black box supervised learning models",
JRSS B 2020), so that nothing is read off combinations that hardly occur; of a model that is linear in its columns
every such contrast is a vector, and a refit gives all of them at once. Intervals come from refits that leave one year
out at a time (the cluster jackknife; see `clustered`). They are a little too narrow, since the variances of the groups
are not learnt anew: of 394 associations of simulated films where there was none, 10% and not 5% lay outside, and 2%
passed for detectable. Nothing here says what would happen if someone changed the characteristic: people who choose a
budget or a date know things that the table doesn't.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from cineloop.pitch.groups import PEOPLE, Rows, Sums, Variances, solve

Floats = NDArray[np.float64]

_LEAST = 30  # films that a contrast rests on, or it is not made
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@dataclass(frozen=True)
class Contrast:
    """One comparison: `vector` (p + 1,) of coefficients, over `films`."""

    driver: str
    what: str
    against: str
    vector: Floats
    films: int


@dataclass(frozen=True)
class Association:
    """`what` goes with `factor` times the amount of `against`, other things equal; 95% from `low` to `high`.

    `kept` of `windows` spans of four years show the same direction by themselves. `detectable` says that it is told
    from chance, with the false discovery rate of all associations held at 5% (Benjamini & Hochberg 1995).
    """

    driver: str
    what: str
    against: str
    factor: float
    low: float
    high: float
    films: int
    kept: int
    windows: int
    detectable: bool


def associations(of: Rows, fitted: Sums, drivers: Sequence[str], known: Variances) -> tuple[Association, ...]:
    """All contrasts of a model of `drivers` fitted on `of`; of two years or more."""
    asked = [c for c in contrasts(of, fitted) if c.driver in drivers]
    if not asked or len(fitted.years) < 2:
        return ()
    vectors = np.stack([c.vector for c in asked])
    years = len(fitted.years)

    def refit(weights: Floats) -> Floats:
        return np.asarray(vectors @ solve(fitted, weights, drivers, known), dtype=np.float64)

    point = refit(np.ones(years))
    without = np.stack([refit(1.0 - np.eye(years)[i]) for i in range(years)])
    error = np.sqrt((years - 1) / years * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    reach = float(stdtrit(years - 1, 0.975)) * error
    low, high = point - reach, point + reach
    signs = [np.sign(refit(inside.astype(np.float64))) for inside in windows(fitted.years)]
    kept = (np.stack(signs) == np.sign(point)).sum(axis=0) if signs else np.zeros(len(asked))
    told = discoveries(2 * stdtr(years - 1, -np.abs(point) / np.maximum(error, 1e-12)))
    return tuple(
        Association(
            c.driver,
            c.what,
            c.against,
            float(np.exp(point[i])),
            float(np.exp(low[i])),
            float(np.exp(high[i])),
            c.films,
            int(kept[i]),
            len(signs),
            bool(told[i] and not low[i] <= 0 <= high[i]),
        )
        for i, c in enumerate(asked)
    )


def windows(years: NDArray[np.int64], span: int = 4) -> list[NDArray[np.bool_]]:
    """Spans of four years that end with the last one, as masks; a rest of fewer years joins the first span.

    >>> [m.sum().item() for m in windows(np.arange(2001, 2011))]
    [6, 4]
    """
    last, count = int(years.max()), max(len(range(int(years.min()), int(years.max()) + 1)) // span, 1)
    place = np.minimum((last - years) // span, count - 1)
    return [place == i for i in range(count - 1, -1, -1)]


def discoveries(p: Floats, rate: float = 0.05) -> NDArray[np.bool_]:
    """Which p-values (m,) are told from chance with the false discovery rate `rate` (Benjamini & Hochberg 1995).

    >>> discoveries(np.array([0.01, 0.04, 0.03, 0.5])).tolist()
    [True, False, False, False]
    """
    order = np.argsort(p, kind="stable")
    passes = np.flatnonzero(p[order] <= rate * np.arange(1, len(p) + 1) / len(p))
    told = np.zeros(len(p), dtype=bool)
    if len(passes):
        told[order[: passes[-1] + 1]] = True
    return told


def contrasts(of: Rows, fitted: Sums) -> list[Contrast]:
    """Every comparison that the rows and the columns of a model allow."""
    made = [*_budgets(of, fitted), *_levels(of, fitted, "genre"), *_months(of, fitted)]
    made += _levels(of, fitted, "certificate")
    made += _runtimes(of, fitted)
    made += _levels(of, fitted, "company", most=12)
    made += _levels(of, fitted, "country", most=8)
    made += _sequels(of, fitted)
    for driver in PEOPLE:
        made += _record(of, fitted, driver)
    return [c for c in made if c.films >= _LEAST and np.abs(c.vector).max() > 0]


def shift(
    fitted: Sums, frame: pl.DataFrame, columns: Sequence[str], new: Callable[[pl.DataFrame], pl.DataFrame]
) -> Floats:
    """(p + 1,) the mean over the frame of the model's columns as `new` makes them, less as they are.

    Only the terms that read one of `columns` are looked at: nothing else may differ.
    """
    vector = np.zeros(fitted.gram.shape[1])
    changed = new(frame)
    for term, group in zip(fitted.terms, fitted.groups, strict=True):
        if set(term.term.uses) & set(columns):
            vector[group] = (term.columns(changed) - term.columns(frame)).mean(axis=0)
    return vector


def _budgets(of: Rows, fitted: Sums) -> list[Contrast]:
    made = []
    half = np.log(2.0) / 2
    edges = [0.0, 5e6, 15e6, 40e6, 100e6, np.inf]
    names = ("under $5M", "$5M to $15M", "$15M to $40M", "$40M to $100M", "$100M and more")
    budget = np.exp(of.frame["budget"].fill_null(np.nan).to_numpy())
    for name, low, high in zip(names, edges[:-1], edges[1:], strict=True):
        near = of.frame.filter((budget >= low) & (budget < high))
        if len(near) < _LEAST:
            continue
        up = shift(fitted, near, ["budget"], lambda f: f.with_columns(pl.col("budget") + half))
        down = shift(fitted, near, ["budget"], lambda f: f.with_columns(pl.col("budget") - half))
        made.append(Contrast("budget", f"twice the budget, at {name}", "the budget", up - down, len(near)))
    return made


def _levels(of: Rows, fitted: Sums, column: str, most: int = 100) -> list[Contrast]:
    """Films of a level against what they would be with the mix of all levels, each at its own budget and year."""
    counts = of.frame[column].drop_nulls().value_counts().sort(["count", column], descending=[True, False])
    common = [v for v, n in counts.head(most).iter_rows() if n >= _LEAST]
    total = int(counts["count"].sum())
    share = {v: n / total for v, n in counts.iter_rows()}
    made = []
    for level in sorted(common):
        films = of.frame.filter(pl.col(column) == level)
        vector = np.zeros(fitted.gram.shape[1])
        for term, group in zip(fitted.terms, fitted.groups, strict=True):
            if term.term.of == column and term.term.kind == "levels":
                own = np.array([float(v == level) - share.get(v, 0.0) for v in term.levels])
                vector[group] = own * term.times(films).mean()
        made.append(Contrast(column, level, f"the mix of every {column}", vector, len(films)))
    return made


def _months(of: Rows, fitted: Sums) -> list[Contrast]:
    films = of.frame.filter(pl.col("season").is_not_null())
    made = []
    for month, name in enumerate(_MONTHS):
        middle = (month + 0.5) / 12
        inside = int(((films["season"] * 12).floor() == month).sum())
        if inside:
            vector = shift(fitted, films, ["season"], _at("season", middle))
            made.append(Contrast("season", f"released in {name}", "the mix of all dates", vector, inside))
    return made


def _at(column: str, value: float) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda frame: frame.with_columns(pl.lit(value).alias(column))


def _runtimes(of: Rows, fitted: Sums) -> list[Contrast]:
    made = []
    for low, high in ((70, 95), (95, 115), (115, 135), (135, 200)):
        near = of.frame.filter((pl.col("runtime") >= low) & (pl.col("runtime") < high))
        if len(near) < _LEAST:
            continue
        up = shift(fitted, near, ["runtime"], lambda f: f.with_columns(pl.col("runtime") + 5.0))
        down = shift(fitted, near, ["runtime"], lambda f: f.with_columns(pl.col("runtime") - 5.0))
        made.append(
            Contrast("runtime", f"ten minutes more, at {low} to {high}", "the runtime", up - down, len(near))
        )
    return made


def _sequels(of: Rows, fitted: Sums) -> list[Contrast]:
    parts = ("sequel", "numbered", "earlier", "earlier_excess", "gap")
    films = of.frame.filter(pl.col("sequel") == 1.0)
    if films.is_empty():
        return []
    alone = -shift(fitted, films, parts, lambda f: f.with_columns(**{p: pl.lit(0.0) for p in parts}))
    made = [Contrast("franchise", "continues an earlier film", "no earlier film", alone, len(films))]
    told = films.filter(pl.col("earlier") != 0.0)
    if not told.is_empty():
        more = shift(
            fitted,
            told,
            ("earlier", "earlier_excess"),
            lambda f: f.with_columns(pl.col("earlier") + np.log(2.0), pl.col("earlier_excess") + np.log(2.0)),
        )
        what = "the earlier film took twice as much"
        made.append(Contrast("franchise", what, "what it took", more, len(told)))
    return made


def _record(of: Rows, fitted: Sums, driver: str) -> list[Contrast]:
    column = f"{driver}_record"
    films = of.frame.filter(pl.col(column).is_not_null() & (pl.col(f"{driver}_films") > 0))
    if len(films) < _LEAST:
        return []
    spread = float(films[column].to_numpy().std())
    vector = shift(fitted, films, [column], lambda f: f.with_columns(pl.col(column) + spread))
    what = f"a {driver} whose earlier films did better by one standard deviation"
    return [Contrast(driver, what, "the record", vector, len(films))]
