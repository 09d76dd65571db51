"""Values as a source writes them into values as a table of record holds them, a column at a time.

Each function takes a column of a file (text, or whatever type a Parquet file has) and gives the table's
column and, beside it, which values could not be taken. What is null stays null and is no fault here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from cineloop.errors import InputError

_EARLIEST = datetime(1800, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_PER_SECOND = {"s": 1_000_000, "ms": 1_000, "us": 1}
_TIME = pl.Datetime("us", "UTC")
_ISO = (
    r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    r" ?(Z|z|UTC|[+-]\d{2}(?::?\d{2})?)?$"
)


@dataclass(frozen=True)
class Coerced:
    """A column of the table, which rows of it are broken, and what would be accepted there."""

    values: pl.Series
    broken: pl.Series
    accepted: str


def _judged(raw: pl.Series, values: pl.Series, accepted: str) -> Coerced:
    return Coerced(values, raw.is_not_null() & values.is_null(), accepted)


def text(raw: pl.Series, prefix: str = "") -> Coerced:
    """As text, with a prefix. Raises `InputError` for types whose text is not certain, such as floats."""
    if raw.dtype.is_float() or not _plain(raw.dtype):
        raise InputError(
            "cannot become text", field=raw.name, value=str(raw.dtype), accepted="text or integers"
        )
    values = raw.cast(pl.String)
    if prefix:
        values = pl.select(pl.concat_str(pl.lit(prefix), values)).to_series()
    return Coerced(values, pl.repeat(False, len(raw), dtype=pl.Boolean, eager=True), "text")


def _plain(dtype: pl.DataType) -> bool:
    return dtype in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Date) or dtype.is_integer()


def number(
    raw: pl.Series, scale: float = 1.0, *, least: float | None = None, most: float | None = None
) -> Coerced:
    """As finite doubles times `scale`, within bounds that include their ends."""
    values = _numeric(raw, pl.Float64)
    if scale != 1.0:
        values = values * scale
    sound = values.is_finite()
    accepted = "a finite number"
    if least is not None:
        sound, accepted = sound & (values >= least), f"a number from {least:g}"
    if most is not None:
        sound, accepted = sound & (values <= most), f"a number from {least or 0.0:g} to {most:g}"
    return _judged(raw, _where(values, sound), accepted)


def _where(values: pl.Series, sound: pl.Series) -> pl.Series:
    """The values that are sound, null elsewhere."""
    return pl.select(pl.when(sound).then(values).alias("value")).to_series()


def whole(raw: pl.Series, kind: type[pl.Int32] | type[pl.Int64]) -> Coerced:
    """As whole numbers of 32 or 64 bits; 3.0 is whole, 3.5 is not."""
    if raw.dtype.is_float():
        values = _where(raw, raw == raw.floor()).cast(kind, strict=False)
    else:
        values = _numeric(raw, kind)
    return _judged(raw, values, f"a whole number of {'32' if kind is pl.Int32 else '64'} bits")


def _numeric(raw: pl.Series, kind: type[pl.DataType]) -> pl.Series:
    if raw.dtype == pl.String or raw.dtype in (pl.Categorical, pl.Enum):
        return raw.cast(pl.String).str.strip_chars().cast(kind, strict=False)
    if raw.dtype.is_numeric():
        return raw.cast(kind, strict=False)
    raise InputError(
        "cannot become a number", field=raw.name, value=str(raw.dtype), accepted="text or numbers"
    )


def time(raw: pl.Series, written: str | None, timezone: str | None) -> Coerced:
    """As UTC microseconds, from 1800 to 2199.

    `written` is s, ms or us (since 1970, fractions allowed), iso, or None for a type that is a time already.
    A time without a zone is read in `timezone`: an hour that the autumn repeats is its first, an hour that
    the spring skips is broken, and without `timezone` so is every time that lacks a zone.
    """
    if raw.dtype == pl.Date or raw.dtype == pl.Datetime:
        return _judged(raw, _sane(_from_type(raw, timezone)), _accepted_time(timezone))
    if written is None:
        raise InputError(
            "no time yet", field=raw.name, value=str(raw.dtype), accepted="time = s, ms, us or iso"
        )
    if written == "iso":
        if raw.dtype != pl.String:
            raise InputError("no ISO 8601 text", field=raw.name, value=str(raw.dtype), accepted="text")
        return _judged(raw, _sane(_from_iso(raw, timezone)), _accepted_time(timezone))
    micros = _numeric(raw, pl.Float64) * _PER_SECOND[written]
    least, most = (moment.timestamp() * 1_000_000 for moment in (_EARLIEST, _LATEST))
    micros = _where(micros, micros.is_between(least, most)).round().cast(pl.Int64)
    return _judged(raw, _sane(micros.cast(_TIME)), f"{written} since 1970, of the years 1800 to 2199")


def _accepted_time(timezone: str | None) -> str:
    zone = " with its zone" if timezone is None else ""
    return f"an ISO 8601 date or time{zone}, of the years 1800 to 2199"


def _sane(values: pl.Series) -> pl.Series:
    return _where(values, values.is_between(_EARLIEST, _LATEST, closed="left"))


def _from_type(raw: pl.Series, timezone: str | None) -> pl.Series:
    values = raw.cast(pl.Datetime("us")) if raw.dtype == pl.Date else raw
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is not None:
        return values.cast(_TIME)
    if timezone is None:
        raise InputError("times without a zone", field=raw.name, accepted="timezone = the zone they are in")
    return _zoned(values.cast(pl.Datetime("us")), timezone)


def _zoned(naive: pl.Series, timezone: str) -> pl.Series:
    local = naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    return local.dt.convert_time_zone("UTC")


def _from_iso(raw: pl.Series, timezone: str | None) -> pl.Series:
    parts = raw.str.strip_chars().str.extract_groups(_ISO).struct.unnest()
    day, minute, second, fraction, zone = (parts.to_series(i) for i in range(5))
    written = pl.select(
        pl.concat_str(
            day,
            pl.lit("T"),
            minute.fill_null("00:00"),
            pl.lit(":"),
            second.fill_null("00"),
            pl.lit("."),
            pl.select(pl.lit(fraction).fill_null("0").str.pad_end(9, "0").str.slice(0, 6)).to_series(),
        )
    ).to_series()
    naive = written.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    digits = zone.str.replace_all(r"[^0-9]", "")
    hours = digits.str.slice(0, 2).cast(pl.Int64, strict=False).fill_null(0)
    minutes = digits.str.slice(2, 2).cast(pl.Int64, strict=False).fill_null(0)
    sign = pl.select(pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)).to_series()
    away = _where(sign * (hours * 60 + minutes), (hours < 24) & (minutes < 60)) * 60_000_000
    absolute = (naive.cast(pl.Int64) - away).cast(_TIME)
    if timezone is None:
        return _where(absolute, zone.is_not_null())
    return pl.select(
        pl.when(zone.is_not_null()).then(absolute).otherwise(_zoned(naive, timezone))
    ).to_series()


def listed(raw: pl.Series, kind: pl.DataType, separator: str | None, prefix: str = "") -> Coerced:
    """As lists of text, whole numbers or doubles; a list with an element that is none is broken."""
    if raw.dtype == pl.String:
        if separator is None:
            raise InputError(
                "lists written as text", field=raw.name, accepted="separator = what is between elements"
            )
        lists = raw.str.split(separator)
    elif isinstance(raw.dtype, pl.List):
        lists = raw
    else:
        raise InputError(
            "no list", field=raw.name, value=str(raw.dtype), accepted="lists, or text with a separator"
        )
    inner = lists.dtype.inner if isinstance(lists.dtype, pl.List) else pl.String()
    sample = pl.Series(raw.name, [], dtype=inner)
    element = pl.element()
    if kind == pl.String:
        text(sample)
        made = lists.list.eval(element.cast(pl.String).replace("", None))
        values = made.list.eval(pl.concat_str(pl.lit(prefix), element)) if prefix else made
    else:
        _numeric(sample, pl.Float64)
        if inner == pl.String:
            lists = lists.list.eval(element.str.strip_chars().replace("", None))
        values = lists.list.eval(element.cast(kind, strict=False))
        if kind == pl.Float64:
            values = values.list.eval(pl.when(element.is_finite()).then(element))
    # a number that is not known may stay so; a title may not
    nulls = values.list.eval(element.is_null()).list.sum()
    if kind == pl.String:
        broken = nulls > 0
    else:
        broken = nulls > lists.list.eval(element.is_null()).list.sum()
    broken = broken.fill_null(False)
    accepted = "a list of text" if kind == pl.String else "a list of numbers"
    return Coerced(values, broken, accepted)


Constant = str | bool | int | float | datetime | date


def constant(value: Constant, kind: pl.DataType) -> Constant | None:
    """A mapping's constant as a value of the table; None where it cannot be one.

    >>> constant(date(2003, 3, 1), pl.Datetime("us", "UTC"))
    datetime.datetime(2003, 3, 1, 0, 0, tzinfo=datetime.timezone.utc)
    >>> constant("seven", pl.Float64()) is None
    True
    """
    if kind == pl.Datetime:
        if isinstance(value, datetime):
            return value.astimezone(UTC) if value.tzinfo is not None else None
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
        return None
    if kind == pl.String:
        return value if isinstance(value, str) and value else None
    if kind.is_integer():
        sound = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31
        return value if sound else None
    if kind.is_float():
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return None
