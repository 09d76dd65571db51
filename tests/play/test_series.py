"""Series, seasons and episodes; and what is on the rise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_log import titles

from cineloop.play.series import Catalogue, roots
from cineloop.play.trending import trending

SHOW = Catalogue.of(
    pl.DataFrame(titles(), infer_schema_length=None).with_columns(
        pl.col("known_at").cast(pl.Datetime("us", "UTC"))
    )
)
EPISODES = ["show-1-1", "show-1-2", "show-2-1", "show-2-2"]


def test_episodes_stand_by_season_and_number_whatever_the_order_of_the_rows() -> None:
    assert SHOW.episodes("show") == EPISODES
    assert SHOW.episodes("film-1") == []
    assert {SHOW.root(t) for t in (*EPISODES, "show-1", "show")} == {"show"}
    assert SHOW.root("film-1") == "film-1" and SHOW.root("never heard of") == "never heard of"


@pytest.mark.parametrize(
    ("watched", "expected"),
    [
        ({}, "show-1-1"),
        ({"show-1-1": 0.5}, "show-1-1"),
        ({"show-1-1": 0.95}, "show-1-2"),
        ({"show-1-1": 0.2, "show-1-2": 1.0}, "show-2-1"),  # the furthest one counts, not the gap behind it
        ({"show-2-2": 1.0}, "show-1-1"),  # after the last the first again
    ],
)
def test_what_to_play_next(watched: dict[str, float], expected: str) -> None:
    assert SHOW.next_to_play("show", watched, 0.9) == expected
    assert SHOW.next_to_play("film-1", {"film-1": 0.3}, 0.9) == "film-1"


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("abcdef")))
def test_roots_end_even_where_parents_go_in_circles(parents: dict[str, str]) -> None:
    frame = pl.DataFrame(
        {"title": list(parents), "parent": list(parents.values())},
        schema={"title": pl.String, "parent": pl.String},
    )
    found = dict(roots(frame).rows())
    assert set(found) == set(parents)
    for title, root in found.items():
        line, at = [title], title
        while at in parents and parents[at] not in line and len(line) < 6:
            at = parents[at]
            line.append(at)
        if at not in parents and len(line) <= 5:  # a line that ends, no deeper than a series can be
            assert root == at


def test_the_last_known_row_of_a_title_counts() -> None:
    rows = pl.DataFrame(
        {
            "title": ["t", "t"],
            "kind": ["film", "film"],
            "parent": pl.Series([None, None], dtype=pl.String),
            "number": pl.Series([None, None], dtype=pl.Int32),
            "name": ["New", "Old"],
            "year": [2020, 2019],
            "genres": [["A"], ["B"]],
            "known_at": [datetime(2021, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)],
        }
    )
    catalogue = Catalogue.of(rows)
    assert catalogue.name("t") == "New" and catalogue.year("t") == 2020 and catalogue.genres("t") == ("A",)
    assert catalogue.name("x") == "x" and catalogue.year("x") is None and catalogue.genres("x") == ()


def test_trending_by_hand() -> None:
    """Windows of 10 days, 4 before. a: 6 lately, 4 in the 40 days before -> expected 1, score 5/sqrt(2).
    b: 3 lately, none before -> 3/1. c: 3 lately, 40 before -> expected 10, falling. d: 2 lately, too few."""
    now = datetime(2026, 3, 1, tzinfo=UTC)

    def seen(title: str, ages: list[float]) -> list[dict[str, object]]:
        return [{"title": title, "at": int((now - timedelta(days=age)).timestamp() * 1e6)} for age in ages]

    rows = [
        *seen("a", [1, 2, 3, 4, 5, 9.9, 10.1, 20, 30, 49]),
        *seen("b", [0, 1, 2]),
        *seen("c", [1, 2, 3] + [12 + i / 2 for i in range(40)]),
        *seen("d", [1, 2]),
        *seen("e", [-1, -2, -3]),  # after the day: not seen
    ]
    found = trending(pl.DataFrame(rows), now, days=10)
    assert [t.title for t in found] == ["a", "b"]
    assert found[0].recent == 6 and found[0].expected == 1.0
    assert found[0].score == pytest.approx(5 / 2**0.5) and found[1].score == pytest.approx(3.0)
