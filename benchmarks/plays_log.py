"""Logs for the benchmarks of recommenders: real ones, a generated one, their split by held-out members."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from cineloop.lab.histories import Histories, Lists
from cineloop.play.metrics import score_lists

BATCH = 500  # members drawn at once, each batch from its own seed: threads don't change the log


def names(prefix: str, count: int) -> NDArray[np.object_]:
    return np.array([f"{prefix}{i:07d}" for i in range(count)], dtype=object)


def movielens(folder: Path, which: str) -> sparse.csr_array:
    """Ratings of 4 stars and more of members with at least 5, as ones; titles by id."""
    if which == "ml-100k":
        rows = pl.read_csv(folder / which / "ml-100k.inter", separator="\t")
        rows = rows.select(member=rows.columns[0], title=rows.columns[1], stars=rows.columns[2])
    else:
        rows = pl.read_parquet(folder / which / "ratings_reconstructed.parquet")
        rows = rows.select(member="user", title="movie", stars="rating")
    rows = rows.filter(pl.col("stars") >= 4).filter(pl.len().over("member") >= 5)
    member, title = (rows[c].rank("dense").to_numpy().astype(np.int32) - 1 for c in ("member", "title"))
    made = sparse.csr_array((np.ones(len(rows), np.float32), (member, title)))
    made.sort_indices()
    return made


def generate(members: int, titles: int, plays: int, seed: int = 0, threads: int = 2) -> sparse.csr_array:
    """A viewing log, the same for the same seed: (members, titles) of ones, about `plays` of them.

    A member likes n titles: n is log-normal (sigma 1), at least 5 and at most a quarter of all titles. They
    are drawn without replacement with probability proportional to popularity times exp(taste . character).
    Popularity is Zipf-like, 1 / (rank + 20); tastes and characters are vectors of 16 standard normal numbers,
    their product scaled to a standard deviation of 1.5. Drawing without replacement is done by the Gumbel
    trick: the n largest of log-probability plus Gumbel noise.
    """
    rng = np.random.default_rng(seed)
    popularity = -np.log(np.arange(titles, dtype=np.float32) + 20)
    rng.shuffle(popularity)
    character = rng.standard_normal((titles, 16), dtype=np.float32)
    activity = rng.lognormal(0.0, 1.0, members)
    scale = plays / activity.sum()
    for _ in range(20):  # until the clipped counts sum to what was asked for
        count = np.clip(activity * scale, 5, titles // 4).astype(int)
        scale *= plays / count.sum()

    def draw(start: int) -> list[NDArray[np.int32]]:
        own = np.random.default_rng([seed, start])
        n = count[start : start + BATCH]
        taste = own.standard_normal((len(n), 16), dtype=np.float32) * np.float32(1.5 / 4)
        logits = taste @ character.T + popularity
        logits -= np.log(np.maximum(own.standard_exponential(logits.shape, dtype=np.float32), 1e-30))
        order = np.argpartition(-logits, int(n.max()), axis=1)[:, : int(n.max())]
        best = np.take_along_axis(logits, order, 1)
        ranked = np.take_along_axis(order, np.argsort(-best, axis=1), 1)
        return [np.sort(row[:k]).astype(np.int32) for row, k in zip(ranked, n, strict=True)]

    with ThreadPoolExecutor(threads) as pool:
        rows = [row for batch in pool.map(draw, range(0, members, BATCH)) for row in batch]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    indices = np.concatenate(rows)
    return sparse.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(members, titles))


@dataclass(frozen=True)
class Judged:
    """Members outside the training: 80% of each history is shown (folded in), the rest is to be found."""

    shown: sparse.csr_array
    hidden: sparse.csr_array

    def histories(self) -> Histories:
        return histories(self.shown)

    def score(self, items: NDArray[np.int32], k: int = 100) -> pl.DataFrame:
        """Per member recall@20, NDCG@10 and NDCG@100 of lists of columns (n, k), -1 where they end."""
        n, m = self.hidden.shape
        lists = Lists(names("m", n), names("t", m), items.astype(np.int32), np.zeros(items.shape, np.float32))
        found = self.hidden.tocoo()
        targets = pl.DataFrame({"member": lists.keys[found.row], "title": lists.titles[found.col]})
        return score_lists(lists, targets).select("unit", "recall@20", "ndcg@10", "ndcg@100")


@dataclass(frozen=True)
class Split:
    """Training members, and two disjoint sets of others: one to choose knobs on, one to tell results of."""

    train: sparse.csr_array
    validation: Judged
    test: Judged


def split(log: sparse.csr_array, held_out: int, fold: int = 0, seed: int = 20240601) -> Split:
    """`held_out` members for the test and as many for validation; titles that training lacks go.

    The members stand in one random order; fold i tests the i-th `held_out` of them and validates on the next.
    """
    rng = np.random.default_rng(seed)
    order = np.roll(rng.permutation(log.shape[0]), -fold * held_out)
    train = np.sort(order[2 * held_out :])
    known = np.flatnonzero(np.bincount(log[train].indices, minlength=log.shape[1]))

    def judged(members: NDArray[np.int64]) -> Judged:
        part = log[np.sort(members)][:, known].tocoo()
        # a fifth of each member's titles, by a random order within the member
        place = (
            pl.DataFrame({"m": part.row, "o": rng.random(part.nnz)})
            .select(pl.col("o").rank("ordinal").over("m") - 1, n=pl.len().over("m"))
            .to_numpy()
        )
        hidden = place[:, 0] < np.ceil(place[:, 1] / 5)
        both = []
        for kept in (~hidden, hidden):
            one = sparse.csr_array(
                (part.data[kept], (part.row[kept], part.col[kept])), shape=part.shape, dtype=np.float32
            )
            one.sort_indices()
            both.append(one)
        return Judged(*both)

    return Split(log[train][:, known], judged(order[held_out : 2 * held_out]), judged(order[:held_out]))


def histories(matrix: sparse.csr_array) -> Histories:
    n, m = matrix.shape
    indptr, indices = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32)
    return Histories(
        names("m", n), names("t", m), indptr, indices, matrix.data, np.zeros(matrix.nnz, np.int64)
    )
