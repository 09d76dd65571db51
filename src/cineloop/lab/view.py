"""What a recipe may learn from: a snapshot as of a day, without those who are excluded.

A recipe is handed a `TrainingView` and never a snapshot, so it can't look past the day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from cineloop.guard.exclusions import NOBODY, Exclusions
from cineloop.store.snapshot import Snapshot


@dataclass(frozen=True)
class TrainingView:
    """A snapshot's rows with `known_at <= as_of`, corrections applied, exclusions left out.

    `profile` narrows it to one profile's own rows: what an answer to them may be made from.
    """

    snapshot: Snapshot
    as_of: datetime
    exclusions: Exclusions = NOBODY
    profile: str | None = None

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None:
            raise ValueError(f"as_of {self.as_of}: needs a time zone; UTC is meant everywhere")

    def table(self, name: str) -> pl.LazyFrame:
        """The rows of one table of record that the view may see, in the columns of `store.schema`."""
        rows = self.snapshot.scan(name, self.as_of)
        columns = rows.collect_schema().names()
        if "profile" not in columns:
            return rows
        if self.profile is not None:
            rows = rows.filter(pl.col("profile") == self.profile)
        if self.exclusions.members:
            out = pl.Series("out", sorted(self.exclusions.members))
            rows = rows.filter(
                ~pl.col("account").is_in(out.implode()), ~pl.col("profile").is_in(out.implode())
            )
        if self.exclusions.pairs:
            pairs = pl.LazyFrame(
                sorted(self.exclusions.pairs), schema={"profile": pl.String, "title": pl.String}, orient="row"
            )
            if "title" in columns:
                rows = rows.join(pairs, on=["profile", "title"], how="anti")
            else:  # an impression that showed an excluded pair goes whole
                shown = pairs.group_by("profile").agg(pl.col("title").alias("_hidden"))
                rows = (
                    rows.join(shown, on="profile", how="left")
                    .filter(
                        pl.col("_hidden").is_null()
                        | (pl.col("titles").list.set_intersection("_hidden").list.len() == 0)
                    )
                    .drop("_hidden")
                )
        return rows

    def without(self, more: Exclusions) -> TrainingView:
        """The same view, excluding more."""
        return replace(self, exclusions=self.exclusions | more)

    def of(self, profile: str) -> TrainingView:
        """The same view, narrowed to one profile."""
        return replace(self, profile=profile)
