"""What a row must fulfil before it becomes part of the record: the schema's types, and the rules of its table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from cineloop.errors import InputError
from cineloop.store import schema
from cineloop.store.schema import TABLES, Table

WORDS = {
    ("plays", "kind"): schema.PLAY_KINDS,
    ("feedback", "kind"): schema.FEEDBACK_KINDS,
    ("titles", "kind"): schema.TITLE_KINDS,
    ("editorial", "kind"): schema.EDITORIAL_KINDS,
    ("credits", "role"): schema.CREDIT_ROLES,
    ("productions", "role"): schema.PRODUCTION_ROLES,
    ("grosses", "period"): schema.GROSS_PERIODS,
}
"""Columns that hold one of a few words."""

AMOUNTS = ("seconds", "confidence", "runtime", "minimum_age", "budget", "hours", "views", "gross", "theatres")
"""Columns that hold an amount: finite and not below zero."""


class Broken(NamedTuple):
    """One broken row: its index in the frame, the field, the value as text and what would be accepted."""

    row: int
    field: str
    value: str | None
    accepted: str


@dataclass(frozen=True)
class _Rule:
    """`holds` is true, or null where there is nothing to judge."""

    field: str
    holds: pl.Expr
    accepted: str


@cache
def frame_schema(table: str) -> pl.Schema:
    """The columns of a table of record as Polars types."""
    empty = pl.from_arrow(pa.Table.from_batches([], TABLES[table].schema))
    assert isinstance(empty, pl.DataFrame)
    return empty.schema


def table_of(name: str) -> Table:
    """The table of record of that name; `InputError` where there is none."""
    if name not in TABLES:
        raise InputError("no such table", field="table", value=name, accepted=", ".join(TABLES))
    return TABLES[name]


def conform(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with exactly the table's columns, in their order and types; missing ones are null.

    A column that the table does not have, or that can't be of its type, is an `InputError`.
    """
    spec, schema = table_of(table), frame_schema(table)
    if odd := [c for c in frame.columns if c not in schema]:
        raise InputError(f"no such column in {table}", field=odd[0], accepted=", ".join(spec.columns))
    columns = []
    for name, kind in schema.items():
        if name not in frame.columns:
            columns.append(pl.Series(name, [None], dtype=kind).new_from_index(0, frame.height))
            continue
        values = frame[name]
        if values.dtype == kind:
            columns.append(values)
            continue
        try:
            if (
                isinstance(kind, pl.Datetime)
                and isinstance(values.dtype, pl.Datetime)
                and not values.dtype.time_zone
            ):
                raise InputError("a time without its zone", field=name, accepted="times in UTC")
            columns.append(values.cast(kind))
        except pl.exceptions.PolarsError as error:
            said = str(error).splitlines()[0]
            raise InputError(f"{said} (column of {table})", field=name, accepted=str(kind)) from error
    return pl.DataFrame(columns)


def check(table: str, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[Broken]]:
    """Split a conforming frame into the rows that are sound and a report on each that is not.

    The report is in the order of the rows and names the first rule that a row breaks.
    """
    rules = list(_rules(table))
    verdicts = frame.select(r.holds.fill_null(True).alias(str(i)) for i, r in enumerate(rules))
    if verdicts.select(pl.all_horizontal(pl.all().all())).item():
        return frame, []
    sound = verdicts.select(ok=pl.all_horizontal(pl.all()))["ok"]
    broken: dict[int, Broken] = {}
    for i, rule in enumerate(rules):
        for row in (~verdicts[str(i)]).arg_true().to_list():
            if row not in broken:
                value = frame[rule.field][row]
                shown = value.to_list() if isinstance(value, pl.Series) else value
                broken[row] = Broken(row, rule.field, None if shown is None else str(shown), rule.accepted)
    return frame.filter(sound), [broken[row] for row in sorted(broken)]


@cache
def _rules(table: str) -> tuple[_Rule, ...]:
    return tuple(_build(TABLES[table]))


