"""EMA Avails: what a distributor offers where, when and under which licence, as rows of `releases`.

The Entertainment Merchants Association's spreadsheet, as published by MovieLabs (movielabs.com/md/avails, versions
1.6 to 1.9): a row says that a title is offered in a territory under a licence from a start to an end. Prices, formats
and languages are not looked at; the rows of one offer in SD, HD and UHD become one window.

A sheet that comes later corrects an earlier one: a row with another end for the same title, territory, licence and
start supersedes it, and a `Full Delete` puts a window in its place that has never been open, so that the title is
not taken for one without windows, which may be shown anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from cineloop.errors import InputError
from cineloop.store.check import frame_schema
from cineloop.store.hashing import hex_ids, row_ids
from cineloop.store.snapshot import Snapshot
from cineloop.store.sources.avails_sheet import Cell, Record, read_records
from cineloop.store.sources.source import LINE, Batch, Reject

CHANNEL = {
    "EST": "est",
    "POEST": "est",  # sold before it can be watched
    "VOD": "tvod",
    "TVOD": "tvod",
    "PVOD": "pvod",
    "SVOD": "svod",
    "AVOD": "avod",
    "FVOD": "avod",
}
"""LicenseType -> channel of `releases`."""

KINDS = {
    "Movie": "film",
    "Short": "film",
    "Series": "series",
    "Season": "season",
    "Episode": "episode",
    "Non-episodic Show": "film",
}
"""WorkType -> kind of `titles`."""

ALWAYS_KNOWN = datetime(1970, 1, 1, tzinfo=UTC)
"""What `known_at` is where nobody says when a sheet came: it carries no date of its own."""
NEVER = datetime(1800, 1, 1, tzinfo=UTC)
"""The end of a window that was deleted: before there was film."""
_DELETES = ("full delete", "delete")
_TAKES = ("full extract", "full", "extract", "update", "")
_WORLD = ("WW", "WORLDWIDE", "WORLD")
_IDS = ("ContentID", "ALID")


class Window(NamedTuple):
    """What stays the same when a sheet comes again: whose window it is, where, for what, and from when."""

    title: str
    territory: str | None
    channel: str
    starts_at: datetime | None


class _Broken(Exception):  # noqa: N818 - it becomes a reject
    def __init__(self, field: str, value: object, what: str, accepted: str) -> None:
        super().__init__(what)
        self.reject = (field, None if value is None else str(value)[:200], what, accepted)


@dataclass(frozen=True)
class Avails:
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

    @property
    def files(self) -> tuple[Path, ...]:
        """The one file."""
        return (self.path,)

    @property
    def total(self) -> int:
        """Its bytes."""
        return self.path.stat().st_size

    def settings(self) -> dict[str, Any]:
        """What decides the rows; `rules` grows when the same settings make other rows of a file."""
        return {
            "source": "avails",
            "key": self.key,
            "titles": self.titles,
            "known_at": None if self.known_at is None else self.known_at.isoformat(),
            "timezone": self.timezone,
            "through": self.through,
            "rules": 1,
        }

    def read(self) -> Iterator[Batch]:
        """The windows, and the titles where they are asked for. The whole sheet is held in memory."""
        records = list(read_records(self.path))
        if self.key is not None and records and not any(self.key in r.values for r in records):
            raise InputError(
                "the column is not in the file",
                file=self.path,
                field=self.key,
                accepted="a column of the sheet",
            )
        rejects: list[Reject] = []
        opened: dict[Window, dict[datetime | None, int]] = {}
        deleted: dict[tuple[str, str | None, str], list[tuple[datetime | None, int]]] = {}
        names: dict[str, dict[str, Any]] = {}
        on_sale = self._on_sale(records)
        for record in records:
            try:
                title, channel = self._title(record), _channel(record)
                if self.titles:
                    names.setdefault(title, self._named(record, title))
                for territory in _territories(record):
                    starts = self._start(record)
                    if _deletes(record):
                        deleted.setdefault((title, territory, channel), []).append((starts, record.line))
                        continue
                    ends = self._end(record, on_sale.get((title, territory)))
                    if starts is not None and ends is not None and ends <= starts:
                        raise _Broken(
                            "End", record.values.get("End"), "not later than Start", "a later moment"
                        )
                    opened.setdefault(Window(title, territory, channel, starts), {}).setdefault(
                        ends, record.line
                    )
            except _Broken as broken:
                rejects.append(Reject(record.file, record.line, *broken.reject))
        rows = list(self._windows(opened, deleted))
        yield Batch("releases", _frame("releases", rows), tuple(rejects), 0 if self.titles else self.total)
        if self.titles:
            yield Batch("titles", _frame("titles", list(names.values())), (), self.total)

    def _windows(
        self,
        opened: Mapping[Window, Mapping[datetime | None, int]],
        deleted: Mapping[tuple[str, str | None, str], list[tuple[datetime | None, int]]],
    ) -> Iterator[dict[str, Any]]:
        """Rows for what is new, each superseding what it replaces; what stands already makes none."""
        standing, closed_before = self._standing()
        for window, ends in opened.items():
            before = standing.get(window, {})
            fresh = [end for end in ends if end not in before]
            stale = [identity for end, ids in before.items() if end not in ends for identity in ids]
            stay = fresh or list(ends)
            for i in range(max(len(fresh), len(stale))):
                end = stay[min(i, len(stay) - 1)]
                yield self._row(window, end, ends[end], stale[i] if i < len(stale) else None)
        for offer, starts in deleted.items():
            closed = Window(*offer, None)
            hit = False
            for window, before in standing.items():
                lines = [line for start, line in starts if start is None or start == window.starts_at]
                if window[:3] == offer and window not in opened and lines:
                    hit = True
                    for identity in (identity for ids in before.values() for identity in ids):
                        yield self._row(closed, NEVER, lines[0], identity)
            there = (*standing, *opened, *closed_before)
            if not hit and not any(window[:3] == offer for window in there):
                yield self._row(closed, NEVER, starts[0][1], None)  # deleted before it was ever heard of

    def _row(
        self, window: Window, ends: datetime | None, line: int, supersedes: str | None
    ) -> dict[str, Any]:
        return {
            **window._asdict(),
            "ends_at": ends,
            # a window that comes back as it was before it was corrected must not be taken for that very row
            "seq": (self.after.rows("releases") or None) if self.after is not None else None,
            "known_at": self.known_at or ALWAYS_KNOWN,
            "supersedes": supersedes,
            LINE: line,
        }

    def _standing(self) -> tuple[dict[Window, dict[datetime | None, list[str]]], set[Window]]:
        """Ends of the windows that are known, with the ids of their rows; and those that were deleted."""
        found: dict[Window, dict[datetime | None, list[str]]] = {}
        closed: set[Window] = set()
        if self.after is not None:
            rows = self.after.scan("releases").collect()
            ids = hex_ids(row_ids(rows, "releases"))
            for row, identity in zip(rows.select(*Window._fields, "ends_at").iter_rows(), ids, strict=True):
                window, end = Window(*row[:-1]), row[-1]
                if end == NEVER:
                    closed.add(window)
                else:
                    found.setdefault(window, {}).setdefault(end, []).append(identity)
        return found, closed

    def _on_sale(self, records: list[Record]) -> dict[tuple[str, str | None], datetime]:
        """When the sale of each title begins in each territory: where its pre-orders end."""
        found: dict[tuple[str, str | None], datetime] = {}
        for record in records:
            try:
                if record.text("LicenseType") == "EST" and (starts := self._start(record)) is not None:
                    for territory in _territories(record):
                        key = (self._title(record), territory)
                        found[key] = min(starts, found.get(key, starts))
            except _Broken:
                continue  # it is rejected where it is read as a window
        return found

    def _title(self, record: Record) -> str:
        work = record.text("WorkType")
        if work not in KINDS:
            raise _Broken("WorkType", work, "not a title of its own", ", ".join(KINDS))
        names = (self.key,) if self.key is not None else _content_ids(work)
        found = record.text(*names)
        if found is None:
            raise _Broken(names[0], None, "no id", f"the title's id in {' or '.join(names)}")
        return f"{self.name}:{found}"

    def _start(self, record: Record) -> datetime | None:
        value = record.values.get("Start")
        if _word(value) == "open":
            return None
        if _word(value) == "immediate":
            return self.known_at
        return self._moment("Start", value, "a date, a time, Open or Immediate", through=False)

    def _end(self, record: Record, on_sale: datetime | None) -> datetime | None:
        value = record.values.get("End")
        if _word(value) == "open":
            return None
        if _word(value) == "eststart":
            if on_sale is None:
                raise _Broken("End", value, "the sheet has no EST row of this title here", "a date or a time")
            return on_sale
        return self._moment("End", value, "a date, a time, Open or ESTStart", through=self.through)

    def _moment(
        self, field: Literal["Start", "End"], value: Cell, accepted: str, *, through: bool
    ) -> datetime:
        if isinstance(value, datetime):
            # a date cell of a workbook comes as midnight; a typed midnight means the same
            at, day = value, value.time() == datetime.min.time() and value.tzinfo is None
        elif isinstance(value, date):
            at, day = datetime(value.year, value.month, value.day), True
        else:
            text = "" if value is None else str(value)
            day = bool(re.fullmatch(r"\d{4}-\d{2}-\d{2}", text))
            if not day and not re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}.*", text):
                raise _Broken(field, value, "not a moment", accepted)
            try:
                at = datetime.fromisoformat(text)
            except ValueError as error:
                raise _Broken(field, value, "not a moment", accepted) from error
        if not 1800 < at.year < 2200:
            raise _Broken(field, value, "not a year of film", "the years 1801 to 2199")
        if day and through:
            at += timedelta(days=1)
        return (at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(self.timezone))).astimezone(UTC)

    def _named(self, record: Record, title: str) -> dict[str, Any]:
        """The row of `titles`. A season's parent is its series, an episode's its season, by their content ids."""
        work = record.text("WorkType") or ""
        own = work if work in ("Series", "Season", "Episode") else ""
        name = record.text(
            *(f"{own}{column}" for column in ("TitleDisplayUnlimited", "TitleInternalAlias")),
            *("TitleDisplayUnlimited", "TitleInternalAlias"),
        )
        number = record.text(f"{own}Number") if own in ("Season", "Episode") else None
        if name is None and number is not None:
            name = f"{own} {number}"
        if name is None:
            raise _Broken(f"{own}TitleDisplayUnlimited", None, "no name", "the title as shown to members")
        above = {"Season": "SeriesContentID", "Episode": "SeasonContentID"}.get(own)
        parent = record.text(above) if above is not None and self.key is None else None
        return {
            "title": title,
            "kind": KINDS[work],
            "parent": None if parent is None else f"{self.name}:{parent}",
            "number": _whole(f"{own}Number", number),
            "name": name,
            "year": _whole("ReleaseYear", record.text("ReleaseYear")),
            "certificate": record.text("RatingValue"),
            "runtime": _minutes(record.values.get("TotalRunTime")),
            "known_at": self.known_at or ALWAYS_KNOWN,
            LINE: record.line,
        }


def _content_ids(work: str) -> tuple[str, ...]:
    own = (f"{work}ContentID",) if work in ("Series", "Season", "Episode") else ()
    return (*own, *_IDS)


def _channel(record: Record) -> str:
    licence = record.text("LicenseType")
    if licence is None or licence.upper() not in CHANNEL:
        raise _Broken("LicenseType", licence, "no such licence", ", ".join(CHANNEL))
    return CHANNEL[licence.upper()]


def _deletes(record: Record) -> bool:
    entry = (record.text("EntryType") or "").lower()
    if entry not in (*_DELETES, *_TAKES):
        raise _Broken("EntryType", record.text("EntryType"), "no such entry", "Full Extract, Full Delete")
    return entry in _DELETES


def _territories(record: Record) -> tuple[str | None, ...]:
    """Countries of a cell, one or several between commas; None: the whole world."""
    text = record.text("Territory") or ""
    if record.text("TerritoryExclusion") is not None:
        said = record.text("TerritoryExclusion")
        raise _Broken("TerritoryExclusion", said, "can't be taken", "the countries that it is offered in")
    if text.upper() in _WORLD:
        return (None,)
    codes = tuple(dict.fromkeys(code.strip() for code in re.split("[,;|]", text)))
    if not all(re.fullmatch("[A-Z]{2}", code) for code in codes):
        raise _Broken(
            "Territory", text or None, "no country", "ISO 3166-1 alpha-2, as in DE; several by commas; WW"
        )
    return codes


def _word(value: Cell) -> str:
    return value.lower() if isinstance(value, str) else ""


def _whole(field: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}", text):
        raise _Broken(field, text, "not a number", "a whole number")
    return int(text)


def _minutes(value: Cell) -> float | None:
    """A running time, `PT1H32M` or `1:32:00`, in minutes.

    >>> _minutes("PT1H32M30S"), _minutes("01:32:30")
    (92.5, 92.5)
    """
    if value is None:
        return None
    if isinstance(value, time):  # as a workbook's cell of that format comes
        value = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second)
    if isinstance(value, timedelta):
        return value.total_seconds() / 60
    found = re.fullmatch(
        r"PT(?:(\d{1,4})H)?(?:(\d{1,4})M)?(?:(\d{1,4})S)?|(\d{1,3}):(\d{2}):(\d{2})", str(value)
    )
    if found is None or not any(found.groups()):
        raise _Broken("TotalRunTime", value, "not a running time", "PT1H32M or 1:32:00")
    hours, minutes, seconds = (
        int(n or 0) for n in (found.groups()[:3] if found[4] is None else found.groups()[3:])
    )
    return hours * 60 + minutes + seconds / 60


def _frame(table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {**frame_schema(table), LINE: pl.Int64()}
    named = {name: kind for name, kind in schema.items() if not rows or name in rows[0]}
    return pl.DataFrame(rows, schema=named)
