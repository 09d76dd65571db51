"""What is on the rise: titles whose recent positives exceed what their own past would lead one to expect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl


@dataclass(frozen=True)
class Trend:
    """A title's positives in the last window of `days`, against the mean of the windows before."""

    title: str
    recent: int
    expected: float
    score: float
    days: float


def trending(
    positives: pl.DataFrame, as_of: datetime, *, days: float = 14, before: int = 4, least: int = 3
) -> list[Trend]:
    """Titles by (recent - expected) / sqrt(expected + 1), the highest first; only rises are kept.

    `positives` has rows (title, at) with `at` in microseconds since 1970 UTC. `expected` is the mean count of the
    `before` windows of the same length that precede the last one. The score is a Pearson residual, with 1 added
    so that a title without a past needs more than one member to rise.

    >>> from datetime import UTC
    >>> rows = pl.DataFrame({"title": ["a", "a", "a", "b"], "at": [9, 9, 9, 9]})
    >>> [t.title for t in trending(rows, datetime(1970, 1, 2, tzinfo=UTC))]
    ['a']
    """
    end = int(as_of.timestamp() * 1_000_000)
    width = int(timedelta(days=days).total_seconds() * 1_000_000)
    age = pl.lit(end) - pl.col("at")
    counts = (
        positives.filter(age >= 0, age < width * (before + 1))
        .group_by("title")
        .agg(recent=(age < width).sum().cast(pl.Int64), past=(age >= width).sum().cast(pl.Int64))
        .with_columns(expected=pl.col("past") / before)
        .with_columns(score=(pl.col("recent") - pl.col("expected")) / (pl.col("expected") + 1).sqrt())
        .filter(pl.col("recent") >= least, pl.col("score") > 0)
        .sort(["score", "title"], descending=[True, False])
    )
    rows = counts.select("title", "recent", "expected", "score").rows()
    return [Trend(title, recent, expected, score, days) for title, recent, expected, score in rows]
