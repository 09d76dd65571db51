"""The mapping file: how the columns of a service's own log become the columns of a table of record.

A mapping is TOML. `examples/mappings/` has three with comments; the classes below are the whole of it:

    name = "acme"                 # the prefix of the ids
    table = "plays"

    [columns]                     # column of the table = column of the file
    profile = "viewer"
    title = "asset_id"
    seconds = { column = "watched_ms", scale = 0.001 }
    happened_at = { column = "started", time = "iso", timezone = "Europe/Paris" }

    [constants]                   # the same in every row
    kind = "watch"

    [completion]                  # share watched = seconds / runtime
    runtime = "asset_minutes"
    unit = "minutes"

    [confidence]                  # completion at least = confidence
    "0" = 0.0
    "0.5" = 1.0
"""

from __future__ import annotations

import math
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cineloop.errors import InputError
from cineloop.store import schema
from cineloop.store.sources import coerce
from cineloop.store.sources.dialect import Dialect

WORDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "plays": ("kind", schema.PLAY_KINDS),
    "feedback": ("kind", schema.FEEDBACK_KINDS),
    "titles": ("kind", schema.TITLE_KINDS),
    "releases": ("channel", schema.CHANNELS),
    "editorial": ("kind", schema.EDITORIAL_KINDS),
}
"""Of each table with a closed vocabulary: the column and its words."""

SKIP = "skip"
"""The kind that leaves a row out."""

ID_COLUMNS = frozenset({"account", "profile", "title", "playable", "parent", "titles"})
"""Columns that hold `source:id` ids, which get the mapping's name as prefix."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cell(_Part):
    """Where a column of the table comes from; a plain string in the file means `{ column = "..." }`."""

    column: str = Field(description="the column of the file")
    time: Literal["s", "ms", "us", "iso"] | None = Field(
        default=None,
        description="epoch in s, ms or us, or ISO 8601; not needed for Parquet timestamps",
    )
    timezone: str | None = Field(default=None, description="zone of times without one, as in Europe/Paris")
    separator: str | None = Field(
        default=None, description="what separates the elements of a list written as text"
    )
    nulls: tuple[str, ...] = Field(
        default=(), description="values that mean unknown; an empty one always does"
    )
    scale: float = Field(default=1.0, description="factor for numbers: 0.001 makes seconds of milliseconds")
    prefix: bool = Field(default=True, description="false where the ids already are source:id")


class File(_Part):
    """How the files are written; the format is told by the suffix: .csv, .tsv (also .gz), .parquet."""

    format: Literal["csv", "tsv", "parquet"] | None = None
    separator: str | None = Field(default=None, description="overrules the format's comma or tab")
    quotes: bool = True
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    names: tuple[str, ...] | None = Field(default=None, description="all columns, for files without a header")

    def dialect(self, suffix: str) -> Dialect:
        """The dialect of a text file with this suffix."""
        tab = self.format == "tsv" or (self.format is None and suffix == ".tsv")
        return Dialect(
            self.separator or ("\t" if tab else ","), self.quotes, self.names is None, self.encoding
        )


class Completion(_Part):
    """Share watched = seconds / runtime, at most 1; unknown where the runtime is zero or unknown."""

    runtime: str = Field(description="the column of the file with the runtime")
    unit: Literal["seconds", "minutes"] = "seconds"


def _plain(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class Mapping(_Part):
    """A whole mapping file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="prefix of the ids")
    table: Literal["plays", "feedback", "impressions", "titles", "releases"]
    licence: str = "the owner's own data"
    file: File = File()
    columns: dict[str, Annotated[Cell, BeforeValidator(_plain)]] = {}
    constants: dict[str, str | bool | int | float | datetime | date] = {}
    kinds: dict[str, str] = Field(
        default={}, description="the source's word = the table's; `skip` leaves the row out"
    )
    completion: Completion | None = None
    confidence: dict[str, float] = Field(
        default={}, description="completion at least = confidence; plays only"
    )

    def steps(self) -> tuple[tuple[float, float], ...]:
        """(completion at least, confidence), ascending."""
        return tuple(sorted((float(least), value) for least, value in self.confidence.items()))


def load(path: Path) -> Mapping:
    """Read a mapping file and check it against the table it fills.

    Raises `InputError` naming the file, the line, the key, its value and what is accepted.
    """
    try:
        text = path.read_bytes().decode()
        raw = tomllib.loads(text)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=path) from error
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8", file=path, accepted="a TOML mapping") from error
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        told = str(error).partition("(at line ")
        number = told[2].split(",")[0]
        line = int(number) if number.isdigit() else None
        what = f"not TOML: {told[0].strip()}"
        raise InputError(what, file=path, line=line, accepted="a TOML mapping") from error
    try:
        mapping = Mapping.model_validate(raw)
    except ValidationError as error:
        raise _told(path, text, error) from error
    except RecursionError as error:
        raise InputError("nested too deeply", file=path, accepted="a mapping") from error
    _check(path, text, mapping)
    return mapping


def _line_of(text: str, place: tuple[str, ...]) -> int | None:
    """The line that sets the last name of a place such as ("columns", "title")."""
    heading, under = ".".join(place[:-1]), ""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line.startswith("[") and line.rstrip("] ").lstrip("[ ") == ".".join(place):
            return number
        if line.startswith("["):
            under = line.strip("[] ")
        elif under == heading and line.split("=")[0].strip().strip("\"'") == place[-1]:
            return number
    return _line_of(text, place[:-1]) if len(place) > 2 else None


