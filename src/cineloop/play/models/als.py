"""Implicit ALS: every member and title a vector of tastes; a history is folded in by one small regression.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (2008), with the loss and the
frequency-scaled regularisation of Rendle, Krichene, Zhang, Koren, "Revisiting the Performance of iALS on
Item Recommendation Benchmarks" (2022): over members' vectors x, titles' vectors y and confidences c of what
was liked,

    sum_liked c (1 - x.y)^2 + a sum_all (x.y)^2 + l sum_members (plays + a titles)^nu |x|^2 + l sum_titles ...
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
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

Factors = NDArray[np.float32]


@dataclass(frozen=True)
class Loss:
    """What is minimised: the module's a (`unobserved`), l (`regularisation`), nu (`frequency_exponent`)."""

    unobserved: float
    regularisation: float
    frequency_exponent: float

    def ridge(self, plays: NDArray[np.int64], others: int) -> NDArray[np.float32]:
        """(n,) the weight of each row's squared length, from its plays and the size of the other side."""
        spread = (plays + self.unobserved * others) ** self.frequency_exponent
        return np.asarray(self.regularisation * spread, dtype=np.float32)


@dataclass(frozen=True)
class ALSModel(Ranker):
    """factors (m, f) float32 of the titles; members have none: a history is solved for when asked.

    gram (f, f): unobserved * factors' factors, what the pairs that nobody played add to every such
    regression.
    """

    titles: Strings
    prior: Scores
    factors: Factors
    gram: Factors
    loss: Loss

    @cached_property
    def length(self) -> Scores:
        """(m,) of the titles' vectors, kept off zero."""
        return np.asarray(np.maximum(np.linalg.norm(self.factors, axis=1), np.float32(1e-12)))

    def fold_in(self, history: sparse.csr_array) -> Factors:
        """(n, f) the vector of each history of a block (n, m): where the loss is least, the titles' fixed."""
        from cineloop.play.models.als_kernels import refine

        n, f = history.shape[0], self.factors.shape[1]
        ridge = self.loss.ridge(np.diff(history.indptr), len(self.factors))
        found = np.zeros((n, f), np.float32)
        plays = (history.indptr, history.indices, history.data)
        # f steps end it in exact arithmetic; it stops sooner, once the residual is a millionth
        refine(*plays, self.factors, self.gram, ridge, found, 2 * f, 0, n)
        return found

    def block(self, history: sparse.csr_array) -> Scores:
        """Scores of a block of histories: their vectors times the titles'."""
        return np.asarray(self.fold_in(history) @ self.factors.T, dtype=np.float32)

    def nearness(self, columns: NDArray[np.int64]) -> Scores:
        """Cosine of the titles' vectors."""
        asked = self.factors[columns] / self.length[columns, None]
        near = asked @ self.factors.T
        near /= self.length
        return np.asarray(near, dtype=np.float32)

    def parts(self, history: sparse.csr_array, columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """c_h y_j' W y_h for each past title h, W the history's own inverse (Hu et al., section 5)."""
        near, c = self.factors[history.indices].astype(np.float64), history.data.astype(np.float64)
        ridge = float(self.loss.ridge(np.array([history.nnz]), len(self.factors))[0])
        matrix = self.gram.astype(np.float64) + (near.T * c) @ near + ridge * np.eye(near.shape[1])
        asked = self.factors[columns].astype(np.float64)
        return np.asarray((near * c[:, None]) @ np.linalg.solve(matrix, asked.T))

    def save(self, folder: Path) -> None:
        """Write into an existing empty folder; the same model gives the same bytes."""
        arrays = {"prior": self.prior, "factors": self.factors, "gram": self.gram}
        stored.write(folder, "als", self.titles, arrays, vars(self.loss))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, memory-mapped."""
        titles, arrays, numbers = stored.read(folder, "als")
        return cls(titles, arrays["prior"], arrays["factors"], arrays["gram"], Loss(**numbers))


@dataclass(frozen=True)
class ImplicitALS:
    """Knobs of implicit ALS; the defaults were chosen on validation members of MovieLens 100k and 1M.

    factors: length of a vector. iterations: how often both sides are solved. unobserved: weight of every
    pair nobody played, beside 1 for a play. regularisation and frequency_exponent: see the module; with the
    exponent at 1 those with many plays are held back as much as they have. steps: conjugate-gradient steps
    a solve. scale: the first vectors' expected length.
    """

    name: ClassVar[str] = "als"
    model: ClassVar[type[ALSModel]] = ALSModel
    feeds: ClassVar[tuple[str, ...]] = ("cineloop.play.series", "cineloop.play.signals")
    threads: ClassVar[int] = shares.CORES

    factors: int = 64
    iterations: int = 10
    unobserved: float = 0.25
    regularisation: float = 0.3
    frequency_exponent: float = 0.5
    steps: int = 3
    scale: float = 0.05
    signals: Signals = field(default_factory=Signals)

    def __post_init__(self) -> None:
        for knob in ("factors", "iterations", "steps"):
            if getattr(self, knob) < 1:
                raise InputError("too few", field=knob, value=getattr(self, knob), accepted="1 or more")
        for knob in ("unobserved", "frequency_exponent"):
            if not getattr(self, knob) >= 0:
                raise InputError("below zero", field=knob, value=getattr(self, knob), accepted="0 or more")
        for knob in ("regularisation", "scale"):
            if not getattr(self, knob) > 0:
                raise InputError("not positive", field=knob, value=getattr(self, knob), accepted="above 0")

    def fit(self, view: TrainingView, seed: int) -> ALSModel:
        """Learn from the view; the same view, knobs and seed give the same bytes, whatever the threads."""
        histories = Histories.of(self.signals.interactions(view))
        matrix = histories.matrix(histories.catalogue)
        return self.learn(matrix, histories.catalogue, seed)

    def learn(self, matrix: sparse.csr_array, titles: Strings, seed: int) -> ALSModel:
        """From confidences (n, m) in the columns of `titles`."""
        *_, (_, factors) = self.train(matrix, seed)
        return ALSModel(titles, popularity(matrix), factors, _scaled_gram(factors, self.loss), self.loss)

    @property
    def loss(self) -> Loss:
        """What the knobs ask to minimise."""
        return Loss(self.unobserved, self.regularisation, self.frequency_exponent)

    def train(self, matrix: sparse.csr_array, seed: int) -> Iterator[tuple[Factors, Factors]]:
        """After each iteration the members' (n, f) and titles' (m, f) vectors, the same arrays every time."""
        liked = kernel_ready(matrix)
        likers = kernel_ready(liked.T.tocsr())
        rng = np.random.default_rng(seed)
        # small and positive: every score starts above zero, and from there the few steps an iteration takes lead to
        # better lists than from vectors around zero (implicit starts so too)
        most = np.float32(self.scale * np.sqrt(3 / self.factors))
        members, titles = (rng.random((n, self.factors), dtype=np.float32) * most for n in matrix.shape)
        for _ in range(self.iterations):
            _sweep(liked, titles, _scaled_gram(titles, self.loss), self.loss, members, self.steps)
            _sweep(likers, members, _scaled_gram(members, self.loss), self.loss, titles, self.steps)
            yield members, titles


def _scaled_gram(factors: Factors, loss: Loss) -> Factors:
    """unobserved * Y'Y (f, f), summed by one thread so that their number doesn't change its last bits."""
    gram = np.zeros((factors.shape[1], factors.shape[1]), np.float64)
    with shares.single_blas():
        for start in range(0, len(factors), 4096):
            part = factors[start : start + 4096]
            gram += part.T @ part
    return np.asarray(loss.unobserved * gram, dtype=np.float32)


def _sweep(
    plays: sparse.csr_array, fixed: Factors, gram: Factors, loss: Loss, out: Factors, steps: int
) -> None:
    """Move every row of `out` towards its least loss with the other side `fixed`."""
    from cineloop.play.models.als_kernels import refine

    count, f = np.diff(plays.indptr), fixed.shape[1]
    ridge = loss.ridge(count, len(fixed))

    def kernel(start: int, stop: int) -> None:
        refine(plays.indptr, plays.indices, plays.data, fixed, gram, ridge, out, steps, start, stop)

    work = (4.0 * count + f) * f
    shares.run(kernel, shares.even(work, 1 if work.sum() < 2e6 else 4 * shares.threads_held()))
