"""Avails spreadsheets as records: XLSX and CSV in the layout of the published template.

Two header rows: what a column belongs to (`AvailTrans`), below it its name (`Territory`). A sheet or file with the
row of names alone is read too. Rows without a value, and those that begin with `//`, are the sender's remarks.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from cineloop.errors import InputError
from cineloop.store.sources.workbook import sheets

Cell = str | int | float | datetime | date | time | timedelta | None

MARKS = ("LicenseType", "Territory", "Start")
"""Columns by which the row of names is known."""
_HEADERS = 5  # rows among which it is looked for


@dataclass(frozen=True)
class Record:
    """One row: where it stands, and its values by column name, and by group and name as in `AvailTrans/Start`."""

    file: str
    line: int
    values: dict[str, Cell]

    def text(self, *names: str) -> str | None:
        """The first of these columns that has a value, as text."""
        for name in names:
            value = self.values.get(name)
            if value is not None:
                whole = isinstance(value, float) and value.is_integer()
                return str(int(value)) if whole else str(value)  # type: ignore[arg-type]
        return None


def read_records(path: Path) -> Iterator[Record]:
    """The records of every sheet with the template's columns; `InputError` where there is none, or it can't be read.

    An XLSX needs the extra `xlsx`.
    """
    found, seen = False, []
    for name, rows in _workbook(path) if path.suffix.lower() in (".xlsx", ".xlsm") else _text(path):
        seen.append(name)
        headers: list[Sequence[Cell]] = []
        columns: dict[str, int] | None = None
        for line, cells in rows:
            if columns is None:
                if set(MARKS) <= {str(cell).strip() for cell in cells if cell is not None}:
                    columns, found = _columns(headers[-1] if headers else (), cells, path, line), True
                elif len(headers) == _HEADERS:
                    break  # another kind of sheet: remarks, the data dictionary
                headers.append(cells)
                continue
            values = {name: _plain(cells[i]) for name, i in columns.items() if i < len(cells)}
            first = next((v for v in values.values() if v is not None), None)
            if first is not None and not str(first).startswith("//"):
                yield Record(name, line, values)
    if not found:
        raise InputError(
            "no sheet of avails",
            file=path,
            accepted=f"columns named as in the template: {', '.join(MARKS)} …",
        )


def _columns(groups: Sequence[Cell], names: Sequence[Cell], path: Path, line: int) -> dict[str, int]:
    """Places of the columns, each by its name (the first of that name) and by group and name."""
    columns: dict[str, int] = {}
    group = ""
    for i, cell in enumerate(names):
        over = str(groups[i]).strip() if i < len(groups) and groups[i] is not None else ""
        group = over or group  # cells of one group are often merged: only the first has its name
        name = "" if cell is None else str(cell).strip()
        if not name:
            continue
        if group and f"{group}/{name}" in columns:
            raise InputError("two columns have this name", path, line, f"{group}/{name}")
        columns.setdefault(name, i)
        if group:
            columns[f"{group}/{name}"] = i
    return columns


def _plain(cell: Cell) -> Cell:
    if isinstance(cell, str):
        return cell.strip() or None
    return cell


def _text(path: Path) -> Iterator[tuple[str, Iterator[tuple[int, Sequence[Cell]]]]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(error.strerror or "can't be read", file=path) from error
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8", file=path, accepted="a CSV in UTF-8, or an XLSX") from error
    yield str(path), _csv_rows(path, text)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[int, Sequence[Cell]]]:
    records = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for record in records:
            yield line, record
            line = records.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"not CSV ({error})", path, line, accepted="a CSV with commas and double quotes"
        ) from error


def _workbook(path: Path) -> Iterator[tuple[str, Iterator[tuple[int, Sequence[Cell]]]]]:
    with sheets(path) as found:
        for name, rows in found:
            yield f"{path}#{name}", rows
