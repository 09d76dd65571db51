"""Films out of the tables of record: as of a day, with money by market, people in billing order, nobody excluded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from cineloop.guard.exclusions import NOBODY, Exclusions
from cineloop.lab.view import TrainingView
from cineloop.store import Store
from cineloop.store.ingest import append
from cineloop.titles.films import FILMS
from cineloop.titles.from_store import films_of


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


RELEASE, YEAR_AFTER = day("1995-12-15"), day("1996-12-14")
TITLES = [
    {
        **{"title": "s:1", "kind": "film", "name": "Heat", "released": RELEASE, "known_at": RELEASE},
        **{
            "genres": ["Crime"],
            "budget": 60e6,
            "runtime": 170.0,
            "country": "United States",
            "language": "en",
        },
    },
    {"title": "s:2", "kind": "film", "name": "Undated", "known_at": day("1990-12-31")},
    {"title": "s:3", "kind": "series", "name": "Dark", "known_at": day("2017-12-01")},
]
CREDITS = [
    {"title": "s:1", "person": "s:p2", "role": "cast", "billing": 2, "known_at": RELEASE},
    {"title": "s:1", "person": "s:p1", "role": "cast", "billing": 1, "known_at": RELEASE},
    {"title": "s:1", "person": "s:p3", "role": "director", "billing": 1, "known_at": RELEASE},
    {"title": "s:1", "person": "s:p4", "role": "composer", "billing": 1, "known_at": RELEASE},
]
PEOPLE = [
    {"person": f"s:p{i}", "name": name, "known_at": day("1900-01-01")}
    for i, name in enumerate(["Al Pacino", "Robert  De Níro", "Michael Mann", "Elliot Goldenthal"], 1)
]


def gross(amount: float, territory: str | None, period: str = "total", **more: Any) -> dict[str, Any]:
    common = {"title": "s:1", "currency": "USD", "known_at": YEAR_AFTER}
    return {**common, "territory": territory, "period": period, "gross": amount, **more}


@pytest.fixture
def films(tmp_path: Path) -> Callable[..., pl.DataFrame]:
    def made(
        grosses: list[dict[str, Any]], as_of: str = "2020-01-01", without: Exclusions = NOBODY, **tables: Any
    ) -> pl.DataFrame:
        store = Store.open(tmp_path / "w", create=True)
        every = {"titles": TITLES, "credits": CREDITS, "people": PEOPLE, "grosses": grosses, **tables}
        append(
            store,
            {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in every.items() if rows},
            "test",
        )
        return films_of(TrainingView(store.head(), day(as_of), without))

    return made


def test_a_film_with_its_people_and_money(films: Callable[..., pl.DataFrame]) -> None:
    found = films([gross(187e6, None), gross(67e6, "domestic"), gross(8.4e6, "domestic", "opening")])
    assert found.schema == FILMS
    heat, undated = found.iter_rows(
        named=True
    )  # those without a day of release come last; a series is no film
    assert heat["cast"] == ["al pacino", "robert de niro"] and heat["directors"] == ["michael mann"]
    assert (heat["worldwide"], heat["domestic"], heat["opening"]) == (187e6, 67e6, 8.4e6)
    assert (heat["released"], heat["known"]) == (date(1995, 12, 15), date(1996, 12, 14))
    assert (undated["title"], undated["cast"], undated["known"]) == ("s:2", [], date(1991, 12, 31))


def test_before_its_gross_is_known_a_film_has_none(films: Callable[..., pl.DataFrame]) -> None:
    found = films([gross(187e6, None)], as_of="1996-12-13")
    heat = found.row(0, named=True)
    assert heat["worldwide"] is None and heat["known"] == date(1996, 12, 14)


def test_before_its_release_there_is_no_film(films: Callable[..., pl.DataFrame]) -> None:
    assert films([gross(187e6, None)], as_of="1995-12-14")["title"].to_list() == ["s:2"]


def test_domestic_and_international_make_worldwide_and_other_money_counts_for_nothing(
    films: Callable[..., pl.DataFrame],
) -> None:
    later = day("1997-01-01")
    found = films(
        [
            gross(67e6, "domestic"),
            gross(120e6, "international", known_at=later),
            gross(9e9, None, currency="JPY"),
        ]
    )
    heat = found.row(0, named=True)
    assert heat["worldwide"] == 187e6 and heat["known"] == date(1997, 1, 1)


def test_an_excluded_person_is_in_no_film_under_any_id_of_that_name(
    films: Callable[..., pl.DataFrame],
) -> None:
    twin = [*PEOPLE, {"person": "t:9", "name": "Al Pacino", "known_at": day("1900-01-01")}]
    credits = [
        *CREDITS,
        {"title": "s:2", "person": "t:9", "role": "cast", "billing": 1, "known_at": day("1990-12-31")},
    ]
    found = films(
        [gross(1.0, None)], without=Exclusions(members=frozenset({"s:p1"})), people=twin, credits=credits
    )
    assert found["cast"].to_list() == [["robert de niro"], []]


def test_companies_that_made_it_count_before_those_that_sold_it(films: Callable[..., pl.DataFrame]) -> None:
    companies = [
        {"company": f"s:{c}", "name": c, "known_at": day("1900-01-01")} for c in ("Regency", "Warner Bros.")
    ]
    made = {"title": "s:1", "company": "s:Regency", "role": "production", "billing": 1, "known_at": RELEASE}
    sold = {
        "title": "s:1",
        "company": "s:Warner Bros.",
        "role": "distribution",
        "billing": 1,
        "known_at": RELEASE,
    }
    elsewhere = {**sold, "title": "s:2", "known_at": day("1990-12-31")}
    found = films([gross(1.0, None)], companies=companies, productions=[made, sold, elsewhere])
    assert found["companies"].to_list() == [["regency"], ["warner bros"]]
