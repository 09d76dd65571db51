"""The desk at which pitches of one day are judged: the films known by then, and a forecaster made of no later ones.

A desk is laid once for a day and a moment and kept for the next pitch; what takes long on it (drivers, comparables'
vectors, how titles move together) is made when it is first asked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cached_property
from typing import cast
from weakref import WeakKeyDictionary

import polars as pl

from cineloop.engine import Progress, silent
from cineloop.errors import InputError
from cineloop.lab.recipe import Recipe
from cineloop.lab.run import Run
from cineloop.lab.view import TrainingView
from cineloop.pitch import evaluate as judging
from cineloop.pitch.brief import Moment
from cineloop.pitch.comparables import Reference
from cineloop.pitch.correlation import Correlation, correlations
from cineloop.pitch.drivers import Drivers, drivers
from cineloop.pitch.forecast import Known
from cineloop.pitch.models.audience import Audience, AudienceModel
from cineloop.pitch.models.past import learnable, years_before
from cineloop.pitch.models.unbudgeted import UnbudgetedAudience, priced
from cineloop.studio import Studio
from cineloop.titles.films import normalised
from cineloop.titles.from_store import films_of

TARGETS = ("worldwide", "domestic")  # the first that enough films have
ENOUGH = 200  # films with a budget, from which on the forecaster that reads budgets is taken
CLEAREST = 120  # films without, below which nothing is forecast
_KEPT = 4  # desks of a studio


@dataclass(frozen=True)
class Desk:
    """What pitches decided on `day` are judged with. `films` are FILMS rows as the view shows them."""

    day: date
    moment: Moment
    view: TrainingView
    films: pl.DataFrame
    run: Run
    model: AudienceModel

    @cached_property
    def known(self) -> Known:
        """What was known on the day, prepared for forecasts."""
        return Known(self.films, self.day, self.model.target)

    @cached_property
    def reference(self) -> Reference:
        """What comparables are looked for in; people on the exclusion list are in no feature."""
        return Reference.of(self.films, self.day, absent=_absent(self.view))

    @property
    def reads_budgets(self) -> bool:
        """Whether the films told budgets to learn from."""
        return "budget" in self.model.ranges

    @property
    def learnt(self) -> int:
        """How many films a forecaster of the day could learn from."""
        of = learnable if self.reads_budgets else priced
        return len(of(self.films, self.day, self.model.target))

    @cached_property
    def drivers(self) -> Drivers | None:
        """What each group of characteristics adds to forecasts; None without budgets, or with too few years."""
        if not self.reads_budgets:
            return None
        first = max(2000, self.day.year - 16)
        try:
            return drivers(self.films, self.day, self.moment, self.model.target, first=first)
        except InputError:
            return None

    @cached_property
    def correlation(self) -> Correlation:
        """How titles of one year and genre rise and fall together: errors of forecasts of the last eight years."""
        if not self.reads_budgets:
            raise InputError(
                "can't be estimated without budgets", field="correlation", accepted="market and genre, stated"
            )
        past = judging.evaluate(
            self.films.filter(pl.col("known") <= self.day),
            years_before(self.day, 8),
            moments=[self.moment],
            target=self.model.target,
            settled=True,
            contenders={judging.OURS: judging.hierarchical()},
        ).forecasts
        genres = self.films.select("title", genre=pl.col("genres").list.first().fill_null("none"))
        rows = past.join(genres, on="title", how="left")
        return correlations(
            (rows["y"] - rows["mean"]).to_numpy(), rows["year"].to_numpy(), rows["genre"].to_numpy()
        )


_DESKS: WeakKeyDictionary[Studio, OrderedDict[tuple[str, ...], Desk]] = WeakKeyDictionary()
_LOCK = threading.Lock()


def desk(studio: Studio, day: date, moment: Moment, progress: Progress = silent) -> Desk:
    """The desk of a day and a moment: the last ones are kept, as long as films, exclusions and live run are the same.

    The forecaster is the run that is live under `pitch/audience-<moment>`, if it was made as of the day or before;
    else the recipe's run as of the day, made now unless it was made before. InputError without films to learn from.
    """
    if not studio.store.head().parts:
        raise _no_films(studio)
    view = studio.view(end_of(day))
    live = studio.lab.live(f"pitch/audience-{moment}")
    if live is not None and live.as_of > view.as_of:
        live = None
    key = (
        view.snapshot.id,
        view.exclusions.digest(),
        day.isoformat(),
        moment,
        "" if live is None else live.id,
    )
    with _LOCK:
        kept = _DESKS.setdefault(studio, OrderedDict())
        if key in kept:
            kept.move_to_end(key)
            return kept[key]
    films = films_of(view)
    run = live or studio.lab.train(recipe_for(studio, films, day, moment), view, progress=progress)
    model = studio.lab.load(run)
    if not isinstance(model, AudienceModel):
        raise InputError("makes no forecasts", field=f"pitch/audience-{moment}", value=run.label)
    made = Desk(day, moment, view, films, run, model)
    with _LOCK:
        kept[key] = made
        while len(kept) > _KEPT:
            kept.popitem(last=False)
    return made


def recipe_for(studio: Studio, films: pl.DataFrame, day: date, moment: Moment) -> Recipe:
    """The forecaster that the films known on a day allow: of the worldwide gross, else the domestic one; with budgets,
    else without. InputError where there is too little of any."""
    for target in TARGETS:
        if len(learnable(films, day, target)) >= ENOUGH:
            return cast(Recipe, Audience(moment, target))
    for target in TARGETS:
        if len(priced(films, day, target)) >= CLEAREST:
            return cast(Recipe, UnbudgetedAudience(moment, target))
    raise _no_films(studio, day)


def end_of(day: date) -> datetime:
    """The last moment of a day, UTC: what a decision of that day may know."""
    return datetime.combine(day, time.max, UTC)


def _no_films(studio: Studio, day: date | None = None) -> InputError:
    when = "" if day is None else f" known on {day}"
    return InputError(
        f"too few films with a gross{when} to learn from",
        file=studio.folder,
        accepted="film facts first: cineloop data ingest FILE, or cineloop data fetch films",
    )


def _absent(view: TrainingView) -> list[str]:
    """The names of people on the view's exclusions."""
    out = sorted(view.exclusions.members)
    if not out:
        return []
    names = view.table("people").filter(pl.col("person").is_in(out)).select("name").collect()
    return sorted({normalised(name) for name in names["name"]} - {""})
