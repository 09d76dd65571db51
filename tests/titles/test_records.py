"""Track records: shrinkage against the textbook's formulas, and nothing of a film before it is known."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.titles.films import frame_of
from cineloop.titles.records import Experience, Spread, TrackRecords, spread


def films_of(rows: list[tuple[str, str, date]]) -> pl.DataFrame:
    return frame_of(
        {
            "title": f"t:{i}",
            "name": n,
            "released": d,
            "known": date(d.year + 1, d.month, d.day),
            "directors": [who],
        }
        for i, (n, who, d) in enumerate(rows)
    )


FILMS = films_of(
    [
        ("A", "ann", date(2000, 1, 1)),
        ("B", "ann", date(2001, 1, 1)),
        ("C", "bob", date(2001, 6, 1)),
        ("D", "ann", date(2003, 1, 1)),
    ]
)
EXCESS = pl.Series([1.0, 3.0, -2.0, 5.0])


def test_variance_components_by_hand() -> None:
    # names a: 1, 3; b: 5, 9. Within: (1 + 1 + 4 + 4) / 2 = 5. Means 2 and 7, of all 4.5; among: 2 · 2.5² · 2 / 1 = 25;
    # two films each, so between = (25 - 5) / 2 = 10
    made = spread([1.0, 3.0, 5.0, 9.0], ["a", "a", "b", "b"])
    assert (made.mean, made.within, made.between) == (4.5, 5.0, 10.0)


def test_simulated_variances_are_found_again() -> None:
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(400), rng.integers(1, 9, 400))
    values = rng.normal(0, 0.7, 400)[names] + rng.normal(0, 1.3, len(names))
    made = spread(values, names)
    assert made.between == pytest.approx(0.7**2, rel=0.25)
    assert made.within == pytest.approx(1.3**2, rel=0.1)


def test_one_name_says_nothing_of_a_spread() -> None:
    with pytest.raises(InputError):
        spread([1.0, 2.0], ["a", "a"])


@given(st.floats(0.01, 10), st.floats(0.01, 10), st.integers(0, 50), st.floats(-5, 5))
def test_a_record_lies_between_all_and_its_own(between: float, within: float, n: int, own: float) -> None:
    mean, deviation = Spread(0.5, between, within).shrunk(n * own, n)
    assert min(0.5, own) - 1e-9 <= float(mean) <= max(0.5, own) + 1e-9
    assert float(deviation) <= np.sqrt(between) + 1e-12


def test_a_film_counts_once_it_is_known() -> None:
    records = TrackRecords(FILMS, "directors", EXCESS)
    assert records.record("ann", date(2000, 6, 1)).films == 1
    assert records.record("ann", date(2000, 6, 1)).known == 0
    assert records.record("ann", date(2002, 6, 1)).known == 2
    assert records.record("nobody", date(2010, 1, 1)).films == 0
    # without the film that is asked about
    assert records.record("ann", date(2010, 1, 1), without="t:3").known == 2


def test_the_future_changes_no_record() -> None:
    day = date(2002, 7, 1)
    whole = TrackRecords(FILMS, "directors", EXCESS).record("ann", day)
    seen = TrackRecords(FILMS, "directors", pl.Series([1.0, 3.0, -2.0, -99.0])).record("ann", day)
    assert whole == seen


def test_experience_counts_strictly_before() -> None:
    ann = Experience.of(FILMS, "directors")
    days = [date(2000, 1, 1), date(2000, 1, 2), date(2010, 1, 1), date(2010, 1, 1)]
    assert ann.before(["ann", "ann", "ann", None], days).tolist() == [0, 1, 3, 0]
    with pytest.raises(InputError, match="role"):
        Experience.of(FILMS, "producers")
