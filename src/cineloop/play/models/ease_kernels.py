"""The inner loops of EASE, compiled: the Gram matrix of sparse histories, and dense rows summed."""

from __future__ import annotations

import numpy as np
from numba import njit, types

_F1 = types.Array(types.float32, 1, "C", readonly=True)
_F2 = types.Array(types.float32, 2, "C", readonly=True)
_I4 = types.Array(types.int32, 1, "C", readonly=True)
_I8 = types.Array(types.int64, 1, "C", readonly=True)
_CSR = (_I8, _I4, _F1)
_GRAM = types.Array(types.float64, 2, "C")
_OUT = types.Array(types.float32, 2, "C")


@njit(types.void(*_CSR, *_CSR, _GRAM, types.int64, types.int64), nogil=True, cache=True)
def gram(indptr, indices, data, by_title, members, weights, out, start, stop):  # type: ignore[no-untyped-def]
    """Rows start to stop of the lower triangle of X'X, X given by member and by title, columns ascending."""
    for i in range(start, stop):
        row = out[i]
        row[: i + 1] = 0.0
        for e in range(by_title[i], by_title[i + 1]):
            u = members[e]
            c = np.float64(weights[e])
            for t in range(indptr[u], indptr[u + 1]):
                h = indices[t]
                if h > i:
                    break
                row[h] += c * data[t]


@njit(types.void(*_CSR, _F2, _OUT), nogil=True, cache=True, fastmath={"contract"})
def add_rows(indptr, indices, data, weights, out):  # type: ignore[no-untyped-def]
    """Row r of out: the sum over a history's titles h of c_h times weights_h, four rows at a time."""
    m = out.shape[1]
    for r in range(out.shape[0]):
        row = out[r]
        row[:] = np.float32(0.0)
        e, last = indptr[r], indptr[r + 1]
        while e + 4 <= last:
            a, b = weights[indices[e]], weights[indices[e + 1]]
            c, d = weights[indices[e + 2]], weights[indices[e + 3]]
            ca, cb, cc, cd = data[e], data[e + 1], data[e + 2], data[e + 3]
            for j in range(m):
                row[j] += ca * a[j] + cb * b[j] + cc * c[j] + cd * d[j]
            e += 4
        while e < last:
            a = weights[indices[e]]
            ca = data[e]
            for j in range(m):
                row[j] += ca * a[j]
            e += 1
