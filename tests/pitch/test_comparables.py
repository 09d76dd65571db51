"""Comparables: the right ones, for the reasons that hold, from what was known on the day; weights that find them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.lab.histories import Histories
from cineloop.pitch.comparables import AUDIENCE, MONEY, Reference, comparables
from cineloop.pitch.likeness import Weights, conditional_logit, learn_weights
from cineloop.pitch.retrieval import evaluate_coviewing, evaluate_money
from cineloop.titles.films import FILMS, films_of_table
from cineloop.titles.space import TitleSpace
from cineloop.titles.vectors import Audience

TITLES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "titles"
TABLE = TITLES / "imdb_movie_stats_1980_2016.csv"


def film(title: str, year: int, **facts: Any) -> dict[str, Any]:
    day = date(year, 6, 15)
    row: dict[str, Any] = dict.fromkeys(FILMS)
    return (
        row
        | {"title": title, "name": title, "released": day, "known": day + timedelta(365), "worldwide": 1e8}
        | {"genres": ["Drama"], "budget": 40e6}
        | facts
    )


def frame(*rows: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=FILMS)


SHELF = frame(
    film("same-director", 2005, directors=["Ann Lee"], worldwide=3e8),
    film("same-company", 2006, companies=["Lion"], worldwide=2e8),
    film("same-genre", 2006, genres=["Horror", "Drama"]),
    film("dear", 2006, budget=400e6),
    film("not-counted-yet", 2011, directors=["Ann Lee"], companies=["Lion"], genres=["Horror"]),
    film("next-year", 2013, directors=["Ann Lee"], companies=["Lion"], genres=["Horror"]),
    film("never-told", 2006, directors=["Ann Lee"], worldwide=None, known=None),
)
DAY = date(2012, 3, 1)
PITCH = frame(
    film(
        "pitch",
        2013,
        genres=["Horror"],
        directors=["Ann Lee"],
        companies=["Lion"],
        worldwide=None,
        known=None,
    )
)


class TestComparables:
    def test_only_films_whose_gross_was_known_on_the_day(self) -> None:
        found = comparables(PITCH, Reference.of(SHELF, DAY), k=10)
        assert {c.title for c in found.films} == {"same-director", "same-company", "same-genre", "dear"}
        assert found.films[-1].title == "dear"
        assert found.candidates == 4
        later = comparables(PITCH, Reference.of(SHELF, DAY + timedelta(365)), k=2)
        assert later.films[0].title == "not-counted-yet"

    def test_any_release_where_no_gross_is_asked_for(self) -> None:
        found = comparables(PITCH, Reference.of(SHELF, DAY), grossed=False)
        titles = [c.title for c in found.films]
        assert "never-told" in titles and "not-counted-yet" in titles and "next-year" not in titles

    def test_the_future_changes_nothing(self) -> None:
        before = SHELF.filter(pl.col("released") <= DAY)
        ours, theirs = (comparables(PITCH, Reference.of(f, DAY)) for f in (SHELF, before))
        assert ours == theirs

    def test_shares_add_up_and_reasons_hold(self) -> None:
        found = comparables(PITCH, Reference.of(SHELF, DAY))
        for c in found.films:
            assert sum(s for _, s in c.shares) == pytest.approx(c.similarity)
            assert 0 <= c.similarity <= 1
        why = {c.title: "; ".join(c.why) for c in found.films}
        assert "same director Ann Lee" in why["same-director"]
        assert "both by Lion" in why["same-company"] and "director" not in why["same-company"]
        assert "both Horror" in why["same-genre"]
        assert "budget" not in why["dear"]  # ten times as much is no likeness

    def test_a_person_on_the_exclusion_list_is_no_reason(self) -> None:
        found = comparables(PITCH, Reference.of(SHELF, DAY, absent=["ann lee"]))
        assert not any("Ann Lee" in w for c in found.films for w in c.why)
        assert found.films[0].title != "same-director"
        assert "people" in found.untold

    def test_what_the_pitch_does_not_tell_is_left_out_of_the_mean(self) -> None:
        bare = frame(film("pitch", 2013, budget=None, directors=[], companies=[], genres=["Horror"]))
        found = comparables(
            bare, Reference.of(SHELF, DAY), weights=Weights({"genres": 1, "scale": 9}, "by hand")
        )
        assert found.untold == ("scale",)
        # by hand: of three known films with genres one has Horror (with Drama), and the cosine is below 1
        assert found.films[0].title == "same-genre" and found.films[1].similarity == 0
        nothing = frame(film("pitch", 2013, budget=None, genres=[]))
        with pytest.raises(InputError, match="tells nothing to compare"):
            comparables(nothing, Reference.of(SHELF, DAY), weights=Weights({"scale": 1}, "by hand"))

    def test_ties_stand_in_the_order_of_ids_and_no_film_is_like_itself(self) -> None:
        twins = frame(*(film(t, 2000) for t in ("b", "a", "c")))
        found = comparables(twins[[0]], Reference.of(twins, DAY), weights=Weights({"scale": 1}, "by hand"))
        assert [c.title for c in found.films] == ["a", "c"]

    def test_a_title_that_has_plays_is_compared_by_who_plays_it_too(self) -> None:
        plays = {
            "m1": ["pitch", "dear"],
            "m2": ["pitch", "dear"],
            "m3": ["same-genre"],
            "m4": ["same-director"],
        }
        rows = [
            {"member": m, "title": t, "at": i, "confidence": 1.0}
            for m, titles in plays.items()
            for i, t in enumerate(titles)
        ]
        audience = Audience.of(Histories.of(pl.DataFrame(rows)))
        weights = Weights({"audience": 1.0, "genres": 0.1}, "by hand")
        found = comparables(PITCH, Reference.of(SHELF, DAY, audience=audience), weights=weights)
        assert found.films[0].title == "dear" and "played by the same members" in found.films[0].why
        cold = PITCH.with_columns(pl.lit("no-plays-yet").alias("title"))
        assert comparables(cold, Reference.of(SHELF, DAY, audience=audience), weights=weights).untold == (
            "audience",
        )

    def test_percentiles_of_gross_and_the_frame(self) -> None:
        found = comparables(PITCH, Reference.of(SHELF, DAY), k=3)
        assert (found.low, found.median, found.high) == pytest.approx((1.2e8, 2e8, 2.8e8))  # of 1, 2 and 3e8
        assert found.frame()["title"].to_list() == [c.title for c in found.films]
        assert "forecast" in found.assumptions[0]

    def test_bad_input_is_told(self) -> None:
        reference = Reference.of(SHELF, DAY)
        with pytest.raises(InputError, match="one pitch at a time"):
            comparables(SHELF, reference)
        with pytest.raises(InputError, match="k 0"):
            comparables(PITCH, reference, k=0)
        with pytest.raises(InputError, match="no such part"):
            Weights({"votes": 1.0}, "by hand")
        with pytest.raises(InputError, match="0 or more"):
            Weights({"people": -1.0}, "by hand")


@settings(deadline=None, max_examples=20)
@given(st.lists(st.floats(-2, 2), min_size=2, max_size=2), st.integers(0, 1000))
def test_conditional_logit_finds_the_weights_that_made_the_choices(true: list[float], seed: int) -> None:
    """Simulated: the aims are the very probabilities, so that the maximum is at the true weights (0 where below)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, 6, 2))
    z = np.exp(x @ np.array(true))
    found = conditional_logit(x, z / z.sum(axis=1, keepdims=True), np.ones((200, 6), np.bool_), penalty=1e-9)
    if min(true) >= 0:
        assert found == pytest.approx(true, abs=1e-3)
    assert (found >= 0).all()


