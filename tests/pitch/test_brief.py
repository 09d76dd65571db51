"""A pitch is read from TOML, and what is wrong with it is told in one line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cineloop.errors import InputError
from cineloop.pitch.brief import AFTERWARDS, Pitch

GOOD = """
name = "The Lighthouse Keepers"
decided = 2014-06-01
release = 2016-05-01
genres = ["Drama", "Mystery"]
budget = 25e6
country = "United States"
companies = ["Focus Features"]
franchise = "The Lighthouse"
"""


def read(folder: Path, text: str) -> Pitch:
    path = folder / "pitch.toml"
    path.write_text(text, encoding="utf-8")
    return Pitch.read(path)


def test_a_pitch_is_read(tmp_path: Path) -> None:
    pitch = read(tmp_path, GOOD)
    assert pitch.decided == date(2014, 6, 1)
    assert (pitch.budget, pitch.genres, pitch.moment) == (25e6, ("Drama", "Mystery"), "greenlight")
    assert pitch.franchise == "The Lighthouse"


@pytest.mark.parametrize("field", sorted(AFTERWARDS))
def test_what_comes_after_the_release_is_refused(tmp_path: Path, field: str) -> None:
    with pytest.raises(InputError, match=f"{field} is known only after the release") as told:
        read(tmp_path, GOOD + f"{field} = 8.1\n")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("budget = -3", "budget"),
        ("runtime = 0", "runtime"),
        ("moment = 'premiere'", "moment"),
        ("stars = ['x']", "stars"),
        ("release = 2013-01-01", "after the release"),
        ("release = 1800-01-01", "1900"),
        ("cast = ['']", "cast"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, change: str, said: str) -> None:
    kept = [line for line in GOOD.splitlines() if line.split(" = ")[0] != change.split(" = ")[0]]
    with pytest.raises(InputError, match=said) as told:
        read(tmp_path, "\n".join([*kept, change]))
    assert "\n" not in str(told.value) and "pitch.toml" in str(told.value)


def test_broken_toml(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"pitch\.toml"):
        read(tmp_path, "name = ")


@given(st.dictionaries(st.sampled_from(sorted(Pitch.model_fields)), st.text() | st.floats() | st.none()))
def test_any_values_are_a_pitch_or_one_line(values: dict[str, object]) -> None:
    try:
        Pitch.checked(values)
    except InputError as told:
        assert "\n" not in str(told)
