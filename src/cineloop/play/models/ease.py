"""EASE: the linear model that best restores every history from its other titles, in closed form.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (2019): B least in |X - X B|^2 + l2 |B|^2 with
a zero diagonal is I - P diag(P)^-1, where P = (X'X + l2 I)^-1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cineloop.errors import InputError
from cineloop.lab.histories import Histories, Strings
from cineloop.lab.view import TrainingView
from cineloop.play.models import shares, stored
from cineloop.play.models.ranking import Ranker, Scores, kernel_ready, popularity
from cineloop.play.signals import Signals


@dataclass(frozen=True)
class EaseModel(Ranker):
    """weights (m, m) float32, its diagonal zero: entry (h, j) is what a play of h adds to the score of j."""

    titles: Strings
    prior: Scores
    weights: NDArray[np.float32]

    def block(self, history: sparse.csr_array) -> Scores:
        """Scores of a block of histories: history times weights."""
        from cineloop.play.models.ease_kernels import add_rows

        out = np.empty(history.shape, np.float32)
        add_rows(history.indptr, history.indices, history.data, self.weights, out)
        return out

    def nearness(self, columns: NDArray[np.int64]) -> Scores:
        """The partial correlation of two titles given all others, the geometric mean of their two weights.

        b_ij = -p_ij / p_jj and b_ji = -p_ij / p_ii, so it is -p_ij / sqrt(p_ii p_jj). Only positive ones
        are near.
        """
        there, back = self.weights[columns], self.weights[:, columns].T
        near = np.sqrt(np.maximum(there, 0) * np.maximum(back, 0))
        return np.where(near > 0, near, -np.inf).astype(np.float32)

    def parts(self, history: sparse.csr_array, columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """c_h b_hj for each past title h."""
        w = self.weights[np.ix_(history.indices, columns)].astype(np.float64)
        return np.asarray(history.data[:, None] * w)

    def save(self, folder: Path) -> None:
        """Write into an existing empty folder; the same model gives the same bytes."""
        stored.write(folder, "ease", self.titles, {"prior": self.prior, "weights": self.weights})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, memory-mapped."""
        titles, arrays, _ = stored.read(folder, "ease")
        return cls(titles, arrays["prior"], arrays["weights"])


@dataclass(frozen=True)
class Ease:
    """Knobs of EASE; the default was chosen on validation members of MovieLens 100k and 1M.

    l2: weight of the penalty, in members. most_titles: only so many of the most popular are ranked (ties by
    id); m titles take 8 m^2 bytes to fit and 4 m^2 to serve: 3.2 and 1.6 GB at 20,000.
    """

    name: ClassVar[str] = "ease"
    model: ClassVar[type[EaseModel]] = EaseModel
    feeds: ClassVar[tuple[str, ...]] = ("cineloop.play.series", "cineloop.play.signals")
    threads: ClassVar[int] = shares.CORES

    l2: float = 500.0
    most_titles: int = 20_000
    signals: Signals = field(default_factory=Signals)

    def __post_init__(self) -> None:
        if not self.l2 > 0:
            raise InputError("no such penalty", field="l2", value=self.l2, accepted="above 0")
        if self.most_titles < 1:
            raise InputError("too few", field="most_titles", value=self.most_titles, accepted="1 or more")

    def fit(self, view: TrainingView, seed: int) -> EaseModel:
        """Learn from the view; there is no chance in it, so the seed plays no part."""
        histories = Histories.of(self.signals.interactions(view))
        return self.learn(histories.matrix(histories.catalogue), histories.catalogue)

    def learn(self, matrix: sparse.csr_array, titles: Strings) -> EaseModel:
        """From confidences (n, m) in the columns of `titles`."""
        prior = popularity(matrix)
        if len(titles) > self.most_titles:
            kept = np.sort(np.lexsort((np.arange(len(titles)), -prior))[: self.most_titles])
            matrix, titles, prior = matrix[:, kept], titles[kept], prior[kept]
        return EaseModel(titles, prior, _weights(kernel_ready(matrix), self.l2))


def _weights(liked: sparse.csr_array, l2: float) -> NDArray[np.float32]:
    """B (m, m), made within the one float64 matrix that it starts from."""
    from scipy.linalg import lapack

    from cineloop.play.models.ease_kernels import gram

    likers = kernel_ready(liked.T.tocsr())
    m = liked.shape[1]
    if m == 0:
        return np.zeros((0, 0), np.float32)
    p = np.zeros((m, m), np.float64)
    by_member = (liked.indptr, liked.indices, liked.data)
    by_title = (likers.indptr, likers.indices, likers.data)
    per_title = likers @ np.diff(liked.indptr).astype(np.float64)
    bounds = shares.even(
        np.asarray(per_title) + 1.0, 1 if per_title.sum() < 1e6 else 8 * shares.threads_held()
    )
    shares.run(lambda start, stop: gram(*by_member, *by_title, p, start, stop), bounds)
    p[np.diag_indices(m)] += l2
    # the lower triangle by rows is LAPACK's upper triangle by columns: factorised and inverted where it lies
    _, failed = lapack.dpotrf(p.T, lower=0, clean=0, overwrite_a=1)
    if failed == 0:
        _, failed = lapack.dpotri(p.T, lower=0, overwrite_c=1)
    if failed:
        raise InputError(
            "too small for this log: X'X + l2 I is singular", field="l2", value=l2, accepted="more"
        )
    for a in range(0, m, 512):  # mirror the triangle
        b = min(a + 512, m)
        p[a:b, b:] = p[b:, a:b].T
        corner = np.tril(p[a:b, a:b])
        p[a:b, a:b] = corner + np.tril(corner, -1).T
    diagonal = p.diagonal().copy()
    # row i of B needs half the room of row i of P and starts no later, so B overwrites rows already read
    b32 = p.reshape(-1).view(np.float32)[: m * m].reshape(m, m)
    for i in range(m):
        b32[i] = p[i] / -diagonal
        b32[i, i] = 0.0
    del b32
    p.resize((m * m + 1) // 2, refcheck=False)  # gives the other half back
    return p.view(np.float32)[: m * m].reshape(m, m)
