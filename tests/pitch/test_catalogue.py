"""The catalogue: choices, renewals and cannibalisation by hand; demand against supply on a made world."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.lab.histories import Histories
from cineloop.lab.recipe import make
from cineloop.lab.recommender import Recommender
from cineloop.lab.view import TrainingView
from cineloop.pitch.catalogue import cannibalisation, occasions, renewal
from cineloop.pitch.choice import Chances, Choice, calibrate, chances
from cineloop.pitch.choice_trial import evaluate_choice
from cineloop.pitch.taste import balance, spherical_kmeans
from cineloop.store.schema import TABLES
from cineloop.titles.films import FILMS

WEEK = 7 * 86_400_000_000
START = 1_600_000_000_000_000


def names(*values: str) -> Any:
    return np.array(values, dtype=object)


def history(plays: dict[str, list[str]], members: list[str] | None = None) -> Histories:
    rows = [
        {"member": m, "title": t, "at": START + i * WEEK, "confidence": 1.0}
        for m, titles in plays.items()
        for i, t in enumerate(titles)
    ]
    schema = {"member": pl.String, "title": pl.String, "at": pl.Int64, "confidence": pl.Float64}
    return Histories.of(pl.DataFrame(rows, schema=schema), members or sorted(plays))


def table(p: list[list[float]], titles: str = "abc") -> Chances:
    return Chances(names(*(f"m{i}" for i in range(len(p)))), names(*titles), np.array(p, np.float32))


class TestRenewal:
    def test_by_hand(self) -> None:
        """One member, watching on half of 10 occasions, with chances .5, .3 and .2."""
        told = renewal(table([[0.5, 0.3, 0.2]]), "a", 0.5, 10, leaving=1.0)
        assert told.plays.mean == pytest.approx(2.5)
        # Luce with not watching: odds 1 of watching become 0.5, chance 1/3; 10 (1/2 - 1/3) are lost
        assert told.net.mean == pytest.approx(10 / 6) == told.most
        assert told.kept == pytest.approx(1 - (10 / 6) / 2.5)
        # at leaving 0.5 the odds become sqrt(0.5)
        half = renewal(table([[0.5, 0.3, 0.2]]), "a", 0.5, 10, leaving=0.5)
        assert half.net.mean == pytest.approx(10 * (0.5 - math.sqrt(0.5) / (1 + math.sqrt(0.5))))
        none = renewal(table([[0.5, 0.3, 0.2]]), "a", 0.5, 10, leaving=0.0)
        assert none.net.mean == pytest.approx(0) and none.kept == pytest.approx(1)

    def test_what_nobody_chooses_brings_nothing_and_the_only_title_everything(self) -> None:
        assert renewal(table([[0.0, 0.5, 0.5]]), "a", 0.5).net.mean == 0
        only = renewal(table([[1.0]], "a"), "a", 0.25, 8, leaving=1.0)
        assert only.net.mean == pytest.approx(only.plays.mean) == 2.0

    def test_interval_over_members(self) -> None:
        rng = np.random.default_rng(0)
        p = rng.dirichlet(np.ones(3), size=400)
        told = renewal(table(p.tolist()), "b", 0.5)
        assert told.plays.low < told.plays.mean < told.plays.high
        assert told.plays.mean == pytest.approx(0.5 * p[:, 1].sum(), rel=1e-5)

    def test_says_what_it_rests_on_and_refuses_nonsense(self) -> None:
        assert "no causal" in renewal(table([[0.5, 0.3, 0.2]]), "a", 0.5).assumptions[0]
        for how in ({"active": 1.0}, {"active": 0.5, "times": -1}, {"active": 0.5, "leaving": 2.0}):
            with pytest.raises(InputError):
                renewal(table([[0.5, 0.3, 0.2]]), "a", **cast(Any, how))
        with pytest.raises(InputError, match="not among the titles"):
            renewal(table([[0.5, 0.3, 0.2]]), "z", 0.5)


shares = st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=6)


@settings(deadline=None, max_examples=40)
@given(shares, st.floats(0.05, 0.95), st.floats(0, 1))
def test_net_lies_within_its_ends_and_takings_add_up(
    p: list[list[float]], active: float, leaving: float
) -> None:
    rows = [[x / sum(r) for x in r] for r in p]
    told = renewal(table(rows), "a", active, leaving=leaving)
    assert told.least - 1e-9 <= told.net.mean <= told.most + 1e-9 <= told.plays.mean + 1e-6
    taken = cannibalisation(table(rows), "a", active, leaving=leaving)
    total = sum(n for _, n, _ in taken.takes)
    assert total + told.net.mean == pytest.approx(told.plays.mean, rel=1e-4, abs=1e-6)


def test_cannibalisation_by_hand() -> None:
    """Of a's plays by two members, at no leaving, .3 / .5 and .2 / .5, then .9 / .9 of those who would take b or c."""
    told = cannibalisation(table([[0.5, 0.3, 0.2], [0.1, 0.9, 0.0]]), "a", 0.5, 2, leaving=0.0)
    assert told.plays == pytest.approx(0.6)
    assert told.takes[0] == ("b", pytest.approx(0.5 * 0.6 + 0.1 * 1.0), pytest.approx(0.4 / 0.6))
    assert told.takes[1] == ("c", pytest.approx(0.2), pytest.approx(0.2 / 0.6))


