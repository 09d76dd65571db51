"""Netflix's engagement reports, "What We Watched": hours viewed of each title in half a year, as XLSX.

All published layouts: one sheet without views (first half of 2023), then TV and Film, then Shows and Movies with
running times and views. The header stands somewhere in the first rows, where `Hours Viewed` is. A row makes a title
(its series too, where a season is named), its engagement, and where the report has a day and says that the title is
available globally, a window of `releases`. What a report says is known from the day on which it was published.

The first report does not tell films from seasons: there a title is a season where its words name one. Of the titles
of the two later reports this rule puts 86% of the seasons and all but 0.4% of the films where their sheets have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from cineloop.errors import InputError
from cineloop.store.sources.film_rows import film_day, frame_of, midnight
from cineloop.store.sources.report_strings import Kind, ReportString, parse
from cineloop.store.sources.source import LINE, Batch, OneFile, Reject
from cineloop.store.sources.workbook import Row, sheets

PUBLISHED: Mapping[str, date] = {
    "2023H1": date(2023, 12, 12),
    "2023H2": date(2024, 5, 23),
    "2024H1": date(2024, 9, 19),
    "2024H2": date(2025, 2, 26),
    "2025H1": date(2025, 7, 17),
}
"""Half year -> the day its report came out; a report not named here counts as known half a year after its end."""

_TITLE, _GLOBAL, _DAY, _HOURS = "Title", "Available Globally?", "Release Date", "Hours Viewed"
_KINDS: Mapping[str, Kind] = {"tv": "season", "shows": "season", "film": "film", "movies": "film"}
_PERIOD = re.compile(r"\b(January|July)\b.{1,20}\b(June|December)\b\D{0,4}(20\d\d)")
_NAMED = re.compile(r"(20\d\d)[-_ ]?H([12])", re.IGNORECASE)
_HEADERS = 20  # rows among which the header is looked for
_AT_ONCE = 4096


@dataclass(frozen=True)
class HalfYear:
    """The half year of a report. `ends_at` is the first moment after it."""

    starts_at: datetime
    ends_at: datetime
    known_at: datetime


@dataclass(frozen=True)
class NetflixEngagement(OneFile):
    """One report. Ids are `name:` and the report's own string, which later reports repeat.

    Raises `InputError` for a workbook without the header, or where neither sheet nor file name tells the half year.
    """

    path: Path
    name: str = "netflix"

    licence = "Netflix's engagement report, published by Netflix; its terms of use apply"

    def settings(self) -> dict[str, Any]:
        """What decides the rows; `rules` grows when a file gives other rows."""
        return {"source": "netflix-engagement", "file": _named(self.path), "rules": 1}

    def read(self) -> Iterator[Batch]:
        """Titles, engagement and windows, sheet by sheet."""
        seen: dict[str, int] = {}
        found = False
        with sheets(self.path) as every:
            for place, (sheet, rows) in enumerate(every):
                head = list(islice(rows, _HEADERS))
                at = next((i for i, (_, cells) in enumerate(head) if _HOURS in map(_text, cells)), None)
                if at is None:
                    continue  # remarks
                found = True
                columns = {str(_text(cell)): i for i, cell in enumerate(head[at][1]) if _text(cell)}
                if missing := [c for c in (_TITLE, _DAY, _HOURS) if c not in columns]:
                    accepted = ", ".join(columns)
                    raise InputError(
                        "the column is not in the sheet", self.path, head[at][0], missing[0], None, accepted
                    )
                half = _half_year(self.path, [cell for _, cells in head[:at] for cell in cells])
                yield from self._sheet(sheet, [*head[at + 1 :]], rows, columns, half, seen, place, len(every))
        if not found:
            raise InputError(
                "no sheet of engagement", self.path, accepted=f"a row with {_TITLE} and {_HOURS}"
            )

    def _sheet(
        self,
        sheet: str,
        first: Sequence[Row],
        rows: Iterator[Row],
        columns: Mapping[str, int],
        half: HalfYear,
        seen: dict[str, int],
        place: int,
        of: int,
    ) -> Iterator[Batch]:
        kind = _KINDS.get(sheet.strip().lower())
        made = _Made(self.name, half, seen)
        some: list[Row] = list(first)
        while some:
            rejects: list[Reject] = []
            for line, cells in some:
                row = {name: cells[i] if i < len(cells) else None for name, i in columns.items()}
                if all(_text(value) is None for value in row.values()):
                    continue
                try:
                    made.add(_read(row, kind), line)
                except _Broken as broken:
                    field, what, accepted = broken.args
                    value = None if row.get(field) is None else str(row[field])[:200]
                    rejects.append(Reject(f"{self.path}#{sheet}", line, field, value, what, accepted))
            more = list(islice(rows, _AT_ONCE))
            done = self.total * (place if more else place + 1) // of
            for table, frame in made.taken():
                yield Batch(table, frame, tuple(rejects) if table == "titles" else (), done)
            some = more


@dataclass(frozen=True)
class _Line:
    """What a row of a report says."""

    text: str
    told: ReportString
    hours: float
    views: float | None
    runtime: float | None
    day: date | None
    everywhere: bool


@dataclass
class _Made:
    """Rows of record out of lines. `seen` counts the strings of the whole report."""

    name: str
    half: HalfYear
    seen: dict[str, int]
    series: set[str] = field(default_factory=set)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, said: _Line, line: int) -> None:
        """Rows for one line: the title (its series before it), its engagement, its window."""
        known = {"known_at": self.half.known_at, LINE: line}
        ident = f"{self.name}:{said.text}"
        self.seen[ident] = self.seen.get(ident, 0) + 1
        if self.seen[ident] > 1:  # two titles of one name; running times tell them apart
            minutes = said.runtime and f"{int(said.runtime) // 60}:{int(said.runtime) % 60:02}"
            ident = f"{ident} [{minutes or self.seen[ident]}]"
        told, day = said.told, said.day
        parent = None
        if told.kind == "season" and told.marker is not None:
            whole = told.name if told.original is None else f"{told.name} // {told.original}"
            parent = f"{self.name}:{whole} (series)"
            if parent not in self.series:
                self.series.add(parent)
                named = {"name": told.name, "original_name": told.original, "language": told.language}
                self._put("titles", {"title": parent, "kind": "series", **named, **known})
        facts: dict[str, Any] = {
            **{"kind": told.kind, "parent": parent, "number": told.number, "language": told.language},
            **{"name": said.text.partition(" // ")[0], "original_name": told.original},
            **{"runtime": said.runtime, "released": None if day is None else midnight(day)},
        }
        self._put("titles", {"title": ident, **facts, **known})
        period = {"starts_at": self.half.starts_at, "ends_at": self.half.ends_at}
        self._put("engagement", {"title": ident, **period, "hours": said.hours, "views": said.views, **known})
        if day is not None and said.everywhere:
            self._put("releases", {"title": ident, "channel": "svod", "starts_at": midnight(day), **known})

    def _put(self, table: str, row: dict[str, Any]) -> None:
        self.rows.setdefault(table, []).append(row)

    def taken(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """The rows since the last call, table by table."""
        rows, self.rows = self.rows, {}
        for table in ("titles", "engagement", "releases"):
            yield table, frame_of(table, rows.get(table, []))


def is_netflix_engagement(path: Path) -> bool:
    """Whether a workbook has a sheet with the report's columns."""
    try:
        with sheets(path) as every:
            return any(
                _HOURS in map(_text, cells) for _, rows in every for _, cells in islice(rows, _HEADERS)
            )
    except (InputError, OSError):
        return False


