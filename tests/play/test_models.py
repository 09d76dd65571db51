"""What every recommender of the platform promises, whichever it is, through the recipe's and model's face."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pytest

from cineloop.errors import InputError
from cineloop.guard.exclusions import Exclusions
from cineloop.lab.histories import Histories
from cineloop.lab.recommender import Recommender
from cineloop.lab.view import TrainingView
from cineloop.play.models.als import ALSModel, ImplicitALS
from cineloop.play.models.ease import Ease, EaseModel
from cineloop.play.models.knn import ItemKNN
from cineloop.play.models.popularity import Popularity, PopularityModel
from cineloop.store.schema import TABLES

NOW = datetime(2024, 6, 1, tzinfo=UTC)
NOBODY = Exclusions()
RECIPES = [
    Popularity(half_life_days=None),
    Popularity(half_life_days=20.0),
    ItemKNN(neighbours=8),
    Ease(l2=5.0),
    ImplicitALS(factors=6, iterations=4),
]
ids = [f"{r.name}-{i}" for i, r in enumerate(RECIPES)]
every = pytest.mark.parametrize("recipe", RECIPES, ids=ids)


class Shelf:
    """A snapshot in memory: rows of plays; all other tables are empty."""

    id = "shelf"

    def __init__(self, plays: list[dict[str, Any]]) -> None:
        self.frames: dict[str, pl.DataFrame] = {
            name: cast(pl.DataFrame, pl.from_arrow(table.schema.empty_table()))
            for name, table in TABLES.items()
        }
        schema = self.frames["plays"].schema
        self.frames["plays"] = pl.DataFrame(plays, schema=schema)

    def scan(self, table: str, as_of: datetime) -> pl.LazyFrame:
        return self.frames[table].lazy().filter(pl.col("known_at") <= as_of)


def play(member: str, title: str, days_ago: float = 1.0, **more: Any) -> dict[str, Any]:
    at = NOW - timedelta(days=days_ago)
    row = {
        "account": member,
        "profile": member,
        "title": title,
        "kind": "watch",
        "happened_at": at,
        "known_at": at,
    }
    return row | more


def plays(seed: int = 0, members: int = 60, titles: int = 24) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    rows = []
    for u in range(members):
        liked = np.flatnonzero(rng.random(titles) < np.where(np.arange(titles) % 3 == u % 3, 0.5, 0.08))
        rows += [play(f"m{u:02d}", f"t{t:02d}", float(rng.uniform(1, 90))) for t in liked]
    return rows


def view(rows: list[dict[str, Any]], exclusions: Exclusions = NOBODY) -> TrainingView:
    return TrainingView(cast(Any, Shelf(rows)), NOW, exclusions)


def fitted(recipe: Any, rows: list[dict[str, Any]], **more: Any) -> Recommender:
    return cast(Recommender, recipe.fit(view(rows, **more), 0))


def asking(*members: list[str]) -> Histories:
    rows = [
        {"member": f"who{i}", "title": t, "at": at, "confidence": 1.0}
        for i, titles in enumerate(members)
        for at, t in enumerate(titles)
    ]
    schema = {"member": pl.String, "title": pl.String, "at": pl.Int64, "confidence": pl.Float64}
    return Histories.of(pl.DataFrame(rows, schema=schema), [f"who{i}" for i in range(len(members))])


def saved(model: Recommender, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    model.save(folder)
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


@every
class TestEveryModel:
    def test_is_a_recommender(self, recipe: Any) -> None:
        model = fitted(recipe, plays())
        assert isinstance(model, Recommender) and isinstance(model, recipe.model)
        assert model.titles.tolist() == sorted({r["title"] for r in plays()})

    def test_lists_follow_the_scores(self, recipe: Any) -> None:
        model, asked = fitted(recipe, plays()), asking(["t00", "t03"], ["t01"], [])
        scores = model.score(asked)
        lists = model.recommend(asked, 10)
        for i, history in enumerate([["t00", "t03"], ["t01"], []]):
            open_ = [j for j, t in enumerate(model.titles) if t not in history]
            expected = sorted(open_, key=lambda j: (-scores[i, j], j))[:10]
            assert lists.items[i].tolist() == expected
            np.testing.assert_allclose(lists.scores[i], scores[i, expected], rtol=1e-5, atol=1e-6)

    def test_cold_members_get_what_is_popular(self, recipe: Any) -> None:
        model, popular = (
            fitted(recipe, plays()),
            fitted(Popularity(half_life_days=None), plays()),
        )
        if isinstance(recipe, Popularity):
            popular = model
        lists = model.recommend(asking([], ["never heard of"], ["t00"]), 6)
        expected = popular.recommend(asking([]), 6).items[0].tolist()
        assert lists.items[0].tolist() == lists.items[1].tolist() == expected
        assert model.contributions(asking([], ["never heard of"]), lists.items[:2]) == [[{}] * 6, [{}] * 6]

    def test_unknown_titles_change_nothing(self, recipe: Any) -> None:
        model = fitted(recipe, plays())
        np.testing.assert_array_equal(
            model.score(asking(["t01", "t02"])), model.score(asking(["a new one", "t01", "t02", "zz"]))
        )

    def test_seen_and_allowed(self, recipe: Any) -> None:
        model = fitted(recipe, plays())
        m = len(model.titles)
        asked = asking(["t00"], ["t01"])
        assert 0 not in model.recommend(asked, m).items[0]
        assert 0 in model.recommend(asked, m, seen=True).items[0]
        few = np.zeros(m, bool)
        few[[0, 5, 7]] = True
        assert sorted(model.recommend(asked, 4, allowed=few).items[0].tolist()) == [-1, -1, 5, 7]
        each = np.zeros((2, m), bool)
        each[0, 4], each[1, 9] = True, True
        assert model.recommend(asked, 2, allowed=each).items.tolist() == [[4, -1], [9, -1]]
        with pytest.raises(InputError, match="allowed"):
            model.recommend(asked, 2, allowed=np.ones(m + 1, bool))

    def test_k_beyond_the_titles_and_none(self, recipe: Any) -> None:
        model = fitted(recipe, plays())
        lists = model.recommend(asking(["t00"], []), 500)
        assert (lists.items >= 0).sum(axis=1).tolist() == [len(model.titles) - 1, len(model.titles)]
        assert model.recommend(asking(["t00"]), 0).items.shape == (1, 0)
        assert model.recommend(asking(), 3).items.shape == (0, 3)

    def test_an_empty_log(self, recipe: Any, tmp_path: Path) -> None:
        model = fitted(recipe, [])
        assert model.score(asking(["t00"], [])).shape == (2, 0)
        assert model.recommend(asking(["t00"], []), 3).items.tolist() == [[-1] * 3] * 2
        assert model.similar(["t00"], 2).items.tolist() == [[-1, -1]]
        saved(model, tmp_path / "model")
        assert recipe.model.load(tmp_path / "model").recommend(asking([]), 1).items.tolist() == [[-1]]

    def test_similar(self, recipe: Any) -> None:
        model = fitted(recipe, plays(members=400))
        lists = model.similar(["t06", "unheard", "t01"], 4)
        assert lists.row(1) == []
        if isinstance(recipe, Popularity):
            assert lists.row(0) == lists.row(2) == []
        else:
            # members prefer one title in three, so those are the near ones
            assert {int(t[1:]) % 3 for t, _ in lists.row(0)} == {0}
            assert {int(t[1:]) % 3 for t, _ in lists.row(2)} == {1}
            assert "t06" not in dict(lists.row(0))

    def test_save_and_load(self, recipe: Any, tmp_path: Path) -> None:
        model = fitted(recipe, plays())
        first, again = saved(model, tmp_path / "a"), saved(fitted(recipe, plays()), tmp_path / "b")
        assert first == again
        loaded = recipe.model.load(tmp_path / "a")
        assert saved(loaded, tmp_path / "c") == first
        asked = asking(["t00", "t03"], [])
        np.testing.assert_array_equal(loaded.score(asked), model.score(asked))
        assert loaded.recommend(asked, 5).frame().equals(model.recommend(asked, 5).frame())
        assert loaded.similar(["t02"], 5).frame().equals(model.similar(["t02"], 5).frame())
        items = model.recommend(asked, 5).items
        assert loaded.contributions(asked, items) == model.contributions(asked, items)

    def test_the_future_is_not_seen(self, recipe: Any, tmp_path: Path) -> None:
        planted = [play(f"m{u:02d}", "t99", days_ago=-1) for u in range(30)] + [
            play("m00", "t00", days_ago=-2)
        ]
        assert saved(fitted(recipe, plays() + planted), tmp_path / "a") == saved(
            fitted(recipe, plays()), tmp_path / "b"
        )

    def test_the_excluded_are_not_learned_from(self, recipe: Any, tmp_path: Path) -> None:
        rows = [
            *plays(),
            *(play("shy", f"t{t:02d}") for t in range(24)),
            play("shy", "only theirs"),
            play("m00", "x"),
        ]
        out = Exclusions(frozenset({"shy"}), frozenset({("m00", "x")}))
        assert saved(fitted(recipe, rows, exclusions=out), tmp_path / "a") == saved(
            fitted(recipe, plays()), tmp_path / "b"
        )

    def test_the_order_of_rows_changes_nothing(self, recipe: Any, tmp_path: Path) -> None:
        rows = plays()
        shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
        assert saved(fitted(recipe, rows), tmp_path / "a") == saved(fitted(recipe, shuffled), tmp_path / "b")

    def test_a_saved_model_of_another_format_is_refused(self, recipe: Any, tmp_path: Path) -> None:
        saved(fitted(recipe, plays()), tmp_path / "a")
        head = tmp_path / "a" / "model.json"
        head.write_text(head.read_text().replace('"format": 1', '"format": 999'))
        with pytest.raises(InputError, match="format"):
            recipe.model.load(tmp_path / "a")
        head.write_text("{")
        with pytest.raises(InputError, match="not a saved model"):
            recipe.model.load(tmp_path / "a")
        with pytest.raises(InputError, match="not a saved model"):
            recipe.model.load(tmp_path / "nowhere")


class TestPopularity:
    rows = (
        play("a", "old", 30),
        play("b", "old", 30),
        play("c", "old", 30),
        play("a", "new", 0),
        play("b", "mid", 10),
    )

    def test_decay_by_hand(self) -> None:
        model = Popularity(half_life_days=10.0).fit(view(list(self.rows)), 0)
        assert dict(zip(model.titles, model.prior, strict=True)) == pytest.approx(
            {"mid": 0.5, "new": 1.0, "old": 3 / 8}, rel=1e-6
        )

    def test_no_half_life_counts(self) -> None:
        model = Popularity(half_life_days=None).fit(view(list(self.rows)), 0)
        assert dict(zip(model.titles, model.prior, strict=True)) == {"mid": 1.0, "new": 1.0, "old": 3.0}

    def test_a_log_without_a_clock_does_not_decay(self) -> None:
        rows = [r | {"happened_at": None, "seq": i} for i, r in enumerate(self.rows)]
        model = Popularity(half_life_days=10.0).fit(view(rows), 0)
        assert dict(zip(model.titles, model.prior, strict=True)) == {"mid": 1.0, "new": 1.0, "old": 3.0}

    def test_confidence_counts(self) -> None:
        model = Popularity(half_life_days=None).fit(
            view([play("a", "x", confidence=0.25), play("b", "x")]), 0
        )
        assert model.prior.tolist() == [1.25]


@pytest.mark.parametrize(
    ("make", "knob"),
    [
        (lambda: Popularity(half_life_days=0.0), "half_life_days"),
        (lambda: ItemKNN(neighbours=0), "neighbours"),
        (lambda: ItemKNN(asymmetry=1.5), "asymmetry"),
        (lambda: ItemKNN(shrinkage=-1.0), "shrinkage"),
        (lambda: Ease(l2=0.0), "l2"),
        (lambda: Ease(most_titles=0), "most_titles"),
        (lambda: ImplicitALS(factors=0), "factors"),
        (lambda: ImplicitALS(regularisation=0.0), "regularisation"),
        (lambda: ImplicitALS(unobserved=-0.1), "unobserved"),
    ],
)
def test_impossible_knobs_are_refused(make: Any, knob: str) -> None:
    with pytest.raises(InputError, match=knob):
        make()


def test_large_arrays_are_mapped(tmp_path: Path) -> None:
    ease, als = Ease().fit(view(plays()), 0), ImplicitALS(factors=4).fit(view(plays()), 0)
    saved(ease, tmp_path / "ease")
    saved(als, tmp_path / "als")
    for array in (EaseModel.load(tmp_path / "ease").weights, ALSModel.load(tmp_path / "als").factors):
        assert isinstance(array.base, np.memmap) and not array.flags.writeable


def test_an_empty_popularity_answers_several_members_after_loading(tmp_path: Path) -> None:
    model = PopularityModel(np.array([], dtype=object), np.zeros(0, np.float32))
    model.save(tmp_path)
    empty = pl.DataFrame(
        schema={"member": pl.String, "title": pl.String, "at": pl.Int64, "confidence": pl.Float64}
    )
    scores = PopularityModel.load(tmp_path).score(Histories.of(empty, ["a", "b"]))
    assert scores.shape == (2, 0)
