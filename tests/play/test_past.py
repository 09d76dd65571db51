"""One member's past, against everyone's positives; what is prepared for serving; exploration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_log import crowd, play, studio_of

from cineloop.lab.recipe import make
from cineloop.lab.view import TrainingView
from cineloop.play.brief import HomeRequest
from cineloop.play.decide import home, unaudited
from cineloop.play.past import Touch, past
from cineloop.play.prepared import prepare
from cineloop.play.series import Catalogue
from cineloop.play.shelf import shelf
from cineloop.play.signals import Signals
from cineloop.store import Store, append

START = datetime(2026, 1, 1, tzinfo=UTC)
EVER = datetime(2030, 1, 1, tzinfo=UTC)
SIGNALS = (Signals(), Signals(3.0, 0.5, 2.0, 0.3, ((0.1, 0.2), (0.9, 1.0)), 0.4))

PLAY = st.fixed_dictionaries(
    {
        "profile": st.sampled_from("pq"),
        "title": st.sampled_from(["x", "y", "e1", "e2"]),
        "kind": st.sampled_from(["watch", "live", "trailer"]),
        "completion": st.none() | st.sampled_from([0.0, 0.1, 0.5, 0.89, 0.9, 1.0]),
        "confidence": st.none() | st.sampled_from([0.0, 0.7]),
        "day": st.integers(0, 9),
    }
)
FEEDBACK = st.fixed_dictionaries(
    {
        "profile": st.sampled_from("pq"),
        "title": st.sampled_from(["x", "y", "show"]),
        "kind": st.sampled_from(["rating", "like", "dislike", "list-add"]),
        "value": st.sampled_from([1.0, 3.0, 4.0, 5.0]),
        "day": st.integers(0, 9),
    }
)


def rows_of(drawn: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for row in drawn:
        at = START + timedelta(days=row["day"])
        kept = {k: v for k, v in row.items() if k != "day"}
        made.append({"account": "a", **kept, "happened_at": at, "known_at": at})
    return made


TITLES = [
    {"title": t, "kind": k, "name": t, "parent": p, "number": n, "known_at": START}
    for t, k, p, n in (
        ("show", "series", None, None),
        ("s1", "season", "show", 1),
        ("e1", "episode", "s1", 1),
        ("e2", "episode", "s1", 2),
    )
]


@settings(max_examples=60, deadline=None)
@given(plays=st.lists(PLAY, max_size=10), feedback=st.lists(FEEDBACK, max_size=8), which=st.integers(0, 1))
def test_a_past_reads_one_member_as_the_signals_read_everyone(
    plays: list[dict[str, Any]], feedback: list[dict[str, Any]], which: int, tmp_path_factory: Any
) -> None:
    """Two implementations: the vectorised one that models learn from, and the one that serves a member."""
    store = Store.open(tmp_path_factory.mktemp("log"), create=True)
    tables = {"plays": rows_of(plays), "feedback": rows_of(feedback), "titles": TITLES}
    schema = {"completion": pl.Float64, "confidence": pl.Float64, "parent": pl.String, "number": pl.Int32}
    append(
        store,
        {
            n: pl.DataFrame(r, schema_overrides=schema, infer_schema_length=None)
            for n, r in tables.items()
            if r
        },
        "test",
    )
    view = TrainingView(store.head(), EVER)
    signals = SIGNALS[which]
    catalogue = Catalogue.of(view.table("titles").collect())
    prepared = prepare(view, signals, 14.0, store.folder / "prepared")
    everyone = signals.interactions(view)
    for profile in ("p", "q", "nobody"):
        mine = past(profile, prepared.touches(profile), catalogue, signals)
        expected = everyone.filter(pl.col("member") == profile)
        assert [str(mine.liked.catalogue[i]) for i in mine.liked.items] == expected["title"].to_list()
        np.testing.assert_allclose(mine.liked.confidence, expected["confidence"].to_numpy(), rtol=1e-6)
        assert mine.liked.at.tolist() == expected["at"].to_list()
        assert prepared.knows(profile) == bool(prepared.touches(profile))
    assert prepared.liked_by == dict(everyone.group_by("title").len().rows())


def test_what_is_prepared_is_made_once_and_named_by_its_content(tmp_path: Path) -> None:
    studio = studio_of(tmp_path / "studio", crowd(), make("popularity"))
    folder = studio.folder / "play" / "prepared"
    first = prepare(studio.view(), Signals(), 14.0, folder)
    stamps = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    again = prepare(studio.view(), Signals(), 14.0, folder)
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()} == stamps
    assert again.touches("m1") == first.touches("m1") != []
    prepare(studio.view(), Signals(like=0.5), 14.0, folder)
    assert len([made for made in folder.iterdir() if made.is_dir()]) == 2


def test_fresh_rows_change_the_next_page(tmp_path: Path) -> None:
    studio = studio_of(tmp_path / "studio", crowd(), make("ease"))
    ready = shelf(studio)
    before = home(studio, HomeRequest(profile="new member"), ready).answer
    at = int((START + timedelta(days=101)).timestamp() * 1_000_000)
    fresh = [Touch("watch", f"film-{i}", f"film-{i}", 1.0, None, at + i) for i in (2, 5, 8)]  # horror
    after = home(studio, HomeRequest(profile="new member", row_length=4), ready, fresh).answer
    assert before.rows[0].kind == "popular" and after.rows[0].kind == "top-picks"
    horror = {f"film-{i}" for i in range(2, 36, 3)}
    assert {card.title for card in after.rows[0].cards} <= horror - {"film-2", "film-5", "film-8"}


def test_the_explored_place_has_the_probability_that_it_says(tmp_path: Path) -> None:
    """4,000 pages: each title of the pool comes up as often as 1/20 says (chi-squared, 19 degrees, 0.1%: 43.8)."""
    studio = studio_of(tmp_path / "studio", [*crowd(), play("me", "film-0", 60)], make("ease"))
    ready = shelf(studio)
    asked = HomeRequest(profile="me", explore=True, explore_pool=20, explore_position=2, row_length=5)
    plain = unaudited(ready, asked.model_copy(update={"explore": False})).value
    rng, counts = np.random.default_rng(0), {}
    for _ in range(4000):
        row = unaudited(ready, asked, rng=rng).value.rows[0]
        (drawn,) = [i for i, card in enumerate(row.cards) if card.reason.kind == "explore"]
        assert drawn == 2 and row.cards[2].propensity == pytest.approx(1 / 20)
        certain = [card.title for i, card in enumerate(row.cards) if i != 2]
        assert certain == [card.title for card in plain.rows[0].cards][:4]
        assert all(card.propensity == 1.0 for i, card in enumerate(row.cards) if i != 2)
        counts[row.cards[2].title] = counts.get(row.cards[2].title, 0) + 1
    assert len(counts) == 20
    assert sum((n - 200) ** 2 / 200 for n in counts.values()) < 43.8


def test_a_home_without_profiling_has_nothing_random(tmp_path: Path) -> None:
    studio = studio_of(tmp_path / "studio", crowd(), make("ease"))
    ready = shelf(studio)
    pages = [
        home(studio, HomeRequest(profile=p, explore=True, profiling=False), ready).answer.rows
        for p in ("m1", "m2", "m1")
    ]
    assert pages[0] == pages[1] == pages[2]
