"""Metrics of ranked lists against what members went on to watch: one row a member, one column a metric.

Every member counts, and every target: a member without a list scores 0, and so does a target that the model
can't rank because it was unknown at its training; `unrankable` says what share those were. What has no
meaning for a member (the novelty of an empty list, the taste of an empty history) is null and left out of the
mean.

T are a member's targets, L the list, a hit is a place i (from 1) with L[i] in T:

- `recall@k`: hits in the first k / min(k, |T|), so that 1 can be reached: Liang et al. 2018, and with them
  the figures of the VAE and EASE papers. `recall_all@k`: the same hits / |T|, the textbook's recall.
- `precision@k`: hits in the first k / k, however short the list.
- `ndcg@k`: sum of 1 / log2(i + 1) over the hits, over the same sum for min(k, |T|) hits in front (Järvelin
  and Kekäläinen 2002, with gains of 0 and 1).
- `map@k`: sum over the hits of the precision at their place / min(k, |T|); its mean over members is the MAP.
- `mrr@k`: 1 / place of the first hit. `hit@k`: 1 with a hit, else 0.
- `novelty@k`: mean over the list of -log2(share of the training members who have the title), in bits: the
  mean self-information of Zhou et al. 2010.
- `popularity_lift@k`: mean popularity percentile of the list less that of the member's own history, -1 to 1;
  above zero, the list is more mainstream than the member (after Abdollahpouri et al. 2020).
- `miscalibration@k`: Kullback-Leibler divergence of the list's genres from the history's, in nats, 0 is best:
  Steck 2018, equation 6 with alpha 0.01, every place weighing the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.lab.histories import Histories, Lists, Strings

KS = (10, 20, 100)
ACCURACY = ("recall", "recall_all", "precision", "ndcg", "map", "mrr", "hit")
BEYOND = ("novelty", "popularity_lift", "miscalibration")
ALPHA = 0.01
DEFINITIONS = 1
"""Raised when the meaning of a column changes, so that old scores are not compared with new ones."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Background:
    """What lists are measured against, the same for every system: the titles and their audience in training.

    titles (m,) sorted ids; audience (m,) int64, how many training members have each; members, how many there
    are; genres (m, g) float64, each row 1 / (number of the title's genres) in its genres' columns, zeros
    where none are known.
    """

    titles: Strings
    audience: NDArray[np.int64]
    members: int
    genres: Floats

    @classmethod
    def of(cls, positives: pl.DataFrame, facts: pl.DataFrame | None = None) -> Background:
        """From training positives (member, title) and rows (title, genres) of the titles table.

        >>> rows = pl.DataFrame({"member": ["a", "b", "b"], "title": ["x", "x", "y"]})
        >>> made = Background.of(rows, pl.DataFrame({"title": ["x"], "genres": [["Drama", "War"]]}))
        >>> made.audience.tolist(), made.members, made.genres.tolist()
        ([2, 1], 2, [[0.5, 0.5], [0.0, 0.0]])
        """
        pairs = positives.select("member", "title").unique()
        counted = pairs.group_by("title").agg(pl.len().alias("n")).sort("title")
        titles = counted["title"].to_numpy().astype(object)
        genres = np.zeros((len(titles), 0))
        if facts is not None:
            known = (
                facts.select("title", pl.col("genres").cast(pl.List(pl.String)).alias("genre"))
                .explode("genre")
                .drop_nulls()
                .unique()
                .join(counted.select("title").with_row_index("_t"), on="title")
                .sort("_t", "genre")
            )
            names = known["genre"].unique().sort()
            genres = np.zeros((len(titles), len(names)))
            genres[known["_t"].to_numpy(), names.search_sorted(known["genre"]).to_numpy()] = 1.0
            genres /= np.maximum(genres.sum(axis=1, keepdims=True), 1.0)
        return cls(titles, counted["n"].to_numpy().astype(np.int64), pairs["member"].n_unique(), genres)

    def percentiles(self) -> Floats:
        """(m,) share of titles with a smaller audience, those with an equal one counted half."""
        if len(self.titles) == 0:
            return np.zeros(0)
        ordered = np.sort(self.audience)
        below = np.searchsorted(ordered, self.audience, "left")
        return np.asarray(
            (below + np.searchsorted(ordered, self.audience, "right")) / 2 / len(ordered), np.float64
        )


