"""Demand against supply in taste space: where members' taste lies, and where the catalogue's titles or hours lie.

Titles are put into clusters by who plays them, so that a cluster is a taste and not a genre. The space is the spectral
one of Dhillon ("Co-clustering documents and words using bipartite spectral graph partitioning", KDD 2001): plays are
divided by the square roots of the member's and the title's numbers of them, and the first axis, which holds nothing
but fame, is dropped. Each member has a taste mass of 1, spread over the clusters as their plays are, so that those who
play much count no more than others. Demand is the mean of these masses, with its interval over members; supply is a
cluster's share of the titles, or of their hours.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from cineloop.errors import InputError
from cineloop.lab.histories import Histories
from cineloop.lab.statistics import Interval, interval
from cineloop.titles.text import truncated_svd, unit

_ROUNDS = 100

ASSUMPTIONS = (
    "taste is read from what was played, and what was not on offer could not be played: demand for what a catalogue "
    "lacks altogether does not show",
    "the intervals resample members and hold the clusters as they are",
    "titles that nobody has played have no place in taste space and are counted in `unplaced`, in no cluster",
)


@dataclass(frozen=True)
class Taste:
    """A cluster: `demand` members' mean taste mass with its 80% interval, `supply` its share of what is on offer,
    `ratio` demand over supply with the interval that follows; `genres` those commoner in it than elsewhere; `leading`
    its most played titles.
    """

    demand: Interval
    supply: float
    ratio: tuple[float, float, float]
    titles: int
    genres: tuple[str, ...]
    leading: tuple[str, ...]


@dataclass(frozen=True)
class Balance:
    """All clusters, most wanting of supply first; `unplaced`: titles of the catalogue that nobody has played."""

    tastes: tuple[Taste, ...]
    members: int
    unplaced: int
    unit: Literal["titles", "hours"]
    assumptions: tuple[str, ...] = ASSUMPTIONS

    def frame(self) -> pl.DataFrame:
        """Rows (taste, genres, titles, demand, low, high, supply, ratio)."""
        rows = [
            (
                i,
                ", ".join(t.genres),
                t.titles,
                t.demand.mean,
                t.demand.low,
                t.demand.high,
                t.supply,
                t.ratio[0],
            )
            for i, t in enumerate(self.tastes, 1)
        ]
        names = ("taste", "genres", "titles", "demand", "low", "high", "supply", "ratio")
        return pl.DataFrame(rows, schema=names, orient="row")


def balance(
    histories: Histories,
    films: pl.DataFrame,
    *,
    clusters: int = 12,
    unit: Literal["titles", "hours"] = "titles",
    dimensions: int = 32,
    seed: int = 0,
) -> Balance:
    """Demand against supply among `films`, FILMS rows: the catalogue on offer.

    A film without a runtime counts the median one in hours. InputError with fewer placed titles than clusters.
    """
    if clusters < 2:
        raise InputError("too few", field="clusters", value=clusters, accepted="2 or more")
    placed = films.filter(pl.col("title").is_in(histories.catalogue.tolist())).sort("title")
    if len(placed) < clusters:
        raise InputError(
            f"only {len(placed)} titles on offer were ever played",
            field="films",
            accepted=f"{clusters} or more",
        )
    names = placed.get_column("title").to_numpy().astype(object)
    taken = histories.matrix(names)
    of = spherical_kmeans(taste_space(taken, dimensions), clusters, seed)
    ones = np.zeros((len(names), clusters), np.float32)
    ones[np.arange(len(names)), of] = 1
    mass = np.asarray((taken > 0).astype(np.float32) @ ones, np.float64)
    mass = mass[mass.sum(axis=1) > 0]
    mass /= mass.sum(axis=1, keepdims=True)
    size = np.ones(len(names)) if unit == "titles" else _hours(placed)
    supply = np.bincount(of, weights=size, minlength=clusters) / size.sum()
    plays = np.asarray((taken > 0).sum(axis=0)).ravel()
    genres = placed.get_column("genres").to_list()
    found = []
    for c in range(clusters):
        demand = interval(mass[:, c], level=0.8, seed=seed)
        inside = np.flatnonzero(of == c)
        best = inside[np.lexsort((inside, -plays[inside]))][:3]
        found.append(
            Taste(
                demand=demand,
                supply=float(supply[c]),
                ratio=(
                    float(demand.mean / supply[c]),
                    float(demand.low / supply[c]),
                    float(demand.high / supply[c]),
                ),
                titles=len(inside),
                genres=_typical([genres[i] or [] for i in inside], [g or [] for g in genres]),
                leading=tuple(str(placed.item(int(i), "name")) for i in best),
            )
        )
    order = sorted(range(clusters), key=lambda c: (-found[c].ratio[0], c))
    return Balance(tuple(found[c] for c in order), len(mass), len(films) - len(placed), unit)


def taste_space(taken: sparse.csr_array, dimensions: int = 32) -> NDArray[np.float32]:
    """(m, d) unit rows: where each title of `taken` (n, m) stands by who plays it, its fame apart."""
    ones = (taken > 0).astype(np.float64)
    by_member, by_title = np.asarray(ones.sum(axis=1)).ravel(), np.asarray(ones.sum(axis=0)).ravel()
    scaled = ones.tocoo()
    row, column = scaled.coords
    weight = 1 / np.sqrt(by_member[row] * by_title[column])
    values, axes = truncated_svd(sparse.csr_array((weight, (row, column)), shape=ones.shape), dimensions + 1)
    if len(values) < 2:  # all is fame
        return np.ones((taken.shape[1], 1), np.float32)
    return unit((axes[1:] * values[1:, None]).T)


def spherical_kmeans(points: NDArray[np.float32], clusters: int, seed: int = 0) -> NDArray[np.int64]:
    """(m,) cluster of each of m unit rows: greatest cosine to the mean direction (Dhillon & Modha, 2001).

    Started as k-means++ does. No cluster is empty: one that loses its last point takes the point that fits worst.
    """
    rng = np.random.default_rng(seed)
    m = len(points)
    chosen = [int(rng.integers(m))]
    far = 1 - points @ points[chosen[0]]
    while len(chosen) < clusters:
        odds = np.maximum(far, 0).astype(np.float64)
        odds[chosen] = 0
        total = odds.sum()
        if total > 0:
            at = int(rng.choice(m, p=odds / total))
        else:  # all the rest are alike: any that is not chosen yet
            at = int(np.setdiff1d(np.arange(m), chosen)[0])
        chosen.append(at)
        far = np.minimum(far, 1 - points @ points[at])
    centres = points[chosen].astype(np.float64)
    of = np.full(m, -1, np.int64)
    for _ in range(_ROUNDS):
        near = points @ centres.T
        new = near.argmax(axis=1)
        for c in np.setdiff1d(np.arange(clusters), new):
            several = np.bincount(new, minlength=clusters)[new] > 1
            worst = int(np.where(several, near[np.arange(m), new], np.inf).argmin())
            new[worst] = c
        if (new == of).all():
            break
        of = new
        for c in range(clusters):
            middle = points[of == c].sum(axis=0, dtype=np.float64)
            length = float(np.sqrt(middle @ middle))
            centres[c] = middle / length if length > 0 else centres[c]
    return of


def _typical(inside: list[list[str]], every: list[list[str]], most: int = 3) -> tuple[str, ...]:
    """The genres that a cluster has most beyond the catalogue's share."""
    own, all_of = Counter(g for row in inside for g in row), Counter(g for row in every for g in row)
    lift = {g: n / len(inside) - all_of[g] / len(every) for g, n in own.items()}
    return tuple(g for g in sorted(lift, key=lambda g: (-lift[g], g)) if lift[g] > 0)[:most]


def _hours(films: pl.DataFrame) -> NDArray[np.float64]:
    runtime = films.get_column("runtime").to_numpy().astype(np.float64)
    known = runtime[np.isfinite(runtime)]
    return np.where(np.isfinite(runtime), runtime, np.median(known) if len(known) else 60.0) / 60
