"""Item-kNN: a title scores as much as the titles nearest to it were liked.

Sarwar, Karypis, Konstan, Riedl, "Item-Based Collaborative Filtering Recommendation Algorithms" (2001), with
the asymmetric cosine of Aiolli, "Efficient Top-N Recommendation for Very Large Scale Binary Rated Datasets"
(2013).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cineloop.errors import InputError
from cineloop.lab.histories import Histories, Strings
from cineloop.lab.view import TrainingView
from cineloop.play.models import shares, stored
from cineloop.play.models.ranking import Ranker, Scores, best, compressed, kernel_ready, popularity
from cineloop.play.signals import Signals


@dataclass(frozen=True)
class KNNModel(Ranker):
    """weights (m, m) sparse float32: entry (h, j) is what a play of h adds to the score of j.

    Column j holds the nearest of j and nothing else. Titles without a neighbour in the history score 0 and
    stand behind all others, in the order of their ids.
    """

    titles: Strings
    prior: Scores
    weights: sparse.csr_array

    def block(self, history: sparse.csr_array) -> Scores:
        """Scores of a block of histories: history times weights."""
        from cineloop.play.models.knn_kernels import spread

        out, w = np.empty(history.shape, np.float32), self.weights
        spread(*_unsigned(history), *_unsigned(w), out)
        return out

    @cached_property
    def _nearest(self) -> sparse.csr_array:
        return self.weights.T.tocsr()

    def nearness(self, columns: NDArray[np.int64]) -> Scores:
        """The weights of each title's own neighbours; what is no neighbour is not near."""
        near = self._nearest[columns].toarray()
        return np.where(near > 0, near, -np.inf).astype(np.float32)

    def parts(self, history: sparse.csr_array, columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """c_h w_hj for each past title h."""
        w = self.weights[history.indices][:, columns].toarray()
        return np.asarray(history.data[:, None] * w.astype(np.float64))

    def save(self, folder: Path) -> None:
        """Write into an existing empty folder; the same model gives the same bytes."""
        w = self.weights
        arrays = {"prior": self.prior, "indptr": w.indptr, "indices": w.indices, "weights": w.data}
        stored.write(folder, "knn", self.titles, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, memory-mapped."""
        titles, found, _ = stored.read(folder, "knn")
        size = (len(titles), len(titles))
        weights = compressed(found["indptr"], found["indices"], found["weights"], size)
        return cls(titles, found["prior"], weights)


@dataclass(frozen=True)
class ItemKNN:
    """Knobs of item-kNN; the defaults were chosen on validation members of MovieLens 100k and 1M.

    neighbours: kept for each title. shrinkage: added to the cosine's denominator, so that few common
    members count little. asymmetry: the share of the normalisation that falls on the title in the history
    rather than on the one recommended; 0.5 is the cosine, more of it lets popular titles be recommended
    more.
    """

    name: ClassVar[str] = "knn"
    model: ClassVar[type[KNNModel]] = KNNModel
    feeds: ClassVar[tuple[str, ...]] = ("cineloop.play.series", "cineloop.play.signals")
    threads: ClassVar[int] = shares.CORES

    neighbours: int = 60
    shrinkage: float = 20.0
    asymmetry: float = 0.85
    signals: Signals = field(default_factory=Signals)

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise InputError("too few", field="neighbours", value=self.neighbours, accepted="1 or more")
        if not 0 <= self.asymmetry <= 1:
            raise InputError("no share", field="asymmetry", value=self.asymmetry, accepted="0 to 1")
        if self.shrinkage < 0:
            raise InputError("below zero", field="shrinkage", value=self.shrinkage, accepted="0 or more")

    def fit(self, view: TrainingView, seed: int) -> KNNModel:
        """Learn from the view; there is no chance in it, so the seed plays no part."""
        histories = Histories.of(self.signals.interactions(view))
        return self.learn(histories.matrix(histories.catalogue), histories.catalogue)

    def learn(self, matrix: sparse.csr_array, titles: Strings) -> KNNModel:
        """From confidences (n, m) in the columns of `titles`."""
        from cineloop.play.models.knn_kernels import similarities

        liked = kernel_ready(matrix)
        likers = kernel_ready(liked.T.tocsr())
        m = liked.shape[1]
        length = np.bincount(liked.indices, liked.data.astype(np.float64) ** 2, minlength=m)
        same = liked.nnz > 0 and bool((liked.data == liked.data[0]).all())
        alike = np.float32(liked.data[0] ** 2 if same else 0.0)
        giving = (length**self.asymmetry).astype(np.float32)
        taking = (length ** (1 - self.asymmetry)).astype(np.float32)

        def near(start: int, stop: int) -> Scores:
            out = np.empty((stop - start, m), np.float32)
            plays = (*_unsigned(liked), *_unsigned(likers))
            similarities(*plays, giving, taking, np.float32(self.shrinkage), alike, start, out)
            return out

        lists = best(titles, titles, min(self.neighbours, m), near)
        kept = lists.items >= 0
        bounds = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int64)
        nearest = compressed(bounds, lists.items[kept], lists.scores[kept], (m, m))
        return KNNModel(titles, popularity(liked), kernel_ready(nearest.T.tocsr()))


def _unsigned(matrix: sparse.csr_array) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return matrix.indptr, matrix.indices.view(np.uint32), matrix.data
