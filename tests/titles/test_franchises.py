"""Franchises by name and release order, against what anyone knows of these films."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cineloop.titles.films import frame_of
from cineloop.titles.franchises import Franchises, entries

SERIES = [
    ("t:alien", "Alien", date(1979, 5, 25)),
    ("t:rocky3", "Rocky III", date(1982, 5, 28)),
    ("t:rocky4", "Rocky IV", date(1985, 11, 27)),
    ("t:ff", "The Fast and the Furious", date(2001, 6, 22)),
    ("t:potc1", "Pirates of the Caribbean: The Curse of the Black Pearl", date(2003, 7, 9)),
    ("t:potc2", "Pirates of the Caribbean: Dead Man's Chest", date(2006, 7, 7)),
    ("t:hp7", "Harry Potter and the Deathly Hallows: Part 1", date(2010, 11, 19)),
    ("t:mike", "Magic Mike", date(2012, 6, 29)),
    ("t:hero1", "Hero", date(1992, 10, 2)),
]
KNOWN = Franchises(SERIES)


@pytest.mark.parametrize(
    ("name", "earlier"),
    [
        ("Rocky V", "t:rocky4"),
        ("Pirates of the Caribbean: At World's End", "t:potc2"),
        ("Harry Potter and the Deathly Hallows: Part 2", "t:hp7"),
        ("Magic Mike XXL", "t:mike"),
        ("Alien 3", "t:alien"),
        ("Alien: Covenant", "t:alien"),
        ("Hero", None),  # the same name again is a remake or chance
        ("Aliens", None),
        ("The Postman", None),
    ],
)
def test_what_it_continues(name: str, earlier: str | None) -> None:
    assert KNOWN.entry(name, date(2020, 1, 1)).earlier == earlier


@pytest.mark.parametrize(
    ("name", "numbered"),
    [
        ("Smokey and the Bandit II", True),
        ("Superman III", True),
        ("Journey 2: The Mysterious Island", True),
        ("9 to 5", False),
        ("Session Nine", False),
        ("Malcolm X", False),
        ("V for Vendetta", False),
        ("I, Robot", False),
        ("District 9 and a Half Weeks", False),
    ],
)
def test_a_number_counts_parts(name: str, numbered: bool) -> None:
    assert KNOWN.entry(name, date(1950, 1, 1)).numbered is numbered


def test_a_later_film_makes_nothing_a_first_part() -> None:
    films = frame_of({"title": t, "name": n, "released": d} for t, n, d in SERIES)
    for cut in range(1, len(films)):
        part = films.head(cut)
        assert entries(part).equals(entries(films).head(cut))


def test_parts_are_counted_before_the_day() -> None:
    assert KNOWN.entry("Rocky V", date(1984, 1, 1)).earlier == "t:rocky3"
    assert KNOWN.entry("Rocky V", date(1984, 1, 1)).number == 1
    assert KNOWN.entry("Rocky V", date(1990, 1, 1)).number == 2
    # a film released on the very day is not before it
    assert KNOWN.entry("Rocky V", date(1982, 5, 28)).earlier is None


def test_named_finds_the_last_of_a_name() -> None:
    twice = Franchises([*SERIES, ("t:hero2", "Hero", date(2004, 8, 27))])
    assert twice.named("hero", date(2010, 1, 1)) == "t:hero2"
    assert twice.named("HERO", date(2000, 1, 1)) == "t:hero1"
    assert twice.named("Nobody", date(2000, 1, 1)) is None


def test_a_film_without_a_date_continues_nothing() -> None:
    films = pl.concat([frame_of([{"title": "t:x", "name": "Rocky V"}]), frame_of([])])
    assert entries(films).row(0) == ("t:x", None, 0, False, False)


@given(st.lists(st.text(max_size=20), max_size=8), st.integers(0, 8))
def test_any_names_as_of_any_day(names: list[str], day: int) -> None:
    films = [(f"t:{i}", n, date(2000, 1, 1 + i)) for i, n in enumerate(names)]
    known = Franchises(films)
    for name in names:
        found = known.entry(name, date(2000, 1, 1 + day))
        if found.earlier is not None:
            assert int(found.earlier[2:]) < day
