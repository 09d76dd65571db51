"""The k best of each row of scores, compiled: ties go to the smaller column, -inf is never chosen."""

from __future__ import annotations

import numpy as np
from numba import njit, types

_SIGNATURE = types.void(
    types.Array(types.float32, 2, "C", readonly=True),
    types.Array(types.int32, 2, "C"),
    types.Array(types.float32, 2, "C"),
)

_STRETCH = 16


@njit(inline="always")
def _worse(a, i, b, j):  # type: ignore[no-untyped-def]
    return a < b or (a == b and i > j)


@njit(inline="always")
def _sink(values, items, size, hole, value, item):  # type: ignore[no-untyped-def]
    """Put (value, item) into the hole of the heap, whose root is the worst, and let it sink to its place."""
    while True:
        child = 2 * hole + 1
        if child >= size:
            break
        if child + 1 < size and _worse(values[child + 1], items[child + 1], values[child], items[child]):
            child += 1
        if not _worse(values[child], items[child], value, item):
            break
        values[hole] = values[child]
        items[hole] = items[child]
        hole = child
    values[hole] = value
    items[hole] = item


@njit(inline="always")
def _heapify(values, items, size):  # type: ignore[no-untyped-def]
    for h in range(size // 2 - 1, -1, -1):
        _sink(values, items, size, h, values[h], items[h])


@njit(_SIGNATURE, nogil=True, cache=True, fastmath={"nnan", "nsz", "reassoc"})
def select(scores, items, values):  # type: ignore[no-untyped-def]
    """Fill items (n, k) with the columns of the k best of scores (n, m), best first, -1 where they end.

    The k-th best of the peaks of short stretches is a floor below which nothing can be among the k best, so that
    most stretches are passed over at the speed of finding a maximum.
    """
    n, m = scores.shape
    k = items.shape[1]
    if k == 0:
        return
    stretches = (m + _STRETCH - 1) // _STRETCH
    peaks = np.empty(stretches, np.float32)
    high, of = np.empty(k, np.float32), np.empty(k, np.int32)
    for r in range(n):
        row, best, which = scores[r], values[r], items[r]
        for b in range(stretches):
            part = row[b * _STRETCH : (b + 1) * _STRETCH]
            peak = part[0]
            for i in range(1, len(part)):
                peak = part[i] if part[i] > peak else peak
            peaks[b] = peak
        floor = np.float32(-np.inf)
        if stretches > k:
            for b in range(k):
                high[b] = peaks[b]
                of[b] = b
            _heapify(high, of, k)
            for b in range(k, stretches):
                if peaks[b] > high[0]:
                    _sink(high, of, k, 0, peaks[b], b)
            floor = high[0]
        size = 0
        for b in range(stretches):
            if peaks[b] < floor:
                continue
            for i in range(b * _STRETCH, min((b + 1) * _STRETCH, m)):
                score = row[i]
                if score < floor or score == -np.inf:
                    continue
                if size < k:
                    best[size] = score
                    which[size] = i
                    size += 1
                    if size == k:
                        _heapify(best, which, k)
                elif score > best[0]:  # columns ascend: of equal scores the one that is in stays
                    _sink(best, which, k, 0, score, i)
        if size < k:
            _heapify(best, which, size)
        for end in range(size - 1, 0, -1):  # sort: the worst goes to the end
            value, item = best[0], which[0]
            _sink(best, which, end, 0, best[end], which[end])
            best[end] = value
            which[end] = item
        for h in range(size, k):
            best[h] = 0.0
            which[h] = -1
