"""Rows of an XLSX workbook, sheet by sheet, streamed. Needs the extra `xlsx`."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cineloop.errors import InputError, MissingExtra

LARGEST = 1 << 30
"""Bytes that a workbook may unfold to."""

Row = tuple[int, Sequence[Any]]
"""Number of the row, from 1, and its cells."""


@contextmanager
def sheets(path: Path) -> Iterator[list[tuple[str, Iterator[Row]]]]:
    """Names and rows of the sheets; `InputError` for what is no workbook, also while its rows are read."""
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtra("openpyxl", extra="xlsx", why="XLSX files") from error
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(part.file_size for part in archive.infolist()) > LARGEST:
                raise InputError("unfolds to more than 1 GiB", file=path, accepted="a smaller workbook")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except InputError:
        raise
    except Exception as error:  # a broken archive fails in as many ways as it has parts
        raise _broken(path, error) from error
    try:
        yield [(sheet.title, _rows(path, sheet)) for sheet in book.worksheets]
    finally:
        book.close()


def _rows(path: Path, sheet: Any) -> Iterator[Row]:
    try:
        yield from enumerate(sheet.iter_rows(values_only=True), 1)
    except Exception as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> InputError:
    said = " ".join(str(error).split())[:120] or type(error).__name__
    return InputError(f"not a readable workbook ({said})", file=path, accepted="an XLSX")
