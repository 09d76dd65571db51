"""Editors' hand on the page: which pins, boosts, blocks and rows of theirs hold at a moment, in a territory.

Of several rows with one id the last known counts, so that an act is changed by writing it again and taken back by a
row of kind `withdraw`. Where two acts that hold disagree, a block beats a pin and a boost; else the one known later
wins, and of two known at the same time the one whose id comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import polars as pl

TOP = "top-picks"
"""Where a pin stands that names no row: the row of what ranks highest, or of what is popular for a newcomer."""


@dataclass(frozen=True)
class Pin:
    """A title at a place, from 0, in the first row of that kind, name or heading."""

    title: str
    row: str
    position: int
    by: str
    note: str | None = None
    until: datetime | None = None

    def reason(self, now: datetime) -> str:
        """Why it is there, as a member may read it."""
        return f"pinned by {self.by}{_until(self.until, now)}"


@dataclass(frozen=True)
class Boost:
    """A title that is to rank higher (factor above 1) or lower; `play/rows.py` says by how much."""

    title: str
    factor: float
    by: str
    until: datetime | None = None

    def reason(self, now: datetime) -> str:
        """Why it stands higher or lower."""
        return f"boosted ×{self.factor:g} by {self.by}{_until(self.until, now)}"


@dataclass(frozen=True)
class EditorialRow:
    """A row of the editors' own: `titles` in their order, at a place of the page; None: below all others."""

    name: str
    heading: str
    position: int | None
    titles: tuple[str, ...]
    by: str
    until: datetime | None = None

    def reason(self, now: datetime) -> str:
        """Why its titles are there."""
        return f"our editors' row, chosen by {self.by}{_until(self.until, now)}"


@dataclass(frozen=True)
class Hand:
    """All that holds at once: at most one pin a title and a place, one boost a title; rows from the top down."""

    pins: tuple[Pin, ...] = ()
    boosts: Mapping[str, Boost] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()
    rows: tuple[EditorialRow, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pins or self.boosts or self.blocked or self.rows)


@dataclass(frozen=True, eq=False)
class Editorial:
    """The editors' acts: rows of the table `editorial`, the last known of each id, by id."""

    acts: pl.DataFrame

    @classmethod
    def of(cls, rows: pl.DataFrame) -> Editorial:
        """From rows of the table, in any order. Of rows of one id known at the same time, a withdrawal counts."""
        late = rows.with_columns((pl.col("kind") == "withdraw").alias("_withdrawn"))
        # the other columns break ties that are left, so that the order of the rows never counts
        ties = [c for c in rows.columns if c not in ("id", "known_at", "happened_at", "seq")]
        order = ["known_at", "happened_at", "seq", "_withdrawn", *ties]
        return cls(late.sort(order).unique("id", keep="last").drop("_withdrawn").sort("id"))

    @cached_property
    def standing(self) -> pl.DataFrame:
        """The acts that were not taken back, by id."""
        return self.acts.filter(pl.col("kind") != "withdraw")

    def at(self, now: datetime, territory: str | None) -> Hand:
        """What holds at a moment in a territory; without a territory, only what holds everywhere."""
        if self.standing.is_empty():
            return Hand()
        everywhere = pl.col("territory").is_null()
        here = everywhere if territory is None else everywhere | (pl.col("territory") == territory)
        moment = pl.lit(now).dt.convert_time_zone("UTC")
        holding = self.standing.filter(
            here,
            pl.col("starts_at").is_null() | (pl.col("starts_at") <= moment),
            pl.col("ends_at").is_null() | (pl.col("ends_at") > moment),
        )
        latest = holding.sort(["known_at", "id"], descending=[True, False]).to_dicts()
        of_kind = {kind: [act for act in latest if act["kind"] == kind] for kind in ("pin", "boost", "row")}
        blocked = frozenset(act["title"] for act in latest if act["kind"] == "block")
        return Hand(
            pins=_pins(act for act in of_kind["pin"] if act["title"] not in blocked),
            boosts=_boosts(act for act in of_kind["boost"] if act["title"] not in blocked),
            blocked=blocked,
            rows=_rows(of_kind["row"], blocked),
        )


def _pins(latest: Iterable[dict[str, Any]]) -> tuple[Pin, ...]:
    titles: set[str] = set()
    places: dict[tuple[str, int], Pin] = {}
    for act in latest:
        place = (act["row"] or TOP, act["position"] or 0)
        if act["title"] not in titles and place not in places:
            titles.add(act["title"])
            places[place] = Pin(act["title"], *place, act["by"], act["note"], act["ends_at"])
    return tuple(places[place] for place in sorted(places))


def _boosts(latest: Iterable[dict[str, Any]]) -> dict[str, Boost]:
    found: dict[str, Boost] = {}
    for act in latest:
        found.setdefault(act["title"], Boost(act["title"], act["factor"], act["by"], act["ends_at"]))
    return dict(sorted(found.items()))


def _rows(latest: list[dict[str, Any]], blocked: frozenset[str]) -> tuple[EditorialRow, ...]:
    """A row needs an act that defines it and a title; a title at two places stands where the later act says."""
    titles: dict[str, dict[str, tuple[int, int]]] = {}
    for age, act in enumerate(latest):
        if act["title"] is not None and act["title"] not in blocked:
            place = 2**31 if act["position"] is None else act["position"]
            titles.setdefault(act["row"], {}).setdefault(act["title"], (place, age))
    found: dict[str, EditorialRow] = {}
    for act in latest:
        name = act["row"]
        if act["title"] is None and name in titles and name not in found:
            of_row = titles[name]
            ordered = tuple(sorted(of_row, key=lambda t: of_row[t]))
            found[name] = EditorialRow(
                name, act["heading"], act["position"], ordered, act["by"], act["ends_at"]
            )
    return tuple(sorted(found.values(), key=lambda r: (r.position is None, r.position or 0, r.name)))


def _until(ends: datetime | None, now: datetime) -> str:
    """The last day it holds, with the year where it is another; nothing where it is open."""
    if ends is None:
        return ""
    last = ends - timedelta(microseconds=1)
    return f" until {last:%-d %B}" + (f" {last:%Y}" if last.year != now.year else "")
