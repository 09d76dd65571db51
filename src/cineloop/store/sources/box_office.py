"""Daily US and Canadian box office, a row a release and day, as CSV (also gzip), ordered by day.

The columns are date, release_id, title, daily_gross, theaters, gross_to_date, days_in_release, distributor, of which
the theatres, the running total, the day of release and the distributor may be empty. Grosses are US dollars of the
time. A day's gross is known from the next day. When the file ends, each release also gets its `opening`, the first
Friday to Sunday within its first ten days, where the file has all three; and its `total`, the last running total,
known 30 days after its last day: a release that stands in the file's last 30 days is still running and gets none.
The charts give no previews apart: they stand in the first day's gross.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cineloop.errors import InputError
from cineloop.store.sources import delimited
from cineloop.store.sources.delimited import Column
from cineloop.store.sources.dialect import Dialect, header
from cineloop.store.sources.film_rows import ALWAYS, film_day, frame_of, midnight
from cineloop.store.sources.source import LINE, Batch, OneFile, Reject

COLUMNS = (
    *("date", "release_id", "title", "daily_gross", "theaters", "gross_to_date", "days_in_release"),
    "distributor",
)
_NUMBERS = {"daily_gross", "theaters", "gross_to_date", "days_in_release"}
_REQUIRED = {"date", "release_id", "title", "daily_gross"}
_OVER = timedelta(days=30)
"""A release that no chart has listed for so long has ended its run."""


@dataclass
class _Run:
    """What is remembered of a release: a few numbers, so that memory does not grow with the days."""

    name: str
    first: date
    last: date
    line: int
    total: float | None = None
    opening: dict[date, float] = field(default_factory=dict)


@dataclass(frozen=True)
class BoxOffice(OneFile):
    """One file. Raises `InputError` where it lacks a column; `name` is the prefix of the ids."""

    path: Path
    name: str = "bom"

    licence = "facts from Box Office Mojo, whose terms allow personal and non-commercial use"

    def settings(self) -> dict[str, Any]:
        """What decides the rows; `rules` grows when a file gives other rows."""
        return {"source": "box-office-daily", "rules": 1}

    def read(self) -> Iterator[Batch]:
        """Titles as they first appear with their days; totals and openings at the end."""
        runs: dict[str, _Run] = {}
        told: set[str] = set()
        columns = [Column(n, "number" if n in _NUMBERS else "text", n in _REQUIRED) for n in COLUMNS]
        for rows in delimited.read(self.path, columns, Dialect()):
            made: dict[str, list[dict[str, Any]]] = {
                "titles": [],
                "companies": [],
                "productions": [],
                "grosses": [],
            }
            rejects = list(rows.rejects)
            for row in rows.frame.iter_rows(named=True):
                day = _day(row["date"])
                odd = None if day is not None else ("date", "not a date", "like 2000-01-31")
                if odd is None and not 0 <= row["daily_gross"] < float("inf"):
                    odd = ("daily_gross", "not a sum", "dollars, from 0")
                elif odd is None and row["theaters"] is not None and not 0 <= row["theaters"] < 1e6:
                    odd = ("theaters", "not a number of theatres", "a whole number from 0")
                if odd is not None or day is None:
                    assert odd is not None
                    value = row[odd[0]]
                    rejects.append(Reject(str(self.path), row[LINE], odd[0], f"{value}", odd[1], odd[2]))
                    continue
                self._take(row, day, runs, told, made)
            yield Batch("titles", frame_of("titles", made.pop("titles")), tuple(rejects), rows.done)
            for table, some in made.items():
                yield Batch(table, frame_of(table, some), (), rows.done)
        last = max((run.last for run in runs.values()), default=None)
        ended = [row for ident, run in runs.items() for row in self._ended(ident, run, last)]
        yield Batch("grosses", frame_of("grosses", ended), (), self.total)

    def _take(
        self,
        row: Mapping[str, Any],
        day: date,
        runs: dict[str, _Run],
        told: set[str],
        made: dict[str, list[dict[str, Any]]],
    ) -> None:
        ident, line = f"{self.name}:{row['release_id']}", row[LINE]
        run = runs.get(ident)
        if run is None:
            age = row["days_in_release"]
            first = day - timedelta(days=int(age) - 1) if age is not None and 1 <= age < 36500 else day
            run = runs[ident] = _Run(row["title"], first, day, line)
            known = {"known_at": midnight(day), LINE: line}
            released = midnight(first)
            made["titles"].append(
                {
                    "title": ident,
                    "kind": "film",
                    "name": run.name,
                    "year": first.year,
                    "released": released,
                    **known,
                }
            )
            if (who := row["distributor"]) is not None:
                company = f"{self.name}:{who}"
                made["productions"].append(
                    {"title": ident, "company": company, "role": "distribution", "billing": 1, **known}
                )
                if company not in told:
                    told.add(company)
                    made["companies"].append(
                        {"company": company, "name": who, "known_at": ALWAYS, LINE: line}
                    )
        made["grosses"].append(
            {
                **{"title": ident, "territory": "domestic", "period": "day", "gross": row["daily_gross"]},
                **{"currency": "USD", "theatres": None if row["theaters"] is None else int(row["theaters"])},
                **{"starts_at": midnight(day), "ends_at": midnight(day + timedelta(days=1))},
                **{"known_at": midnight(day + timedelta(days=1)), LINE: line},
            }
        )
        run.last = max(run.last, day)
        if row["gross_to_date"] is not None and 0 < row["gross_to_date"] < float("inf"):
            run.total = max(run.total or 0.0, row["gross_to_date"])
        if day < run.first + timedelta(days=10):
            run.opening[day] = row["daily_gross"]

    def _ended(self, ident: str, run: _Run, last: date | None) -> Iterator[dict[str, Any]]:
        common = {"title": ident, "territory": "domestic", "currency": "USD", LINE: run.line}
        friday = run.first + timedelta(days=(4 - run.first.weekday()) % 7)
        weekend = [friday + timedelta(days=i) for i in range(3)]
        if all(day in run.opening for day in weekend):
            ends = midnight(weekend[-1] + timedelta(days=1))
            yield {
                **{"period": "opening", "gross": sum(run.opening[day] for day in weekend), **common},
                **{"starts_at": midnight(friday), "ends_at": ends, "known_at": ends},
            }
        if run.total is not None and last is not None and run.last + _OVER <= last:
            yield {
                **{"period": "total", "gross": run.total, **common, "starts_at": midnight(run.first)},
                **{"ends_at": midnight(run.last + timedelta(days=1)), "known_at": midnight(run.last + _OVER)},
            }


def is_box_office(path: Path) -> bool:
    """Whether a file has the layout's header."""
    try:
        return set(COLUMNS) <= set(header(path, Dialect()))
    except InputError:
        return False


def _day(text: str) -> date | None:
    try:
        return film_day(text)
    except ValueError:
        return None
