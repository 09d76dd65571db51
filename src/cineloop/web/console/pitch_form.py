"""The form of a pitch as people fill it in: what was typed, the pitch it makes, and what is wrong beside its field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import QueryParams

from cineloop.pitch.brief import Pitch

TEXTS = ("name", "synopsis", "certificate", "country", "language")
NUMBERS = ("budget", "runtime")
DAYS = ("release", "decided")
LISTS = ("genres", "companies", "directors", "writers", "cast")
CHANGED = (
    "budget",
    "genres",
    "release",
    "certificate",
    "runtime",
    "country",
    "companies",
    "cast",
    "directors",
)
"""Fields that the page's what-if offers."""

MOST_CHANGES = 3
_AMOUNT = re.compile(
    r"^\$?\s*([0-9][0-9,_ ]*(?:\.[0-9]+)?)\s*(k|m|mn|million|b|bn|billion)?\s*(?:usd|\$)?$", re.I
)
_UNITS = {"k": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6, "b": 1e9, "bn": 1e9, "billion": 1e9}


@dataclass(frozen=True)
class Form:
    """What was typed by field; `wrong` says what can't be taken, by field ("" for the whole); the pitch if all can."""

    typed: Mapping[str, str]
    wrong: Mapping[str, str]
    pitch: Pitch | None
    changes: tuple[Mapping[str, Any], ...] = ()
    rows: tuple[tuple[str, str, str], ...] = ()
    """The what-if as typed: (field, value, what is wrong with it)."""

    @property
    def asked(self) -> bool:
        """Whether anything was typed at all."""
        return bool(self.typed.get("name") or self.wrong)


def read(said: QueryParams, today: date) -> Form:
    """The form out of an address; `today` is the decision's day where none is said."""
    fields = (*TEXTS, *NUMBERS, *DAYS, *LISTS, "moment", "franchise", "earlier")
    typed = {name: str(said.get(name, "")).strip() for name in fields}
    typed["moment"] = typed["moment"] or "greenlight"
    if not any(name in said for name in fields):
        return Form(typed | {"decided": today.isoformat()}, {}, None, rows=_rows(said)[1])
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {"moment": typed["moment"]}
    for name in (*TEXTS, *NUMBERS, *DAYS, *LISTS):
        if typed[name]:
            try:
                values[name] = value_of(name, typed[name])
            except ValueError as bad:
                wrong[name] = str(bad)
    if not typed["decided"]:
        typed["decided"] = today.isoformat()
        values["decided"] = today
    if typed["franchise"] == "continues":
        values["franchise"] = typed["earlier"] or True
    elif typed["franchise"] == "new":
        values["franchise"] = False
    changes, rows = _rows(said)
    pitch = None
    try:
        made = Pitch.model_validate({"decided": today} | values)
        pitch = None if wrong else made
    except ValidationError as bad:
        for error in bad.errors():
            field = str(error["loc"][0]) if error["loc"] else _meant(error["msg"])
            wrong.setdefault(field, _plainly(error))
    return Form(typed, wrong, pitch, changes, rows)


def value_of(field: str, text: str) -> Any:
    """What was typed into a field, as a pitch has it; ValueError in words where it is none.

    >>> value_of("budget", "$60M"), value_of("budget", "1,500,000"), value_of("genres", "Action, Drama")
    (60000000.0, 1500000.0, ('Action', 'Drama'))
    """
    if field == "budget":
        found = _AMOUNT.match(text)
        if found is None:
            raise ValueError("needs an amount in US dollars, such as 60M or 1,500,000")
        return float(re.sub(r"[,_ ]", "", found[1])) * _UNITS.get((found[2] or "").lower(), 1.0)
    if field in NUMBERS:
        try:
            return float(text.replace(",", ""))
        except ValueError:
            raise ValueError("needs minutes, such as 118") from None
    if field in DAYS:
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise ValueError("needs a date, such as 2027-07-16") from None
    if field in LISTS:
        parts = re.split(r"[;\n]" if ";" in text else r"[,\n]", text)
        return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    return text


def _rows(said: QueryParams) -> tuple[tuple[Mapping[str, Any], ...], tuple[tuple[str, str, str], ...]]:
    """The changes that can be tried, and all rows as typed."""
    changes: list[Mapping[str, Any]] = []
    rows = []
    pairs = zip(said.getlist("change"), said.getlist("to"), strict=False)
    for field, text in list(pairs)[:MOST_CHANGES]:
        text, bad = text.strip(), ""
        if text and field in CHANGED:
            try:
                changes.append({field: value_of(field, text)})
            except ValueError as wrong:
                bad = str(wrong)
        rows.append((field if field in CHANGED else "", text, bad))
    offered: Sequence[str] = ("budget", "genres", "release")
    rows += [(offered[n], "", "") for n in range(len(rows), MOST_CHANGES)]
    return tuple(changes), tuple(rows)


def _meant(said: str) -> str:
    """The field that a complaint about the whole pitch is shown at."""
    return "release" if "release" in said else ""


def _plainly(error: Any) -> str:
    """What pydantic found, in the form's words."""
    kind, limits = error["type"], error.get("ctx", {})
    if kind == "string_too_short" or kind == "missing":
        return "is needed"
    if kind == "greater_than":
        return f"has to be above {limits['gt']:g}"
    if kind == "less_than_equal":
        return f"has to be at most {limits['le']:,.0f}"
    if kind == "string_too_long":
        return f"has to be at most {limits['max_length']:,} letters"
    return str(error["msg"]).removeprefix("Value error, ")
