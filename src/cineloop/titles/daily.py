"""Domestic totals and opening weekends out of a table of daily grosses."""

from __future__ import annotations

import gzip
from datetime import timedelta
from pathlib import Path

import polars as pl

from cineloop.errors import InputError
from cineloop.titles.names import title_key

COLUMNS = ("date", "release_id", "title", "daily_gross", "gross_to_date", "days_in_release")
_NEAR = timedelta(
    days=400
)  # a festival's or another country's release may come a year before the domestic one


def with_domestic(films: pl.DataFrame, daily: Path) -> pl.DataFrame:
    """FILMS rows with `domestic` and `opening` filled where the table of daily grosses has the film, and with
    `international` as what is left of the worldwide gross; other rows and columns stay as they are.

    `daily` is a CSV (plain or .gz) with `COLUMNS`, one row a release and day. A release is a film's if their names have
    the same key and it began within 400 days of the film's release, the nearest if there are several; a release goes to
    the film nearest to it. The opening is the first Friday to Sunday of which all three days are there; the total is
    the last `gross_to_date`. A release that was on before the table begins has no opening.
    """
    found = _matched(films, releases(daily))
    both = films.join(found, on="title", how="left", maintain_order="left")
    domestic = pl.coalesce("domestic", "_total")
    abroad = pl.col("worldwide") - domestic
    return both.with_columns(
        domestic=domestic,
        opening=pl.coalesce("opening", "_opening"),
        international=pl.coalesce("international", pl.when(abroad > 0).then(abroad)),
    ).select(films.columns)


def releases(daily: Path) -> pl.DataFrame:
    """One row a release: release_id, name, began (null where it was on before the table begins), total, opening."""
    try:
        with (gzip.open if daily.suffix == ".gz" else open)(daily, "rb") as file:
            rows = pl.read_csv(file.read(), columns=list(COLUMNS), try_parse_dates=True)
        if rows.schema["date"] != pl.Date:
            raise InputError("no dates", file=daily, field="date", accepted="such as 2009-12-18")
    except (OSError, pl.exceptions.PolarsError) as bad:
        raise InputError(
            f"cannot be read: {str(bad).splitlines()[0]}",
            file=daily,
            accepted=f"a CSV with {', '.join(COLUMNS)}",
        ) from None
    weekday = pl.col("date").dt.weekday()
    weekend = (
        rows.filter(weekday >= 5)
        .with_columns(friday=pl.col("date") - pl.duration(days=weekday - 5))
        .group_by("release_id", "friday")
        .agg(pl.len().alias("days"), pl.col("daily_gross").sum(), pl.col("days_in_release").min())
        .filter(pl.col("days") == 3, pl.col("days_in_release") <= 7)
        .sort("release_id", "friday")
        .unique("release_id", keep="first", maintain_order=True)
        .select("release_id", opening=pl.col("daily_gross").cast(pl.Float64))
    )
    first = rows.group_by("release_id").agg(
        pl.col("title").first().alias("name"),
        pl.when(pl.col("days_in_release") == pl.col("days_in_release").min())
        .then(pl.col("date") - pl.duration(days=pl.col("days_in_release").cast(pl.Int64) - 1))
        .min()
        .alias("began"),
        pl.col("gross_to_date").max().cast(pl.Float64).alias("total"),
    )
    return first.join(weekend, on="release_id", how="left").sort("release_id")


def _matched(films: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """title, _total, _opening: each film's release, each release's film."""
    keyed = films.filter(pl.col("released").is_not_null()).select("title", "name", "released")
    left = keyed.with_columns(key=_keys(keyed["name"]))
    right = found.filter(pl.col("began").is_not_null(), pl.col("total") > 0)
    right = right.with_columns(key=_keys(right["name"])).drop("name")
    apart = (pl.col("began") - pl.col("released")).abs()
    return (
        left.join(right, on="key")
        .with_columns(apart=apart)
        .filter(pl.col("apart") <= _NEAR)
        .sort("apart", "title", "release_id")
        .unique("title", keep="first", maintain_order=True)
        .unique("release_id", keep="first", maintain_order=True)
        .select("title", _total="total", _opening="opening")
    )


def _keys(names: pl.Series) -> pl.Series:
    return pl.Series([title_key(n) for n in names.to_list()], dtype=pl.String)