def _build(spec: Table) -> Iterator[_Rule]:
    for field in spec.schema:
        if not field.nullable:
            yield _Rule(
                field.name, pl.col(field.name).is_not_null(), f"{spec.doc(field.name)}; it is required"
            )
            if pa.types.is_string(field.type):
                yield _Rule(field.name, pl.col(field.name) != "", f"{spec.doc(field.name)}; it is required")
    names = spec.columns
    for name in names:
        if words := WORDS.get((spec.name, name)):
            yield _Rule(name, pl.col(name).is_in(words), "one of " + ", ".join(words))
    if "completion" in names:
        yield _Rule("completion", pl.col("completion").is_between(0, 1), "a share from 0 to 1")
    for name in AMOUNTS:
        if name in names:
            sound = (pl.col(name) >= 0) & pl.col(name).cast(pl.Float64).is_finite()
            yield _Rule(name, sound, "a finite number, 0 or more")
    if "value" in names:
        yield _Rule("value", pl.col("value").is_finite(), "a finite number")
    if "titles" in names:
        shown = pl.col("titles")
        yield _Rule("titles", ~shown.list.contains(None), "ids of titles without gaps")
        for name in ("positions", "propensities"):
            yield _Rule(name, pl.col(name).list.len() == shown.list.len(), "as many as titles")
        yield _Rule("positions", pl.col("positions").list.eval(pl.element() >= 0).list.all(), "places from 0")
        odds = pl.element().is_between(0, 1, closed="right")
        yield _Rule(
            "propensities", pl.col("propensities").list.eval(odds).list.all(), "above 0, up to 1, or null"
        )
    if "starts_at" in names:
        yield _Rule("ends_at", pl.col("ends_at") > pl.col("starts_at"), "later than starts_at")
    for name in ("billing", "rank"):
        if name in names:
            yield _Rule(name, pl.col(name) >= 1, "a place from 1")
    if spec.name == "editorial":
        yield from _editorial()
    if spec.name == "engagement":
        yield _Rule(
            "territory", pl.col("territory").str.contains("^[A-Z]{2}$"), "ISO 3166-1 alpha-2, as in DE"
        )
        told = pl.any_horizontal(pl.col("hours", "views", "rank").is_not_null())
        yield _Rule("hours", told, "hours, views or a rank")
    if spec.name == "grosses":
        yield from _grosses()
    yield _Rule(
        "supersedes", pl.col("supersedes").str.contains("^[0-9a-f]{32}$"), "a row id of 32 hex digits"
    )


def _editorial() -> Iterator[_Rule]:
    """What an editor's act needs, by its kind."""
    kind = pl.col("kind")
    titled = ~kind.is_in(["pin", "boost", "block"])
    yield _Rule(
        "title", titled | pl.col("title").is_not_null(), "the title that is pinned, boosted or blocked"
    )
    yield _Rule("row", (kind != "row") | pl.col("row").is_not_null(), "the name of the row")
    defines = (kind == "row") & pl.col("title").is_null()
    yield _Rule("heading", ~defines | pl.col("heading").is_not_null(), "the row's heading")
    yield _Rule("factor", (kind != "boost") | pl.col("factor").is_not_null(), "a number from 0.1 to 10")
    yield _Rule("factor", pl.col("factor").is_between(0.1, 10), "a number from 0.1 to 10")
    yield _Rule("position", pl.col("position") >= 0, "a place from 0")
    yield _Rule("territory", pl.col("territory").str.contains("^[A-Z]{2}$"), "ISO 3166-1 alpha-2, as in DE")


def _grosses() -> Iterator[_Rule]:
    """What a sum taken at the box office needs."""
    market = pl.col("territory").str.contains("^([A-Z]{2}|domestic|international)$")
    yield _Rule("territory", market, "ISO 3166-1 alpha-2, domestic or international")
    yield _Rule("currency", pl.col("currency").str.contains("^[A-Z]{3}$"), "ISO 4217, as in USD")
    yield _Rule("previews", pl.col("previews").is_between(0, pl.col("gross")), "from 0 to the gross")
