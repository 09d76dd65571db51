"""Keys of titles: what two sources write in two ways has one key; sequels keep their numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cineloop.titles.names import folded, keys, main_part, numbers, title_key, year_in


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Matrix", "Matrix, The"),
        ("Fast & Furious", "Fast and Furious"),
        ("Amélie", "Amelie"),
        ("Rocky II", "Rocky 2"),
        ("Kill Bill: Vol. 2", "Kill Bill: Volume 2"),
        ("The Hangover: Part II", "The Hangover Part 2"),
        ("Ocean's Eleven", "Ocean’s 11"),
        ("Ford v. Ferrari", "Ford v Ferrari"),
        ("Alien vs. Predator", "Alien versus Predator"),
        ("Spider-Man", "Spider Man"),
        ("Hero (2002)", "Hero"),
        ("Malmö", "malmo"),
        ("Dr. Strangelove", "Doctor Strangelove"),
    ],
)
def test_one_key(one: str, other: str) -> None:
    assert title_key(one) == title_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Rocky", "Rocky II"),
        ("Toy Story 2", "Toy Story 3"),
        ("Iron Man", "Iron Man 2"),
        ("The Ring", "The Rings"),
        ("Die Hard", "Hard"),  # an article of another language is a word
    ],
)
def test_other_keys(one: str, other: str) -> None:
    assert title_key(one) != title_key(other)


def test_numbers_tell_sequels_and_a_first_part_is_none() -> None:
    assert numbers(title_key("Che: Part One")) == frozenset()
    assert numbers(title_key("Friday the 13th Part III")) == {"3"}


def test_names_in_parentheses_are_names_but_versions_are_not() -> None:
    assert "seven samurai" not in keys(["Shichinin no samurai"])
    assert keys(["Shichinin no samurai (Seven Samurai)"]) == ("shichinin no samurai", "7 samurai")
    assert keys(["RRR (Hindi)"]) == ("rrr",)
    assert keys([None, "", "Marvel's Daredevil"]) == ("marvels daredevil", "daredevil")


def test_a_year_and_a_main_part() -> None:
    assert year_in("Shooter (2007)") == 2007 and year_in("2012") is None
    assert main_part("Mad Max: Fury Road") == "mad max" and main_part("Heat") is None


@given(st.text(max_size=40))
def test_a_key_is_its_own_key_in_letters_of_one_case(name: str) -> None:
    key = title_key(name)
    assert key == " ".join(key.split())
    assert folded(folded(name)) == folded(name)
    assert title_key(name.upper()) == title_key(name.upper().lower()) or not name.isascii()
