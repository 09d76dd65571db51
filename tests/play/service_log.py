"""A small made-up service: films and one series, members with plays, written into a real workspace."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from cineloop.lab.recipe import Recipe
from cineloop.store import append
from cineloop.studio import Studio

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=100)
GENRES = ("Comedy", "Drama", "Horror")


def at(day: float) -> datetime:
    return START + timedelta(days=day)


def play(
    profile: str, title: str, day: float, share: float = 1.0, playable: str | None = None
) -> dict[str, Any]:
    return {
        "account": f"house-of-{profile}",
        "profile": profile,
        "title": title,
        "playable": playable or title,
        "kind": "watch",
        "completion": share,
        "happened_at": at(day),
        "known_at": at(day),
    }


def titles() -> list[dict[str, Any]]:
    """36 films (12 a genre; ids film-0 … film-35), and a series of two seasons with two episodes each."""
    known = {"known_at": at(-365), "year": 2020}
    films = [
        {"title": f"film-{i}", "kind": "film", "name": f"Film {i}", "genres": [GENRES[i % 3]], **known}
        for i in range(36)
    ]
    show: list[dict[str, Any]] = [
        {"title": "show", "kind": "series", "name": "The Show", "genres": ["Drama"], **known}
    ]
    for season in (1, 2):
        show.append(
            {
                "title": f"show-{season}",
                "kind": "season",
                "parent": "show",
                "number": season,
                "name": f"Season {season}",
                **known,
            }
        )
        show += [
            {
                "title": f"show-{season}-{n}",
                "kind": "episode",
                "parent": f"show-{season}",
                "number": n,
                "name": f"Episode {season}.{n}",
                **known,
            }
            for n in (2, 1)  # out of order on purpose
        ]
    return films + show


def crowd() -> list[dict[str, Any]]:
    """40 members, each with one genre: 9 of its 12 films each, and most of them with the series."""
    rows = []
    for m in range(40):
        of_genre = [i for i in range(36) if i % 3 == m % 3]
        rows += [play(f"m{m}", f"film-{i}", (m * 7 + i) % 80) for j, i in enumerate(of_genre) if (j + m) % 4]
        if m % 4:
            rows.append(play(f"m{m}", "show", m, playable="show-1-1"))
    return rows


def studio_of(
    folder: Path, plays: Sequence[dict[str, Any]], recipe: Recipe, extra: dict[str, Any] | None = None
) -> Studio:
    """A workspace with the titles and plays, and `recipe` live under play/home."""
    studio = Studio(folder, create=True)
    facts = pl.DataFrame(titles(), infer_schema_length=None)
    tables = {
        "titles": facts,
        "plays": pl.DataFrame([*plays, play("clock", "film-0", 100)], infer_schema_length=None),
    }
    append(studio.store, tables | (extra or {}), "test")
    run = studio.lab.train(recipe, studio.view())
    put_live(studio, run.id)
    return studio


def put_live(studio: Studio, run: str) -> None:
    """Past the gate: these tests are about the page, and the gate has its own."""
    from cineloop.lab import tables

    row = {"name": "play/home", "action": "promote", "run": run, "at": NOW, "by": "test", "why": "a test"}
    with studio.lab.registry.writing() as db:
        db.execute(tables.promotions.insert().values(row))
