"""Daily grosses become domestic totals and openings, by hand and on films that everyone knows."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from cineloop.errors import InputError
from cineloop.titles.daily import releases, with_domestic
from cineloop.titles.films import films_of_table, frame_of

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "titles"
DAILY, TABLE = SHARED / "bom_domestic_daily_2000_2021.csv.gz", SHARED / "imdb_movie_stats_1980_2016.csv"


def daily(folder: Path, began: date, grosses: list[int], name: str = "The Moon") -> Path:
    path = folder / "daily.csv"
    lines = ["date,release_id,title,daily_gross,theaters,gross_to_date,days_in_release,distributor"]
    total = 0
    for day, gross in enumerate(grosses):
        total += gross
        lines.append(f"{began + timedelta(days=day)},rl1,{name},{gross},100,{total},{day + 1},X")
    path.write_text("\n".join(lines) + "\n")
    return path


def film(released: date, worldwide: float = 1000.0) -> pl.DataFrame:
    return frame_of([{"title": "t:1", "name": "The Moon", "released": released, "worldwide": worldwide}])


def test_total_opening_and_the_rest(tmp_path: Path) -> None:
    # Wednesday 3 June 2015: the weekend is 5 to 7 June
    path = daily(tmp_path, date(2015, 6, 3), [10, 20, 30, 40, 50, 5, 5, 5, 5, 100, 100, 100])
    row = with_domestic(film(date(2015, 6, 3)), path).row(0, named=True)
    assert (row["domestic"], row["opening"], row["international"]) == (470.0, 120.0, 530.0)


def test_another_film_of_the_name_years_later_is_not_it(tmp_path: Path) -> None:
    path = daily(tmp_path, date(2015, 6, 5), [10, 20, 30])
    assert with_domestic(film(date(2010, 6, 5)), path)["domestic"].to_list() == [None]


def test_what_is_known_stays(tmp_path: Path) -> None:
    path = daily(tmp_path, date(2015, 6, 5), [10, 20, 30])
    told = film(date(2015, 6, 5)).with_columns(domestic=pl.lit(77.0))
    assert with_domestic(told, path)["domestic"].to_list() == [77.0]


def test_a_weekend_with_a_day_missing_is_no_opening(tmp_path: Path) -> None:
    path = daily(tmp_path, date(2015, 6, 5), [10, 20, 30])
    path.write_text("\n".join(path.read_text().splitlines()[:3]) + "\n")
    assert releases(path)["opening"].to_list() == [None]


def test_broken_tables(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("date,title\n2015-01-01,A\n")
    with pytest.raises(InputError, match=r"x\.csv"):
        releases(tmp_path / "x.csv")
    with pytest.raises(InputError, match=r"none\.csv"):
        releases(tmp_path / "none.csv")


@pytest.mark.skipif(not DAILY.is_file(), reason="needs shared/data/titles")
def test_avatar() -> None:
    films = films_of_table(TABLE).filter(pl.col("name") == "Avatar")
    row = with_domestic(films, DAILY).row(0, named=True)
    # Box Office Mojo: opening weekend 77,025,481, first run 749,766,139
    assert row["opening"] == 77025481
    assert row["domestic"] == pytest.approx(749_766_139, rel=0.001)
