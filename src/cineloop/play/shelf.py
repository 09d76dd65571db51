"""What all members share at a moment: the live model, the catalogue as arrays, what is rising, what is new.

Made once per worker and live run. Whatever is large is memory-mapped (the model, everyone's rows), so that
workers share its pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from cineloop.errors import InputError
from cineloop.lab.histories import Strings
from cineloop.lab.recommender import Recommender
from cineloop.lab.run import Run
from cineloop.lab.view import TrainingView
from cineloop.play.available import allowed_titles
from cineloop.play.brief import HomeRequest
from cineloop.play.editorial import Editorial, Hand
from cineloop.play.models.ranking import Ranker, compressed
from cineloop.play.past import Past, Touch, past
from cineloop.play.prepared import Prepared, prepare
from cineloop.play.series import Catalogue
from cineloop.play.signals import Signals
from cineloop.play.trending import Trend
from cineloop.store.compaction import compacted
from cineloop.store.events import Horizon
from cineloop.studio import Studio

HOME = "play/home"
TREND_DAYS = 14.0
Places = NDArray[np.int64]
Mask = NDArray[np.bool_]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Shelf:
    """Titles stand by place: `titles` (n,) sorted ids of all that can be shown, and arrays beside it.

    column (n,) place -> column of the model, -1 where it never learned the title; liked_by (n,) members who liked
    it; named (n,) equal where two ids share name and year; of_genre genre -> (n,) mask.
    """

    view: TrainingView
    run: Run
    model: Recommender
    signals: Signals
    catalogue: Catalogue
    releases: pl.DataFrame
    prepared: Prepared
    titles: Strings
    column: Places
    liked_by: NDArray[np.int64]
    named: Places
    of_genre: dict[str, Mask]
    watermark: datetime
    events: Horizon | None
    editorial: Editorial
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def place(self) -> dict[str, int]:
        """title -> its place."""
        return {str(title): i for i, title in enumerate(self.titles)}

    @cached_property
    def facts(self) -> list[tuple[str, str, int | None, bool]]:
        """Of each place the title, its name and year, and whether it has episodes."""
        c = self.catalogue
        return [(t, c.name(t), c.year(t), bool(c.episodes(t))) for t in map(str, self.titles)]

    @cached_property
    def shown(self) -> Mask:
        """(n,) whether the model ranks the title."""
        return self.column >= 0

    @cached_property
    def twins(self) -> dict[int, list[int]]:
        """name -> its places, for the few names that several ids share."""
        counts = np.bincount(self.named, minlength=1)
        shared = np.flatnonzero(counts[self.named] > 1)
        found: dict[int, list[int]] = {}
        for place in shared.tolist():
            found.setdefault(int(self.named[place]), []).append(place)
        return found

    def alike(self, places: Sequence[int]) -> Places:
        """These places and all that share a name with one: the same films to the eye."""
        twins = (twin for place in places for twin in self.twins.get(int(self.named[place]), ()))
        return np.array([*places, *twins], np.int64)

    @cached_property
    def rising(self) -> tuple[Places, dict[int, Trend], dict[int, float]]:
        """Places of what is on the rise, the strongest first, with their trends and scores."""
        of = {self.place[t.title]: t for t in self.prepared.trends if t.title in self.place}
        return np.array(list(of), np.int64), of, {place: trend.score for place, trend in of.items()}

    @cached_property
    def genre_share(self) -> dict[str, float]:
        """Share of each genre in what members like, a title's weight split evenly over its genres."""
        each = np.array([1 / max(1, len(self.catalogue.genres(str(t)))) for t in self.titles])
        weight = {g: float((self.liked_by * each)[mask].sum()) for g, mask in self.of_genre.items()}
        total = sum(weight.values()) or 1.0
        return {genre: w / total for genre, w in weight.items()}

    @cached_property
    def _learned(self) -> tuple[dict[str, int], Places, Places]:
        """title -> column of the model; and the places of what it learned beside their columns."""
        places = np.flatnonzero(self.shown)
        return {str(t): i for i, t in enumerate(self.model.titles)}, places, self.column[places]

    def history(self, who: Past) -> sparse.csr_array:
        """(1, m) the confidences of what a member liked, in the columns of the model."""
        learned, liked = self._learned[0], who.liked
        columns = np.array([learned.get(title, -1) for title in liked.catalogue], np.int64)
        confidence = np.zeros(len(columns), np.float32)
        confidence[liked.items] = liked.confidence
        kept = columns >= 0  # ascending, as the catalogue's and the model's titles are
        bounds = np.array([0, np.count_nonzero(kept)])
        return compressed(bounds, columns[kept], confidence[kept], (1, len(self.model.titles)))

    def scores(self, who: Past) -> NDArray[np.float32]:
        """(n,) the model's scores for a member; minus infinity where it never learned the title."""
        if isinstance(self.model, Ranker):
            scores = self.model.scores(self.history(who))[0]
        else:
            scores = self.model.score(who.liked)[0]
        _, places, columns = self._learned
        found = np.full(len(self.titles), -np.inf, np.float32)
        found[places] = scores[columns]
        return found

    def past(self, profile: str, fresh: list[Touch] | None = None) -> Past:
        """What a profile has done, as of the shelf's day and by `fresh` rows since."""
        rows = [*self.prepared.touches(profile), *(fresh or ())]
        return past(profile, rows, self.catalogue, self.signals)

    def allowed(self, request: HomeRequest) -> Mask:
        """(n,) what the request's filters and the editors' blocks let through; kept, since most members ask alike."""
        filters = (request.genres, request.max_age, request.territory, request.channel)

        def found() -> Mask:
            passed = allowed_titles(
                self.catalogue.titles,
                self.releases,
                self.titles,
                genres=request.genres,
                max_age=request.max_age,
                territory=request.territory,
                at=self.view.as_of,
                channel=request.channel,
            )
            passed[self.alike(self.known(self.hand(request.territory).blocked))] = False
            return passed

        return self._once(("allowed", *filters), found)

    def hand(self, territory: str | None) -> Hand:
        """What the editors want in a territory, at the moment that the shelf was made for."""
        return self._once(("hand", territory), lambda: self.editorial.at(self.view.as_of, territory))

    def boosted(self, territory: str | None) -> tuple[Places, NDArray[np.float64]]:
        """(places, factors) of the titles that the editors boost there."""

        def found() -> tuple[Places, NDArray[np.float64]]:
            of = {self.place[t]: b.factor for t, b in self.hand(territory).boosts.items() if t in self.place}
            return np.array(list(of), np.int64), np.array(list(of.values()), np.float64)

        return self._once(("boosted", territory), found)

    def known(self, titles: Iterable[str]) -> list[int]:
        """Places of the titles that can be shown, in order."""
        return sorted(self.place[title] for title in titles if title in self.place)

    def similar(self, title: str, k: int) -> tuple[Places, NDArray[np.float32]]:
        """(places, nearness) of the titles nearest to one, the nearest first."""

        def found() -> tuple[Places, NDArray[np.float32]]:
            near = self.model.similar([title], k)
            kept = near.items[0] >= 0
            names = near.titles[near.items[0][kept]]
            return np.array([self.place[str(t)] for t in names], np.int64), near.scores[0][kept]

        return self._once(("similar", title, k), found)

    def new(self, territory: str | None, channel: str, days: float = 60) -> Places:
        """Titles whose window opened in the last days, or that were first released last year or since.

        The newest first. The year is looked at only where a title has no release on record.
        """
        return self._once(("new", territory, channel, days), lambda: self._new(territory, channel, days))

    def _new(self, territory: str | None, channel: str, days: float) -> Places:
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
        places = [
            (-since.timestamp(), -int(self.liked_by[place]), place)
            for title, since in pl.concat([dated, by_year]).rows()
            if (place := self.place.get(title)) is not None
        ]
        return np.array([place for *_, place in sorted(places)], np.int64)

    def _once(self, key: Any, make: Callable[[], T]) -> T:
        if key not in self._kept:
            if len(self._kept) > 50_000:  # filters and anchors that nobody asks for again
                self._kept.clear()
            self._kept[key] = make()
        return cast(T, self._kept[key])


