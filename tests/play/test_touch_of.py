"""An event that was just told reads as the row that compaction makes of it: two ways to the same touch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cineloop.play.past import Touch, touch_of, touch_rows
from cineloop.play.series import Catalogue
from cineloop.store import Store, append
from cineloop.store.compaction import compact
from cineloop.store.events import Event, EventLog, checked

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOON = (
    1_772_366_400_000_000  # microseconds from 1970 to NOW: `date -u -d '2026-03-01 12:00' +%s`, and six zeros
)
TITLES = [
    {"title": t, "kind": k, "name": t, "parent": p, "number": n, "known_at": NOW}
    for t, k, p, n in (
        ("film", "film", None, None),
        ("show", "series", None, None),
        ("s1", "season", "show", 1),
        ("e1", "episode", "s1", 1),
    )
]
WHEN = st.none() | st.integers(-(10**12), 200 * 10**6).map(
    lambda micros: (NOW + timedelta(microseconds=micros)).isoformat()
)
TITLE = st.sampled_from(["film", "show", "e1", "unknown"])
SHARE = st.none() | st.floats(0, 1)
PLAY = st.fixed_dictionaries(
    {"title": TITLE, "kind": st.sampled_from(["watch", "trailer", "live"])},
    optional={
        "playable": st.none() | st.just("e1"),
        "completion": SHARE,
        "confidence": SHARE,
        "happened_at": WHEN,
    },
)
FEEDBACK = st.fixed_dictionaries(
    {"title": TITLE, "kind": st.sampled_from(["rating", "like", "dislike", "list-add"])},
    optional={"value": st.none() | st.sampled_from([0.5, 3.0, 5.0]), "happened_at": WHEN},
)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    made = Catalogue.of(
        pl.DataFrame([{"year": None, "genres": None, **row} for row in TITLES], infer_schema_length=None)
    )
    assert made.root("e1") == "show"
    return made


def event(table: Any, payload: dict[str, Any], n: int = 0) -> Event:
    return Event(f"{table}-{n}", table, "p", payload, NOW)


@pytest.mark.parametrize(
    ("told", "touch"),
    [
        (
            event("plays", {"title": "e1", "kind": "watch", "completion": 0.25}),
            Touch("watch", "show", "e1", 0.25, None, NOON),
        ),
        (
            event("plays", {"title": "show", "playable": "e1", "kind": "watch", "confidence": 0.5}),
            Touch("watch", "show", "e1", None, 0.5, NOON),
        ),
        (
            event(
                "feedback",
                {
                    "title": "film",
                    "kind": "rating",
                    "value": 4.0,
                    "happened_at": "2026-03-01T14:59:59.5+03:00",
                },
            ),
            Touch("rating", "film", "film", 4.0, None, NOON - 500_000),
        ),
        (event("impressions", {"titles": ["film"]}), None),
    ],
)
def test_touches_by_hand(told: Event, touch: Touch | None, catalogue: Catalogue) -> None:
    assert touch_of(checked([told])[0], catalogue) == touch


@settings(max_examples=40, deadline=None)
@given(plays=st.lists(PLAY, max_size=6), feedback=st.lists(FEEDBACK, max_size=4))
def test_an_event_is_the_touch_that_its_row_will_be(
    plays: list[dict[str, Any]],
    feedback: list[dict[str, Any]],
    catalogue: Catalogue,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("touches")
    log, store = EventLog(folder / "events.sqlite"), Store.open(folder / "ws", create=True)
    told = [
        event(table, payload, n)
        for table, payloads in (("plays", plays), ("feedback", feedback))
        for n, payload in enumerate(payloads)
    ]
    append(store, {"titles": pl.DataFrame(TITLES, infer_schema_length=None)}, "test")
    log.append([checked(told)])
    compact(store, log)
    log.database.close()
    rows: set[Touch] = set()
    for table in ("plays", "feedback"):
        columns = touch_rows(store.head().scan(table), table, catalogue).collect()
        rows |= {Touch(*row) for row in columns.drop("account", "profile").rows()}
    assert {touch_of(each, catalogue) for each in told} == rows
