"""Cells of an avails row as values: whose row it is, under which licence, from when to when, and what the title is.

The vocabulary is MovieLabs' own (EMA Avails, TR-META-AVAIL 2.5, as its validator has it).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from cineloop.store.sources.avails_sheet import Cell, Record
from cineloop.store.sources.source import LINE

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
"""WorkType -> kind of `titles`. A collection is none: it is sold as one, and what it holds has rows of its own."""

ALWAYS_KNOWN = datetime(1970, 1, 1, tzinfo=UTC)
"""What `known_at` is where nobody says when a sheet came: it carries no date of its own."""
_DELETES = ("full delete", "delete")
_TAKES = ("full extract", "create", "update", "")
_IDS = ("ContentID", "ALID")


class BrokenCell(Exception):  # noqa: N818 - it becomes a reject
    """A value that can't be taken; `reject` is (field, value, what is wrong, what is accepted)."""

    def __init__(self, field: str, value: object, what: str, accepted: str) -> None:
        super().__init__(what)
        self.reject = (field, None if value is None else str(value)[:200], what, accepted)


@dataclass(frozen=True)
class Reading:
    """How a sheet's cells are read: by the source's settings, which `Avails` explains."""

    name: str
    key: str | None
    known_at: datetime | None
    timezone: str
    through: bool

    def title(self, record: Record) -> str:
        """The title's id."""
        work = record.text("WorkType")
        if work not in KINDS:
            raise BrokenCell("WorkType", work, "not a title of its own", ", ".join(KINDS))
        names = (self.key,) if self.key is not None else _content_ids(work)
        found = record.text(*names)
        if found is None:
            raise BrokenCell(names[0], None, "no id", f"the title's id in {' or '.join(names)}")
        return f"{self.name}:{found}"

    def start(self, record: Record) -> datetime | None:
        """The first moment; None: open since ever."""
        value = record.values.get("Start")
        if _word(value) == "open":
            return None
        if _word(value) == "immediate":
            return self.known_at
        return self._moment("Start", value, "a date, a time, Open or Immediate", through=False)

    def end(self, record: Record, on_sale: datetime | None) -> datetime | None:
        """The moment after the last; None: open. `on_sale` is when the title's sale begins, where pre-orders end."""
        value = record.values.get("End")
        if _word(value) == "open":
            return None
        if _word(value) == "eststart":
            if on_sale is None:
                accepted = "a date or a time"
                raise BrokenCell("End", value, "the sheet has no EST row of this title here", accepted)
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
                raise BrokenCell(field, value, "not a moment", accepted)
            try:
                at = datetime.fromisoformat(text)
            except ValueError as error:
                raise BrokenCell(field, value, "not a moment", accepted) from error
        if not 1800 < at.year < 2200:
            raise BrokenCell(field, value, "not a year of film", "the years 1801 to 2199")
        if day and through:
            at += timedelta(days=1)
        return (at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(self.timezone))).astimezone(UTC)

    def named(self, record: Record, title: str) -> dict[str, Any]:
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
            raise BrokenCell(f"{own}TitleDisplayUnlimited", None, "no name", "the title as shown to members")
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
            "runtime": minutes(record.values.get("TotalRunTime")),
            "known_at": self.known_at or ALWAYS_KNOWN,
            LINE: record.line,
        }


def channel(record: Record) -> str:
    """The channel of a row's licence."""
    licence = record.text("LicenseType")
    if licence is None or licence.upper() not in CHANNEL:
        raise BrokenCell("LicenseType", licence, "no such licence", ", ".join(CHANNEL))
    return CHANNEL[licence.upper()]


def deletes(record: Record) -> bool:
    """Whether the row takes an offer back; without a word it makes one."""
    entry = (record.text("EntryType") or "").lower()
    if entry not in (*_DELETES, *_TAKES):
        accepted = "Full Extract, Create, Update, Full Delete, Delete"
        raise BrokenCell("EntryType", record.text("EntryType"), "no such entry", accepted)
    return entry in _DELETES


def minutes(value: Cell) -> float | None:
    """A running time, `PT1H32M` or `1:32:00`, in minutes.

    >>> minutes("PT1H32M30S"), minutes("01:32:30")
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
        raise BrokenCell("TotalRunTime", value, "not a running time", "PT1H32M or 1:32:00")
    hours, mins, seconds = (
        int(n or 0) for n in (found.groups()[:3] if found[4] is None else found.groups()[3:])
    )
    return hours * 60 + mins + seconds / 60


def _content_ids(work: str) -> tuple[str, ...]:
    own = (f"{work}ContentID",) if work in ("Series", "Season", "Episode") else ()
    return (*own, *_IDS)


def _word(value: Cell) -> str:
    return value.lower() if isinstance(value, str) else ""


def _whole(field: str, text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}", text):
        raise BrokenCell(field, text, "not a number", "a whole number")
    return int(text)