def shelf(studio: Studio, as_of: datetime | None = None) -> Shelf:
    """Load what a home needs, as of the log's last moment or an earlier one.

    InputError where nothing has been promoted under `play/home`.
    """
    run = studio.lab.live(HOME)
    if run is None:
        raise InputError(
            "nothing has been promoted yet", field=HOME, accepted="cineloop promote play/home first"
        )
    view = studio.view(as_of)
    model = cast(Recommender, studio.lab.load(run))
    signals = getattr(studio.lab.recipe(run), "signals", Signals())
    catalogue = Catalogue.of(view.table("titles").collect())
    prepared = prepare(view, signals, TREND_DAYS, studio.folder / "play" / "prepared")
    known = catalogue.titles.filter(pl.col("kind").is_in(["film", "series", "game", "live"]))["title"]
    titles = np.array(sorted({*known, *map(str, model.titles), *prepared.liked_by}), dtype=object)
    return Shelf(
        view=view,
        run=run,
        model=model,
        signals=signals,
        catalogue=catalogue,
        # what a series may show is what any of its seasons or episodes may
        releases=view.table("releases").collect().with_columns(catalogue.rolled_up("title")),
        prepared=prepared,
        titles=titles,
        column=_columns(titles, model.titles),
        liked_by=np.array([prepared.liked_by.get(str(t), 0) for t in titles], np.int64),
        named=_named(titles, catalogue),
        of_genre=_genres(titles, catalogue),
        watermark=studio.watermark(),
        events=compacted(view.snapshot),
        # an editor's act counts from when it is known, and a log's last moment may be long before: only a page
        # of an earlier day asks what was known then
        editorial=Editorial.of(view.snapshot.scan("editorial", as_of).collect()),
    )


def usual_member(studio: Studio) -> str:
    """The member of median history length; of several, the one who was last seen, then the first by id."""
    rows = Signals().interactions(studio.view())
    each = rows.group_by("member").agg(pl.len().alias("n"), pl.col("at").max().alias("last"))
    middle = each["n"].sort()[len(each) // 2]
    usual = each.filter(pl.col("n") == middle).sort(["last", "member"], descending=[True, False])
    return str(usual["member"][0])


def _columns(titles: Strings, learned: Strings) -> Places:
    column = {str(title): i for i, title in enumerate(learned)}
    return np.array([column.get(str(title), -1) for title in titles], np.int64)


def _named(titles: Strings, catalogue: Catalogue) -> Places:
    first: dict[tuple[str, int | None], int] = {}
    names = (catalogue.known_as(str(title)) for title in titles)
    return np.array([first.setdefault(name, i) for i, name in enumerate(names)], np.int64)


def _genres(titles: Strings, catalogue: Catalogue) -> dict[str, Mask]:
    found: dict[str, Mask] = {}
    for i, title in enumerate(titles):
        for genre in catalogue.genres(str(title)):
            found.setdefault(genre, np.zeros(len(titles), np.bool_))[i] = True
    return dict(sorted(found.items()))
