"""EMA Avails: what a distributor offers where, when and under which licence, as rows of `releases`.

The Entertainment Merchants Association's spreadsheet, as published by MovieLabs (movielabs.com/md/avails, versions
1.6 to 1.9): a row says that a title is offered in a territory under a licence from a start to an end. Prices, formats
and languages are not looked at; the rows of one offer in SD, HD and UHD become one window. Collections are not taken:
a collection's offer is not one of the titles in it, which have rows of their own.

A sheet that comes later corrects an earlier one: a row with another end for the same title, territory, licence and
start supersedes it, and a `Full Delete` puts a window in its place that has never been open, so that the title is
not taken for one without windows, which may be shown anywhere. `avails_windows` does that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from cineloop.errors import InputError
from cineloop.store.check import frame_schema
from cineloop.store.snapshot import Snapshot
from cineloop.store.sources.avails_cells import ALWAYS_KNOWN, BrokenCell, Reading, channel, deletes
from cineloop.store.sources.avails_sheet import Record, read_records
from cineloop.store.sources.avails_territories import territories
from cineloop.store.sources.avails_windows import NEVER, Said, Window, rows
from cineloop.store.sources.source import LINE, Batch, OneFile, Reject

__all__ = ["NEVER", "Avails"]


@dataclass(frozen=True)
class Avails(OneFile):
    """One workbook or CSV of avails.

    `key` is the column whose value, after `name:`, is the title's id (default: the content id of the row's work,
    else its ALID). `titles` makes rows of `titles` too. Times without a zone are in `timezone`. An end that is a day
    without a time is the first moment after the window, unless `through` says that the day belongs to it. `after` is
    the snapshot that the sheet comes on top of, for what it corrects there.
    """

    path: Path
    name: str
    key: str | None = None
    titles: bool = False
    known_at: datetime | None = None
    timezone: str = "UTC"
    through: bool = False
    after: Snapshot | None = field(default=None, repr=False, compare=False)

    licence = "the distributor's, under your agreement with it"

    def __post_init__(self) -> None:
        if not self.name:
            raise InputError("ids need their source's name", field="name", accepted="a word such as acme")
        if not self.path.is_file():
            raise InputError("no such file", file=self.path, accepted="EMA Avails as XLSX or CSV")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            accepted = "a zone such as Europe/Berlin"
            raise InputError(
                "no such zone", field="timezone", value=self.timezone, accepted=accepted
            ) from error

    def settings(self) -> dict[str, Any]:
        """What decides the rows; `rules` grows when the same settings make other rows of a file."""
        return {
            "source": "avails",
            "key": self.key,
            "titles": self.titles,
            "known_at": None if self.known_at is None else self.known_at.isoformat(),
            "timezone": self.timezone,
            "through": self.through,
            "rules": 2,
        }

    def read(self) -> Iterator[Batch]:
        """The windows, and the titles where they are asked for. The whole sheet is held in memory."""
        records = list(read_records(self.path))
        if self.key is not None and records and not any(self.key in r.values for r in records):
            accepted = "a column of the sheet"
            raise InputError(
                "the column is not in the file", file=self.path, field=self.key, accepted=accepted
            )
        reading = Reading(self.name, self.key, self.known_at, self.timezone, self.through)
        said, rejects = Said(), []
        names: dict[str, dict[str, Any]] = {}
        on_sale = _on_sale(reading, records)
        for record in records:
            try:
                title, licence = reading.title(record), channel(record)
                if self.titles:
                    names.setdefault(title, reading.named(record, title))
                _hear(said, reading, record, title, licence, on_sale)
            except BrokenCell as broken:
                rejects.append(Reject(record.file, record.line, *broken.reject))
        releases = list(rows(said, self.after, self.known_at or ALWAYS_KNOWN))
        done = 0 if self.titles else self.total
        yield Batch("releases", _frame("releases", releases), tuple(rejects), done)
        if self.titles:
            yield Batch("titles", _frame("titles", list(names.values())), (), self.total)


def _hear(
    said: Said,
    reading: Reading,
    record: Record,
    title: str,
    licence: str,
    on_sale: dict[tuple[str, str | None], datetime],
) -> None:
    """Note what a row says; nothing of it where a cell is broken."""
    where, starts, taken_back = territories(record), reading.start(record), deletes(record)
    if taken_back:
        for territory in (None,) if where.world else where.offered:
            said.takes_back(Window(title, territory, licence, starts), record.line, world=where.world)
        return
    anywhere = on_sale.get((title, None))
    ends = {t: reading.end(record, on_sale.get((title, t), anywhere)) for t in where.offered}
    for end in ends.values():
        if starts is not None and end is not None and end <= starts:
            raise BrokenCell("End", record.values.get("End"), "not later than Start", "a later moment")
    for territory, end in ends.items():
        said.opens(Window(title, territory, licence, starts), end, record.line, world=where.world)


def _on_sale(reading: Reading, records: list[Record]) -> dict[tuple[str, str | None], datetime]:
    """When the sale of each title begins in each territory: where its pre-orders end."""
    found: dict[tuple[str, str | None], datetime] = {}
    for record in records:
        try:
            if record.text("LicenseType") == "EST" and (starts := reading.start(record)) is not None:
                for territory in territories(record).offered:
                    key = (reading.title(record), territory)
                    found[key] = min(starts, found.get(key, starts))
        except BrokenCell:
            continue  # it is rejected where it is read as a window
    return found


def _frame(table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {**frame_schema(table), LINE: pl.Int64()}
    named = {name: kind for name, kind in schema.items() if not rows or name in rows[0]}
    return pl.DataFrame(rows, schema=named)