def test_conditional_logit_does_not_see_the_padding() -> None:
    rng = np.random.default_rng(0)
    x, there = rng.normal(size=(50, 5, 2)), np.ones((50, 5), np.bool_)
    there[:, 4] = False
    aim = np.zeros((50, 5))
    aim[:, 0] = 1
    changed = x.copy()
    changed[:, 4] = 1e6
    assert conditional_logit(x, aim, there) == pytest.approx(conditional_logit(changed, aim, there))


def world(n: int = 260, seed: int = 3) -> pl.DataFrame:
    """Films whose gross is their budget times a company's factor: what the weights should find."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        company = int(rng.integers(8))
        budget = float(np.exp(rng.normal(17, 1)))
        rows.append(
            film(
                f"f{i:03d}",
                1990 + i * 20 // n,
                budget=budget,
                companies=[f"c{company}"],
                genres=[f"g{rng.integers(4)}"],
                directors=[f"d{rng.integers(60)}"],
                worldwide=budget * float(np.exp(company / 2 + rng.normal(0, 0.1))),
            )
        )
    return frame(*rows)


def test_weights_find_what_counts() -> None:
    films = world()
    vectors = TitleSpace.fit(films).vectors(films)
    logs = np.log(films["worldwide"].to_numpy())
    alike = np.abs(logs[:, None] - logs) < 0.4
    parts = ["scale", "company", "genres", "people"]
    w = learn_weights(
        vectors, vectors, alike, ~np.eye(len(films), dtype=bool), parts, learned="a test"
    ).values
    assert min(w["scale"], w["company"]) > 5 * max(w["genres"], w["people"])
    with pytest.raises(InputError, match="nothing to learn from"):
        learn_weights(vectors, vectors, alike, alike, parts, learned="a test")


def test_money_trial_beats_chance_where_there_is_something_to_find_and_not_where_there_is_nothing() -> None:
    films = world()
    trial = evaluate_money(films, date(2002, 1, 1), train_from=date(1994, 1, 1), k=5)
    assert set(trial.means["distance of logs"]) == {"ours", "random", "same genre", "nearest budget"}
    assert all(g.above_zero for g in trial.gains["distance of logs"].values())
    assert trial.cases == (films["released"] >= date(2002, 1, 1)).sum()
    # a gross shuffled among the films can't be found
    lost = films.with_columns(pl.col("worldwide").shuffle(seed=1))
    gain = evaluate_money(lost, date(2002, 1, 1), train_from=date(1994, 1, 1), k=5).gains["distance of logs"]
    assert abs(gain["random"].mean) < 0.15
    with pytest.raises(InputError, match="no films on one side"):
        evaluate_money(films, date(2030, 1, 1))


def test_money_trial_does_not_look_at_later_grosses() -> None:
    """What films of the last year earned changes nothing for those of the years before, and neither do votes."""
    films = world()
    last = films["released"].max()
    changed = films.with_columns(
        pl.when(pl.col("released") == last).then(1.0).otherwise(pl.col("worldwide")).alias("worldwide")
    )
    ours, theirs = (
        evaluate_money(f, date(2002, 1, 1), train_from=date(1994, 1, 1), k=5).scores.filter(
            pl.col("unit") < str(last.year)  # type: ignore[union-attr]
        )
        for f in (films, changed)
    )
    assert len(ours) > 20 and ours.equals(theirs)


def test_coviewing_trial_finds_what_people_watch_together() -> None:
    """40 members, each with one genre: the neighbours are the titles of the genre."""
    rng = np.random.default_rng(0)
    films = frame(*(film(f"t{i:02d}", 1980 + i // 2, genres=[f"g{i % 4}"], budget=None) for i in range(80)))
    rows = [
        {"member": f"m{m}", "title": f"t{i:02d}", "at": i, "confidence": 1.0}
        for m in range(40)
        for i in range(80)
        if rng.random() < (0.8 if i % 4 == m % 4 else 0.05)
    ]
    trial = evaluate_coviewing(films, Histories.of(pl.DataFrame(rows)), least=3)
    assert trial.cases == 16
    assert trial.means["recall@10"]["ours"].low > 2 * trial.means["recall@10"]["random"].mean
    assert trial.gains["ndcg@10"]["random"].above_zero
    assert any("ours better by" in line for line in trial.lines())
    with pytest.raises(InputError, match="titles have"):
        evaluate_coviewing(films, Histories.of(pl.DataFrame(rows)), least=1000)


def test_frozen_weights_are_sound() -> None:
    assert set(AUDIENCE.values) and set(MONEY.values)
    # no part that is undecided at greenlight may count for money
    assert not {"certificate", "runtime", "season"} & {p for p, w in MONEY.values.items() if w > 0}


@pytest.mark.soak
@pytest.mark.skipif(not TABLE.exists(), reason="needs ../shared/data/titles")
def test_on_real_films_comparables_lie_closer_than_genre_and_the_frozen_weights_are_what_is_learned() -> None:
    films = films_of_table(TABLE, lambda _: None)
    trial = evaluate_money(films, date(2008, 1, 1), date(2017, 1, 1))
    gains = trial.gains["distance of logs"]
    assert gains["random"].low > 0.5 and gains["same genre"].low > 0.3 and gains["nearest budget"].low > 0.1
    assert dict(trial.weights.values) == pytest.approx(
        {p: MONEY.values.get(p, 0.0) for p in trial.weights.values}, abs=0.02
    )
