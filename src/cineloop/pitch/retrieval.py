"""How comparables are judged: do they sell alike, and are they watched by the same members?

Two trials, neither on what the weights were learned from. *Money*: films of later years, each as of 18 months before
its release and told as at greenlight; how far the median gross of its comparables lies from its own, in logs at
constant prices. *Co-viewing*: the newest films of a service's log; how many of the ten titles that are most watched
by the same members (cosine of the columns of plays) are found from facts alone.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from cineloop.errors import InputError
from cineloop.lab.histories import Histories
from cineloop.pitch.likeness import Weights, learn_weights
from cineloop.pitch.trial import OURS, Trial, judged_by
from cineloop.titles.space import TitleSpace, log_real
from cineloop.titles.text import unit_rows
from cineloop.titles.vectors import PARTS, TitleVectors

Floats = NDArray[np.float64]

UNDECIDED = ("certificate", "runtime", "season")
"""Parts that no pitch has at greenlight; its cast isn't settled either and is left out."""

DISTANCE = "distance of logs"
_LEAD = timedelta(days=548)  # 18 months
_ALIKE = 1.5  # sold alike: within this factor
_DRAWS = 20  # of each random baseline, a film


def evaluate_money(
    films: pl.DataFrame,
    train_before: date = date(2008, 1, 1),
    last: date | None = None,
    *,
    train_from: date = date(1995, 1, 1),
    k: int = 10,
    seed: int = 0,
) -> Trial:
    """Closeness of held-out gross: weights learned on films released before `train_before`, judged on those after.

    `films`: FILMS rows. Every candidate's gross is known 18 months before the film judged is released. The
    baselines draw k films at random, k of the same genre, or take the k of nearest budget. InputError where a
    side is empty.
    """
    films = films.filter(pl.col("worldwide") > 0, pl.col("released").is_not_null()).sort("title")
    released = films.get_column("released").to_numpy().astype("datetime64[D]")
    known = films.get_column("known").to_numpy().astype("datetime64[D]")
    decided = released - np.timedelta64(_LEAD.days, "D")
    logs = real_logs(films)
    told = films.with_columns(pl.lit(None, pl.List(pl.String)).alias("cast"))

    def cases(start: date, stop: date | None) -> NDArray[np.int64]:
        found = (released >= np.datetime64(start)) & (stop is None or released < np.datetime64(stop))
        enough = np.sort(known).searchsorted(decided, "right") >= k
        return np.flatnonzero(found & enough)

    learning, judged = cases(train_from, train_before), cases(train_before, last)
    if len(learning) == 0 or len(judged) == 0:
        raise InputError("no films on one side", field="train-before", value=str(train_before))
    space = TitleSpace.fit(told, train_before - _LEAD)
    every = space.vectors(told)
    parts = [p for p in PARTS if p in every.parts and p not in UNDECIDED and every.known(p).any()]
    weights = learn_weights(
        every.rows(learning),
        every,
        np.abs(logs[learning][:, None] - logs) < np.log(_ALIKE),
        known <= decided[learning][:, None],
        parts,
        learned=f"films released {train_from} to {train_before}, as of 18 months before each",
        seed=seed,
    )
    rng = np.random.default_rng(seed)
    years = films.get_column("released").dt.year().to_numpy()[judged]
    blocks: list[dict[str, Floats]] = []
    for year in np.unique(years):
        mine = judged[years == year]
        # the rarity of names is of the years before: the space never saw a film that is judged
        vectors = TitleSpace.fit(told, date(int(year), 1, 1) - _LEAD).vectors(told)
        open_to = known <= decided[mine][:, None]
        asked = vectors.rows(mine)
        picks = _picks(asked, vectors, weights, open_to, k, rng)
        blocks.append(
            {c: np.abs(np.median(logs[at], axis=-1) - logs[mine]).mean(axis=0) for c, at in picks.items()}
        )
    order = np.argsort(years, kind="stable")
    scores = {c: np.concatenate([b[c] for b in blocks]) for c in blocks[0]}
    names = films.get_column("title").to_numpy()[judged][order]
    return judged_by(
        "closeness of held-out gross",
        {DISTANCE: scores},
        names,
        years[order],
        weights=weights,
        less=(DISTANCE,),
    )


