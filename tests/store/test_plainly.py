"""A glance at a row says yes only to what the full check says yes to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.store.check import check, conform
from cineloop.store.plainly import plainly_sound
from cineloop.store.schema import TABLES

TABLES_OF_EVENTS = ("plays", "feedback", "impressions")
ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(-3, 20)
    | st.floats()
    | st.floats(0, 1)
    | st.text(max_size=6)
    | st.sampled_from(["watch", "like", "rating", "trailer", "a" * 32])
    | st.datetimes(timezones=st.just(UTC))
    | st.datetimes()
    | st.lists(st.text(max_size=3) | st.none(), max_size=3)
    | st.lists(st.integers(-1, 2**33), max_size=3)
    | st.lists(st.floats(-1, 2), max_size=3)
)
SOUND = {
    "account": st.text(min_size=1, max_size=4),
    "profile": st.text(min_size=1, max_size=4),
    "title": st.text(min_size=1, max_size=4),
    "known_at": st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    "titles": st.lists(st.text(max_size=3), min_size=2, max_size=2),
    "positions": st.lists(st.integers(0, 9), min_size=2, max_size=2),
    "propensities": st.lists(st.floats(0.01, 1), min_size=2, max_size=2),
}


@st.composite
def rows(draw: st.DrawFn, table: str) -> dict[str, Any]:
    """Sound rows, up to two columns of which hold anything."""
    made: dict[str, Any] = {}
    odd = draw(st.lists(st.sampled_from(TABLES[table].columns), max_size=2))
    kinds = st.sampled_from(["watch", "live"] if table == "plays" else ["like", "rating"])
    for field in TABLES[table].schema:
        usual = kinds if field.name == "kind" else SOUND.get(field.name, st.none())
        made[field.name] = draw(ANYTHING if field.name in odd else usual)
    return made


def accepted(table: str, row: dict[str, Any]) -> bool:
    """The check that ingestion uses, as the oracle."""
    try:
        frame = conform(table, pl.DataFrame([row], infer_schema_length=None))
    except (InputError, pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
        return False
    return not check(table, frame)[1]


@pytest.mark.parametrize("table", TABLES_OF_EVENTS)
def test_what_is_sound_at_a_glance_passes_the_check(table: str) -> None:
    glances = []

    @settings(max_examples=400, deadline=None)
    @given(rows(table))
    def holds(row: dict[str, Any]) -> None:
        if plainly_sound(table, row):
            glances.append(row)
            assert accepted(table, row)

    holds()
    assert len(glances) > 20  # else the test would hold nothing


def test_what_an_app_usually_tells_needs_no_more_than_a_glance() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    who = {"account": "p1", "profile": "p1", "known_at": at, "happened_at": at}
    shown = {"row": "top", "titles": ["a", "b"], "positions": [0, 1], "propensities": [1.0, 0.02]}
    assert plainly_sound("plays", {**who, "title": "t", "kind": "watch", "completion": 0.5, "seconds": 90})
    assert plainly_sound("feedback", {**who, "title": "t", "kind": "rating", "value": 4})
    assert plainly_sound("impressions", {**who, **shown})
    assert not plainly_sound("impressions", {**who, **shown, "positions": [0]})
    assert not plainly_sound("plays", {**who, "title": "t", "kind": "looked at"})