@dataclass(frozen=True)
class Exposure:
    """How lists spread over a catalogue.

    `coverage`: share of its titles that stand in some list. `gini`: Gini coefficient of how often each title
    is listed; 0 where all are listed alike, near 1 where a few titles take all.
    """

    coverage: float
    gini: float


def score_lists(
    lists: Lists,
    targets: pl.DataFrame,
    *,
    ks: Sequence[int] = KS,
    background: Background | None = None,
    histories: Histories | None = None,
) -> pl.DataFrame:
    """One row a member of `targets` (member, title), sorted: `unit`, then Float64 columns.

    They are `targets` (how many), `unrankable` (share of the targets that `lists.titles` lacks), `listed` (1
    where the member has a list), every accuracy metric at every k and, with a background, novelty; with
    histories as well, popularity lift and miscalibration. Lists of other members are not looked at.
    """
    if not ks or min(ks) < 1:
        raise ValueError(f"ks {tuple(ks)}: needs whole numbers from 1")
    wanted = targets.select("member", "title").unique()
    units = wanted["member"].unique().sort()
    items = _first_mentions(_rows_of(lists, units.to_numpy().astype(object)))[:, : max(ks)]
    row = units.search_sorted(wanted["member"]).to_numpy().astype(np.int64)
    column = _find(lists.titles, wanted["title"].to_numpy().astype(object))
    sizes = np.asarray(np.bincount(row, minlength=len(units)), np.float64)
    unknown = np.asarray(np.bincount(row[column < 0], minlength=len(units)), np.float64)
    rankable = column >= 0
    hits = _hits(items, row[rankable], column[rankable], len(lists.titles))
    columns: dict[str, Floats] = {
        "targets": sizes,
        "unrankable": unknown / sizes,
        "listed": np.asarray((items >= 0).any(axis=1), np.float64),
    }
    for k in ks:
        columns |= {f"{name}@{k}": values for name, values in _accuracy(hits, sizes, k).items()}
    if background is not None:
        columns |= _beyond(items, lists.titles, units, ks, background, histories)
    made = pl.DataFrame({"unit": units, **columns}, schema_overrides={"unit": pl.String})
    return made.with_columns(pl.exclude("unit").fill_nan(None))


def exposure(lists: Lists, k: int, catalogue: Strings) -> Exposure:
    """Coverage and Gini of the first k of every list over `catalogue` (m,); titles outside don't count."""
    column = _find(catalogue, lists.titles)
    places = lists.items[:, :k].ravel()
    shown = column[places[places >= 0]]
    times = np.sort(np.bincount(shown[shown >= 0], minlength=len(catalogue)).astype(np.float64))
    n, total = len(times), times.sum()
    if total == 0:
        return Exposure(0.0, 0.0)
    weights = 2 * np.arange(1, n + 1) - n - 1
    return Exposure(float((times > 0).mean()), float((weights * times).sum() / (n * total)))


def _accuracy(hits: Floats, sizes: Floats, k: int) -> dict[str, Floats]:
    """The metrics at one k from hits (n, width) of 0 and 1 and the number of targets (n,)."""
    hits = hits[:, :k]
    n, width = hits.shape
    found = hits.sum(axis=1)
    place = np.arange(1, width + 1)
    best = np.minimum(sizes, k)
    gains = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(gains)])[best.astype(np.int64)]
    first = hits.argmax(axis=1) + 1 if width else np.ones(n)
    return {
        "recall": found / best,
        "recall_all": found / sizes,
        "precision": found / k,
        "ndcg": (hits * gains[:width]).sum(axis=1) / ideal,
        "map": (hits * np.cumsum(hits, axis=1) / place).sum(axis=1) / best,
        "mrr": np.where(found > 0, 1 / first, 0.0),
        "hit": (found > 0).astype(np.float64),
    }