def _told(path: Path, text: str, error: ValidationError) -> InputError:
    """The first thing wrong, in one line."""
    first = error.errors(include_url=False)[0]
    place = tuple(str(part) for part in first["loc"] if not str(part).startswith("function-"))
    accepted: str | None = None
    what = str(first["msg"]).removeprefix("Input should be ").removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        parts: dict[str, type[_Part]] = {"file": File, "completion": Completion, "columns": Cell}
        part = parts.get(place[0], Mapping) if len(place) > 1 else Mapping
        what, accepted = "unknown key", ", ".join(part.model_fields)
    elif first["type"] == "missing":
        what, accepted = "the key is missing", ", ".join(Mapping.model_fields) if len(place) == 1 else None
    else:
        what, accepted = "not accepted", what
    value = first.get("input")
    if first["type"] == "missing" or isinstance(value, dict):
        value = None
    # a value that fits none of several types is told once, at the key itself
    place = place[:2] if place[:1] == ("constants",) else place
    return InputError(what, path, _line_of(text, place), ".".join(place), value, accepted)


def _check(path: Path, text: str, mapping: Mapping) -> None:
    """What only the table can tell: unknown columns, missing ones, kinds outside the vocabulary."""
    table = schema.TABLES[mapping.table]

    def refuse(
        place: tuple[str, ...], what: str, value: object = None, accepted: str | None = None
    ) -> InputError:
        return InputError(what, path, _line_of(text, place), ".".join(place), value, accepted)

    given = {**mapping.columns, **mapping.constants}
    for group, names in (("columns", mapping.columns), ("constants", mapping.constants)):
        for name in names:
            if name not in table.columns:
                raise refuse((group, name), f"no column of {table.name}", None, ", ".join(table.columns))
    types = pl.DataFrame(table.schema.empty_table()).schema
    for name, value in mapping.constants.items():
        if coerce.constant(value, types[name]) is None:
            accepted = "a date, or a time with its zone" if types[name] == pl.Datetime else str(types[name])
            raise refuse(("constants", name), "no value of this column", value, accepted)
    for name in sorted(mapping.columns.keys() & mapping.constants.keys()):
        raise refuse(("constants", name), "set in columns and in constants", None, "one of them")
    for name, cell in mapping.columns.items():
        kind = table.schema.field(name).type
        place = ("columns", name)
        if cell.timezone is not None:
            try:
                ZoneInfo(cell.timezone)
            except (KeyError, ValueError, OSError) as error:
                raise refuse(place, "no such timezone", cell.timezone, "like Europe/Paris or UTC") from error
        if (cell.time or cell.timezone) and not pa.types.is_timestamp(kind):
            raise refuse(place, "time and timezone are for columns of time", None, "neither")
        if cell.separator is not None and not pa.types.is_list(kind):
            raise refuse(place, "separator is for columns of lists", cell.separator, "none")
        if cell.separator == "":
            raise refuse(place, "an empty separator", cell.separator, "like |")
        if not math.isfinite(cell.scale) or cell.scale <= 0:
            raise refuse(place, "not a scale", cell.scale, "a number above 0")
    implied = _implied(mapping)
    for column in table.schema:
        if not column.nullable and column.name not in given and column.name not in implied:
            accepted = f"an entry in columns or constants ({table.doc(column.name)})"
            raise refuse(("columns", column.name), f"{table.name} needs this column", None, accepted)
    _check_words(mapping, refuse)
    if mapping.completion is not None and (mapping.table != "plays" or "seconds" not in mapping.columns):
        raise refuse(("completion", "runtime"), "completion needs plays with columns.seconds")
    if mapping.completion is not None and "completion" in given:
        raise refuse(("columns", "completion"), "completion is set twice", None, "the column or [completion]")
    if mapping.confidence:
        if "completion" not in given and mapping.completion is None:
            raise refuse(
                ("confidence",), "confidence needs a completion", None, "columns.completion or [completion]"
            )
        if "confidence" in given:
            raise refuse(
                ("columns", "confidence"), "confidence is set twice", None, "the column or [confidence]"
            )
        for least, value in mapping.confidence.items():
            try:
                sound = 0.0 <= float(least) <= 1.0
            except ValueError:
                sound = False
            if not sound:
                raise refuse(("confidence", least), "not a share watched", least, "a number from 0 to 1")
            if not 0.0 <= value < math.inf:
                raise refuse(("confidence", least), "not a confidence", value, "a number from 0")


def _implied(mapping: Mapping) -> set[str]:
    """Columns that others stand in for: account and profile each other, known_at the event's own time."""
    given = mapping.columns.keys() | mapping.constants.keys()
    pairs = (("account", "profile"), ("profile", "account"), ("known_at", "happened_at"))
    return {missing for missing, there in pairs if there in given}


def _check_words(mapping: Mapping, refuse: Any) -> None:
    column, words = WORDS.get(mapping.table, ("", ()))
    if mapping.kinds and column not in mapping.columns:
        raise refuse(("kinds",), "kinds without a column to translate", None, f"columns.{column or 'kind'}")
    for word, kind in mapping.kinds.items():
        if kind not in (*words, SKIP):
            raise refuse(("kinds", word), f"no {column} of {mapping.table}", kind, ", ".join((*words, SKIP)))
    if column in mapping.constants and mapping.constants[column] not in words:
        value = mapping.constants[column]
        raise refuse(("constants", column), f"no {column} of {mapping.table}", value, ", ".join(words))
