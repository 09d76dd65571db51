"""The port, on the engine that runs in this process."""

from __future__ import annotations

import pytest
from threadpoolctl import threadpool_info

from cineloop.engine import Engine, Inline, Resources


def blas_threads(_: int) -> int:
    import numpy  # noqa: F401 - so that its BLAS is loaded

    return max(int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas")


def test_results_come_in_the_order_of_the_jobs_and_progress_is_told() -> None:
    engine: Engine = Inline()
    said: list[tuple[str, float, float | None]] = []
    made = list(
        engine.map(str, [3, 1, 2], progress=lambda task, done, total=None: said.append((task, done, total)))
    )
    assert made == ["3", "1", "2"]
    assert said == [("str", 0, 3), ("str", 1, 3), ("str", 2, 3), ("str", 3, 3)]


def test_an_error_stops_the_jobs_after_it() -> None:
    ran: list[int] = []

    def job(n: int) -> int:
        ran.append(n)
        return 1 // n

    results = Inline().map(job, [1, 0, 2])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert ran == [1, 0]


def test_a_job_has_the_threads_that_were_declared() -> None:
    before = blas_threads(0)
    assert list(Inline().map(blas_threads, [0], Resources(threads=1))) == [1]
    assert blas_threads(0) == before
    with pytest.raises(ValueError, match="at least 1"):
        Resources(threads=0)
