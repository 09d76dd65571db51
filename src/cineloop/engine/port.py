"""The port that heavy work goes through: pure importable functions over jobs that are small and plain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cineloop.engine.progress import Progress, silent

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Resources:
    """What one job may use. Every numeric library a job calls is held to `threads`."""

    threads: int = 1

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise ValueError(f"threads {self.threads}: a job needs at least 1")


class Engine(Protocol):
    """Runs `fn` over jobs and yields the results in the order of the jobs.

    A job's first error is raised when its result is reached, and nothing after it is started. Jobs carry
    addresses and knobs, never tables; the number of jobs comes from the data, never from the machine.
    """

    def map(
        self,
        fn: Callable[[Job], Result],
        jobs: Iterable[Job],
        resources: Resources = ...,
        progress: Progress = silent,
    ) -> Iterator[Result]:
        """Run `fn` on each job."""
        ...
