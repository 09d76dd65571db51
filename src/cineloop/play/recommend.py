"""Plain lists from the live model: no decision, no audit, for batches and for looking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.lab.histories import Histories
from cineloop.play.brief import HomeRequest
from cineloop.play.shelf import Places, Shelf, shelf
from cineloop.studio import Studio

ANYTHING = HomeRequest(profile="anyone")


def recommended(
    studio: Studio,
    profiles: Sequence[str] | None,
    k: int,
    *,
    seen: bool = False,
    filters: HomeRequest = ANYTHING,
    on: Shelf | None = None,
) -> pl.DataFrame:
    """Rows (member, rank, title, name, score), k a profile; `profiles` None: everyone with a history.

    Of `filters` the genres, age limit, territory and channel count.
    """
    ready = on or shelf(studio)
    rows = ready.signals.interactions(ready.view)
    allowed = np.zeros(len(ready.model.titles), np.bool_)
    allowed[ready.column[ready.shown]] = ready.allowed(filters)[ready.shown]
    lists = ready.model.recommend(Histories.of(rows, profiles), k, allowed=allowed, seen=seen)
    return _named(ready, lists.frame()).select("member", "rank", "title", "name", "score")


def similar_titles(
    studio: Studio, asked: str, k: int, on: Shelf | None = None, territory: str | None = None
) -> tuple[dict[str, str], pl.DataFrame]:
    """The title asked for (by id, or by a name that only one title has) and rows (rank, title, name, score).

    What editors block everywhere, or in `territory`, is left out.
    """
    ready = on or shelf(studio)
    title = _found(ready, asked)
    places, scores = nearest(ready, title, k, territory)
    near = [str(ready.titles[place]) for place in places.tolist()]
    ranks = pl.Series("rank", range(1, len(near) + 1), dtype=pl.Int32)
    rows = pl.DataFrame([ranks, pl.Series("title", near, dtype=pl.String), pl.Series("score", scores)])
    return {"title": title, "name": ready.catalogue.name(title)}, _named(ready, rows).select(
        "rank", "title", "name", "score"
    )


def nearest(
    on: Shelf, title: str, k: int, territory: str | None = None
) -> tuple[Places, NDArray[np.float32]]:
    """(places, nearness) of up to k titles nearest to one, less what editors block there."""
    gone = blocked(on, territory)
    places, scores = on.similar(title, k + len(gone))
    kept = np.flatnonzero(~np.isin(places, gone))[:k]
    return places[kept], scores[kept]


def blocked(on: Shelf, territory: str | None = None) -> Places:
    """Places of what editors block everywhere, or in a territory, and of what shares its name and year."""
    return np.unique(on.alike(on.known(on.hand(territory).blocked)))


def _found(ready: Shelf, asked: str) -> str:
    titles = ready.catalogue.titles
    if asked in ready.place or titles.filter(pl.col("title") == asked).height:
        return asked
    named = titles.filter(pl.col("name").str.to_lowercase() == asked.lower())["title"].to_list()
    if len(named) == 1:
        return str(named[0])
    if named:
        raise InputError(
            "more than one title has this name", field="title", value=asked, accepted=", ".join(named)
        )
    near = titles.filter(pl.col("name").str.to_lowercase().str.contains(asked.lower(), literal=True))["name"]
    hint = ", ".join(near.head(5)) or "an id as the log has it, or a name as shown"
    raise InputError("no such title", field="title", value=asked, accepted=hint)


def _named(ready: Shelf, rows: pl.DataFrame) -> pl.DataFrame:
    names = pl.Series("name", [ready.catalogue.name(title) for title in rows["title"]], dtype=pl.String)
    return rows.with_columns(names)
