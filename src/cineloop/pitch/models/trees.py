"""Boosted regression trees of three splits' depth, for what a sum of effects leaves out: how properties go together.

Gradient boosting for squared error (Friedman, "Greedy function approximation", Annals of Statistics 2001) on columns
cut into at most 32 bins, with a random share of the columns open to each tree ("Stochastic gradient boosting", 2002).
Every tree is complete, eight leaves, so that a forest is three small arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from cineloop.pitch.models.terms import Rows

Floats = NDArray[np.float64]

DEPTH = 3
INNER = 2**DEPTH - 1
BINS = 32


@dataclass(frozen=True)
class Trees:
    """names (c,) of columns, `level` of each where it stands for one value of a factor, else ""; edges (c, BINS - 1)
    padded with infinity; column (t, INNER) of each split and cut (t, INNER): bins up to it go left; value (t, 8)."""

    names: tuple[str, ...]
    levels: tuple[str, ...]
    edges: Floats
    column: NDArray[np.int64]
    cut: NDArray[np.int64]
    value: Floats
    start: float

    def predict(self, frame: pl.DataFrame | Rows) -> Floats:
        """(n,) the forest's sum for rows of a features frame."""
        binned = _binned(_columns(Rows.of(frame), self.names, self.levels), self.edges)
        return np.asarray(self.start + _walk(binned, self.column, self.cut, self.value), dtype=np.float64)


def grow(
    frame: pl.DataFrame,
    y: Floats,
    weights: Floats,
    seed: int,
    *,
    without: Sequence[str] = (),
    trees: int = 200,
    rate: float = 0.05,
    share: float = 0.6,
    least: float = 20.0,
    level_rows: int = 20,
) -> Trees:
    """Boost on a features frame; y and weights (n,).

    A column of text becomes one column for each value that stands in `level_rows` rows; `least` is the weight a leaf
    must hold, `share` that of the columns a tree may use. The same seed gives the same trees.
    """
    w = weights / weights.mean()
    names, levels = _plan(frame, without, level_rows)
    raw = _columns(Rows.of(frame), names, levels)
    edges = np.full((len(names), BINS - 1), np.inf)
    for j in range(len(names)):
        cuts = np.unique(np.quantile(raw[:, j], np.linspace(0, 1, BINS + 1)[1:-1]))
        cuts = cuts[cuts < raw[:, j].max()]
        edges[j, : len(cuts)] = cuts
    binned = _binned(raw, edges)
    start = float(np.average(y, weights=w))
    rng = np.random.default_rng(seed)
    open_at_once = max(1, round(share * len(names)))
    chosen = np.stack([np.sort(rng.permutation(len(names))[:open_at_once]) for _ in range(trees)])
    column, cut, value = _boost(binned, y - start, w, chosen, rate, least)
    return Trees(names, levels, edges, column, cut, value, start)


def _plan(
    frame: pl.DataFrame, without: Sequence[str], level_rows: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names, levels = [], []
    for column, kind in frame.schema.items():
        if column in without:
            continue
        if kind == pl.String:
            counts = frame[column].drop_nulls().value_counts().filter(pl.col("count") >= level_rows)
            for level in sorted(counts[column].to_list()):
                names.append(column)
                levels.append(level)
        else:
            names.append(column)
            levels.append("")
    return tuple(names), tuple(levels)


def _columns(rows: Rows, names: Sequence[str], levels: Sequence[str]) -> Floats:
    """(n, c) numbers; an unknown one is 0: who grows trees fills rows first, and who asks them of one disregards it."""
    made = [
        np.array([v == level for v in rows.labels(n)], np.float64) if level else rows.filled(n, 0.0)
        for n, level in zip(names, levels, strict=True)
    ]
    return np.column_stack(made) if made else np.zeros((len(rows), 0))


def _binned(raw: Floats, edges: Floats) -> NDArray[np.uint8]:
    made = [np.searchsorted(edges[j], raw[:, j], side="left") for j in range(len(edges))]
    return (
        np.ascontiguousarray(np.stack(made, axis=1).astype(np.uint8))
        if made
        else np.zeros((len(raw), 0), np.uint8)
    )


@njit(cache=True)
def _boost(
    binned: NDArray[np.uint8], y: Floats, w: Floats, chosen: NDArray[np.int64], rate: float, least: float
) -> Any:
    trees, n = chosen.shape[0], len(y)
    column = np.zeros((trees, 7), np.int64)
    cut = np.full((trees, 7), 255, np.int64)  # nothing lies above: all go left
    value = np.zeros((trees, 8))
    rest = y.copy()
    node = np.zeros(n, np.int64)
    for t in range(trees):
        node[:] = 0
        for depth in range(3):
            width = 1 << depth
            best = np.full(width, 1e-9)
            total, weight = np.zeros(width), np.zeros(width)
            for i in range(n):
                total[node[i]] += w[i] * rest[i]
                weight[node[i]] += w[i]
            for c in chosen[t]:
                sums, weights = np.zeros((width, 32)), np.zeros((width, 32))
                for i in range(n):
                    sums[node[i], binned[i, c]] += w[i] * rest[i]
                    weights[node[i], binned[i, c]] += w[i]
                for k in range(width):
                    left, below = 0.0, 0.0
                    for b in range(31):
                        left += sums[k, b]
                        below += weights[k, b]
                        above = weight[k] - below
                        if below < least or above < least:
                            continue
                        right = total[k] - left
                        gain = left * left / below + right * right / above - total[k] ** 2 / weight[k]
                        if gain > best[k]:
                            best[k] = gain
                            column[t, width - 1 + k] = c
                            cut[t, width - 1 + k] = b
            for i in range(n):
                at = width - 1 + node[i]
                node[i] = 2 * node[i] + (binned[i, column[t, at]] > cut[t, at])
        total, weight = np.zeros(8), np.zeros(8)
        for i in range(n):
            total[node[i]] += w[i] * rest[i]
            weight[node[i]] += w[i]
        for k in range(8):
            if weight[k] > 0.0:
                value[t, k] = rate * total[k] / weight[k]
        for i in range(n):
            rest[i] -= value[t, node[i]]
    return column, cut, value


@njit(cache=True)
def _walk(binned: NDArray[np.uint8], column: NDArray[np.int64], cut: NDArray[np.int64], value: Floats) -> Any:
    out = np.zeros(len(binned))
    for i in range(len(binned)):
        for t in range(len(value)):
            node = 0
            for depth in range(3):
                at = (1 << depth) - 1 + node
                node = 2 * node + (binned[i, column[t, at]] > cut[t, at])
            out[i] += value[t, node]
    return out
