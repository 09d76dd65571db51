"""A world of films whose gross is known to follow from budget, genre, company and franchise, with noise that is larger
for cheap films; so that what a forecaster finds can be held against what was put in."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

from cineloop.titles.films import frame_of

GENRES = {"Drama": -0.4, "Action": 0.3, "Comedy": 0.0, "Horror": 0.6}
COMPANIES = {f"company {i}": e for i, e in enumerate(np.linspace(-0.8, 0.8, 12))}


def films_of_the_world(
    *, years: range = range(1996, 2014), a_year: int = 60, seed: int = 0, shuffled: bool = False
) -> pl.DataFrame:
    """FILMS rows; log gross = 1.3 + 0.95 · log budget + genre + company + 0.7 for a second part + noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for year in years:
        for number in range(a_year):
            genre = list(GENRES)[rng.integers(len(GENRES))]
            company = list(COMPANIES)[rng.integers(len(COMPANIES))]
            budget = float(np.exp(rng.normal(16.8, 1.2)))
            second = year > years.start and rng.random() < 0.1
            name = f"Story {year - 1} {chr(97 + number % 26)}{number} 2" if second else ""
            name = name or f"Story {year} {chr(97 + number % 26)}{number}"
            released = date(year, 1, 1) + timedelta(days=int(rng.integers(0, 365)))
            noise = np.exp(-0.25 * (np.log(budget) - 16.8)) * 0.7
            log = 1.3 + 0.95 * np.log(budget) + GENRES[genre] + COMPANIES[company] + 0.7 * second
            rows.append(
                {
                    "title": f"world:{year}-{number:03}",
                    "name": name,
                    "released": released,
                    "certificate": ["G", "PG", "R"][rng.integers(3)],
                    "genres": [genre],
                    "budget": budget,
                    "runtime": float(rng.normal(105, 12)),
                    "country": ["United States", "France"][int(rng.random() < 0.2)],
                    "companies": [company],
                    "directors": [f"director {rng.integers(60)}"],
                    "worldwide": float(np.exp(log + rng.normal(0, noise))),
                    "known": released + timedelta(days=365),
                }
            )
    films = frame_of(rows)
    if shuffled:
        films = films.with_columns(pl.Series("worldwide", rng.permutation(films["worldwide"].to_numpy())))
    return films
