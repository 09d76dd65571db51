"""Which titles may be recommended at all: by genre, certificate, territory and availability window."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.lab.histories import Strings

ADULT = 18


def allowed_titles(
    titles: pl.DataFrame,
    releases: pl.DataFrame,
    catalogue: Strings,
    *,
    genres: Collection[str] | None = None,
    not_genres: Collection[str] | None = None,
    max_age: int | None = None,
    territory: str | None = None,
    at: datetime | None = None,
    channel: str | None = "svod",
) -> NDArray[np.bool_]:
    """(m,) True where a title of `catalogue` (m,) passes every filter that is given.

    `titles` and `releases` are rows of those tables of record; a catalogue title without a row has no known
    genre and no known age. The filters:

    - `genres`: the title has at least one of them. `not_genres`: it has none of them. Upper and lower case
      are one; a genre that no title has is refused: a mistyped one would let through what it should stop.
    - `max_age`, the member's age limit in years: the certificate admits that age. A title of unknown age
      passes an adult's limit (18 or more) and never a child's.
    - `territory` and `at`, either or both: a title without any release is available everywhere and always;
      one with releases only inside a window of `channel` (None: of any) in that territory, or in a release
      that names none, and from `starts_at` to before `ends_at`. Without `at`, any window will do; without
      `territory`, a window anywhere. Without both, releases are not looked at.

    Where a title has several rows, it has all their genres and the highest of their ages.

    >>> films = pl.DataFrame({"title": ["a", "b"], "genres": [["Drama"], ["War"]], "minimum_age": [6, None]})
    >>> none = pl.DataFrame(schema={"title": pl.String})
    >>> allowed_titles(films, none, np.array(["a", "b"], object), max_age=12).tolist()
    [True, False]
    """
    if at is not None and at.tzinfo is None:
        raise InputError(
            "has no time zone", field="at", value=at.isoformat(), accepted="a time with its zone"
        )
    asked = pl.DataFrame({"title": pl.Series(catalogue.tolist(), dtype=pl.String)})
    passed = np.ones(len(asked), np.bool_)
    if genres is not None:
        passed &= _among(asked, _with_genres(titles, genres, "genres"))
    if not_genres is not None:
        passed &= ~_among(asked, _with_genres(titles, not_genres, "not_genres"))
    if max_age is not None:
        ages = titles.group_by("title").agg(pl.col("minimum_age").max()).drop_nulls()
        admitted = _among(asked, ages.filter(pl.col("minimum_age") <= max_age))
        passed &= admitted | ~_among(asked, ages) if max_age >= ADULT else admitted
    if territory is not None or at is not None:
        windows = releases
        if channel is not None:
            windows = windows.filter(pl.col("channel") == channel)
        if territory is not None:
            windows = windows.filter(pl.col("territory").is_null() | (pl.col("territory") == territory))
        if at is not None:
            now = pl.lit(at).dt.convert_time_zone("UTC")
            windows = windows.filter(
                pl.col("starts_at").is_null() | (pl.col("starts_at") <= now),
                pl.col("ends_at").is_null() | (pl.col("ends_at") > now),
            )
        passed &= _among(asked, windows) | ~_among(asked, releases)
    return passed


def known_genres(titles: pl.DataFrame) -> list[str]:
    """Every genre that some title has, sorted."""
    return titles["genres"].cast(pl.List(pl.String)).explode().drop_nulls().unique().sort().to_list()


def _with_genres(titles: pl.DataFrame, genres: Collection[str], field: str) -> pl.DataFrame:
    """The titles with at least one of the genres."""
    known = known_genres(titles)
    lowered = {g.lower() for g in known}
    for genre in genres:
        if genre.lower() not in lowered:
            raise InputError("no title has it", field=field, value=genre, accepted=", ".join(known) or None)
    each = titles.select("title", pl.col("genres").cast(pl.List(pl.String)).alias("genre")).explode("genre")
    wanted = pl.Series([g for g in known if g.lower() in {w.lower() for w in genres}], dtype=pl.String)
    return each.filter(pl.col("genre").is_in(wanted.implode()))


def _among(asked: pl.DataFrame, rows: pl.DataFrame) -> NDArray[np.bool_]:
    """(m,) True where an asked title is among the rows' titles."""
    return asked["title"].is_in(rows["title"].cast(pl.String).unique().implode()).to_numpy()
