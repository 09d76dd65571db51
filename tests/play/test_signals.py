"""What counts as a positive, read through a real store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from cineloop.lab.view import TrainingView
from cineloop.play.signals import Signals
from cineloop.store import Store, append

START = datetime(2026, 1, 1, tzinfo=UTC)
EVER = datetime(2030, 1, 1, tzinfo=UTC)


def view_of(folder: Path, **tables: list[dict[str, Any]]) -> TrainingView:
    store = Store.open(folder, create=True)
    append(
        store, {n: pl.DataFrame(rows, infer_schema_length=None) for n, rows in tables.items() if rows}, "test"
    )
    return TrainingView(store.head(), EVER)


def row(title: str, kind: str, day: int = 0, **more: Any) -> dict[str, Any]:
    at = START + timedelta(days=day)
    return {
        "account": "a",
        "profile": "p",
        "title": title,
        "kind": kind,
        "happened_at": at,
        "known_at": at,
        **more,
    }


def found(view: TrainingView, signals: Signals | None = None) -> dict[str, float]:
    rows = (signals or Signals()).interactions(view)
    return dict(rows.select("title", "confidence").rows())


def test_ratings_likes_and_plays_count_from_their_thresholds_on(tmp_path: Path) -> None:
    view = view_of(
        tmp_path,
        feedback=[
            row("four", "rating", value=4.0),
            row("three", "rating", value=3.5),
            row("liked", "like"),
            row("listed", "list-add"),
            row("disliked", "dislike"),
        ],
        plays=[
            row("half", "watch", completion=0.5),
            row("abandoned", "watch", completion=0.49),
            row("unknown", "watch"),
            row("trailer", "trailer", completion=1.0),
            row("mapped", "watch", completion=0.1, confidence=0.7),
        ],
    )
    assert found(view) == {"four": 1.0, "liked": 1.0, "half": 1.0, "unknown": 1.0, "mapped": 0.7}
    other = Signals(3.0, rating=2.0, list_add=0.3, completion=((0.1, 0.2), (0.9, 1.0)), unknown=0.0)
    assert found(view, other) == {
        "four": 2.0,
        "three": 2.0,
        "liked": 1.0,
        "listed": 0.3,
        "half": 0.2,
        "abandoned": 0.2,
        "mapped": 0.7,
    }


def test_the_last_verdict_counts(tmp_path: Path) -> None:
    view = view_of(
        tmp_path,
        feedback=[
            row("down", "rating", 1, value=5.0),
            row("down", "rating", 2, value=2.0),
            row("up", "dislike", 1),
            row("up", "like", 2),
        ],
        plays=[row("down", "watch", 3, completion=1.0)],  # watched to the end, and still judged low
    )
    assert found(view) == {"up": 1.0}


def test_episodes_count_for_their_series_and_a_pair_stands_once(tmp_path: Path) -> None:
    known = {"known_at": START}
    view = view_of(
        tmp_path,
        titles=[
            {"title": "show", "kind": "series", "name": "Show", "parent": None, **known},
            {"title": "s1", "kind": "season", "name": "One", "parent": "show", **known},
            {"title": "e1", "kind": "episode", "name": "Pilot", "parent": "s1", **known},
        ],
        plays=[row("e1", "watch", 1, completion=0.9), row("show", "watch", 5, completion=0.6)],
    )
    (only,) = Signals().interactions(view).rows(named=True)
    assert only["title"] == "show"
    assert only["at"] == int((START + timedelta(days=5)).timestamp() * 1_000_000)


def test_a_log_without_a_clock_keeps_its_order(tmp_path: Path) -> None:
    rows = [
        {"account": "a", "profile": "p", "title": t, "kind": "like", "seq": n, "known_at": START}
        for t, n in (("b", 2), ("a", 7), ("c", 1))
    ]
    frame = Signals().interactions(view_of(tmp_path, feedback=rows))
    assert frame["title"].to_list() == ["c", "b", "a"] and frame["at"].to_list() == [1, 2, 7]


Row = tuple[str, str, int, float]
ROWS = st.lists(
    st.tuples(
        st.sampled_from("xyz"),
        st.sampled_from(["rating", "like", "dislike"]),
        st.integers(0, 5),
        st.sampled_from([1.0, 3.5, 4.0, 5.0]),
    ),
    max_size=12,
    unique_by=lambda r: (r[0], r[2]),  # no two verdicts on a title at one time
)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_feedback_equals_a_plain_reading(rows: list[Row], tmp_path_factory: Any) -> None:
    """The oracle: replay each title's verdicts in time; what the last one says decides."""
    feedback = [row(t, kind, day, value=v if kind == "rating" else None) for t, kind, day, v in rows]
    view = view_of(tmp_path_factory.mktemp("log"), feedback=feedback)
    expected = {}
    for title in {r[0] for r in rows}:
        verdicts = sorted((r for r in rows if r[0] == title), key=lambda r: r[2])
        good = [k == "like" or (k == "rating" and v >= 4.0) for _, k, _, v in verdicts]
        if good[-1]:
            expected[title] = 1.0
    assert found(view) == expected
