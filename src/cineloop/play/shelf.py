"""What all members share at a moment: the live model, the catalogue, what is rising, what is new."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import cast

import numpy as np
import polars as pl

from cineloop.errors import InputError
from cineloop.lab.recommender import Recommender
from cineloop.lab.run import Run
from cineloop.lab.view import TrainingView
from cineloop.play.available import allowed_titles
from cineloop.play.brief import HomeRequest
from cineloop.play.series import Catalogue
from cineloop.play.signals import Signals
from cineloop.play.trending import Trend, trending
from cineloop.studio import Studio

HOME = "play/home"


@dataclass(frozen=True)
class Shelf:
    """Made once per moment and live run, and used for any number of members."""

    view: TrainingView
    run: Run
    model: Recommender
    signals: Signals
    catalogue: Catalogue
    releases: pl.DataFrame
    members: int
    liked_by: dict[str, int]
    trends: list[Trend]
    trend_days: float
    genre_share: dict[str, float]
    _allowed: dict[HomeRequest, frozenset[str]] = field(default_factory=dict)

    def allowed(self, request: HomeRequest) -> frozenset[str]:
        """Titles that the request's filters let through; kept, since most members ask alike."""
        alike = request.model_copy(update={"profile": "", "as_of": None, "row_length": 1, "profiling": True})
        if alike not in self._allowed:
            every = {*map(str, self.model.titles), *self.catalogue.titles["title"], *self.liked_by}
            titles = np.array(sorted(every), dtype=object)
            passed = allowed_titles(
                self.catalogue.titles,
                self.releases,
                titles,
                genres=request.genres,
                max_age=request.max_age,
                territory=request.territory,
                at=self.view.as_of,
                channel=request.channel,
            )
            self._allowed[alike] = frozenset(titles[passed])
        return self._allowed[alike]

    @cached_property
    def column(self) -> dict[str, int]:
        """title -> its column in the model."""
        return {str(title): i for i, title in enumerate(self.model.titles)}

    def new(self, territory: str | None, channel: str, days: float = 60) -> list[str]:
        """Titles whose window opened in the last days, or that were first released last year or since.

        The newest first. The year is looked at only where a title has no release on record.
        """
        now = self.view.as_of
        everywhere = pl.col("territory").is_null() | pl.lit(territory is None)
        here = everywhere | (pl.col("territory") == (territory or ""))
        lately = pl.col("starts_at").is_between(now - timedelta(days=days), now)
        opened = (
            self.releases.filter(here, pl.col("channel") == channel, lately)
            .with_columns(self.catalogue.rolled_up("title"))
            .group_by("title")
            .agg(pl.col("starts_at").min())
        )
        dated = opened.select("title", pl.col("starts_at").dt.replace_time_zone(None).alias("since"))
        unknown = self.catalogue.titles.join(self.releases.select("title"), on="title", how="anti")
        lately = pl.col("year").is_between(now.year - 1, now.year)
        of_year = unknown.filter(pl.col("kind").is_in(["film", "series"]), lately)
        by_year = of_year.select("title", pl.datetime("year", 1, 1, time_unit="us").alias("since"))
        both = pl.concat([dated, by_year]).with_columns(
            pl.col("title").replace_strict(self.liked_by, default=0, return_dtype=pl.Int64).alias("liked")
        )
        return both.sort(["since", "liked", "title"], descending=[True, True, False])["title"].to_list()


def shelf(studio: Studio, as_of: datetime | None = None, *, trend_days: float = 14) -> Shelf:
    """Load what a home needs; InputError where nothing has been promoted under `play/home`."""
    run = studio.lab.live(HOME)
    if run is None:
        raise InputError(
            "nothing has been promoted yet", field=HOME, accepted="cineloop promote play/home first"
        )
    view = studio.view(as_of)
    model = cast(Recommender, studio.lab.load(run))
    signals = getattr(studio.lab.recipe(run), "signals", Signals())
    catalogue = Catalogue.of(view.table("titles").collect())
    positives = signals.interactions(view)
    counts = positives.group_by("title").len().sort("title")
    timed = view.table("plays").select("happened_at").collect()["happened_at"].null_count() == 0
    timed &= view.table("feedback").select("happened_at").collect()["happened_at"].null_count() == 0
    return Shelf(
        view=view,
        run=run,
        model=model,
        signals=signals,
        catalogue=catalogue,
        releases=view.table("releases").collect(),
        members=positives["member"].n_unique(),
        liked_by=dict(counts.rows()),
        trends=trending(positives, view.as_of, days=trend_days) if timed else [],
        trend_days=trend_days,
        genre_share=genre_share(counts, catalogue),
    )


def usual_member(studio: Studio) -> str:
    """The member of median history length; of several, the one who was last seen, then the first by id."""
    rows = Signals().interactions(studio.view())
    each = rows.group_by("member").agg(pl.len().alias("n"), pl.col("at").max().alias("last"))
    middle = each["n"].sort()[len(each) // 2]
    usual = each.filter(pl.col("n") == middle).sort(["last", "member"], descending=[True, False])
    return str(usual["member"][0])


def genre_share(counts: pl.DataFrame, catalogue: Catalogue) -> dict[str, float]:
    """Share of each genre among positives (title, len), a title's weight split evenly over its genres."""
    weights: dict[str, float] = {}
    for title, count in counts.rows():
        genres = catalogue.genres(title)
        for genre in genres:
            weights[genre] = weights.get(genre, 0.0) + count / len(genres)
    total = float(np.sum(list(weights.values()))) or 1.0
    return {genre: weight / total for genre, weight in sorted(weights.items())}
