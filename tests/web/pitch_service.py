"""A workspace of invented films whose gross follows their budget, and a pitch that fits among them."""

from __future__ import annotations

import csv
import time
from datetime import date, timedelta
from pathlib import Path

import httpx
import numpy as np

from cineloop.store import ingest
from cineloop.store.sources.imdb_stats import COLUMNS, ImdbStats
from cineloop.studio import Studio

DAY = "2012-01-10"
PITCH = {
    "name": "The Long Way Round",
    "decided": DAY,
    "genres": ["Drama"],
    "budget": 20_000_000,
    "release": "2014-05-01",
    "country": "United States",
    "companies": ["Company 1"],
    "directors": ["Director 3"],
}
FORM = {
    "name": "The Long Way Round",
    "decided": DAY,
    "genres": "Drama",
    "budget": "20M",
    "release": "2014-05-01",
    "country": "United States",
    "companies": "Company 1",
    "directors": "Director 3",
}


def films(folder: Path, *, hostile: str = "") -> Studio:
    """A new workspace with 540 films of 1994 to 2010; `hostile` is in the name of every tenth."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "films.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        out = csv.DictWriter(file, COLUMNS)
        out.writeheader()
        for number in range(540):
            day = date(1994, 8, 1) + timedelta(days=11 * number)
            budget = float(np.exp(rng.normal(16.8, 1.0)))
            name = f"Story {number}" + (f" {hostile}" if number % 10 == 0 else "")
            out.writerow(
                {
                    "name": name,
                    "rating": ("PG", "R")[number % 2],
                    "genre": ("Drama", "Action", "Comedy")[number % 3],
                    "year": day.year,
                    "released": f"{day:%B} {day.day}, {day.year} (United States)",
                    "director": f"Director {number % 20}",
                    "writer": f"Writer {number % 30}",
                    "star": f"Star {number % 40}",
                    "country": "United States",
                    "budget": round(budget),
                    "gross": round(2.2 * budget * float(np.exp(rng.normal(0, 0.7)))),
                    "company": f"Company {number % 9}",
                    "runtime": 90 + number % 40,
                }
            )
    studio = Studio(folder / "studio", create=True)
    ingest(studio.store, ImdbStats(table), "fatal")
    return studio


def ready(client: httpx.Client, address: str, *signs: str) -> httpx.Response:
    """The page once what is made in the background is there: all of `signs` stand in it."""
    for _ in range(300):
        said = client.get(address)
        if said.status_code != 200 or all(sign in said.text for sign in signs):
            return said
        time.sleep(0.2)
    raise AssertionError(f"{signs} never came")


def answered(client: httpx.Client, path: str, body: object, headers: dict[str, str]) -> httpx.Response:
    """The answer of the API once its forecaster is there: 503 says to send the same again."""
    for _ in range(900):
        said = client.post(path, json=body, headers=headers)
        if said.status_code != 503 or "retry-after" not in said.headers:
            return said
        time.sleep(0.05)
    raise AssertionError(f"{path} was never ready")
