"""The filters against a plain reading of their rules, title by title."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.play.available import allowed_titles, known_genres
from cineloop.store.schema import RELEASES, TITLES

DAY = datetime(2024, 1, 1, tzinfo=UTC)
IDS = [f"t:{i}" for i in range(5)]
GENRES = ["Comedy", "Drama", "War"]
CHANNELS = ["svod", "theatrical"]


def table(rows: list[dict[str, Any]], kind: Any) -> pl.DataFrame:
    schema = pl.from_arrow(kind.schema.empty_table()).schema  # type: ignore[union-attr]
    full = [{**dict.fromkeys(kind.columns), **row} for row in rows]
    return pl.DataFrame(full, schema=schema, orient="row")


times = st.one_of(st.none(), st.integers(0, 6).map(lambda d: DAY + timedelta(days=d)))
title_rows = st.lists(
    st.fixed_dictionaries(
        {
            "title": st.sampled_from(IDS),
            "genres": st.one_of(st.none(), st.lists(st.sampled_from(GENRES), max_size=3)),
            "minimum_age": st.one_of(st.none(), st.integers(0, 18)),
        }
    ),
    max_size=7,
)
release_rows = st.lists(
    st.fixed_dictionaries(
        {
            "title": st.sampled_from(IDS),
            "territory": st.one_of(st.none(), st.sampled_from(["DE", "FR"])),
            "channel": st.sampled_from(CHANNELS),
            "starts_at": times,
            "ends_at": times,
        }
    ),
    max_size=7,
)


def oracle(
    title: str,
    titles: list[dict[str, Any]],
    releases: list[dict[str, Any]],
    genres: list[str] | None,
    not_genres: list[str] | None,
    max_age: int | None,
    territory: str | None,
    at: datetime | None,
    channel: str | None,
) -> bool:
    own = {g for row in titles if row["title"] == title for g in row["genres"] or []}
    if genres is not None and not any(g in own for g in genres):
        return False
    if not_genres is not None and any(g in own for g in not_genres):
        return False
    if max_age is not None:
        ages = [r["minimum_age"] for r in titles if r["title"] == title and r["minimum_age"] is not None]
        if ages and max(ages) > max_age:
            return False
        if not ages and max_age < 18:
            return False
    if territory is None and at is None:
        return True
    mine = [r for r in releases if r["title"] == title]
    if not mine:
        return True
    for r in mine:
        if channel is not None and r["channel"] != channel:
            continue
        if territory is not None and r["territory"] not in (None, territory):
            continue
        if at is not None and r["starts_at"] is not None and at < r["starts_at"]:
            continue
        if at is not None and r["ends_at"] is not None and at >= r["ends_at"]:
            continue
        return True
    return False


@given(
    titles=title_rows,
    releases=release_rows,
    data=st.data(),
    max_age=st.one_of(st.none(), st.integers(0, 20)),
    territory=st.one_of(st.none(), st.sampled_from(["DE", "FR", "IT"])),
    at=times,
    channel=st.one_of(st.none(), st.sampled_from(CHANNELS)),
)
def test_filters_equal_a_title_by_title_reading(
    titles: list[dict[str, Any]],
    releases: list[dict[str, Any]],
    data: st.DataObject,
    max_age: int | None,
    territory: str | None,
    at: datetime | None,
    channel: str | None,
) -> None:
    known = sorted({g for row in titles for g in row["genres"] or []})
    choice = st.one_of(st.none(), st.lists(st.sampled_from(known), max_size=2)) if known else st.none()
    asked: dict[str, Any] = {
        "genres": data.draw(choice),
        "not_genres": data.draw(choice),
        "max_age": max_age,
        "territory": territory,
        "at": at,
        "channel": channel,
    }
    made = allowed_titles(
        table(titles, TITLES), table(releases, RELEASES), np.array(IDS, dtype=object), **asked
    )
    assert made.tolist() == [oracle(t, titles, releases, **asked) for t in IDS]


def test_a_window_opens_at_its_start_and_is_closed_at_its_end() -> None:
    end = DAY + timedelta(days=1)
    releases = table(
        [{"title": "t:0", "channel": "svod", "territory": "DE", "starts_at": DAY, "ends_at": end}], RELEASES
    )
    catalogue = np.array(["t:0"], dtype=object)

    def open_at(at: datetime, territory: str = "DE") -> bool:
        return bool(allowed_titles(table([], TITLES), releases, catalogue, at=at, territory=territory).item())

    tick = timedelta(microseconds=1)
    assert [open_at(DAY - tick), open_at(DAY), open_at(end - tick), open_at(end)] == [
        False,
        True,
        True,
        False,
    ]
    assert not open_at(DAY, "FR")


def test_a_title_of_unknown_age_is_kept_from_children_alone() -> None:
    catalogue = np.array(["t:9"], dtype=object)
    answers = [
        allowed_titles(table([], TITLES), table([], RELEASES), catalogue, max_age=age).item()
        for age in (17, 18)
    ]
    assert answers == [False, True]


def test_genres_are_matched_whatever_their_case_and_a_mistyped_one_is_refused() -> None:
    titles = table([{"title": "t:0", "genres": ["Horror"]}, {"title": "t:1", "genres": ["Drama"]}], TITLES)
    catalogue, none = np.array(IDS[:2], dtype=object), table([], RELEASES)
    assert known_genres(titles) == ["Drama", "Horror"]
    assert allowed_titles(titles, none, catalogue, not_genres=["horror"]).tolist() == [False, True]
    with pytest.raises(InputError, match="not_genres 'Horor': no title has it; accepted: Drama, Horror"):
        allowed_titles(titles, none, catalogue, not_genres=["Horor"])


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(InputError, match="time zone"):
        allowed_titles(table([], TITLES), table([], RELEASES), np.array(IDS, object), at=datetime(2024, 1, 1))
