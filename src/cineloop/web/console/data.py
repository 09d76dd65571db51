"""Data: snapshots, tables and their spans, ingestions and what they refused."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response

from cineloop.store.schema import TABLES
from cineloop.web.console.pages import Missing, page, studio_of

REFUSED = 100


@dataclass(frozen=True)
class Held:
    """A table of a snapshot; the span is in microseconds since 1970, of when rows became known."""

    name: str
    rows: int
    parts: int
    first: int
    last: int
    fields: int


def add(router: APIRouter) -> None:
    """Add this family's pages."""
    router.add_api_route("/console/data", data, methods=["GET"])
    router.add_api_route("/console/data/refused/{key}", refused, methods=["GET"])


def data(request: Request) -> Response:
    """What the newest snapshot holds, where it came from, and what was refused."""
    store = studio_of(request).store
    head = store.head()
    tables = [
        Held(name, sum(p.rows for p in parts), len(parts), min(p.known_from for p in parts),
             max(p.known_to for p in parts), len(TABLES[name].schema))
        for name, parts in sorted(head.tables.items())
    ]  # fmt: skip
    return page(
        "data.html", "data", "Data", head=head if head.parts else None, tables=tables, snapshots=store.snapshots(),
        ingestions=sorted(head.ingestions, key=lambda i: i.ingested_at, reverse=True),
    )  # fmt: skip


def refused(request: Request, key: str) -> Response:
    """The first rows that an ingestion refused, each with its place and why."""
    store = studio_of(request).store
    found = next((i for i in store.head().ingestions if i.quarantine and i.key.startswith(key)), None)
    if found is None or found.quarantine is None or not key:
        raise Missing(
            "No such ingestion",
            "No ingestion with refused rows has this key.",
            "/console/data",
            "To the data",
        )
    total = sum(counts.rejected for counts in found.tables.values())
    rows = first_rows(store.quarantine / found.quarantine)
    return page("refused.html", "data", "Refused rows", ingestion=found, total=total, rows=rows)


def first_rows(path: Path, most: int = REFUSED) -> list[dict[str, Any]]:
    """The first refused rows of a quarantine file; none where it is gone."""
    try:
        with path.open(encoding="utf-8") as lines:
            return [json.loads(line) for line in islice(lines, most)]
    except (OSError, ValueError):
        return []
