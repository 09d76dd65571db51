"""Cold titles: on a made service whose tastes are known, on MovieLens, and what must not be seen."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from cineloop.errors import InputError
from cineloop.lab.histories import Histories
from cineloop.lab.recipe import make
from cineloop.lab.recommender import Recommender
from cineloop.lab.view import TrainingView
from cineloop.pitch.choice_trial import evaluate_choice
from cineloop.pitch.cold import ColdForecaster, Newcomer
from cineloop.pitch.cold_trial import _auc, _rank_correlations, evaluate_cold, played
from cineloop.pitch.comparables import AUDIENCE
from cineloop.pitch.retrieval import evaluate_coviewing
from cineloop.store.schema import TABLES
from cineloop.titles.films import FILMS, frame_of

PLAYS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "plays"
NOW = datetime(2024, 6, 1, tzinfo=UTC)
GENRES = ("Comedy", "Drama", "Horror", "Western")


class Shelf:
    """A snapshot in memory: plays; all other tables are empty."""

    id = "shelf"

    def __init__(self, plays: pl.DataFrame) -> None:
        self.frames = {
            n: cast(pl.DataFrame, pl.from_arrow(t.schema.empty_table())) for n, t in TABLES.items()
        }
        kinds = {c: k for c, k in self.frames["plays"].schema.items() if c in plays.columns}
        self.frames["plays"] = pl.concat([self.frames["plays"], plays.cast(kinds)], how="diagonal")

    def scan(self, table: str, as_of: datetime) -> pl.LazyFrame:
        return self.frames[table].lazy().filter(pl.col("known_at") <= as_of)


def view_of(rows: list[tuple[str, str]]) -> TrainingView:
    frame = pl.DataFrame(rows, schema=["profile", "title"], orient="row").with_columns(
        account="profile", kind=pl.lit("watch"), happened_at=pl.lit(NOW), known_at=pl.lit(NOW)
    )
    return TrainingView(cast(Any, Shelf(frame)), NOW + timedelta(1))


def world(seed: int = 0, members: int = 120, titles: int = 100) -> tuple[list[tuple[str, str]], pl.DataFrame]:
    """Members of one genre each; a title's plays go by its director, who is famous or not."""
    rng = np.random.default_rng(seed)
    films, plays = [], []
    for i in range(titles):
        fame, genre = (i // 4) % 3, i % 4
        films.append(
            {
                "title": f"t{i:03d}",
                "name": f"Title {i}",
                "genres": [GENRES[genre]],
                "directors": [f"d{fame}"],
                "released": date(1980, 1, 1) + timedelta(days=90 * i),
            }
        )
        for u in range(members):
            if rng.random() < (0.7 if u % 4 == genre else 0.06) * (0.25, 0.55, 0.95)[fame]:
                plays.append((f"m{u:03d}", f"t{i:03d}"))
    return plays, frame_of(films)


def fitted(
    plays: list[tuple[str, str]], films: pl.DataFrame
) -> tuple[ColdForecaster, Recommender, Histories]:
    view = view_of(plays)
    model = cast(Recommender, make("ease", {"l2": 20.0}).fit(view, 0))
    histories = Histories.of(played(view))
    return ColdForecaster.fit(model, histories, films), model, histories


@pytest.fixture(scope="module")
def forecast() -> tuple[list[Newcomer], pl.DataFrame]:
    plays, films = world()
    old = set(films["title"][:80].to_list())
    made = fitted([p for p in plays if p[1] in old], films[:80])
    return made[0].forecast(made[1], made[2], films[80:]), pl.DataFrame(
        plays, schema=["m", "t"], orient="row"
    )


class TestForecast:
    def test_finds_who_and_how_many(self, forecast: tuple[list[Newcomer], pl.DataFrame]) -> None:
        found, plays = forecast
        true = [len(plays.filter(pl.col("t") == c.title)) for c in found]
        assert spearmanr([c.plays for c in found], true).statistic > 0.6
        for i, c in enumerate(found, 80):
            best = [int(m[1:]) % 4 for m, _ in c.audience(20)]
            assert best.count(i % 4) >= 16  # a quarter by chance: 5
        assert sum(c.low <= n <= c.high for c, n in zip(found, true, strict=True)) >= 14  # of 20

    def test_reach_adds_up_to_the_plays_within_the_interval(
        self, forecast: tuple[list[Newcomer], pl.DataFrame]
    ) -> None:
        for c in forecast[0]:
            assert c.reach.sum() == pytest.approx(c.plays, rel=1e-3)
            assert ((c.reach >= 0) & (c.reach <= 1)).all() and len(c.members) == len(c.reach) == 120
            assert c.low <= c.plays <= c.high
            assert len(c.like) == 5 and c.like[0][1] >= c.like[1][1]
            assert any("association" in a for a in c.assumptions)

    def test_same_input_same_answer(self) -> None:
        plays, films = world(members=40, titles=60)
        old = [p for p in plays if p[1] in set(films["title"][:50].to_list())]
        one, two = (
            made[0].forecast(made[1], made[2], films[50:])
            for made in (fitted(old, films[:50]), fitted(old[::-1], films[:50][::-1]))
        )
        for a, b in zip(one, two, strict=True):
            assert (a.title, a.plays, a.low, a.high, a.like) == (b.title, b.plays, b.low, b.high, b.like)
            assert (a.reach == b.reach).all()

    def test_a_title_that_has_plays_says_nothing_of_itself(self) -> None:
        plays, films = world(members=40, titles=60)
        made, model, histories = fitted(plays, films)
        told = made.forecast(model, histories, films[:1])[0]
        assert films.item(0, "title") not in [t for t, _ in told.like]

    def test_members_without_a_known_history_are_no_error(self) -> None:
        plays, films = world(members=40, titles=60)
        made, model, _ = fitted(plays, films)
        rows = played(view_of([*plays, ("stranger", "elsewhere")]))
        told = made.forecast(model, Histories.of(rows), films[-1:])[0]
        assert np.isfinite(told.reach).all() and "stranger" in told.members

    def test_too_little_to_learn_from_is_told(self) -> None:
        plays, films = world(members=20, titles=20)
        with pytest.raises(InputError, match="titles have plays and a date"):
            fitted(plays, films)


class TestTrial:
    def test_auc_and_ranks_by_hand(self) -> None:
        truth = np.array([[True, True], [False, True], [True, False], [False, False]])
        # of the four pairs of the first title 3 stand right, of the second 2 with one tie of two halves
        scores = np.array([[4.0, 1.0], [3.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
        assert _auc(scores, truth, 1).tolist() == [0.75, 0.75]
        assert np.isnan(_auc(scores, truth, 3)).all()
        one, other, y = np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 3, 4]), np.array([10.0, 20, 30, 40])
        means, gains = _rank_correlations({"ours": one, "other": other}, y, 50, 0)
        # Spearman: 1 - 6 sum d^2 / (n (n^2 - 1)) = 1 - 6 * 2 / 60
        assert means["ours"].mean == pytest.approx(1) and means["other"].mean == pytest.approx(0.8)
        assert gains["other"].mean == pytest.approx(0.2)

    def test_ours_beats_genre_where_directors_count(self) -> None:
        plays, films = world()
        trial = evaluate_cold(view_of(plays), films, make("ease", {"l2": 20.0}), resamples=200)
        assert trial.facts["titles hidden"] == 20
        assert trial.gains["rank correlation"]["mean of its genres"].above_zero
        assert trial.means["auc"]["ours"].low > 0.75
        assert trial.gains["auc"]["activity"].above_zero

    def test_hidden_plays_are_not_seen(self) -> None:
        """Forecasts are the same when the hidden titles' plays are drawn by others."""
        plays, films = world(members=60)
        hidden = set(films["title"][80:].to_list())
        flipped = [(f"m{59 - int(m[1:]):03d}", t) if t in hidden else (m, t) for m, t in plays]
        recipe = make("ease", {"l2": 20.0})
        one, two = (evaluate_cold(view_of(p), films, recipe, resamples=20) for p in (plays, flipped))
        assert one.scores["forecast"].to_list() == two.scores["forecast"].to_list()
        assert one.means["auc"]["ours"].mean > two.means["auc"]["ours"].mean + 0.1

    def test_a_log_that_tells_years_alone_is_cut_by_them(self) -> None:
        plays, films = world(members=40, titles=60)
        years = films.with_columns(
            pl.lit(None, pl.Date).alias("released"), (pl.col("released") + timedelta(365)).alias("known")
        )
        recipe = make("ease", {"l2": 20.0})
        one, two = (evaluate_cold(view_of(plays), f, recipe, resamples=20) for f in (films, years))
        assert one.scores["case"].to_list() == two.scores["case"].to_list()

    def test_nothing_hidden_is_refused(self) -> None:
        plays, films = world(members=20)
        with pytest.raises(InputError, match="hides no title"):
            evaluate_cold(view_of(plays), films, make("ease"), share=0.0)


def movielens() -> tuple[TrainingView, pl.DataFrame]:
    """MovieLens 1M with its films' facts."""
    films = []
    dates = {}
    for line in (PLAYS / "ml-1m/movies_extrainfos.dat").read_text("utf-8", errors="replace").splitlines():
        dates[line.split("::", 1)[0]] = line.split("::")
    for line in (PLAYS / "ml-1m/movies.dat").read_text("latin-1").splitlines():
        number, name, genres = line.split("::")
        year = int(re.findall(r"\((\d{4})\)", name)[-1])
        day, more = date(year, 7, 1), {}
        if number in dates:
            _, _, _, certificate, release, _, directors, writers, cast_, plot, _ = dates[number]
            try:
                exact = datetime.strptime(release, "%d %b %Y").date()
                day = exact if abs(exact.year - year) <= 1 else day
            except ValueError:
                pass
            more = {"certificate": certificate, "overview": plot}
            for column, text in (("directors", directors), ("writers", writers), ("cast", cast_)):
                people = (re.sub(r"\(.*?\)", "", t).strip().lower() for t in text.split(", "))
                more[column] = [p for p in dict.fromkeys(people) if p and p != "n/a"]
        films.append(
            {"title": f"ml-1m:{number}", "name": name, "genres": genres.split("|"), "released": day} | more
        )
    ratings = pl.read_parquet(PLAYS / "ml-1m/ratings_reconstructed.parquet")
    plays = ratings.select(
        ("ml-1m:" + pl.col("user").cast(pl.String)).alias("profile"),
        ("ml-1m:" + pl.col("movie").cast(pl.String)).alias("title"),
        pl.col("position").cast(pl.Int64).alias("seq"),
    ).with_columns(account="profile", kind=pl.lit("watch"), known_at=pl.lit(NOW))
    return TrainingView(cast(Any, Shelf(plays)), NOW + timedelta(1)), frame_of(films)


@pytest.mark.soak
@pytest.mark.skipif(not (PLAYS / "ml-1m").exists(), reason="needs ../shared/data/plays")
class TestMovieLens:
    @pytest.mark.parametrize("recipe", ["als"])
    def test_cold_titles_beat_popularity_by_genre(self, recipe: str) -> None:
        view, films = movielens()
        trial = evaluate_cold(view, films, make(recipe))
        assert trial.facts["titles hidden"] == 741
        assert trial.gains["auc"]["plays of its genres"].low > 0.02
        assert trial.gains["rank correlation"]["mean of its genres"].low > 0.15
        assert trial.gains["distance of logs"]["mean of its genres"].low > 0.2
        assert trial.means["covered by 80%"]["ours"].high > 0.75

    def test_choices_beat_fame_with_the_hits_and_without(self) -> None:
        view, _ = movielens()
        trial = evaluate_choice(view, make("als"))
        for metric in ("log chance", "log chance, hits gone"):
            assert trial.gains[metric]["by fame"].low > 0.2
        # spreading anew loses little to weights learned without the hits: a tenth of what is gained on fame
        assert trial.gains["log chance, hits gone"]["weights learned anew"].low > -0.1

    def test_neighbours_are_found_from_facts_and_the_frozen_weights_are_what_is_learned(self) -> None:
        view, films = movielens()
        trial = evaluate_coviewing(films, Histories.of(played(view)))
        for metric in ("recall@10", "ndcg@10"):
            assert (
                trial.gains[metric]["genre"].low > 0.03 and trial.gains[metric]["genre and year"].above_zero
            )
        assert trial.weights is not None
        assert dict(trial.weights.values) == pytest.approx(
            {p: AUDIENCE.values.get(p, 0.0) for p in trial.weights.values}, abs=0.1
        )


def test_played_counts_each_title_once_at_its_first_time() -> None:
    rows = pl.DataFrame(
        {
            "profile": ["m", "m", "m"],
            "title": ["t", "t", "u"],
            "kind": ["watch", "watch", "trailer"],
            "happened_at": [NOW, NOW - timedelta(1), NOW],
        }
    ).with_columns(account="profile", known_at=pl.lit(NOW))
    told = played(TrainingView(cast(Any, Shelf(rows)), NOW))
    assert told.select("member", "title", "confidence").rows() == [("m", "t", 1.0)]
    assert told.item(0, "at") == int((NOW - timedelta(1)).timestamp() * 1e6)
    assert set(FILMS) >= {"title", "released"}