def test_occasions_by_hand() -> None:
    """One play a week: a is there for 4 weeks and plays in 4 of them, b came in the first and played once."""
    told = history({"a": ["t1", "t2", "t3", "t4"], "b": ["t1"], "never": []}, ["a", "b", "never"])
    periods, active = occasions(told)
    assert periods.tolist() == [4, 4, 0]
    assert active.tolist() == [0.99, 0.25, 0.01]
    untimed = Histories(told.members, told.catalogue, told.indptr, told.items, told.confidence, told.at * 0)
    with pytest.raises(InputError, match="no clock"):
        occasions(untimed)


def toy(scores: np.ndarray, titles: Any) -> Recommender:
    """A recommender that scores its members in order, as told."""
    return cast(Recommender, SimpleNamespace(titles=titles, score=lambda _: scores.astype(np.float32)))


def test_calibration_finds_the_choice_that_made_the_plays() -> None:
    rng = np.random.default_rng(5)
    n, m = 800, 30
    titles = names(*(f"t{j:02d}" for j in range(m)))
    scores = rng.normal(size=(n, m))
    scores = (scores - scores.mean(1, keepdims=True)) / scores.std(1, keepdims=True)
    members = [f"m{u:04d}" for u in range(n)]
    told = history(
        {u: [f"t{j:02d}" for j in range(m) if rng.random() < 0.02 * (j % 5)] for u in members}, members
    )
    fame = np.log1p(np.asarray((told.matrix(titles) > 0).sum(axis=0)).ravel())
    z = 1.3 * scores + 0.4 * fame
    z[told.matrix(titles).toarray() > 0] = -np.inf
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    later = history({u: [titles[rng.choice(m, p=p[i])]] for i, u in enumerate(members)}, members)
    choice = calibrate(toy(scores, titles), told, later)
    assert choice.score == pytest.approx(1.3, abs=0.2) and choice.fame == pytest.approx(0.4, abs=0.2)
    found = chances(Choice(1.3, 0.4, 0), toy(scores, titles), told)
    assert found.p == pytest.approx(p, abs=1e-5)


def test_chances_are_of_what_is_at_hand_and_not_yet_played() -> None:
    titles = names("a", "b", "c")
    model = toy(np.zeros((3, 3)), titles)
    told = history({"m1": ["a"], "m2": [], "m3": ["a", "b"]}, ["m1", "m2", "m3"])
    found = chances(Choice(1.0, 0.0, 0), model, told)
    assert found.p.round(3).tolist() == pytest.approx(
        np.array([[0, 0.5, 0.5], [1 / 3] * 3, [0, 0, 1]]).round(3)
    )
    narrow = chances(Choice(1.0, 0.0, 0), model, told, ["a", "b", "unknown"])
    assert narrow.titles.tolist() == ["a", "b"] and narrow.p[2].tolist() == [0, 0]
    with pytest.raises(InputError, match="no title is at hand"):
        chances(Choice(1.0, 0.0, 0), model, told, ["unknown"])
    with pytest.raises(InputError, match="no held-out play"):
        calibrate(model, told, told)


