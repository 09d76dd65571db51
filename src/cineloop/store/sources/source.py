"""What every source of rows looks like: batches for one table, and the rows that could not be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import polars as pl

LINE = "_line"
"""Name of the extra column of a batch that holds each row's 1-based line in its file."""


@dataclass(frozen=True)
class Reject:
    """A row of a source that could not be taken: where it stands, what it is and what would be accepted.

    `line` is 1-based in a text file and the row's number in a Parquet file; `value` is the text as found.
    """

    file: str
    line: int | None
    field: str | None
    value: str | None
    what: str
    accepted: str | None


@dataclass(frozen=True)
class Batch:
    """Rows for one table of record, in the order of the source.

    `rows` holds any subset of the table's columns (`store/schema.py`); those missing are null. It may carry
    one more column, `_line` (Int64): the 1-based line of each row in its file. `done` counts the bytes of the
    source read so far, of `Source.total`.
    """

    table: str
    rows: pl.DataFrame
    rejects: tuple[Reject, ...] = ()
    done: int = 0


class Source(Protocol):
    """Files that hold rows for tables of record.

    `settings()` is plain JSON: with the digests of `files` it identifies an ingestion, so it names everything
    that decides what the rows are and nothing else. `read()` streams with bounded memory; a broken row
    becomes a `Reject`, a broken file raises `InputError`.
    """

    @property
    def name(self) -> str:
        """The prefix of the ids, `name:id`."""
        ...

    @property
    def licence(self) -> str:
        """What the owner allows, in a line."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """The files read, in order."""
        ...

    @property
    def total(self) -> int:
        """Bytes of all files."""
        ...

    def settings(self) -> dict[str, Any]:
        """What decides the rows, beside the files' bytes."""
        ...

    def read(self) -> Iterator[Batch]:
        """The rows, batch by batch."""
        ...


class OneFile:
    """What every source of one file says of it."""

    path: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)

    @property
    def total(self) -> int:
        """Its bytes."""
        return self.path.stat().st_size
