"""What every model of this room shares: lists for any history out of blocks of scores.

Scores are made and searched block by block, a few MiB each, so that memory does not grow with the members.
A member without a known title in the history is scored by the model's `prior`, the popularity of its
training. Equal scores, those of titles that a model knows nothing about included, stand in the order of
their title ids.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cineloop.errors import InputError
from cineloop.lab.histories import Histories, Lists, Strings
from cineloop.play.models import shares

Scores = NDArray[np.float32]
Block = Callable[[int, int], Scores]


class Ranker(ABC):
    """A model that scores a block of histories; ranking, cold members and batches are the same for all.

    titles (m,) sorted ids of what it learned; prior (m,) float32 popularity of each in the training.
    """

    titles: Strings
    prior: Scores

    @abstractmethod
    def block(self, history: sparse.csr_array) -> Scores:
        """(n, m) fresh scores for a block of histories (n, m), `kernel_ready`; rows may be empty."""

    @abstractmethod
    def nearness(self, columns: NDArray[np.int64]) -> Scores:
        """(n, m) how near every title is to each of `columns`; minus infinity where it is not near at all."""

    @abstractmethod
    def parts(self, history: sparse.csr_array, columns: NDArray[np.int64]) -> NDArray[np.float64]:
        """(nnz, len(columns)) what each entry of one history (1, m) adds to the scores of `columns`."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write into an existing empty folder; the same model gives the same bytes."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, memory-mapped."""

    def score(self, histories: Histories) -> Scores:
        """(n, m) scores of every title for every member."""
        column = places(self.titles, histories.catalogue)
        out = np.empty((len(histories), len(self.titles)), np.float32)

        def fill(start: int, stop: int) -> None:
            out[start:stop] = self.scores(self._rows(histories, column, start, stop))

        shares.run(fill, shares.blocks(*out.shape))
        return out

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        seen: bool = False,
    ) -> Lists:
        """Top k a member, best first; `allowed` (m,) or (n, m) filters; played titles only if `seen`."""
        column, shape = places(self.titles, histories.catalogue), (len(histories), len(self.titles))
        if allowed is not None and allowed.shape not in {shape[1:], shape}:
            raise InputError(
                "wrong shape",
                field="allowed",
                value=allowed.shape,
                accepted=f"{shape[1:]} or {shape}",
            )

        def scored(start: int, stop: int) -> Scores:
            part = self._rows(histories, column, start, stop)
            block = self.scores(part)
            if not seen:
                block[np.repeat(np.arange(stop - start), np.diff(part.indptr)), part.indices] = -np.inf
            if allowed is not None:
                block[
                    ~np.broadcast_to(allowed if allowed.ndim == 1 else allowed[start:stop], block.shape)
                ] = -np.inf
            return block

        return best(histories.members, self.titles, k, scored)

    def similar(self, titles: list[str], k: int) -> Lists:
        """Top k titles nearest to each, itself left out; an unknown title gets an empty list."""
        columns = places(self.titles, np.array(titles, dtype=object))

        def scored(start: int, stop: int) -> Scores:
            asked = columns[start:stop]
            block = np.full((stop - start, len(self.titles)), -np.inf, np.float32)
            known = np.flatnonzero(asked >= 0)
            block[known] = self.nearness(asked[known])
            block[known, asked[known]] = -np.inf
            return block

        return best(np.array(titles, dtype=object), self.titles, k, scored)

    def contributions(self, histories: Histories, items: NDArray[np.int32]) -> list[list[dict[str, float]]]:
        """For member i and each column items[i, j]: what each past title added to its score (they sum to it).

        A member who is scored by popularity, and a place where the list has ended, get an empty dict.
        """
        history = histories.matrix(self.titles)
        found: list[list[dict[str, float]]] = []
        for i, columns in enumerate(np.asarray(items, dtype=np.int64)):
            one, live = history[i : i + 1], columns >= 0
            reasons: list[dict[str, float]] = [{} for _ in columns]
            if one.nnz and live.any():
                added = self.parts(one, columns[live])
                names = [str(t) for t in self.titles[one.indices]]
                for place, column in zip(np.flatnonzero(live), added.T, strict=True):
                    reasons[place] = dict(zip(names, column.tolist(), strict=True)) if added.size else {}
            found.append(reasons)
        return found

    def _rows(
        self, histories: Histories, column: NDArray[np.int64], start: int, stop: int
    ) -> sparse.csr_array:
        """Histories start to stop in this model's columns, made a block at a time to spare memory."""
        bounds = histories.indptr[start : stop + 1]
        found = column[histories.items[bounds[0] : bounds[-1]]]
        kept = found >= 0
        ends = np.concatenate([[0], np.cumsum(kept)])[bounds - bounds[0]]
        confidence = histories.confidence[bounds[0] : bounds[-1]][kept]
        shape = (stop - start, len(self.titles))
        # one kind of index for both, or SciPy sorts a copy
        made = sparse.csr_array((confidence, found[kept], ends), shape=shape)
        return kernel_ready(made)

    def scores(self, history: sparse.csr_array) -> Scores:
        """(n, m) fresh scores for histories (n, m), `kernel_ready`; an empty one is scored by popularity."""
        block = self.block(history)
        block[np.diff(history.indptr) == 0] = self.prior
        return block


def best(keys: Strings, titles: Strings, k: int, scored: Block) -> Lists:
    """The k best of each row of `scored(start, stop)` (stop - start, m) as lists; -inf is left out."""
    from cineloop.play.models.select import select

    if k < 0:
        raise InputError("a list can't be that short", field="k", value=k, accepted="0 or more")
    items, scores = np.empty((len(keys), k), np.int32), np.empty((len(keys), k), np.float32)

    def fill(start: int, stop: int) -> None:
        select(
            np.ascontiguousarray(scored(start, stop), dtype=np.float32), items[start:stop], scores[start:stop]
        )

    shares.run(fill, shares.blocks(len(keys), len(titles)))
    return Lists(keys, titles, items, scores)


def places(titles: Strings, names: Strings) -> NDArray[np.int64]:
    """The column of each name in sorted `titles`, -1 where it is unknown.

    >>> places(np.array(["a", "c"], dtype=object), np.array(["c", "b"], dtype=object)).tolist()
    [1, -1]
    """
    if len(titles) == 0:
        return np.full(len(names), -1, np.int64)
    column = np.searchsorted(titles, names)
    return np.where(titles[np.minimum(column, len(titles) - 1)] == names, column, -1).astype(np.int64)


def popularity(matrix: sparse.csr_array) -> Scores:
    """(m,) summed confidence of each title: what a model says of nobody in particular."""
    return np.bincount(matrix.indices, matrix.data, minlength=matrix.shape[1]).astype(np.float32)


def kernel_ready(matrix: sparse.csr_array) -> sparse.csr_array:
    """The same matrix with ascending int32 columns, int64 bounds and float32 values, as kernels take it."""
    matrix.sort_indices()
    return compressed(matrix.indptr, matrix.indices, matrix.data, matrix.shape)


def compressed(
    indptr: NDArray[Any], indices: NDArray[Any], data: NDArray[Any], shape: tuple[int, int]
) -> sparse.csr_array:
    """A sparse matrix over these very arrays, memory-mapped ones included, unless their types must change."""
    made = sparse.csr_array(shape, dtype=np.float32)
    made.indptr = np.ascontiguousarray(indptr, dtype=np.int64)
    made.indices = np.ascontiguousarray(indices, dtype=np.int32)
    made.data = np.ascontiguousarray(data, dtype=np.float32)
    return made
