"""Which rows say that a member liked a title, and how surely: the knob that every recipe of this wing carries."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cineloop.lab.view import TrainingView
from cineloop.play.series import roots

COLUMNS = ("member", "title", "at", "confidence")


@dataclass(frozen=True)
class Signals:
    """Maps kind, rating and completion to a confidence; zero is no positive; a dislike or a low rating, if it is
    the last word on a title, takes it out.

    `completion` holds (share watched at least, confidence), ascending; a watch without a known completion
    counts `unknown`. A rating below `rating_at_least` stars is no positive. Trailers and previews never are.
    """

    rating_at_least: float = 4.0
    rating: float = 1.0
    like: float = 1.0
    list_add: float = 0.0
    completion: tuple[tuple[float, float], ...] = ((0.5, 1.0),)
    unknown: float = 1.0

    def interactions(self, view: TrainingView) -> pl.DataFrame:
        """Rows (member, title, at, confidence): one a (profile, title), its surest confidence, its last time.

        `at` is int64: microseconds since 1970 UTC, or `seq` where the log has no clock. Sorted by member, at,
        title.
        """
        above = roots(view.table("titles").select("title", "parent").collect())
        plays = _at_the_root(view.table("plays"), above).filter(pl.col("kind").is_in(["watch", "live"]))
        feedback = _at_the_root(view.table("feedback"), above)
        columns = [pl.col("profile").alias("member"), "title", _AT, pl.col("confidence").cast(pl.Float64)]
        positives = pl.concat(
            [
                plays.with_columns(pl.coalesce("confidence", self._watched()).alias("confidence")).select(
                    columns
                ),
                feedback.with_columns(self._judged().alias("confidence")).select(columns),
            ]
        ).filter(pl.col("confidence") > 0)
        return (
            positives.join(self._turned_down(feedback), on=["member", "title"], how="anti")
            .group_by("member", "title")
            .agg(pl.col("at").max(), pl.col("confidence").max())
            .select(COLUMNS)
            .sort("member", "at", "title")
            .collect()
        )

    def watched(self, share: float | None) -> float:
        """What a watch of `share` is worth; None: unknown.

        >>> Signals(completion=((0.2, 0.5), (0.9, 1.0))).watched(0.3)
        0.5
        """
        if share is None:
            return self.unknown
        return next((worth for least, worth in sorted(self.completion, reverse=True) if share >= least), 0.0)

    def judged(self, kind: str, stars: float | None) -> float:
        """What a row of feedback is worth."""
        if kind == "rating":
            return self.rating if stars is not None and stars >= self.rating_at_least else 0.0
        return {"like": self.like, "list-add": self.list_add}.get(kind, 0.0)

    def _watched(self) -> pl.Expr:
        share = pl.col("completion")
        confidence = pl.when(share.is_null()).then(pl.lit(self.unknown)).otherwise(pl.lit(0.0))
        for least, worth in sorted(self.completion):
            confidence = pl.when(share >= least).then(pl.lit(worth)).otherwise(confidence)
        return confidence

    def _judged(self) -> pl.Expr:
        kind = pl.col("kind")
        return (
            pl.when((kind == "rating") & (pl.col("value") >= self.rating_at_least))
            .then(pl.lit(self.rating))
            .when(kind == "like")
            .then(pl.lit(self.like))
            .when(kind == "list-add")
            .then(pl.lit(self.list_add))
            .otherwise(pl.lit(0.0))
        )

    def _turned_down(self, feedback: pl.LazyFrame) -> pl.LazyFrame:
        """(member, title) whose last verdict is a dislike or a rating too low: the last word counts."""
        kind = pl.col("kind")
        low = (kind == "dislike") | ((kind == "rating") & (pl.col("value") < self.rating_at_least))
        return (
            feedback.filter(kind.is_in(["rating", "like", "dislike"]))
            .select(pl.col("profile").alias("member"), "title", _AT, low.alias("low"))
            .group_by("member", "title")
            .agg(pl.col("low").sort_by("at", "low").last())
            .filter("low")
        )


_AT = pl.coalesce(pl.col("happened_at").dt.epoch("us"), "seq", pl.lit(0, pl.Int64)).alias("at")


def _at_the_root(rows: pl.LazyFrame, above: pl.DataFrame) -> pl.LazyFrame:
    """What is logged of an episode or a season counts for its series."""
    if above.is_empty():
        return rows
    rows = rows.join(above.lazy(), on="title", how="left")
    return rows.with_columns(pl.coalesce("root", "title").alias("title")).drop("root")
