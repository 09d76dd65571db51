"""Films out of the tables of record, one row each, as a view sees them: the FILMS frame of a workspace."""

from __future__ import annotations

import polars as pl

from cineloop.lab.view import TrainingView
from cineloop.titles.films import FILMS, SETTLED, normalised

_MARKETS = (
    ("worldwide", "total", pl.col("territory").is_null()),
    ("domestic", "total", pl.col("territory").is_in(["domestic", "US"])),
    ("international", "total", pl.col("territory") == "international"),
    ("opening", "opening", pl.col("territory").is_in(["domestic", "US"])),
)


def films_of(view: TrainingView) -> pl.DataFrame:
    """The films that a view may see, sorted by release and title; columns as in `FILMS`.

    Money that is not in US dollars is left out. A worldwide gross that no source has is the sum of a domestic and an
    international one. `known` is the day on which the worldwide gross was known, where it is; else 365 days after the
    release, or after the title's facts where no day of release is told. Of a title's rows the last known counts. A
    person whose id is on the view's exclusions stands in no film, under no id of the same name.
    """
    films = (
        view.table("titles")
        .filter(pl.col("kind") == "film")
        .sort("known_at", maintain_order=True)
        .unique("title", keep="last", maintain_order=True)
        .select(
            *("title", "name", "certificate", "overview", "budget", "runtime", "country", "language"),
            pl.col("genres").fill_null([]),
            pl.col("released").dt.date(),
            pl.col("known_at").dt.date().alias("_told"),
        )
        .collect()
    )
    ids = films.select("title")
    for column, role in (("directors", "director"), ("writers", "writer"), ("cast", "cast")):
        films = films.join(_people(view, ids, role).rename({"names": column}), on="title", how="left")
    films = films.join(_companies(view, ids).rename({"names": "companies"}), on="title", how="left")
    grosses = view.table("grosses").filter(pl.col("currency") == "USD")
    for column, period, market in _MARKETS:
        taken = (
            grosses.filter(market, pl.col("period") == period)
            .sort("known_at", "gross")
            .unique("title", keep="last", maintain_order=True)
            .select("title", pl.col("gross").alias(column), pl.col("known_at").dt.date().alias(f"_{column}"))
            .collect()
        )
        films = films.join(taken, on="title", how="left")
    abroad = pl.max_horizontal("_domestic", "_international")
    summed = pl.col("domestic") + pl.col("international")
    films = films.with_columns(
        pl.coalesce("worldwide", summed).alias("worldwide"),
        pl.coalesce(
            "_worldwide",
            pl.when(summed.is_not_null()).then(abroad),
            pl.col("released") + SETTLED,
            pl.col("_told") + SETTLED,
        ).alias("known"),
        pl.col("companies", "directors", "writers", "cast").fill_null([]),
    )
    return films.select(pl.col(name).cast(kind) for name, kind in FILMS.items()).sort(
        "released", "title", nulls_last=True
    )


def _people(view: TrainingView, ids: pl.DataFrame, role: str) -> pl.DataFrame:
    """Titles with the normalised names of those in a role, in billing order."""
    names = _names(view.table("people"), "person")
    out = sorted(view.exclusions.members)
    hidden = names.filter(pl.col("person").is_in(out))["called"].to_list()
    names = names.filter(~pl.col("called").is_in(hidden))
    credits = (
        view.table("credits").filter(pl.col("role") == role).select("title", "person", "billing").collect()
    )
    return _gathered(credits, names, "person", ids)


def _companies(view: TrainingView, ids: pl.DataFrame) -> pl.DataFrame:
    """Titles with the normalised names of who produced them; of a title without such, of who distributes it."""
    names = _names(view.table("companies"), "company")
    every = view.table("productions").select("title", "company", "role", "billing").collect()
    made = every.filter(pl.col("role") == "production")
    sold = every.filter(pl.col("role") == "distribution").join(made, on="title", how="anti")
    return _gathered(pl.concat([made, sold]), names, "company", ids)


def _names(rows: pl.LazyFrame, key: str) -> pl.DataFrame:
    """The normalised name of each id, the last known one."""
    named = rows.sort("known_at").unique(key, keep="last").select(key, "name").collect()
    return named.with_columns(
        pl.Series("called", [normalised(n) for n in named["name"]], dtype=pl.String)
    ).filter(pl.col("called") != "")


def _gathered(rows: pl.DataFrame, names: pl.DataFrame, key: str, ids: pl.DataFrame) -> pl.DataFrame:
    return (
        rows.join(ids, on="title", how="semi")
        .join(names.select(key, "called"), on=key)
        .sort("title", "billing", key, nulls_last=True)
        .group_by("title", maintain_order=True)
        .agg(pl.col("called").unique(maintain_order=True).alias("names"))
    )
