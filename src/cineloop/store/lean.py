"""Batches without what need not be moved about: columns that are null, constant, or equal to another column.

In a ratings file that is half of the bytes: the profile is the account, the kind is the same in all rows, a rating
is known when it happens, and nothing is corrected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Lean:
    """Rows, and how to make the columns that they lack: (name, its twin) and (name, its one value)."""

    rows: pl.DataFrame
    twins: tuple[tuple[str, str], ...]
    constants: tuple[tuple[str, Any, pl.DataType], ...]

    def slice(self, start: int, height: int) -> Lean:
        """Some of the rows."""
        return Lean(self.rows.slice(start, height), self.twins, self.constants)

    def full(self) -> pl.DataFrame:
        """The rows with their columns, in any order; those that are null throughout stay out."""
        return self.rows.with_columns(
            *(pl.col(twin).alias(name) for name, twin in self.twins),
            *(pl.lit(value, kind).alias(name) for name, value, kind in self.constants),
        )


def lean(frame: pl.DataFrame) -> Lean:
    """Take a frame of at least one row apart. Only strings become constants: they cost the most."""
    kept: list[pl.Series] = []
    twins, constants = [], []
    for column in frame:
        if column.null_count() == frame.height:
            continue
        twin = next((k for k in kept if k.dtype == column.dtype and _same(k, column)), None)
        if twin is not None:
            twins.append((column.name, twin.name))
        elif column.dtype == pl.String and not column.null_count() and bool((column == column[0]).all()):
            constants.append((column.name, column[0], column.dtype))
        else:
            kept.append(column)
    return Lean(pl.DataFrame(kept), tuple(twins), tuple(constants))


def join(pieces: list[Lean]) -> pl.DataFrame:
    """The rows of the pieces, one after another, with all their columns in one chunk each."""
    first = pieces[0]
    if all(
        (p.twins, p.constants, p.rows.columns) == (first.twins, first.constants, first.rows.columns)
        for p in pieces
    ):
        rows = pl.concat([p.rows for p in pieces]).rechunk()
        return Lean(rows, first.twins, first.constants).full()
    return pl.concat([p.full() for p in pieces], how="diagonal").rechunk()


def _same(one: pl.Series, other: pl.Series) -> bool:
    return one.head(64).equals(other.head(64)) and one.equals(other)
