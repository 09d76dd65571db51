"""The figures by hand, and the whole on a world whose R2 is known."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pitch_world import films_of_the_world
from scipy.stats import t as student

from cineloop.errors import InputError
from cineloop.pitch.clustered import explained, explained_more, jackknife, mean_of
from cineloop.pitch.evaluate import CONTENDERS, METRICS, Evaluation, evaluate, hierarchical
from cineloop.pitch.models import peers
from cineloop.pitch.models.audience import Knobs
from cineloop.titles.films import films_of_table

TABLE = Path(__file__).resolve().parents[3] / "shared" / "data" / "titles" / "imdb_movie_stats_1980_2016.csv"
QUICK = hierarchical(Knobs(calibration_years=2))
FILMS = films_of_the_world(years=range(1998, 2014), a_year=40)


def test_a_mean_of_equal_clusters_is_students_interval() -> None:
    # three years of two films each; the means of years are 1, 2, 6, so the interval is the one-sample t of these
    made = mean_of([0, 2, 1, 3, 5, 7], [1, 1, 2, 2, 3, 3])
    means = np.array([1.0, 2.0, 6.0])
    reach = student.ppf(0.975, 2) * means.std(ddof=1) / math.sqrt(3)
    assert (made.mean, made.n) == (3.0, 3)
    assert made.high - made.mean == pytest.approx(reach)


def test_r2_by_hand() -> None:
    y, said = [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 3.0]
    # error 1 of 5 round the mean 2.5
    assert explained(y, said, [1, 1, 2, 2]).mean == pytest.approx(0.8)
    assert explained_more(y, said, [2.5] * 4, [1, 1, 2, 2]).mean == pytest.approx(0.8)


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=30), st.integers(0, 9))
def test_the_difference_of_two_is_the_difference_of_their_r2(y: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    if np.ptp(y) < 0.1:
        return
    a, b = rng.normal(size=(2, len(y)))
    years = np.arange(len(y)) % 3
    gain = explained_more(y, a, b, years)
    assert gain.mean == pytest.approx(explained(y, a, years).mean - explained(y, b, years).mean, abs=1e-6)


def test_one_year_says_nothing_of_the_spread() -> None:
    made = jackknife(np.ones((4, 1)), [1, 1, 1, 1], lambda s: float(s[0]))
    assert (made.low, made.high) == (-math.inf, math.inf)
    with pytest.raises(InputError):
        jackknife(np.ones((0, 1)), [], lambda s: float(s[0]))


def test_the_interval_keeps_its_level_with_eight_years() -> None:
    # a mean of 0 with an effect common to each year: 95% should hold it 95 times of 100
    rng = np.random.default_rng(7)
    years = np.repeat(np.arange(8), 20)
    held = 0
    for _ in range(400):
        made = mean_of(rng.normal(0, 0.5, 8)[years] + rng.normal(size=160), years)
        held += made.low <= 0 <= made.high
    assert held / 400 == pytest.approx(0.95, abs=0.03)


@pytest.fixture(scope="module")
def judged() -> Evaluation:
    plain = {"ours": hierarchical(), "budget line": peers.budget_line, "median": peers.median}
    return evaluate(FILMS, date(2011, 1, 1), contenders=plain, settled=True)


def test_every_figure_is_there(judged: Evaluation) -> None:
    table = judged.table()
    for moment in ("greenlight", "release"):
        for name in ("ours", "budget line", "median"):
            one = judged.of(name, moment)
            assert tuple(one.metrics) == METRICS
            assert len(one.thirds) == 3
            assert bool(one.gains) == (name != "ours")
    assert table.filter(pl.col("kind") == "gain").height == 2 * 2 * 5
    assert (table["low"] <= table["mean"]).all() and (table["mean"] <= table["high"]).all()
    plain = judged.as_json()
    assert plain["years"] == [2011, 2012, 2013] and plain["films"] == 120


def test_figures_from_the_forecasts(judged: Evaluation) -> None:
    rows = judged.forecasts.filter(pl.col("contender") == "ours", pl.col("moment") == "release")
    y, low, high = (rows[c].to_numpy() for c in ("y", "low", "high"))
    one = judged.of("ours", "release").metrics
    inside = (y >= low) & (y <= high)
    assert one["coverage"].mean == pytest.approx(inside.mean())
    # Gneiting & Raftery 2007, equation 43, alpha = 0.2
    score = (high - low) + 10 * (low - y) * (y < low) + 10 * (y - high) * (y > high)
    assert one["interval_score"].mean == pytest.approx(score.mean())
    factor = np.exp(np.abs(y - rows["median"].to_numpy()))
    assert one["within_2x"].mean == pytest.approx((factor <= 2).mean())
    error = y - rows["mean"].to_numpy()
    assert one["r2"].mean == pytest.approx(1 - (error**2).sum() / ((y - y.mean()) ** 2).sum())


def test_the_world_is_explained_and_the_line_beaten(judged: Evaluation) -> None:
    one = judged.of("ours", "release")
    assert 0.7 < one.metrics["r2"].mean < 0.95
    gain = judged.of("budget line", "release").gains["r2"]
    assert gain.mean > 0.05
    assert 0.7 < one.metrics["coverage"].mean < 0.9
    assert abs(judged.of("median", "release").metrics["r2"].mean) < 0.2


def test_yearly_learns_anew_and_once_does_not() -> None:
    day = date(2011, 1, 1)
    once, yearly = (
        evaluate(FILMS, day, contenders={"ours": QUICK}, refit=r, moments=["release"], settled=True).forecasts
        for r in ("once", "yearly")
    )
    first = pl.col("year") == 2011
    assert once.filter(first)["mean"].equals(yearly.filter(first)["mean"])
    assert not once.filter(~first)["mean"].equals(yearly.filter(~first)["mean"])
    # nothing after a year's start reaches the forecasts of that year
    until = FILMS.filter(pl.col("released") < date(2012, 1, 1))
    alone = evaluate(until, day, contenders={"ours": QUICK}, moments=["release"], settled=True).forecasts
    assert alone.drop("budget").equals(once.filter(first).drop("budget"))


def test_boosted_peers_learn_the_world_and_see_no_date_at_greenlight() -> None:
    pytest.importorskip("lightgbm")
    named = {"plain": peers.plain_lightgbm, "featured": peers.featured_lightgbm, "line": peers.budget_line}
    made = evaluate(FILMS, date(2012, 1, 1), contenders=named, settled=True)
    for moment in ("greenlight", "release"):
        assert made.of("line", moment).gains["r2"].mean > 0.0
        assert made.of("featured", moment).metrics["r2"].mean > 0.5
    day = pl.col("released").dt.truncate("1y") + pl.duration(days=200)
    moved = FILMS.with_columns(
        released=pl.when(pl.col("released") >= date(2012, 1, 1)).then(day).otherwise("released")
    )
    for name in ("plain", "featured"):
        said = [
            evaluate(
                f, date(2012, 1, 1), contenders={name: named[name]}, moments=["greenlight"], settled=True
            )
            .forecasts.sort("title")["mean"]
            .to_list()
            for f in (FILMS, moved)
        ]
        assert said[0] == pytest.approx(said[1])


def test_nothing_to_judge() -> None:
    with pytest.raises(InputError, match="no film to judge"):
        evaluate(FILMS, date(2030, 1, 1))


@pytest.mark.soak
@pytest.mark.skipif(not TABLE.is_file(), reason="needs shared/data/titles")
def test_plain_boosting_is_beaten_on_the_real_table() -> None:
    """Learnt once before 2013; `benchmarks/README.md` has the years from 2008 on, learnt anew each year."""
    films = films_of_table(TABLE, lambda _: None)
    made = evaluate(films, date(2013, 1, 1), contenders=CONTENDERS)
    for moment in ("greenlight", "release"):
        assert made.of("lightgbm", moment).gains["r2"].above_zero
        ours = made.of("hierarchical", moment)
        assert all(third.low <= 0.8 <= third.high for third in ours.thirds)
