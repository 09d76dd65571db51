"""Any system's lists, read from a file and matched to the folds that our own recipes are judged on."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import polars as pl

from cineloop.errors import InputError
from cineloop.lab.run import moment
from cineloop.lab.splits import Fold

NEEDED = ("member", "title", "rank", "as_of")
SCHEMA = {
    "member": pl.String(),
    "title": pl.String(),
    "rank": pl.Int32(),
    "as_of": pl.Datetime("us", "UTC"),
    "score": pl.Float64(),
}
DEEPEST = 100_000


def read_lists(path: Path) -> pl.DataFrame:
    """Lists as rows (member, title, rank from 1, as_of, score), from CSV or Parquet.

    `as_of` is the last moment that the system knew of beside the histories it was told; a date is its first
    moment, no time zone is UTC. `score` is optional and null where absent. InputError names file, line (for
    Parquet the row, from 1), field, value and what is accepted; no two rows of a list share a rank or a
    title. Sorted by member, as_of, rank.
    """
    rows = _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path)
    said = _Said(path, rows)
    for column in ("member", "title"):
        said.each(column, pl.String(), _named, "a non-empty id")
    said.each("rank", pl.Int32(), _rank, f"a whole number from 1 to {DEEPEST}")
    said.each("as_of", pl.Datetime("us", "UTC"), _moment, "an ISO 8601 date or time")
    if "score" in rows.columns:
        said.each("score", pl.Float64(), _number, "a number, or nothing")
    else:
        said.rows = said.rows.with_columns(pl.lit(None, pl.Float64).alias("score"))
    for column in ("rank", "title"):
        said.once(["member", "as_of", column])
    return said.rows.select(list(SCHEMA)).sort("member", "as_of", "rank")


def _csv(path: Path) -> pl.DataFrame:
    """All columns as text, with `_line`, the line on which each row ends."""
    reader = None
    try:
        with path.open(encoding="utf-8-sig", newline="") as f:
            reader = csv.reader(f, strict=True)
            header = next(reader, [])
            _columns(path, header)
            kept: list[list[str]] = []
            lines: list[int] = []
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise InputError(
                        f"{len(row)} fields",
                        file=path,
                        line=reader.line_num,
                        accepted=f"{len(header)} fields",
                    )
                kept.append(row)
                lines.append(reader.line_num)
    except OSError as bad:
        raise InputError(bad.strerror or "can't be read", file=path) from None
    except UnicodeDecodeError:
        raise InputError("not text in UTF-8", file=path, line=reader.line_num + 1 if reader else 1) from None
    except csv.Error as bad:
        raise InputError(str(bad), file=path, line=reader.line_num if reader else 1, accepted="CSV") from None
    columns = {name: [row[i] for row in kept] for i, name in enumerate(header) if name in SCHEMA}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).with_columns(
        pl.Series("_line", lines, pl.Int64)
    )


def _parquet(path: Path) -> pl.DataFrame:
    try:
        rows = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as bad:
        raise InputError(f"not Parquet: {(str(bad).splitlines() or ['unreadable'])[0]}", file=path) from None
    _columns(path, rows.columns)
    return rows.select(c for c in rows.columns if c in SCHEMA).with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("_line")
    )


def _columns(path: Path, header: Sequence[str]) -> None:
    for name in NEEDED:
        if header.count(name) != 1:
            what = "missing column" if name not in header else "the column stands twice"
            raise InputError(what, file=path, line=1, field=name, accepted=", ".join([*NEEDED, "score"]))
    if header.count("score") > 1:
        raise InputError("the column stands twice", file=path, line=1, field="score")


class _Said:
    """The rows while they are checked, so that the first wrong one can be named."""

    def __init__(self, path: Path, rows: pl.DataFrame) -> None:
        self.path, self.rows = path, rows

    def each(self, field: str, kind: pl.DataType, parse: Callable[[Any], Any], accepted: str) -> None:
        """Parse each distinct value once; `parse` raises ValueError or TypeError at a wrong one."""
        column = self.rows[field]
        if isinstance(column.dtype, pl.List | pl.Struct | pl.Array | pl.Object):
            raise InputError(f"a column of {column.dtype}", file=self.path, field=field, accepted=accepted)
        parsed, wrong = [], []
        values = column.unique(maintain_order=True)
        for value in values.to_list():
            try:
                parsed.append(parse(value))
            except (TypeError, ValueError, OverflowError):
                parsed.append(None)
                wrong.append(value)
        if wrong:
            # values stand in the order they first occur, so the first wrong one is on the first wrong line
            bad = self.rows.filter(column.eq_missing(pl.Series([wrong[0]], dtype=column.dtype))).row(
                0, named=True
            )
            raise InputError(
                "not accepted",
                file=self.path,
                line=bad["_line"],
                field=field,
                value=bad[field],
                accepted=accepted,
            )
        table = pl.DataFrame({field: values, "_made": pl.Series(parsed, dtype=kind)})
        joined = self.rows.join(table, on=field, how="left", nulls_equal=True, maintain_order="left")
        self.rows = joined.drop(field).rename({"_made": field})

    def once(self, key: list[str]) -> None:
        """Refuse a second row of one key."""
        again = self.rows.filter(~pl.struct(key).is_first_distinct())
        if not again.is_empty():
            bad = again.row(0, named=True)
            field = key[-1]
            raise InputError(
                f"twice in the list of {bad['member']} as of {moment(bad['as_of'])}",
                file=self.path,
                line=bad["_line"],
                field=field,
                value=bad[field],
                accepted=f"each {field} once",
            )


def _named(value: Any) -> str:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not text.strip():
        raise ValueError(value)
    return text


def _rank(value: Any) -> int:
    if isinstance(value, str) and not (value.strip().isascii() and value.strip().isdigit()):
        raise ValueError(value)
    if isinstance(value, bool) or int(value) != (int(value) if isinstance(value, str) else value):
        raise ValueError(value)
    if not 1 <= int(value) <= DEEPEST:
        raise ValueError(value)
    return int(value)


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value.strip())
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise TypeError(value)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _number(value: Any) -> float | None:
    return None if value is None or value == "" else float(value)


@dataclass(frozen=True)
class FoldLists:
    """A system's lists for one fold: rows (member, title, rank, score) for the members asked about.

    `missing` of the `asked` members have no list; they score 0. `as_of` is the oldest of the days on which
    the lists were made, None where there is no list.
    """

    fold: str
    lists: pl.DataFrame
    asked: int
    missing: int
    as_of: datetime | None


def match(folds: Iterable[Fold], lists: pl.DataFrame) -> list[FoldLists]:
    """For each fold each asked member's latest list made no later than the fold's day.

    InputError where a list is later than every fold's day, since it could have seen what it is judged on, and
    where no list at all is for an asked member.
    """
    folds = list(folds)
    latest = max(fold.as_of for fold in folds)
    late = lists.filter(pl.col("as_of") > latest)
    if not late.is_empty():
        raise InputError(
            "the list is later than the last day that is judged and could have seen what followed",
            field="as_of",
            value=moment(late["as_of"].min()),  # type: ignore[arg-type]
            accepted=f"up to {moment(latest)}",
        )
    made = [_matched(fold, lists) for fold in folds]
    if all(m.missing == m.asked for m in made):
        asked = folds[0].targets["member"].min()
        earliest = min(fold.as_of for fold in folds)
        raise InputError(
            "no list is for a member that is asked about, on a day that is judged",
            field="member",
            value=lists["member"].min(),
            accepted=f"ids such as {asked!r}, as of {moment(earliest)} or before",
        )
    return made


def _matched(fold: Fold, lists: pl.DataFrame) -> FoldLists:
    asked = fold.targets.select("member").unique()
    usable = lists.filter(pl.col("as_of") <= fold.as_of).join(asked, on="member", how="semi")
    usable = usable.filter(pl.col("as_of") == pl.col("as_of").max().over("member"))
    oldest: Any = usable["as_of"].min()
    return FoldLists(
        fold=fold.name,
        lists=usable.select("member", "title", "rank", "score").sort("member", "rank"),
        asked=len(asked),
        missing=len(asked) - usable["member"].n_unique(),
        as_of=oldest,
    )
