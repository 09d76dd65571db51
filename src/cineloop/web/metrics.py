"""What Prometheus asks for, over all workers of a server."""

from __future__ import annotations

import os

import prometheus_client as prom
from prometheus_client import multiprocess

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_REQUESTS = prom.Histogram(
    "cineloop_request_seconds", "Seconds to answer", ("method", "route", "status"), buckets=BUCKETS
)
_EVENTS = prom.Counter("cineloop_events", "Events acknowledged", ("outcome",))
_SWAPS = prom.Counter("cineloop_swaps", "Shelves swapped in")
CONTENT_TYPE = prom.CONTENT_TYPE_LATEST


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """One answered request; `route` is the template, so that no member becomes a label."""
    _REQUESTS.labels(method, route, str(status)).observe(seconds)


def appended(accepted: int, repeated: int) -> None:
    """One acknowledged batch."""
    _EVENTS.labels("accepted").inc(accepted)
    _EVENTS.labels("repeated").inc(repeated)


def swapped() -> None:
    """Another run went live in this worker."""
    _SWAPS.inc()


def exposition() -> bytes:
    """All workers' figures, in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return bytes(prom.generate_latest())
    registry = prom.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return bytes(prom.generate_latest(registry))
