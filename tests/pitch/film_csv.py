"""Films as a CSV in the layout of `cineloop.titles.films.COLUMNS`, for tests that read or ingest a table."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl

from cineloop.titles.films import COLUMNS


def write_table(films: pl.DataFrame, path: Path, *, budgets: bool = True) -> Path:
    """Write FILMS rows; without `budgets` that column is empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, COLUMNS)
        out.writeheader()
        for row in films.iter_rows(named=True):
            out.writerow(
                {
                    "name": row["name"],
                    "rating": row["certificate"],
                    "genre": row["genres"][0],
                    "year": row["released"].year,
                    "released": f"{row['released']:%B} {row['released'].day}, {row['released'].year} (United States)",
                    "score": 7.1,
                    "votes": 1000.0,
                    "director": row["directors"][0],
                    "writer": "",
                    "star": "",
                    "country": row["country"],
                    "budget": row["budget"] if budgets else "",
                    "gross": row["worldwide"],
                    "company": row["companies"][0],
                    "runtime": row["runtime"],
                }
            )
    return path
