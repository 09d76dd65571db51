"""The inner loops of item-kNN, compiled: how much titles are liked together, and neighbours summed."""

from __future__ import annotations

import numpy as np
from numba import njit, types

_F1 = types.Array(types.float32, 1, "C", readonly=True)
_U4 = types.Array(types.uint32, 1, "C", readonly=True)  # unsigned: no check for negative indices
_I8 = types.Array(types.int64, 1, "C", readonly=True)
_OUT = types.Array(types.float32, 2, "C")
_CSR = (_I8, _U4, _F1)


@njit(
    types.void(*_CSR, *_CSR, _F1, _F1, types.float32, types.float32, types.int64, _OUT),
    nogil=True,
    cache=True,
)
def similarities(  # type: ignore[no-untyped-def]
    indptr, indices, data, by_title, members, weights, giving, taking, shrinkage, alike, first, out
):
    """Row r of out: sum_u c_uh c_uj / (giving_h taking_j + shrinkage), j = first + r; -inf if never together.

    The plays come twice: (indptr, indices, data) by member and (by_title, members, weights) by title.
    Where every c is the same, `alike` is c squared and counting does; else it is 0.
    """
    m = out.shape[1]
    for r in range(out.shape[0]):
        j = first + r
        row = out[r]
        row[:] = np.float32(0.0)
        for e in range(by_title[j], by_title[j + 1]):
            u = members[e]
            c = weights[e]
            if alike > 0:
                for t in range(indptr[u], indptr[u + 1]):
                    row[indices[t]] += np.float32(1.0)
            else:
                for t in range(indptr[u], indptr[u + 1]):
                    row[indices[t]] += c * data[t]
        row[j] = np.float32(0.0)
        if alike > 0:
            for h in range(m):
                row[h] *= alike
        for h in range(m):
            row[h] = row[h] / (giving[h] * taking[j] + shrinkage) if row[h] > 0 else -np.inf


@njit(types.void(*_CSR, *_CSR, _OUT), nogil=True, cache=True)
def spread(indptr, indices, data, reach, reached, strength, out):  # type: ignore[no-untyped-def]
    """Row r of out: the sum over a history's titles h of c_h times row h of (reach, reached, strength)."""
    for r in range(out.shape[0]):
        row = out[r]
        row[:] = np.float32(0.0)
        for e in range(indptr[r], indptr[r + 1]):
            h = indices[e]
            c = data[e]
            for t in range(reach[h], reach[h + 1]):
                row[reached[t]] += c * strength[t]
