"""Shares of work over rows, and plain threads that each take one.

The kernels here are compiled without the interpreter's lock and write only their own rows, so an answer is
the same to the bit for any number of threads. Plain threads are used rather than Numba's parallel loops:
those compile several times slower, and where OpenMP is missing a second caller at the same time ends the
process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
_LIMIT = Lock()


def threads_held() -> int:
    """How many threads a numeric library may use now: what the engine holds BLAS to, at most the cores."""
    held = [int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"]
    return max(1, min([CORES, *held]))


def even(work: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Bounds (count + 1,) of consecutive rows whose sums of `work` (n,) are about the same.

    >>> even(np.array([1.0, 1.0, 1.0, 3.0]), 2).tolist()
    [0, 3, 4]
    """
    total = np.concatenate([[0.0], np.cumsum(work)])
    bounds = np.searchsorted(total, np.linspace(0.0, total[-1], count + 1))
    bounds[0], bounds[-1] = 0, len(work)
    return bounds.astype(np.int64)


def blocks(rows: int, columns: int, most_bytes: int = 4 << 20) -> NDArray[np.int64]:
    """Bounds of consecutive rows such that a float32 block of (rows, columns) stays within `most_bytes`.

    They depend on the data alone, never on the threads: BLAS may round a row otherwise in another block.

    >>> blocks(5, 1000, 8000).tolist()
    [0, 2, 4, 5]
    """
    step = int(max(1, min(512, most_bytes // max(4 * columns, 1))))
    return np.append(np.arange(0, rows, step), rows).astype(np.int64)


@contextmanager
def single_blas() -> Iterator[None]:
    """Hold BLAS to one thread, one caller at a time.

    The limit is the process's own: callers at once would restore each other's.
    """
    with _LIMIT, threadpool_limits(1, user_api="blas"):
        yield


def run(kernel: Callable[[int, int], object], bounds: NDArray[np.int64]) -> None:
    """Call `kernel(start, stop)` for every two neighbouring bounds, BLAS inside held to one thread each."""
    spans = [(int(a), int(b)) for a, b in pairwise(bounds) if a < b]
    if len(spans) < 2 or (threads := threads_held()) == 1:
        for span in spans:
            kernel(*span)
        return
    with single_blas(), ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(kernel, *span) for span in spans]:
            done.result()
