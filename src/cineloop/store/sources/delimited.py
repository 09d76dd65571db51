"""Delimited text as typed columns, streamed: Polars where a block is clean, record by record where it is not.

A block of some megabytes is cut where a record ends. When every record in it has the right number of fields
and every value parses, Polars has read it at full speed. When anything is off, the block is cut into small
pieces, and those that are off go record by record (`records.py`), so that each broken one is named with line
and field. A record's fate never depends on its neighbours: what Polars takes, the slow way takes with the same
values.

Quoting follows RFC 4180: a quoted field may hold separators, newlines and doubled quotes. A quote that is
never closed costs its own line only; reading goes on at the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cineloop.errors import InputError
from cineloop.store.sources.dialect import BOM, LONGEST_RECORD, UNIT, Dialect, header, inspect, opened
from cineloop.store.sources.records import LONGEST_FIELD, Column, Records, Step, listed
from cineloop.store.sources.source import LINE, Reject

__all__ = ["Column", "Rows", "read"]

BLOCK = 16 << 20
PIECE = 1 << 16
_HOPELESS = 1000  # records rejected at the start of a file, with none taken, before the file is given up
_NEWLINE, _QUOTE, _RETURN = 10, 34, 13


@dataclass(frozen=True)
class Rows:
    """Some records: `frame` has the wanted columns and `_line`; `done` counts the bytes of the file read."""

    frame: pl.DataFrame
    rejects: tuple[Reject, ...]
    done: int


def read(
    path: Path, columns: Sequence[Column], dialect: Dialect, names: Sequence[str] | None = None
) -> Iterator[Rows]:
    """The wanted columns of a delimited file, in the order of the file; blank lines are passed over.

    `names` gives all columns of a file without a header. Raises `InputError` for a file that is empty or
    broken, lacks a wanted column, or has no readable record among its first thousand.
    """
    if dialect.header:
        every = header(path, dialect)
    else:
        inspect(path)
        every = tuple(names or ())
    for column in columns:
        if every.count(column.name) != 1:
            absent = column.name not in every
            what = "the column is not in the file" if absent else "two columns have this name"
            raise InputError(what, file=path, line=1, field=column.name, accepted=listed(every))
    records = Records(path, every, tuple(columns), dialect)
    taken = lost = 0
    first: Reject | None = None
    with opened(path) as (stream, raw):
        for step in _walk(records, stream):
            taken += step.frame.height
            lost += len(step.rejects)
            first = first or (step.rejects[0] if step.rejects else None)
            if not taken and lost >= _HOPELESS:
                break
            yield Rows(step.frame, step.rejects, raw.tell())
    if first is not None and not taken:
        so_on = f" (and so on: none of the first {lost} records can be read)" if lost > 1 else ""
        raise InputError(first.what + so_on, path, first.line, first.field, first.value, first.accepted)


def _walk(records: Records, stream: BinaryIO) -> Iterator[Step]:
    """Read the file in buffers that begin where a record begins; what is left of one begins the next."""
    dialect = records.dialect
    buffer = stream.read(BLOCK).removeprefix(BOM)
    line, overlong, final = 1, False, False
    if dialect.header:
        buffer, line = buffer.partition(b"\n")[2], 2
    if dialect.encoding == "latin-1":
        buffer = buffer.decode("latin-1").encode()
    while True:
        if overlong:  # the rest of a record that was already rejected
            _, newline, buffer = buffer.partition(b"\n")
            overlong, line = not newline, line + len(newline)
        if final and buffer and not buffer.endswith(b"\n"):
            buffer += b"\n"
        used = 0
        for step in _steps(records, buffer, line, final):
            used += step.size
            line += step.lines
            yield step
        if not used and len(buffer) > LONGEST_RECORD:
            start, what = buffer[:200].decode("utf-8", "surrogateescape"), "the record is longer than 1 MiB"
            yield Step(records.empty, (records.reject(line, None, start, what, "shorter ones"),), 0, 0)
            overlong = True
            continue
        if final:
            return
        chunk = stream.read(BLOCK)
        final = not chunk
        if dialect.encoding == "latin-1":
            chunk = chunk.decode("latin-1").encode()
        buffer = buffer[used:] + chunk


def _steps(records: Records, buffer: bytes, line: int, final: bool) -> Iterator[Step]:
    """What can be read of a buffer; nothing follows a `final` one."""
    at = 0
    while at < len(buffer):
        rest = buffer[at:] if at else buffer
        ends = _ends(rest, records.dialect)
        before = at
        if ends is not None and ends.size:
            for step in _well_formed(records, rest, ends, line):
                at += step.size
                line += step.lines
                yield step
        else:
            lines = rest[: rest.rfind(b"\n", 0, LONGEST_RECORD) + 1]
            stray = records.read_stray(
                lines, line, beyond=not final or len(lines) < len(rest), more=not final
            )
            if stray is not None:
                at += stray.size
                line += stray.lines
                yield stray
        if at == before:
            return


def _ends(buffer: bytes, dialect: Dialect) -> NDArray[np.int64] | None:
    """Where each whole record ends; None when quotes stand where RFC 4180 has none."""
    data = np.frombuffer(buffer, np.uint8)
    ends: NDArray[np.int64] = np.flatnonzero(data == _NEWLINE) + 1
    if not dialect.quotes or b'"' not in buffer:
        return ends
    quotes = np.flatnonzero(data == _QUOTE)
    beside = [ord(dialect.separator), _NEWLINE, _QUOTE]
    opening, closing = quotes[0::2], quotes[1::2]
    before = data[opening[opening > 0] - 1]
    after = data[np.minimum(closing + 1, len(data) - 1)]
    if not (np.isin(before, beside).all() and np.isin(after, [*beside, _RETURN]).all()):
        return None
    outside: NDArray[np.int64] = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return outside


def _well_formed(records: Records, buffer: bytes, ends: NDArray[np.int64], line: int) -> Iterator[Step]:
    """All whole records of a buffer: at once when all are clean, else piece by piece."""
    step = _fast(records, buffer[: ends[-1]], ends, line)
    if step is not None:
        yield step
        return
    start = first = 0
    while first < len(ends):
        last = max(first + 1, int(np.searchsorted(ends, start + PIECE, side="right")))
        piece, within = buffer[start : ends[last - 1]], ends[first:last] - start
        step = _fast(records, piece, within, line) if len(within) < len(ends) else None
        step = step or records.read(piece, line, within)
        line += step.lines
        yield step
        start, first = int(ends[last - 1]), last


def _fast(records: Records, data: bytes, ends: NDArray[np.int64], line: int) -> Step | None:
    """Polars' reading of whole records, or None when any of them is not as it should be."""
    names, dialect = records.names, records.dialect
    size, separator, quoted = len(data), dialect.separator, dialect.quotes and b'"' in data
    if b"\0" in data or data.startswith(BOM):
        return None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
        if b"\r" in data or (quoted and data.count(b"\n") != len(ends)):
            return None  # newlines inside quotes as well: `ends` no longer tell the lines
    if len(separator) > 1:
        if UNIT.encode() in data:
            return None
        data, separator = data.replace(separator.encode(), UNIT.encode()), UNIT
    wanted = {column.name: column.type for column in records.columns}
    schema = {str(place): wanted.get(name, pl.String) for place, name in enumerate(names)}
    quote = '"' if dialect.quotes else None
    try:
        frame = pl.read_csv(data, has_header=False, schema=schema, separator=separator, quote_char=quote)
    except (pl.exceptions.PolarsError, ValueError):
        return None
    if frame.height != len(ends):
        return None
    texts = [place for place, kind in schema.items() if kind == pl.String]
    longest = frame.select(pl.col(texts).str.len_bytes().max()).row(0) if texts else ()
    if max((length or 0 for length in longest), default=0) > LONGEST_FIELD:
        return None
    if quoted:
        frame = frame.with_columns(pl.col(texts).replace("", None))
    if frame.to_series(len(names) - 1).null_count() and not _complete(
        data, separator, len(ends), len(names), quoted
    ):
        return None
    frame = frame.select(pl.nth(names.index(column.name)).alias(column.name) for column in records.columns)
    if any(column.required and frame.get_column(column.name).null_count() for column in records.columns):
        return None
    lines = len(ends)
    starts = np.arange(line, line + lines, dtype=np.int64)
    if quoted:  # a record starts after all the newlines before it, those inside quotes too
        newlines = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE) + 1
        if len(newlines) != lines:
            lines = len(newlines)
            starts = line + np.searchsorted(newlines, np.concatenate([[0], ends[:-1]]), side="right")
    return Step(frame.with_columns(pl.Series(LINE, starts, dtype=pl.Int64)), (), size, lines)


def _complete(data: bytes, separator: str, records: int, fields: int, quoted: bool) -> bool:
    """Whether no record is too short: Polars fills those up with nulls, and refuses only longer ones."""
    found = np.frombuffer(data, np.uint8) == ord(separator)
    if quoted:
        quotes = np.flatnonzero(np.frombuffer(data, np.uint8) == _QUOTE)
        found = np.searchsorted(quotes, np.flatnonzero(found)) % 2 == 0
    return fields > 1 and np.count_nonzero(found) == records * (fields - 1)