def world() -> tuple[Histories, pl.DataFrame]:
    """Two tastes: half of the members play horror, of which there are 4 titles, half drama, of which there are 12."""
    rng = np.random.default_rng(2)
    horror, drama = [f"h{i}" for i in range(4)], [f"d{i:02d}" for i in range(12)]
    plays = {
        f"m{u:02d}": [t for t in (horror if u % 2 else drama) if rng.random() < 0.9]
        + (["d00"] if u % 10 == 1 else [])
        for u in range(60)
    }
    rows = []
    for t in [*horror, *drama, "unseen"]:
        row: dict[str, Any] = dict.fromkeys(FILMS)
        genre = "Horror" if t[0] == "h" else "Drama"
        rows.append(
            row | {"title": t, "name": t, "genres": [genre], "released": date(2000, 1, 1), "runtime": 90.0}
        )
    return history(plays), pl.DataFrame(rows, schema=FILMS)


def test_balance_finds_what_is_short() -> None:
    told, films = world()
    found = balance(told, films, clusters=2)
    assert found.unplaced == 1 and found.members == 60
    short, rest = found.tastes
    assert short.genres == ("Horror",) and short.titles == 4 and rest.genres == ("Drama",)
    # by hand: a quarter of the titles; half of the members, less the few horror plays' shares of d00
    assert short.supply == pytest.approx(0.25)
    assert short.demand.low < 0.49 < short.demand.high + 0.05
    assert short.ratio[0] == pytest.approx(short.demand.mean / 0.25)
    assert short.ratio[1] > 1 > rest.ratio[2]
    assert sum(t.demand.mean for t in found.tastes) == pytest.approx(1)
    assert found.frame()["titles"].to_list() == [4, 12]
    hours = balance(told, films.with_columns(pl.lit(60.0).alias("runtime")), clusters=2, unit="hours")
    assert hours.tastes[0].supply == pytest.approx(0.25)
    with pytest.raises(InputError, match="were ever played"):
        balance(told, films[:2], clusters=3)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_kmeans_leaves_no_cluster_empty_and_repeats(clusters: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(12, 3)).astype(np.float32)
    points[4:8] = points[4]  # some are alike
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    of = spherical_kmeans(points, clusters, seed)
    assert sorted(set(of.tolist())) == list(range(clusters))
    assert (of == spherical_kmeans(points, clusters, seed)).all()


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


def test_the_choice_trial_beats_fame_where_members_have_tastes() -> None:
    """80 members of four tastes play 12 of their 25 titles in an order drawn at random."""
    rng = np.random.default_rng(4)
    now = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [
        {"profile": f"m{u:02d}", "title": f"t{4 * j + u % 4:03d}", "happened_at": now + timedelta(hours=i)}
        for u in range(80)
        for i, j in enumerate(rng.permutation(25)[:12])
    ]
    plays = pl.DataFrame(rows).with_columns(
        pl.col("happened_at").alias("known_at"), account="profile", kind=pl.lit("watch")
    )
    view = TrainingView(cast(Any, Shelf(plays)), now + timedelta(days=9))
    trial = evaluate_choice(view, make("ease", {"l2": 5.0}))
    assert trial.cases == 40
    for metric in ("log chance", "log chance, hits gone"):
        assert trial.gains[metric]["by fame"].low > 0.3 and trial.gains[metric]["even"].low > 0.3
    # a perfect model knows the taste: one of the 25 - 10 titles of it that are left
    assert trial.means["log chance"]["ours"].mean < -math.log(15) + 0.1
    assert trial.facts["weight of the score"] > 0
