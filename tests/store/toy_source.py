"""A small CSV source for the tests of ingestion, and a program that ingests it: `toy_source.py FOLDER CSV [on_broken]`.

Columns: account,title,value,day[,known_day][,supersedes]. Days count from 2020-01-01.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from cineloop.store.ingest import ingest
from cineloop.store.sources.source import LINE, Batch, Reject
from cineloop.store.workspace import Store

START = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ToySource:
    file: Path
    batch: int = 1000
    name: str = "toy"
    licence: str = "made up"
    claims: int = 0  # bytes it says that it has, to ask for more buckets

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.file,)

    @property
    def total(self) -> int:
        return self.claims or self.file.stat().st_size

    def settings(self) -> dict[str, Any]:
        return {"source": "toy"}

    def read(self) -> Iterator[Batch]:
        lines = self.file.read_text().splitlines()
        header, done = lines[0].split(","), len(lines[0]) + 1
        for at in range(1, len(lines), self.batch):
            rows: list[dict[str, Any]] = []
            rejects = []
            for number, line in enumerate(lines[at : at + self.batch], start=at + 1):
                done += len(line) + 1
                cells = line.split(",")
                if len(cells) != len(header):
                    rejects.append(
                        Reject(str(self.file), number, None, line, "wrong number of cells", "as the header")
                    )
                    continue
                rows.append({**dict(zip(header, cells, strict=True)), LINE: number})
            yield Batch("feedback", feedback(rows), tuple(rejects), done)


def feedback(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of `feedback` from dictionaries with account, title, value, day and perhaps known_day, supersedes."""
    return pl.DataFrame(
        {
            "account": [r["account"] for r in rows],
            "profile": [r["account"] for r in rows],
            "title": [r["title"] for r in rows],
            "kind": [r.get("kind", "rating") for r in rows],
            "value": [float(r["value"]) for r in rows],
            "happened_at": [START + timedelta(days=float(r["day"])) for r in rows],
            "known_at": [START + timedelta(days=float(r.get("known_day") or r["day"])) for r in rows],
            "supersedes": [r.get("supersedes") or None for r in rows],
            **({LINE: [r[LINE] for r in rows]} if rows and LINE in rows[0] else {}),
        },
        schema_overrides={
            "happened_at": pl.Datetime("us", "UTC"),
            "known_at": pl.Datetime("us", "UTC"),
            "supersedes": pl.String,
            "value": pl.Float64,
            "account": pl.String,
            "profile": pl.String,
            "title": pl.String,
            "kind": pl.String,
        },
    )


def write_csv(path: Path, rows: int, members: int = 200, seed: int = 0) -> Path:
    """A generated log: `rows` distinct rows, spread over `members`."""
    lines = ["account,title,value,day"]
    lines += [f"toy:{(i * 7919 + seed) % members},toy:{i},{1 + i % 5},{i % 900}" for i in range(rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a store but its lock, by path."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "lock"
    }


if __name__ == "__main__":
    store = Store.open(sys.argv[1], create=True)
    print("begun", flush=True)
    report = ingest(store, ToySource(Path(sys.argv[2]), batch=500, claims=800 << 20), *sys.argv[3:4])  # type: ignore[arg-type]
    print("done", report.snapshot, flush=True)
