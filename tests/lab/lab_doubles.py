"""A snapshot in memory, small logs, and a third party's package to edit."""

from __future__ import annotations

import hashlib
import importlib
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import polars as pl

from cineloop.guard.exclusions import Exclusions
from cineloop.lab.view import TrainingView
from cineloop.store.schema import TABLES
from cineloop.store.snapshot import Snapshot

DAY0 = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class MemorySnapshot:
    """What the lab needs of a snapshot, over rows in memory: an id by content, and reads as of a moment."""

    tables: dict[str, pl.DataFrame] = field(default_factory=dict)

    @property
    def id(self) -> str:
        h = hashlib.sha256()
        for name, rows in sorted(self.tables.items()):
            h.update(name.encode() + rows.write_csv().encode())
        return h.hexdigest()

    def scan(self, table: str, as_of: datetime | None = None) -> pl.LazyFrame:
        whole = cast(pl.DataFrame, pl.from_arrow(TABLES[table].schema.empty_table()))
        rows = (
            pl.concat([whole, self.tables[table]], how="diagonal_relaxed") if table in self.tables else whole
        )
        return rows.lazy().filter(pl.col("known_at") <= as_of) if as_of is not None else rows.lazy()


def log(rows: list[tuple[str, str, float | None]], *, seq: bool = True) -> MemorySnapshot:
    """Watched films, rows (member, title, day after DAY0 or None where there is no clock)."""
    times = [None if day is None else DAY0 + timedelta(days=day) for _, _, day in rows]
    columns: dict[str, Any] = {
        "account": [m for m, _, _ in rows],
        "profile": [m for m, _, _ in rows],
        "title": [t for _, t, _ in rows],
        "kind": ["watch"] * len(rows),
        "happened_at": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
        "known_at": pl.Series([t or DAY0 for t in times], dtype=pl.Datetime("us", "UTC")),
        "seq": pl.Series(range(len(rows)) if seq else [None] * len(rows), dtype=pl.Int64),
    }
    return MemorySnapshot({"plays": pl.DataFrame(columns)})


def view_of(
    snapshot: MemorySnapshot, day: float = 1000, exclusions: Exclusions | None = None
) -> TrainingView:
    as_of = DAY0 + timedelta(days=day)
    return TrainingView(cast(Snapshot, snapshot), as_of, exclusions or Exclusions())


RECIPE = '''
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

class Counted:
    """How often each title was played."""

    def __init__(self, text):
        self.text = text

    def save(self, folder: Path) -> None:
        (folder / "counts.txt").write_text(self.text)

    @classmethod
    def load(cls, folder: Path):
        return cls((folder / "counts.txt").read_text())

@dataclass(frozen=True)
class Counting:
    name: ClassVar[str] = "counting"
    model: ClassVar[type] = Counted
    power: float = 1.0

    def fit(self, view, seed):
        rows = view.table("plays").group_by("title").len().sort("title").collect()
        return Counted("".join(f"{t} {n ** self.power} {seed}\\n" for t, n in rows.iter_rows()))
'''


@dataclass
class Package:
    """A third party's package of one recipe, on the disk, to be edited and imported anew."""

    folder: Path
    name: str

    def recipe(self, **knobs: Any) -> Any:
        for module in [m for m in sys.modules if m.partition(".")[0] == self.name]:
            del sys.modules[module]
        importlib.invalidate_caches()
        module: ModuleType = importlib.import_module(f"{self.name}.recipes")
        return module.Counting(**knobs)

    def write(self, path: str, text: str) -> None:
        file = self.folder / self.name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
