"""Delimited text record by record: slow, but it says of each broken record what is wrong, and where."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.store.sources.dialect import LONGEST_RECORD, Dialect
from cineloop.store.sources.source import LINE, Reject

LONGEST_FIELD = 1 << 16
"""Bytes; a field beyond them breaks its record."""

_SHOWN = 200  # characters of a broken value that a reject keeps
_ACCEPTED = {"integer": "a whole number", "number": "a number"}


@dataclass(frozen=True)
class Column:
    """A column wanted from the file: `integer` is 64-bit, `number` a double (inf and nan too), `text` as is.

    An empty value is null; where `required`, it breaks the record.
    """

    name: str
    kind: Literal["text", "integer", "number"] = "text"
    required: bool = True

    @property
    def type(self) -> type[pl.DataType]:
        """As a Polars type."""
        types: dict[str, type[pl.DataType]] = {"text": pl.String, "integer": pl.Int64, "number": pl.Float64}
        return types[self.kind]


@dataclass(frozen=True)
class Step:
    """A stretch of a file that was read: the rows it holds, its rejects, and its length in bytes and in lines."""

    frame: pl.DataFrame
    rejects: tuple[Reject, ...]
    size: int
    lines: int


@dataclass
class _Sorted:
    """Records with the right number of fields and the line each starts at, and what was wrong with the others."""

    kept: list[list[str]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


@dataclass(frozen=True)
class Records:
    """The records of one file: all its columns by name, those wanted, and how it is written."""

    path: Path
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    dialect: Dialect

    @property
    def empty(self) -> pl.DataFrame:
        """A frame of no rows."""
        return pl.DataFrame(schema={**{c.name: c.type for c in self.columns}, LINE: pl.Int64})

    def reject(
        self, line: int, name: str | None, value: str | None, what: str, accepted: str | None = None
    ) -> Reject:
        """A reject of this file; bytes that are no UTF-8 show as replacement characters."""
        if value is not None:
            value = value[:_SHOWN].encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return Reject(str(self.path), line, name, value, what, accepted)

    def read(self, data: bytes, line: int, ends: NDArray[np.int64]) -> Step:
        """Whole records that end at `ends` (bytes); a broken one costs itself and nothing after it."""
        newlines = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1
        after = (np.searchsorted(newlines, ends) + 1).tolist()  # lines up to the end of each record
        lines, found = _lines(data), _Sorted()
        at = 0
        while at < len(lines):
            at, error = self._until_error(lines, at, line, found)
            if error is not None:
                found.rejects.append(self._quoting(line + at, lines[at], error))
                at = next(following for following in after if following > at)
        return self._step(found, len(data), at)

    def read_stray(self, data: bytes, line: int, *, beyond: bool, more: bool) -> Step | None:
        """Whole lines whose quotes stand where RFC 4180 has none, so that only reading tells where records end.

        A broken record costs its first line. The last record may go on `beyond` the lines, and is then left for
        the next step; None when that is the first, and a buffer with `more` of the file may bring its end.
        """
        lines, found = _lines(data), _Sorted()
        at = 0
        while at < len(lines):
            at, error = self._until_error(lines, at, line, found)
            if error is None:
                break
            if "unexpected end of data" in error and beyond:
                if at > 0:
                    break
                if more and len(data) < LONGEST_RECORD // 2:
                    return None
            found.rejects.append(self._quoting(line + at, lines[at], error))
            at += 1
        return self._step(found, sum(len(t) + 1 for t in data.split(b"\n", at)[:at]), at) if at else None

    def _until_error(self, lines: list[str], at: int, line: int, found: _Sorted) -> tuple[int, str | None]:
        """Read from the line `at` on, up to the end or the first record whose quotes are broken."""
        if not self.dialect.quotes:
            for number in range(at, len(lines)):
                text = lines[number]
                self._sort_out(text.split(self.dialect.separator), text, line + number, found)
            return len(lines), None
        fresh = (lines[number] + "\n" for number in range(at, len(lines)))
        reader = csv.reader(fresh, delimiter=self.dialect.separator, strict=True)
        begun = at
        try:
            for fields in reader:
                self._sort_out(fields, lines[at], line + at, found)
                at = begun + reader.line_num
        except csv.Error as error:
            return at, str(error)
        return at, None

    def _quoting(self, line: int, text: str, error: str) -> Reject:
        if "field limit" in error or "end of data" in error:
            what = "a quote is not closed, or a field is too long"
        elif "expected after" in error:
            what = "a quoted field goes on after its closing quote"
        else:
            what = "a carriage return within a field"
        return self.reject(line, None, text, what, "fields quoted as in RFC 4180")

    def _sort_out(self, fields: list[str], text: str, line: int, found: _Sorted) -> None:
        """Put one record with those to type, or say why not; a blank line is neither."""
        if not text and len(fields) <= 1:
            return
        for name, value in zip(self.names, fields, strict=False):
            if not value.isascii() and not _is_utf8(value):
                found.rejects.append(self.reject(line, name, value, "not UTF-8", "UTF-8"))
                return
        if len(fields) != len(self.names):
            what = f"{len(fields)} field{'s' * (len(fields) != 1)} in the record"
            accepted = f"{len(self.names)}: {listed(self.names)}"
            found.rejects.append(self.reject(line, None, text, what, accepted))
            return
        for name, value in zip(self.names, fields, strict=True):
            if "\0" in value:
                found.rejects.append(self.reject(line, name, value, "holds a NUL byte", "text"))
                return
            if len(value) > LONGEST_FIELD // 4 and len(value.encode()) > LONGEST_FIELD:
                accepted = f"at most {LONGEST_FIELD} bytes"
                found.rejects.append(self.reject(line, name, value, "the field is too long", accepted))
                return
        found.kept.append(fields)
        found.starts.append(line)

    def _step(self, found: _Sorted, size: int, lines: int) -> Step:
        """Records as typed columns; those with a value that does not parse, or is missing, become rejects."""
        made: list[pl.Series] = []
        broken = np.zeros(len(found.kept), bool)
        for column in self.columns:
            place = self.names.index(column.name)
            text = pl.Series(column.name, [fields[place] for fields in found.kept], dtype=pl.String)
            text = text.replace("", None)
            series = text
            if column.kind != "text":
                # Polars' reader passes over blanks before a number, so this way does
                series = text.str.strip_chars_start(" \t").cast(column.type, strict=False)
            missing = text.is_null().to_numpy() & column.required
            wrong = (series.is_null() & text.is_not_null()).to_numpy() | missing
            accepted = _ACCEPTED.get(column.kind, "any text")
            for i in np.flatnonzero(wrong & ~broken):
                what = "missing" if missing[i] else f"not {accepted}"
                found.rejects.append(self.reject(found.starts[i], column.name, text[int(i)], what, accepted))
            broken |= wrong
            made.append(series)
        frame = pl.DataFrame([*made, pl.Series(LINE, found.starts, dtype=pl.Int64)]).filter(
            ~pl.Series(broken)
        )
        return Step(frame, tuple(sorted(found.rejects, key=lambda r: r.line or 0)), size, lines)


def _lines(data: bytes) -> list[str]:
    """Lines without their ends, LF or CRLF; bytes that are no UTF-8 become lone surrogates."""
    return [t.removesuffix("\r") for t in data.decode("utf-8", "surrogateescape").split("\n")[:-1]]


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def listed(names: Sequence[str]) -> str:
    """Names for an error's one line.

    >>> listed(["a", "b"])
    'a, b'
    """
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
