"""Work in this process, one job after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from threadpoolctl import threadpool_limits

from cineloop.engine.port import Job, Resources, Result
from cineloop.engine.progress import Progress, silent


class Inline:
    """The embedded default.

    >>> list(Inline().map(len, ["one", "three"]))
    [3, 5]
    """

    def map(
        self,
        fn: Callable[[Job], Result],
        jobs: Iterable[Job],
        resources: Resources = Resources(),  # noqa: B008 - frozen
        progress: Progress = silent,
    ) -> Iterator[Result]:
        """Run `fn` on each job, with BLAS and Numba held to `resources.threads`, and yield as they end."""
        work = list(jobs)
        name = getattr(fn, "__name__", "work")
        for done, job in enumerate(work):
            progress(name, done, len(work))
            with threadpool_limits(resources.threads), _numba_threads(resources.threads):
                result = fn(job)
            yield result
        progress(name, len(work), len(work))


class _numba_threads:  # noqa: N801 - reads as a verb at its one use
    """Hold Numba to `threads` while inside; nothing where Numba was never imported."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def __enter__(self) -> None:
        import sys

        self.before: int | None = None
        if (numba := sys.modules.get("numba")) is not None:
            self.before = numba.get_num_threads()
            numba.set_num_threads(min(self.threads, numba.config.NUMBA_NUM_THREADS))

    def __exit__(self, *_: object) -> None:
        import sys

        if self.before is not None:
            sys.modules["numba"].set_num_threads(self.before)