def _picks(
    asked: TitleVectors,
    every: TitleVectors,
    weights: Weights,
    open_to: NDArray[np.bool_],
    k: int,
    rng: np.random.Generator,
) -> dict[str, NDArray[np.int64]]:
    """Contender to (draws, q, k) positions among all films."""
    genre = asked.similarity("genres", every) > 0.5
    # where a genre has too few, the rest is drawn from the other films
    return {
        OURS: _top(asked.kernel(weights.values, every), open_to, k)[None],
        "random": np.stack([_top(_dice(rng, open_to), open_to, k) for _ in range(_DRAWS)]),
        "same genre": np.stack([_top(_dice(rng, open_to) + genre, open_to, k) for _ in range(_DRAWS)]),
        "nearest budget": _top(asked.similarity("scale", every), open_to, k)[None],
    }


def _dice(rng: np.random.Generator, like: NDArray[np.bool_]) -> NDArray[np.float32]:
    return rng.random(like.shape, np.float32)


def evaluate_coviewing(
    films: pl.DataFrame,
    histories: Histories,
    *,
    share: float = 0.2,
    least: int = 20,
    k: int = 10,
    seed: int = 0,
) -> Trial:
    """Retrieval of co-viewing neighbours from facts alone: the newest `share` of titles by release is judged.

    `films`: FILMS rows; `histories`: who played what. Titles with fewer than `least` plays, whose neighbours are
    noise, are left out. Weights and the space are learned from the older titles and the plays they have among
    themselves. The baselines rank at random, by genre alone, and by genre and year. InputError where too little
    is left.
    """
    plays = sparse.csc_array(histories.matrix(histories.catalogue))
    enough = histories.catalogue[np.diff(plays.indptr) >= least]
    films = films.filter(pl.col("title").is_in(enough.tolist()), pl.col("released").is_not_null())
    films = films.sort("released", "title")
    m, new = len(films), round(share * len(films))
    if m - new <= k or new < 2:
        raise InputError(f"only {m} titles have {least} plays and a date", field="least", value=least)
    columns = np.searchsorted(histories.catalogue, films.get_column("title").to_numpy().astype(object))
    by_title = unit_rows(sparse.csr_array(plays[:, columns].T))
    truth = np.asarray((by_title @ by_title.T).toarray(), np.float32)
    vectors = TitleSpace.fit(films[: m - new]).vectors(films)
    old, judged = np.arange(m - new), np.arange(m - new, m)
    others = ~np.eye(m, dtype=bool)
    among = others[old] & (np.arange(m) < m - new)
    aim = np.zeros((m - new, m), np.bool_)
    np.put_along_axis(aim, _top(truth[old], among, k), True, axis=1)
    weights = learn_weights(
        vectors.rows(old),
        vectors,
        aim,
        among,
        [p for p in PARTS if p in vectors.parts and vectors.known(p).any()],
        learned=f"the {m - new} titles released before {films.item(m - new, 'released')}",
        seed=seed,
    )
    asked = vectors.rows(judged)
    genre = asked.similarity("genres", vectors)
    jitter = 1e-6 * np.random.default_rng(seed).random(genre.shape)  # ties broken without favour
    ranked: dict[str, NDArray[np.floating]] = {
        OURS: asked.kernel(weights.values, vectors),
        "random": jitter,
        "genre": genre + jitter,
        "genre and year": genre + asked.similarity("era", vectors) + jitter,
    }
    right = _top(truth[judged], others[judged], k)
    gain = 1 / np.log2(np.arange(2, k + 2))
    recall, ndcg = {}, {}
    for contender, likeness in ranked.items():
        found = _top(likeness, others[judged], k)
        hit = (found[:, :, None] == right[:, None, :]).any(axis=2)
        recall[contender], ndcg[contender] = hit.mean(axis=1), hit @ gain / gain.sum()
    names = films.get_column("title").to_numpy()[judged]
    return judged_by(
        "co-viewing neighbours", {f"recall@{k}": recall, f"ndcg@{k}": ndcg}, names, names, weights=weights
    )


def real_logs(films: pl.DataFrame) -> Floats:
    """(m,) log of worldwide gross at constant prices."""
    year = films.get_column("released").dt.year().cast(pl.Float64).to_numpy()
    return log_real(films.get_column("worldwide").to_numpy(), year)


def _top(scores: NDArray[np.floating], allowed: NDArray[np.bool_], k: int) -> NDArray[np.int64]:
    """(q, k) positions of the best allowed, best first; ties to the smaller position. Each row has k of them."""
    cost = np.where(allowed, -scores, np.inf)
    roof = np.partition(cost, k - 1, axis=1)[:, k - 1]
    found = np.empty((len(cost), k), np.int64)
    for row, (costs, most) in enumerate(zip(cost, roof, strict=True)):
        near = np.flatnonzero(costs <= most)  # at least k, more where the last ones tie
        found[row] = near[np.argsort(costs[near], kind="stable")[:k]]
    return found
