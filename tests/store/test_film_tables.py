"""The tables of films, money and viewing: what a row must fulfil, and that new columns change no row's id."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from cineloop.store.check import check, conform
from cineloop.store.hashing import hex_ids, row_ids
from cineloop.store.schema import TABLES

DAY = datetime(2024, 1, 1, tzinfo=UTC)
SOUND: dict[str, dict[str, Any]] = {
    "names": {"title": "s:1", "name": "Heat"},
    "people": {"person": "s:1", "name": "A"},
    "credits": {"title": "s:1", "person": "s:2", "role": "director", "billing": 1},
    "companies": {"company": "s:1", "name": "A"},
    "productions": {"title": "s:1", "company": "s:2", "role": "production"},
    "engagement": {
        "title": "s:1",
        "starts_at": DAY,
        "ends_at": datetime(2024, 7, 1, tzinfo=UTC),
        "hours": 5.0,
    },
    "grosses": {"title": "s:1", "period": "total", "gross": 5.0, "currency": "USD"},
    "titles": {"title": "s:1", "kind": "film", "name": "Heat", "budget": 1.0, "released": DAY},
}
BROKEN = [
    ("credits", {"role": "key grip"}, "role"),
    ("credits", {"billing": 0}, "billing"),
    ("productions", {"role": None}, "role"),
    ("engagement", {"hours": None}, "hours"),
    ("engagement", {"hours": -1.0}, "hours"),
    ("engagement", {"ends_at": DAY}, "ends_at"),
    ("engagement", {"territory": "domestic"}, "territory"),
    ("engagement", {"rank": 0}, "rank"),
    ("grosses", {"gross": float("inf")}, "gross"),
    ("grosses", {"currency": "dollars"}, "currency"),
    ("grosses", {"territory": "Germany"}, "territory"),
    ("grosses", {"period": "fortnight"}, "period"),
    ("grosses", {"previews": 6.0}, "previews"),
    ("titles", {"budget": -1.0}, "budget"),
]


def frame(table: str, **change: Any) -> pl.DataFrame:
    return conform(
        table, pl.DataFrame([{**SOUND[table], "known_at": DAY, **change}], infer_schema_length=None)
    )


@pytest.mark.parametrize("table", SOUND)
def test_a_sound_row_is_sound(table: str) -> None:
    assert check(table, frame(table))[1] == []


@pytest.mark.parametrize(("table", "change", "field"), BROKEN)
def test_a_broken_row_is_told_by_its_field(table: str, change: dict[str, Any], field: str) -> None:
    sound, broken = check(table, frame(table, **change))
    assert sound.height == 0 and [b.field for b in broken] == [field]


@pytest.mark.parametrize("territory", [None, "DE", "domestic", "international"])
def test_markets_of_a_gross(territory: str | None) -> None:
    assert check("grosses", frame("grosses", territory=territory, previews=1.0))[1] == []


def test_a_row_of_before_the_new_columns_keeps_its_id() -> None:
    old = pl.DataFrame([{"title": "ml:1", "kind": "film", "name": "Heat", "known_at": DAY}])
    assert "budget" in conform("titles", old).columns
    # as the version before budget, country, overview and the rest gave it
    assert hex_ids(row_ids(conform("titles", old), "titles")).item() == "1a18972d7e6967c7a379762cf0839383"


def test_no_table_holds_what_people_are_protected_for() -> None:
    words = {"gender", "sex", "birth", "ethnicity", "race", "religion", "nationality", "disability"}
    assert not words & {column for table in TABLES.values() for column in table.columns}
