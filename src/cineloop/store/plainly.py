"""Rows that are sound at a glance: most of what a client tells is, and a glance costs a fiftieth of a check.

`plainly_sound` says yes only to what `check` says yes to (a test holds that over generated rows); whatever it does not
know goes through `check`, which also says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import pyarrow as pa

from cineloop.store.check import AMOUNTS, WORDS
from cineloop.store.schema import TABLES, TIMESTAMP

Look = Callable[[Any], bool]


def plainly_sound(table: str, row: Mapping[str, Any]) -> bool:
    """Whether a row of plays, feedback or impressions could go into its table as it is."""
    looks, required = _looks(table)
    for name in required:
        if row.get(name) is None:
            return False
    for name, value in row.items():
        if value is not None and not looks[name](value):
            return False
    if table != "impressions":
        return True
    count = len(row["titles"])
    return all(row.get(name) is None or len(row[name]) == count for name in ("positions", "propensities"))


@cache
def _looks(table: str) -> tuple[dict[str, Look], tuple[str, ...]]:
    spec = TABLES[table]
    looks: dict[str, Look] = {}
    for field in spec.schema:
        look = _TYPES.get(field.type, _never)
        if words := WORDS.get((table, field.name)):
            look = _one_of(words) if look is _text else _never
        elif field.name == "completion":
            look = _share
        elif field.name in AMOUNTS:
            look = _amount
        elif field.name == "positions":
            look = _places
        elif field.name == "propensities":
            look = _odds
        elif field.name == "supersedes":
            look = _never  # not a client's
        elif not field.nullable and look is _text:
            look = _word
        looks[field.name] = look
    return looks, tuple(field.name for field in spec.schema if not field.nullable)


def _never(value: Any) -> bool:
    return False


def _one_of(words: tuple[str, ...]) -> Look:
    return lambda value: type(value) is str and value in words


def _text(value: Any) -> bool:
    return type(value) is str


def _word(value: Any) -> bool:
    return type(value) is str and value != ""


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and -1e300 < value < 1e300


def _amount(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 1e300


def _share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _whole(value: Any) -> bool:
    return type(value) is int and -(2**62) < value < 2**62


def _moment(value: Any) -> bool:
    return type(value) is datetime and value.tzinfo is not None and 1970 <= value.year < 2200


def _ids(value: Any) -> bool:
    return type(value) is list and bool(value) and all(type(each) is str for each in value)


def _places(value: Any) -> bool:
    return type(value) is list and all(type(each) is int and 0 <= each < 2**31 for each in value)


def _odds(value: Any) -> bool:
    return type(value) is list and all(type(each) in (int, float) and 0 < each <= 1 for each in value)


_TYPES: dict[pa.DataType, Look] = {
    pa.string(): _text,
    pa.float64(): _finite,
    pa.int64(): _whole,
    TIMESTAMP: _moment,
    pa.list_(pa.string()): _ids,
}
