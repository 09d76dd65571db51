"""Recipes and outside lists judged end to end: real store, lab and models on a small generated log.

The log has known tastes: a member and a title have three latent traits each, and a member picks the next title
with probability proportional to exp(2.5 * taste + popularity). So a model that sees who likes what must beat
popularity, and by how much can be checked against scores that the test works out by itself.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from cineloop.errors import InputError
from cineloop.guard.exclusions import Exclusions
from cineloop.lab.histories import Histories
from cineloop.lab.lab import Lab
from cineloop.lab.recommender import Recommender
from cineloop.lab.splits import GlobalTime, HeldOutMembers, LeaveLastOut, Splits
from cineloop.lab.view import TrainingView
from cineloop.play.evaluate import choose, comparison, evaluate, evaluate_external, grounds
from cineloop.play.models.als import ImplicitALS
from cineloop.play.models.ease import Ease
from cineloop.play.models.knn import ItemKNN
from cineloop.play.models.popularity import Popularity
from cineloop.play.signals import Signals
from cineloop.store.ingest import append, ingest
from cineloop.store.sources.movielens import MovieLens
from cineloop.store.workspace import Store

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 120
AFTER = START + timedelta(days=DAYS + 1)
TIME = GlobalTime(days=2, every_days=14, horizon_days=14)
MEMBERS = HeldOutMembers(members=60)
RECIPES = (Popularity(half_life_days=None), ItemKNN(), Ease(l2=20.0), ImplicitALS(factors=8, iterations=8))
PLANTED = "t:planted"
LAST_CUT = START + timedelta(days=DAYS - 14)


def plays_of(rows: list[tuple[str, str, datetime]]) -> pl.DataFrame:
    member, title, at = ([row[i] for row in rows] for i in range(3))
    return pl.DataFrame(
        {
            "account": member,
            "profile": member,
            "title": title,
            "kind": ["watch"] * len(rows),
            # each third play ends early: enough to count for most, not for a recipe that asks for 0.9
            "completion": [0.6 if i % 3 == 0 else 1.0 for i in range(len(rows))],
            "happened_at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
            "known_at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
        }
    )


def generated(members: int = 360, titles: int = 90, seed: int = 7) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    taste, traits = rng.normal(size=(members, 3)), rng.normal(size=(titles, 3)) / math.sqrt(3)
    fame = 0.7 * rng.normal(size=titles)
    rows = []
    for m in range(members):
        n = int(np.clip(rng.lognormal(3.0, 0.4), 6, 45))
        # the largest of score + Gumbel noise, without repetition, is a draw from the softmax
        drawn = np.argsort(-(2.5 * traits @ taste[m] + fame + rng.gumbel(size=titles)))[:n]
        days = np.sort(rng.uniform(0, DAYS, n))
        rows += [
            (f"m:{m:03}", f"t:{t:03}", START + timedelta(days=float(d)))
            for t, d in zip(rng.permutation(drawn), days, strict=True)
        ]
    return plays_of(rows)


def titles_of(ids: list[str]) -> pl.DataFrame:
    n = len(ids)
    return pl.DataFrame(
        {
            "title": ids,
            "kind": ["film"] * n,
            "name": ids,
            "genres": [["Drama"] if i % 3 else ["Comedy", "War"] for i in range(n)],
            "known_at": [START - timedelta(days=1)] * n,
        },
        schema_overrides={"known_at": pl.Datetime("us", "UTC")},
    )


def stored(folder: Path, plays: pl.DataFrame) -> TrainingView:
    store = Store.open(folder, create=True)
    titles = titles_of(plays["title"].unique().sort().to_list())
    append(store, {"plays": plays, "titles": titles}, source="generated")
    return TrainingView(store.head(), AFTER)


@dataclass
class World:
    lab: Lab
    view: TrainingView
    plays: pl.DataFrame
    cache: dict[str, Any] = field(default_factory=dict)

    def judged(self, splits: Splits) -> list[Any]:
        """The four recipes under a protocol, once for all tests."""
        key = repr(splits)
        if key not in self.cache:
            self.cache[key] = evaluate(self.lab, self.view, RECIPES, splits)
        return list(self.cache[key])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("studio")
    # everyone watches the planted title after the last cut, on the last but one day, and only then
    plays = generated()
    everyone = plays["profile"].unique().sort().to_list()
    late = [(m, PLANTED, START + timedelta(days=DAYS - 2, seconds=i)) for i, m in enumerate(everyone)]
    plays = pl.concat([plays, plays_of(late)])
    with Lab(folder) as lab:
        yield World(lab, stored(folder, plays), plays)


@pytest.mark.parametrize("splits", [TIME, MEMBERS], ids=lambda s: s.name)
def test_personal_recipes_beat_popularity(world: World, splits: Splits) -> None:
    table = comparison(world.lab, world.judged(splits))
    assert [s.contender.partition("(")[0] for s in table.standings] == ["popularity", "knn", "ease", "als"]
    assert table.baseline == "popularity(half_life_days=None)"
    for standing in table.standings[1:]:
        assert standing.figures["ndcg@100"].above, standing
    assert table.standings[0].figures["ndcg@100"].difference is None


def test_a_title_of_the_future_is_recommended_by_no_recipe(world: World) -> None:
    for made in world.judged(TIME):
        scores = world.lab.scores(made)
        # it is a target, so that a look ahead would show
        assert (scores["unrankable"] > 0).any()
        for id in made.runs:
            run = world.lab.run(id)
            assert run.as_of <= LAST_CUT
            model = world.lab.load(run)
            assert isinstance(model, Recommender)
            lists = model.recommend(Histories.of(pl.DataFrame(schema=WANTED), ["nobody"]), 1000)
            assert PLANTED not in lists.frame()["title"].to_list()
            assert PLANTED not in model.titles


WANTED = {"member": pl.String, "title": pl.String, "at": pl.Int64, "confidence": pl.Float64}


def test_what_happens_after_the_cut_changes_no_list(world: World, tmp_path: Path) -> None:
    """The same log, cut off at the last cut, gives each recipe the same scores for the same question."""
    fold = grounds(world.view, TIME)[-1].fold
    short = stored(tmp_path, world.plays.filter(pl.col("happened_at") <= fold.as_of))
    assert len(short.table("plays").collect()) < len(world.plays)
    history = fold.history.filter(pl.col("at") <= int(fold.as_of.timestamp() * 1e6))
    with Lab(tmp_path) as lab:
        for made, recipe in zip(world.judged(TIME), RECIPES, strict=True):
            seen_all = world.lab.load(made.runs[-1])
            seen_less = lab.load(lab.train(recipe, replace(short, as_of=fold.as_of)))
            assert isinstance(seen_all, Recommender) and isinstance(seen_less, Recommender)
            asked = Histories.of(history)
            a, b = seen_all.recommend(asked, 20), seen_less.recommend(asked, 20)
            assert a.frame().equals(b.frame()), recipe.name


def popularity_by_hand(world: World, least: float) -> dict[str, float]:
    """Recall@20 of a plain count under held-out members, from the plays with dictionaries and sets alone."""
    fold = MEMBERS.folds(world.view, Signals().interactions(world.view))[0]
    counts: dict[str, int] = {}
    for member, title, share in world.plays.select("profile", "title", "completion").iter_rows():
        if member not in fold.exclusions.members and share >= least:
            counts[title] = counts.get(title, 0) + 1
    order = sorted(counts, key=lambda t: (-counts[t], t))
    recalls = {}
    for member in fold.targets["member"].unique().to_list():
        told = set(fold.history.filter(pl.col("member") == member)["title"])
        aim = set(fold.targets.filter(pl.col("member") == member)["title"])
        top = [t for t in order if t not in told][:20]
        recalls[member] = len(aim & set(top)) / min(20, len(aim))
    return recalls


@pytest.mark.parametrize("least", [0.5, 0.9])
def test_popularity_scores_equal_a_count_by_hand(world: World, least: float) -> None:
    """At 0.9 the recipe reads less of the histories than there is, and must not recommend the rest of it."""
    recipe = Popularity(half_life_days=None, signals=Signals(completion=((least, 1.0),)))
    [made] = evaluate(world.lab, world.view, [recipe], MEMBERS)
    scores = world.lab.scores(made)
    expected = popularity_by_hand(world, least)
    assert dict(zip(scores["unit"], scores["recall@20"], strict=True)) == pytest.approx(expected)


@pytest.mark.parametrize("splits", [TIME, MEMBERS, LeaveLastOut()], ids=lambda s: s.name)
def test_a_recipes_own_lists_from_outside_get_exactly_its_scores(world: World, splits: Splits) -> None:
    recipe = RECIPES[2]
    [own] = evaluate(world.lab, world.view, [recipe], splits)
    rows = []
    for ground in grounds(world.view, splits):
        model = world.lab.load(world.lab.train(recipe, ground.view))
        assert isinstance(model, Recommender)
        lists = model.recommend(ground.histories, 100).frame()
        rows.append(lists.with_columns(pl.lit(ground.fold.as_of).alias("as_of")))
    outside = evaluate_external(world.lab, world.view, pl.concat(rows), "theirs", splits)
    assert world.lab.scores(outside).equals(world.lab.scores(own))
    assert outside.facts == own.facts
    assert outside.runs == ()
    table = comparison(world.lab, [own, outside], baseline=own.contender)
    for figure in table.standings[1].figures.values():
        assert figure.difference is not None
        assert (figure.difference.mean, figure.above) == (0.0, False)


def test_outside_lists_lose_what_was_watched_and_missing_members_score_nothing(world: World) -> None:
    ground = grounds(world.view, MEMBERS)[0]
    fold = ground.fold
    first = fold.targets["member"].min()
    told = fold.history.filter(pl.col("member") == first)["title"].to_list()
    aim = fold.targets.filter(pl.col("member") == first)["title"].to_list()
    ranked = [*told, aim[0], "of:their-own"]
    lists = pl.DataFrame(
        {
            "member": [first] * len(ranked),
            "title": ranked,
            "rank": range(1, len(ranked) + 1),
            "as_of": [fold.as_of] * len(ranked),
            "score": [0.0] * len(ranked),
        }
    )
    made = evaluate_external(world.lab, world.view, lists, "memory", MEMBERS)
    scores = world.lab.scores(made)
    mine, others = scores.filter(pl.col("unit") == first), scores.filter(pl.col("unit") != first)
    assert mine["mrr@10"].item() == 1.0  # the history before it is gone, so the target comes first
    assert others["ndcg@100"].sum() == 0.0 and others["listed"].sum() == 0.0
    assert made.facts["listed"] == 1.0 and made.facts["members"] == 60.0


def test_outside_lists_made_after_the_days_are_refused(world: World) -> None:
    lists = pl.DataFrame(
        {"member": ["m:000"], "title": ["t:000"], "rank": [1], "as_of": [AFTER], "score": [0.0]}
    )
    with pytest.raises(InputError, match="as_of"):
        evaluate_external(world.lab, world.view, lists, "late", TIME)


def test_judging_again_makes_nothing(world: World) -> None:
    before = world.judged(MEMBERS)
    runs = world.lab.runs()
    again = evaluate(world.lab, world.view, RECIPES, MEMBERS)
    assert [e.id for e in again] == [e.id for e in before]
    assert [r.made_at for r in world.lab.runs()] == [r.made_at for r in runs]


def test_halving_every_confidence_leaves_popularity_as_it_is(world: World) -> None:
    plain = Popularity(half_life_days=None)
    half = replace(plain, signals=Signals(completion=((0.5, 0.5),)))
    a, b = evaluate(world.lab, world.view, [plain, half], MEMBERS)
    assert world.lab.scores(a).equals(world.lab.scores(b))
    assert a.contender != b.contender


def test_excluded_members_are_neither_learned_from_nor_judged(world: World) -> None:
    gone = world.view.without(Exclusions(frozenset({"m:000"})))
    [made] = evaluate(world.lab, gone, [Popularity()], TIME)
    assert "m:000" not in world.lab.scores(made)["unit"].to_list()
    with pytest.raises(InputError, match="judged alike"):
        comparison(world.lab, [made, world.judged(TIME)[0]])


def test_the_choice_is_made_on_validation_alone(world: World) -> None:
    on_test = comparison(world.lab, world.judged(MEMBERS))
    with pytest.raises(InputError, match="stage 'test'.*accepted: validation"):
        choose(on_test)
    compared = comparison(world.lab, world.judged(replace(MEMBERS, stage="validation")))
    means = {s.contender: world.lab.scores(s.evaluation)["ndcg@100"].mean() for s in compared.standings}
    assert choose(compared).contender == max(means, key=lambda name: (means[name], name))


def test_the_table_in_plain_values(world: World) -> None:
    judged = world.judged(TIME)
    metrics = ("ndcg@10", "coverage@10", "novelty@10", "popularity_lift@10", "miscalibration@10")
    table = comparison(world.lab, judged, metrics)
    rows = table.rows()
    assert len(rows) == len(RECIPES) * len(metrics)
    by_hand = world.lab.scores(judged[2])
    ease = next(r for r in rows if r["contender"].startswith("ease") and r["metric"] == "ndcg@10")
    assert ease["mean"] == pytest.approx(by_hand["ndcg@10"].mean())
    theirs = world.lab.scores(judged[0])
    both = by_hand.join(theirs, on=["fold", "unit"], suffix="_base")
    assert ease["difference"] == pytest.approx((both["ndcg@10"] - both["ndcg@10_base"]).mean())
    low, high = ease["difference_interval"]
    assert low < ease["difference"] < high
    assert ease["members"] == by_hand["unit"].n_unique()
    assert ease["cases"] == len(by_hand)
    assert ease["warm"] == by_hand["warm"].sum()
    # everyone gets nearly the same titles from popularity, and the most watched of all
    coverage = {r["contender"].partition("(")[0]: r["mean"] for r in rows if r["metric"] == "coverage@10"}
    lift = {r["contender"].partition("(")[0]: r["mean"] for r in rows if r["metric"] == "popularity_lift@10"}
    assert min(coverage, key=lambda c: coverage[c]) == "popularity"
    assert max(lift, key=lambda c: lift[c]) == "popularity"
    assert next(r for r in rows if r["metric"] == "coverage@10")["interval"] is None


def test_warm_and_cold_members_are_told_apart(tmp_path: Path) -> None:
    rows = [("old", f"t:{i}", START + timedelta(days=i)) for i in range(20)]
    rows += [(f"m:{j}", f"t:{(i + j) % 9}", START + timedelta(days=i)) for j in range(5) for i in range(8)]
    rows += [("new", "t:1", START + timedelta(days=19, hours=1))]  # one play, in the window: no history
    view = stored(tmp_path, plays_of(rows))
    with Lab(tmp_path) as lab:
        judged = evaluate(
            lab, view, [Popularity(half_life_days=None), Ease(l2=1.0)], GlobalTime(days=1, horizon_days=7)
        )
        every, warm, cold = (comparison(lab, judged, group=g) for g in (None, "warm", "cold"))
        assert [t.standings[1].cases for t in (every, warm, cold)] == [2, 1, 1]
        assert lab.scores(judged[1]).filter(pl.col("warm") == 0.0)["unit"].to_list() == ["new"]
        # a stranger gets popularity from every recipe: t:1 is found by both alike
        figures = cold.standings[1].figures["ndcg@100"]
        assert figures.mean is not None and figures.mean > 0 and figures.difference is not None
        assert figures.difference.mean == 0.0
        # of one member alone the interval has no end, and is plain JSON all the same
        bounds = [r["difference_interval"] for r in cold.rows() if r["contender"].startswith("ease")]
        assert bounds == [[None, None]] * len(cold.metrics)
        assert json.loads(json.dumps(cold.rows(), allow_nan=False)) == cold.rows()


def test_a_comparison_says_what_it_lacks(world: World) -> None:
    judged = world.judged(MEMBERS)
    with pytest.raises(InputError, match="metric 'ndcg@7': not recorded; accepted: .*ndcg@100"):
        comparison(world.lab, judged, ["ndcg@7"])
    with pytest.raises(InputError, match="baseline 'random'"):
        comparison(world.lab, judged, baseline="random")
    with pytest.raises(InputError, match="nothing to compare"):
        comparison(world.lab, [])
    with pytest.raises(InputError, match="judged alike"):
        comparison(world.lab, [*judged, world.judged(TIME)[0]])


REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "plays" / "ml-100k"


@pytest.mark.skipif(not REAL.is_dir(), reason="MovieLens 100k is not beside the repository (../shared)")
def test_on_movielens_100k_every_recipe_beats_popularity_under_both_protocols(tmp_path: Path) -> None:
    store = Store.open(tmp_path, create=True)
    ingest(store, MovieLens(REAL))
    view = TrainingView(store.head(), datetime(1998, 5, 1, tzinfo=UTC))
    with Lab(tmp_path) as lab:
        for splits in (GlobalTime(), HeldOutMembers(members=200)):
            recipes = [Popularity(), ItemKNN(), Ease(), ImplicitALS()]
            table = comparison(lab, evaluate(lab, view, recipes, splits))
            for standing in table.standings[1:]:
                assert standing.figures["ndcg@100"].above, (splits.name, standing)
            assert table.standings[0].members > 190
