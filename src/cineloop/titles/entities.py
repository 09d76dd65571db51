"""What is compared of the titles of a source or a view: `Entity`s out of rows of the tables of record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import polars as pl

from cineloop.store.check import check, conform
from cineloop.store.sources.source import LINE, Source
from cineloop.titles.films import normalised
from cineloop.titles.names import year_in
from cineloop.titles.resolve import Entity


def entities_of(
    titles: pl.DataFrame,
    people: pl.DataFrame | None = None,
    *,
    until: int | None = None,
    year_of_release: bool = True,
) -> list[Entity]:
    """Entities of rows of `titles`; `people` has the columns title and name, one row a credit.

    The last row of an id counts. `year_of_release=False`: the source's dates are not those of the first release (a
    service's own), and only bound the year from above, as `until` does for titles without a date.
    """
    named: dict[str, set[str]] = defaultdict(set)
    if people is not None:
        for title, name in people.select("title", "name").iter_rows():
            if plain := normalised(name):
                named[title].add(plain)
    made: dict[str, Entity] = {}
    for row in titles.iter_rows(named=True):
        released = row.get("released")
        year = row.get("year") or (None if released is None else released.year)
        bound = until if released is None else released.year
        told = year_in(row["name"])
        made[row["title"]] = Entity(
            id=row["title"],
            kind=row["kind"],
            names=tuple(n for n in (row["name"], row.get("original_name")) if n),
            year=(year if year_of_release else row.get("year")) or told,
            until=None if year_of_release else bound,
            shown=None if year_of_release or released is None else released.year,
            people=frozenset(named.get(row["title"], ())),
            runtime=row.get("runtime"),
            language=row.get("language"),
            country=row.get("country"),
            number=row.get("number"),
        )
    return list(made.values())


def tables_of(source: Source) -> dict[str, pl.DataFrame]:
    """All sound rows of a source, table by table, held in memory; what it rejects is passed over."""
    found: dict[str, list[pl.DataFrame]] = defaultdict(list)
    for batch in source.read():
        found[batch.table].append(batch.rows.drop(LINE, strict=False))
    return {
        table: check(table, conform(table, pl.concat(frames, how="diagonal_relaxed")))[0]
        for table, frames in found.items()
    }


def entities_in(
    tables: Mapping[str, pl.DataFrame], *, year_of_release: bool = True, until: int | None = None
) -> list[Entity]:
    """Entities of the tables of a source or a view: its titles with directors, and the first of the cast."""
    people = None
    if "credits" in tables and "people" in tables:
        named = tables["people"].unique("person", keep="last").select("person", "name")
        people = (
            tables["credits"]
            .filter(
                (pl.col("role") == "director")
                | ((pl.col("role") == "cast") & (pl.col("billing").fill_null(1) <= 5))
            )
            .join(named, on="person")
        )
    return entities_of(tables["titles"], people, year_of_release=year_of_release, until=until)
