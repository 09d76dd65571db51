"""Snapshots: immutable sets of parts. A snapshot's id hashes its schema and rows, not the files that hold them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cineloop.errors import InputError
from cineloop.store.check import frame_schema, table_of
from cineloop.store.corrections import superseded
from cineloop.store.hashing import member_hash
from cineloop.store.parts import Part
from cineloop.store.schema import TABLES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class SourceFile:
    """A file that was ingested: its name without folders, its bytes, its SHA-256."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Counts:
    """What became of one table's rows in an ingestion."""

    added: int = 0
    duplicates: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Ingestion:
    """One ingestion that a snapshot rests on. `ingested_at` (UTC, ISO 8601) stands here and nowhere else."""

    key: str
    source: str
    licence: str
    settings: Mapping[str, Any]
    files: tuple[SourceFile, ...]
    tables: Mapping[str, Counts]
    quarantine: str | None
    ingested_at: str


@dataclass(frozen=True)
class Snapshot:
    """The parts of each table, and the ingestions that brought them; bound to the folder of the parts."""

    id: str
    parts: tuple[Part, ...]
    folder: Path
    schemas: Mapping[str, Any] = field(compare=False, repr=False)
    ingestions: tuple[Ingestion, ...] = field(default=(), compare=False, repr=False)

    @property
    def tables(self) -> dict[str, tuple[Part, ...]]:
        """The parts of each table that has rows."""
        found: dict[str, list[Part]] = {}
        for part in self.parts:
            found.setdefault(part.table, []).append(part)
        return {name: tuple(parts) for name, parts in found.items()}

    def rows(self, table: str) -> int:
        """How many rows a table has, corrected ones included."""
        return sum(p.rows for p in self.parts if p.table == table)

    def parts_of(self, member: str) -> tuple[Part, ...]:
        """The parts that can hold rows of a member (an account): what an erasure has to look at."""
        where = int(member_hash(pl.Series([member]))[0])
        return tuple(p for p in self.parts if TABLES[p.table].member and where * p.of >> 64 == p.bucket)

    def scan(self, table: str, as_of: datetime | None = None) -> pl.LazyFrame:
        """The rows of a table that were known as of a time (None: all), in the columns of the schema.

        A row is left out once a correction of it is known as of that time; an earlier view still sees it. Parts
        that hold nothing from before are not opened. Rows come in the order of the parts.
        """
        table_of(table)
        schema = frame_schema(table)
        until = None if as_of is None else microseconds(as_of)
        parts = tuple(p for p in self.parts if p.table == table)
        visible = [p for p in parts if until is None or p.known_from <= until]
        if not visible:
            return pl.LazyFrame(schema=schema)
        hidden: dict[str, pl.Series] = {}
        if any(p.corrections for p in visible):
            for file, (places, since) in superseded(self.folder, parts).items():
                gone = places if until is None else places[since <= until]
                if len(gone):
                    hidden[file] = pl.Series("gone", gone.astype(np.uint32))
        frames = []
        if whole := [self.folder / p.file for p in visible if p.file not in hidden]:
            frames.append(pl.scan_parquet(whole, schema=schema, missing_columns="insert"))
        for file in (p.file for p in visible if p.file in hidden):
            rows = pl.scan_parquet(
                self.folder / file, schema=schema, missing_columns="insert", row_index_name="_row"
            )
            frames.append(rows.filter(~pl.col("_row").is_in(hidden[file].implode())).drop("_row"))
        found = pl.concat(frames) if len(frames) > 1 else frames[0]
        if until is not None and any(p.known_to > until for p in visible):
            found = found.filter(pl.col("known_at") <= pl.lit(as_of).cast(schema["known_at"]))
        return found


def microseconds(at: datetime) -> int:
    """Microseconds since 1970 UTC, exactly; a time without its zone is a ValueError."""
    if at.tzinfo is None:
        raise ValueError(f"as_of {at}: needs a time zone; UTC is meant everywhere")
    return (at - _EPOCH) // timedelta(microseconds=1)


def schemas_of(parts: Iterable[Part]) -> dict[str, list[list[str]]]:
    """The schema of each table that has parts, as it is hashed: name, Arrow type, whether required."""
    return {
        name: [[f.name, str(f.type), "null" if f.nullable else "required"] for f in TABLES[name].schema]
        for name in sorted({p.table for p in parts})
    }


def snapshot_id(parts: Iterable[Part], schemas: Mapping[str, Any]) -> str:
    """SHA-256 over each table's schema, number of rows and digest of rows: 64 hex digits."""
    rows: dict[str, int] = {}
    sums: dict[str, int] = {}
    for part in parts:
        rows[part.table] = rows.get(part.table, 0) + part.rows
        sums[part.table] = (sums.get(part.table, 0) + int(part.digest, 16)) % (1 << 128)
    said = [[name, schemas[name], rows[name], f"{sums[name]:032x}"] for name in sorted(rows)]
    return hashlib.sha256(canonical(said)).hexdigest()


def canonical(value: Any) -> bytes:
    """Plain JSON in its one form: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def make(folder: Path, parts: Iterable[Part], ingestions: tuple[Ingestion, ...]) -> Snapshot:
    """The snapshot of these parts, which lie in `folder`."""
    ordered = tuple(sorted(parts, key=lambda p: (p.table, p.bucket / p.of, p.of, p.file)))
    schemas = schemas_of(ordered)
    return Snapshot(snapshot_id(ordered, schemas), ordered, folder, schemas, ingestions)


def to_manifest(snapshot: Snapshot) -> bytes:
    """A snapshot as the JSON file that stands for it."""
    said = {
        "id": snapshot.id,
        "schemas": snapshot.schemas,
        "parts": [p.plain() for p in snapshot.parts],
        "ingestions": [asdict(i) for i in snapshot.ingestions],
    }
    return json.dumps(said, indent=1, sort_keys=True).encode() + b"\n"


def from_manifest(path: Path, parts_folder: Path) -> Snapshot:
    """Read a manifest; one that can't be read is an `InputError`."""
    try:
        said = json.loads(path.read_bytes())
        ingestions = tuple(
            Ingestion(
                **{
                    **i,
                    "files": tuple(SourceFile(**f) for f in i["files"]),
                    "tables": {name: Counts(**c) for name, c in i["tables"].items()},
                }
            )
            for i in said["ingestions"]
        )
        parts = tuple(Part(**p) for p in said["parts"])
        return Snapshot(said["id"], parts, parts_folder, said["schemas"], ingestions)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            "not a readable manifest", file=path, accepted="a manifest as this version writes it"
        ) from error