def _beyond(
    items: NDArray[np.int32],
    titles: Strings,
    units: pl.Series,
    ks: Sequence[int],
    background: Background,
    histories: Histories | None,
) -> dict[str, Floats]:
    """Novelty, popularity lift and miscalibration at every k; NaN where a member has no such thing."""
    if len(background.titles) == 0:
        names = BEYOND[:1] if histories is None else BEYOND
        return {f"{name}@{k}": np.full(len(units), np.nan) for k in ks for name in names}
    known = _find(background.titles, titles)
    column = np.where(items >= 0, known[items], -1) if len(titles) else np.full(items.shape, -1)
    # a title that nobody in training had surprises as one that a single member had
    bits = -np.log2(np.maximum(background.audience, 1) / background.members)
    rarest = float(np.log2(background.members))
    surprise = np.where(column >= 0, bits[column], rarest)
    percentile = background.percentiles()
    rank = np.where(column >= 0, percentile[column], 0.0)
    past = None if histories is None else _past(histories, units, background, percentile)
    made: dict[str, Floats] = {}
    for k in ks:
        there = items[:, :k] >= 0
        made[f"novelty@{k}"] = _mean(surprise[:, :k], there)
        if past is not None:
            own_rank, own_genres = past
            made[f"popularity_lift@{k}"] = _mean(rank[:, :k], there) - own_rank
            listed = np.zeros((len(units), background.genres.shape[1]))
            for i in range(min(k, items.shape[1])):  # a place at a time: (n, k, g) would not fit
                listed += np.where(column[:, i, None] >= 0, background.genres[column[:, i]], 0.0)
            made[f"miscalibration@{k}"] = _divergence(own_genres, listed)
    return made


def _past(
    histories: Histories, units: pl.Series, background: Background, percentile: Floats
) -> tuple[Floats, Floats]:
    """Each unit's mean popularity percentile (n,), NaN without a history, and its genres' weights (n, g)."""
    picked = _find(histories.members, units.to_numpy().astype(object))  # -1: the row of nobody, the last
    watched = histories.matrix(background.titles)
    n = np.diff(watched.indptr).astype(np.float64)
    ones = watched.copy()
    ones.data[:] = 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.concatenate([ones.astype(np.float64) @ percentile / n, [np.nan]])
    weights = np.concatenate(
        [watched.astype(np.float64) @ background.genres, np.zeros((1, background.genres.shape[1]))]
    )
    return np.asarray(mean[picked], np.float64), np.asarray(weights[picked], np.float64)


def _divergence(own: Floats, listed: Floats) -> Floats:
    """Steck's C_KL of each row's distributions; NaN where either has no genre at all."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p = own / own.sum(axis=1, keepdims=True)
        q = listed / listed.sum(axis=1, keepdims=True)
        smooth = (1 - ALPHA) * q + ALPHA * p
        each = np.where(p > 0, p * np.log(p / smooth), 0.0)
    missing = (own.sum(axis=1) == 0) | (listed.sum(axis=1) == 0)
    return np.where(missing, np.nan, each.sum(axis=1))


def _mean(values: Floats, there: NDArray[np.bool_]) -> Floats:
    count = there.sum(axis=1)
    total = np.where(there, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _find(titles: Strings, wanted: Strings) -> NDArray[np.int64]:
    """The place of each wanted id in `titles`, -1 where it is not there."""
    index = pl.DataFrame({"id": _strings(titles), "place": np.arange(len(titles), dtype=np.int64)})
    asked = pl.DataFrame({"id": _strings(wanted)})
    return asked.join(index, on="id", how="left", maintain_order="left")["place"].fill_null(-1).to_numpy()


def _strings(ids: Strings) -> pl.Series:
    return pl.Series("id", ids.tolist(), dtype=pl.String)


def _rows_of(lists: Lists, units: Strings) -> NDArray[np.int32]:
    """The lists' items in the order of `units`; a unit without a list gets a row of -1."""
    if len(set(lists.keys.tolist())) != len(lists.keys):
        raise ValueError("a member has two lists")
    empty = np.full((1, lists.items.shape[1]), -1, np.int32)
    return np.concatenate([lists.items, empty]).astype(np.int32, copy=False)[_find(lists.keys, units)]


def _first_mentions(items: NDArray[np.int32]) -> NDArray[np.int32]:
    """Blank a title's second mention in a list, so that it can't count as two hits."""
    order = np.argsort(items, axis=1, kind="stable")
    ordered = np.take_along_axis(items, order, axis=1)
    again = np.zeros(items.shape, np.bool_)
    again[:, 1:] = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if not again.any():
        return items
    blank = np.empty_like(again)
    np.put_along_axis(blank, order, again, axis=1)
    return np.where(blank, np.int32(-1), items)


def _hits(
    items: NDArray[np.int32], row: NDArray[np.int64], column: NDArray[np.int64], width: int
) -> NDArray[np.float64]:
    """(n, k) 1.0 where the list's title is a target of the member."""
    if len(row) == 0 or items.size == 0:
        return np.zeros(items.shape)
    wanted = np.sort(row * width + column)
    keys = np.arange(len(items), dtype=np.int64)[:, None] * width + items
    place = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
    return np.asarray((wanted[place] == keys) & (items >= 0), np.float64)