class _Broken(Exception):  # noqa: N818 - it becomes a reject
    pass


def _read(row: Mapping[str, Any], kind: Kind | None) -> _Line:
    text = _text(row[_TITLE])
    if text is None:
        raise _Broken(_TITLE, "missing", "the title")
    hours = _number(_HOURS, row[_HOURS])
    if hours is None:
        raise _Broken(_HOURS, "missing", "hours viewed")
    return _Line(
        text,
        parse(text, kind),
        hours,
        _number("Views", row.get("Views")),
        _minutes(row.get("Runtime")),
        _day(row[_DAY]),
        str(_text(row.get(_GLOBAL))).lower() == "yes",
    )


def _text(cell: Any) -> str | None:
    return " ".join(str(cell).split()) or None if cell is not None else None


def _number(field: str, cell: Any) -> float | None:
    if _text(cell) is None or cell == "*":
        return None
    try:
        value = float(str(cell).replace(",", ""))
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise _Broken(field, "not a number", "a number from 0")
    return value


def _day(cell: Any) -> date | None:
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    if _text(cell) is None:
        return None
    try:
        return film_day(str(cell))
    except ValueError:
        raise _Broken(_DAY, "not a date", "like 2023-03-23") from None


def _minutes(cell: Any) -> float | None:
    """Minutes of `7:34` (hours and minutes), of a time, or of a share of a day, as workbooks hold times."""
    if isinstance(cell, datetime):  # a duration beyond a day, counted from the workbook's first day
        return (cell - datetime(1899, 12, 30)).total_seconds() / 60
    if isinstance(cell, time):
        return cell.hour * 60 + cell.minute + cell.second / 60
    if isinstance(cell, timedelta):
        return cell.total_seconds() / 60
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return float(cell) * 24 * 60
    text = _text(cell)
    if text is None or text == "*":
        return None
    found = re.fullmatch(r"(\d{1,4}):([0-5]\d)(?::\d\d)?", text)
    if found is None:
        raise _Broken("Runtime", "not a running time", "hours and minutes, like 7:34")
    return int(found[1]) * 60.0 + int(found[2])


def _half_year(path: Path, cells: Sequence[Any]) -> HalfYear:
    """Out of the lines above the header, else out of the file's name."""
    for cell in cells:
        if (found := _PERIOD.search(_text(cell) or "")) is not None:
            if (found[1] == "January") != (found[2] == "June"):
                break
            return half_year(int(found[3]), 1 if found[1] == "January" else 2)
    if (told := _named(path)) is not None:
        return half_year(int(told[:4]), int(told[5]))
    raise InputError(
        "no half year", path, accepted="a line like `Views from July to December 2023`, or 2023H2 in the name"
    )


def _named(path: Path) -> str | None:
    found = _NAMED.search(path.stem)
    return None if found is None else f"{found[1]}H{found[2]}"


def half_year(year: int, half: int) -> HalfYear:
    """The first (1) or second (2) half of a year, and when its report was known.

    >>> half_year(2023, 2).known_at.date()
    datetime.date(2024, 5, 23)
    """
    starts = datetime(year, 1 if half == 1 else 7, 1, tzinfo=UTC)
    ends = datetime(year, 7, 1, tzinfo=UTC) if half == 1 else datetime(year + 1, 1, 1, tzinfo=UTC)
    published = PUBLISHED.get(f"{year}H{half}")
    return HalfYear(starts, ends, ends + timedelta(days=183) if published is None else midnight(published))
