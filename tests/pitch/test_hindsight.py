"""No hindsight: what is known only afterwards, or tells success by being there, changes no forecast.

Each way that has fooled forecasters on these data is tried: votes and scores, membership of a list of known films,
empty cells, collections that later films define, the future of the table itself, and a target without any rule.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from pitch_world import films_of_the_world

from cineloop.pitch.brief import MOMENTS, Moment, Pitch
from cineloop.pitch.evaluate import evaluate, hierarchical
from cineloop.pitch.features import FEATURES, features
from cineloop.pitch.forecast import forecast
from cineloop.pitch.models.audience import Knobs, fit_films

FILMS = films_of_the_world(years=range(1998, 2014), a_year=40)
DAY = date(2012, 1, 1)
DUE = FILMS.filter(pl.col("released") >= DAY)
QUICK = Knobs(calibration_years=2)


@pytest.mark.parametrize(
    "leak",
    ["votes", "score", "popularity", "in_tmdb_5000", "budget_known", "collection", "vote_count"],
)
def test_a_column_that_tells_success_is_not_read(leak: str) -> None:
    leaking = FILMS.with_columns(pl.col("worldwide").alias(leak))
    for moment in MOMENTS:
        assert features(leaking, leaking, moment).equals(features(FILMS, FILMS, moment))
    assert leak not in FEATURES.names()


@pytest.mark.parametrize("field", ["certificate", "runtime", "country", "companies"])
def test_an_empty_cell_tells_nothing(field: str) -> None:
    # planted: among the films learnt from, the cell is empty for one in four, and only for successes
    residual = pl.col("worldwide").log() - 0.95 * pl.col("budget").log()
    hit = residual > residual.quantile(0.75)
    empty = pl.lit([], pl.List(pl.String)) if field == "companies" else pl.lit(None)
    planted = FILMS.with_columns(
        pl.when(hit & (pl.col("released") < DAY)).then(empty).otherwise(field).alias(field)
    )
    model = fit_films(planted, DAY, "release", knobs=QUICK)
    told, bare = DUE, DUE.with_columns(empty.cast(DUE.schema[field]).alias(field))
    gain = np.log(model.predict(bare, planted).median / model.predict(told, planted).median).mean()
    # what the plant is worth to a model that reads it: over one, in logs
    worth = (
        FILMS.filter(hit).select(residual.mean()).item() - FILMS.filter(~hit).select(residual.mean()).item()
    )
    assert worth > 1.0
    assert abs(gain) < 0.2 * worth


def test_a_sequel_that_comes_later_makes_no_first_part() -> None:
    sequels = DUE.with_columns(
        title=pl.col("title") + "-ii",
        name=pl.col("name") + " II",
        released=pl.col("released") + timedelta(days=700),
        known=pl.col("known") + timedelta(days=700),
    )
    later = pl.concat([FILMS, sequels])
    for moment in MOMENTS:
        assert features(DUE, later, moment).equals(features(DUE, FILMS, moment))


@pytest.mark.parametrize("moment", MOMENTS)
def test_changing_the_future_changes_no_forecast(moment: Moment) -> None:
    future = pl.col("known") >= DAY
    other = FILMS.with_columns(pl.when(future).then(1.0).otherwise(pl.col("worldwide")).alias("worldwide"))
    names = pl.when(pl.col("released") >= DAY).then(pl.lit("Nobody")).otherwise(pl.col("name"))
    other = other.with_columns(name=names).filter((pl.col("released") < DAY) | (pl.col("budget") > 1e7))
    one, two = (fit_films(films, DAY, moment, knobs=QUICK) for films in (FILMS, other))
    pitch = Pitch(
        name="Story 2010 a0 3",
        decided=DAY,
        moment=moment,
        release=date(2013, 6, 1),
        genres=("Action",),
        budget=3e7,
        companies=("company 3",),
    )
    assert (forecast(one, pitch, FILMS).predictive.logs == forecast(two, pitch, other).predictive.logs).all()


def test_a_gross_that_is_not_known_yet_is_not_read() -> None:
    first = FILMS.filter(pl.col("released").dt.year() == 2011).row(0, named=True)
    pitch = Pitch(
        name="Next", franchise=first["name"], decided=first["known"] - timedelta(days=1), moment="release"
    )
    model = fit_films(FILMS, date(2011, 1, 1), "release", knobs=QUICK)
    huge = pl.when(pl.col("title") == first["title"]).then(1e12).otherwise(pl.col("worldwide"))
    changed = FILMS.with_columns(worldwide=huge)
    early = [forecast(model, pitch, films) for films in (FILMS, changed)]
    assert early[0].earlier == first["title"]
    assert (early[0].predictive.logs == early[1].predictive.logs).all()
    later = pitch.model_copy(update={"decided": first["known"]})
    late = [forecast(model, later, films).median for films in (FILMS, changed)]
    assert late[0] != late[1]


def test_nothing_is_learnt_from_a_shuffled_target() -> None:
    shuffled = films_of_the_world(years=range(1998, 2014), a_year=40, shuffled=True)
    judged = evaluate(shuffled, DAY, contenders={"ours": hierarchical(QUICK)}, settled=True)
    for moment in MOMENTS:
        r2 = judged.of("ours", moment).metrics["r2"].mean
        # 80 films of noise: chance alone reaches a few hundredths
        assert -0.15 < r2 < 0.05


def test_track_records_end_eighteen_months_before_the_planned_year() -> None:
    planned = date(2013, 3, 1)
    last = date(2011, 7, 1)  # 18 months before 2013
    film = DUE.head(1).with_columns(
        released=pl.lit(planned), companies=pl.lit(["company 1"], pl.List(pl.String))
    )
    history = FILMS.filter(pl.col("companies").list.contains("company 1"))
    [seen] = features(film, history, "greenlight")["company_films"]
    out = history.filter(pl.col("released") < last + timedelta(days=3)).height
    assert np.expm1(seen) == pytest.approx(out, abs=1.5)
    [later] = features(film, history, "release")["company_films"]
    assert later > seen
