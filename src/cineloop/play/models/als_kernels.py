"""The inner loop of implicit ALS, compiled: each row's ridge regression against fixed factors.

For a row with plays h of confidence c_h, the other side's factors y and their Gram matrix G = Y'Y, the loss
is least where (alpha0 G + sum_h c_h y_h y_h' + ridge I) x = sum_h c_h y_h (Hu, Koren, Volinsky 2008, eq. 4).
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

_FAST = {"reassoc", "contract", "nsz", "arcp"}  # no assumption about NaN or infinity
_F1 = types.Array(types.float32, 1, "C", readonly=True)
_F2 = types.Array(types.float32, 2, "C", readonly=True)
_I4 = types.Array(types.int32, 1, "C", readonly=True)
_I8 = types.Array(types.int64, 1, "C", readonly=True)
_OUT = types.Array(types.float32, 2, "C")
_ROWS = types.void(_I8, _I4, _F1, _F2, _F2, _F1, _OUT, types.int64, types.int64, types.int64)


@njit(fastmath=_FAST, inline="always")
def _pull(near, weight, n, p, target, out):  # type: ignore[no-untyped-def]
    """out += sum_i weight_i (target - near_i . p) near_i, four i at a time: fewer passes over p and out."""
    f = p.shape[0]
    i = 0
    while i + 4 <= n:
        a, b, c, d = near[i], near[i + 1], near[i + 2], near[i + 3]
        s0 = s1 = s2 = s3 = np.float32(0.0)
        for j in range(f):
            v = p[j]
            s0 += a[j] * v
            s1 += b[j] * v
            s2 += c[j] * v
            s3 += d[j] * v
        s0 = weight[i] * (target - s0)
        s1 = weight[i + 1] * (target - s1)
        s2 = weight[i + 2] * (target - s2)
        s3 = weight[i + 3] * (target - s3)
        for j in range(f):
            out[j] += s0 * a[j] + s1 * b[j] + s2 * c[j] + s3 * d[j]
        i += 4
    while i < n:
        a = near[i]
        s0 = np.float32(0.0)
        for j in range(f):
            s0 += a[j] * p[j]
        s0 = weight[i] * (target - s0)
        for j in range(f):
            out[j] += s0 * a[j]
        i += 1


@njit(fastmath=_FAST, inline="always")
def _shrink(gram, ridge, p, out):  # type: ignore[no-untyped-def]
    """out -= (gram + ridge I) p, for a symmetric gram."""
    f = p.shape[0]
    for j in range(f):
        out[j] -= ridge * p[j]
    i = 0
    while i + 4 <= f:
        a, b, c, d = gram[i], gram[i + 1], gram[i + 2], gram[i + 3]
        s0, s1, s2, s3 = p[i], p[i + 1], p[i + 2], p[i + 3]
        for j in range(f):
            out[j] -= s0 * a[j] + s1 * b[j] + s2 * c[j] + s3 * d[j]
        i += 4
    while i < f:
        a = gram[i]
        for j in range(f):
            out[j] -= p[i] * a[j]
        i += 1


@njit(_ROWS, nogil=True, cache=True, fastmath=_FAST)
def refine(  # type: ignore[no-untyped-def]
    indptr, indices, data, fixed, gram, ridge, out, steps, start, stop
):
    """Conjugate gradient from where rows start to stop of `out` stand (Takács, Pilászy, Tikk 2011).

    At most `steps` steps, fewer where the residual has fallen to a millionth: a few make an epoch of
    training, many solve a row to float accuracy, at a third of what a Cholesky factorisation costs.
    """
    f = fixed.shape[1]
    most = 0
    for u in range(start, stop):
        most = max(most, indptr[u + 1] - indptr[u])
    near = np.empty((most, f), np.float32)
    r = np.empty(f, np.float32)
    p = np.empty(f, np.float32)
    q = np.empty(f, np.float32)
    zero, one = np.float32(0.0), np.float32(1.0)
    for u in range(start, stop):
        first = indptr[u]
        n = indptr[u + 1] - first
        x = out[u]
        if n == 0:
            x[:] = zero
            continue
        weight = data[first : first + n]
        for i in range(n):  # the neighbours' factors, side by side: read several times below
            y = fixed[indices[first + i]]
            for j in range(f):
                near[i, j] = y[j]
        r[:] = zero
        _pull(near, weight, n, x, one, r)
        _shrink(gram, ridge[u], x, r)
        old = zero
        for j in range(f):
            p[j] = r[j]
            old += r[j] * r[j]
        begun = old
        for _ in range(steps):
            if old <= np.float32(1e-12) * begun or old < np.float32(1e-30):
                break
            q[:] = zero
            _pull(near, weight, n, p, zero, q)
            _shrink(gram, ridge[u], p, q)
            bent = zero
            for j in range(f):
                bent -= p[j] * q[j]
            pace = old / bent
            new = zero
            for j in range(f):
                x[j] += pace * p[j]
                r[j] += pace * q[j]
                new += r[j] * r[j]
            turn = new / old
            for j in range(f):
                p[j] = r[j] + turn * p[j]
            old = new
