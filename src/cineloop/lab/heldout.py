"""Held-out plays as a file, so that they can be kept, and any outside system can be judged on the same ones.

CSV with the columns fold, as_of, member, title, part, at, confidence. `part` is

- `history`: told to the contender about the member it is asked about;
- `target`: what it must find;
- `hidden`: what no contender may have learned from: all of a member where no title stands, else that pair.

`at` is microseconds since 1970 UTC, or the log's own order; `as_of` (ISO 8601) is the last day a contender
may have learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path

import polars as pl

from cineloop.errors import InputError
from cineloop.guard.exclusions import Exclusions
from cineloop.lab.run import moment
from cineloop.lab.splits import HISTORY, TARGETS, Fold
from cineloop.store.durable import write_atomic

COLUMNS: dict[str, type[pl.DataType]] = {
    "fold": pl.String,
    "as_of": pl.String,
    "member": pl.String,
    "title": pl.String,
    "part": pl.String,
    "at": pl.Int64,
    "confidence": pl.Float64,
}
PARTS = ("history", "target", "hidden")


def write_heldout(folds: Sequence[Fold], path: Path) -> None:
    """Write the folds, whole or not at all."""
    out = BytesIO()
    pl.concat([_rows(fold) for fold in folds]).write_csv(out)
    write_atomic(path, out.getvalue())


def _rows(fold: Fold) -> pl.DataFrame:
    hidden = [(m, None) for m in sorted(fold.exclusions.members)] + sorted(fold.exclusions.pairs)
    parts = {
        "history": fold.history,
        "target": fold.targets,
        "hidden": pl.DataFrame(hidden, schema={"member": pl.String, "title": pl.String}, orient="row"),
    }
    made = []
    for part, rows in parts.items():
        missing = [pl.lit(None, COLUMNS[c]).alias(c) for c in ("at", "confidence") if c not in rows.columns]
        constant = {"fold": fold.name, "as_of": moment(fold.as_of), "part": part}
        made.append(
            rows.with_columns(*missing, *[pl.lit(v, pl.String).alias(c) for c, v in constant.items()]).select(
                pl.col(c).cast(t) for c, t in COLUMNS.items()
            )
        )
    return pl.concat(made)


def read_heldout(path: Path) -> list[Fold]:
    """The folds that `write_heldout` wrote; InputError with the line of the first row that is none of its."""
    try:
        rows = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as bad:
        raise InputError(str(bad).splitlines()[0], file=path, accepted="a CSV of held-out plays") from None
    for column in COLUMNS:
        if column not in rows.columns:
            raise InputError("missing column", file=path, line=1, field=column, accepted=", ".join(COLUMNS))
    rows = rows.with_columns(pl.int_range(2, pl.len() + 2).alias("_line"))
    for column, kind in COLUMNS.items():
        cast = rows[column].cast(kind, strict=False)
        _first_wrong(
            path, rows, column, cast.is_null() & rows[column].is_not_null(), "not a number", str(kind())
        )
        rows = rows.with_columns(cast)
    part, null = rows["part"], pl.Series.is_null
    _first_wrong(path, rows, "part", ~part.is_in(PARTS) | null(part), "no such part", ", ".join(PARTS))
    for column in ("fold", "as_of", "member"):
        _first_wrong(path, rows, column, null(rows[column]), "missing", "a value in every row")
    for column in ("title", "at"):
        _first_wrong(
            path, rows, column, null(rows[column]) & (part != "hidden"), "missing", "a value in plays"
        )
    _first_wrong(
        path, rows, "confidence", null(rows["confidence"]) & (part == "history"), "missing", "a number"
    )
    return [_fold(path, f) for f in rows.partition_by("fold", "as_of", maintain_order=True)]


def _first_wrong(
    path: Path, rows: pl.DataFrame, field: str, wrong: pl.Series, what: str, accepted: str
) -> None:
    if wrong.any():
        bad = rows.filter(wrong).row(0, named=True)
        raise InputError(what, file=path, line=bad["_line"], field=field, value=bad[field], accepted=accepted)


def _fold(path: Path, rows: pl.DataFrame) -> Fold:
    first = rows.row(0, named=True)
    try:
        as_of = datetime.fromisoformat(first["as_of"])
        if as_of.tzinfo is None:
            raise ValueError
    except ValueError:
        raise InputError(
            "no moment",
            file=path,
            line=first["_line"],
            field="as_of",
            value=first["as_of"],
            accepted="ISO 8601 with a time zone",
        ) from None
    hidden, history, targets = (rows.filter(pl.col("part") == p) for p in ("hidden", "history", "target"))
    known = history["member"].unique().implode()
    return Fold(
        name=first["fold"],
        as_of=as_of,
        exclusions=Exclusions(
            members=frozenset(hidden.filter(pl.col("title").is_null())["member"]),
            pairs=frozenset(
                hidden.filter(pl.col("title").is_not_null()).select("member", "title").iter_rows()
            ),
        ),
        history=history.select(HISTORY),
        targets=targets.with_columns(pl.col("member").is_in(known).alias("warm")).select(TARGETS),
    )
