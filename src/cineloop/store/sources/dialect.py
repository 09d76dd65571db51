"""How a text file is written, and its first look: opening it, gzip or not, and its header."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from cineloop.errors import InputError

LONGEST_RECORD = 1 << 20
"""Bytes; a record beyond them is broken, and no header."""

UNIT = "\x1f"
"""Stands in for a separator of several characters within a block; no separator itself."""

BOM = b"\xef\xbb\xbf"
"""What some programs write before UTF-8."""


@dataclass(frozen=True)
class Dialect:
    """How a file is written. A separator of several characters excludes quotes; gzip shows in the suffix."""

    separator: str = ","
    quotes: bool = True
    header: bool = True
    encoding: Literal["utf-8", "latin-1"] = "utf-8"

    def __post_init__(self) -> None:
        if not self.separator or not self.separator.isascii() or set(self.separator) & set('\r\n\0"' + UNIT):
            raise InputError(
                "not a separator", field="separator", value=self.separator, accepted="like , or ::"
            )
        if self.quotes and len(self.separator) > 1:
            raise InputError(
                "quotes need a separator of one character", field="separator", value=self.separator
            )


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The (unzipped) stream of a file and the file itself, whose position tells the bytes read of it.

    Raises `InputError` when the file cannot be opened or read, or when its gzip data are broken.
    """
    try:
        with path.open("rb") as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile(fileobj=raw, mode="rb") as unzipped:
                    yield unzipped, raw  # type: ignore[misc]
            else:
                yield raw, raw
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"broken gzip data ({error})", file=path) from error
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", file=path) from error


def inspect(path: Path) -> bytes:
    """The start of a file, without its byte order mark; `InputError` when it is empty or UTF-16."""
    with opened(path) as (stream, _):
        start = stream.read(LONGEST_RECORD)
    if not start:
        raise InputError("the file is empty", file=path)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError("the file is UTF-16", file=path, accepted="UTF-8")
    return start.removeprefix(BOM)


def header(path: Path, dialect: Dialect) -> tuple[str, ...]:
    """The names in the first record, stripped; of a file without a header, the first record's fields.

    Raises `InputError` for an empty file, UTF-16, or a first record that is no text.
    """
    start = inspect(path)
    raw = start.split(b"\n", 1)[0].removesuffix(b"\r")
    if b"\0" in raw or len(raw) == len(start) >= LONGEST_RECORD - len(BOM):
        raise InputError("not a text file", file=path, line=1, accepted="delimited text")
    text = raw.decode(dialect.encoding, "backslashreplace")
    if dialect.encoding == "utf-8" and text != raw.decode("utf-8", "replace"):
        raise InputError("not UTF-8", file=path, line=1, value=text, accepted="UTF-8")
    if not dialect.quotes:
        return tuple(name.strip() for name in text.split(dialect.separator))
    try:
        names = next(csv.reader([text], delimiter=dialect.separator, strict=True), [])
    except csv.Error as error:
        what = f"not a header ({error})"
        raise InputError(what, file=path, line=1, value=text, accepted="names on one line") from error
    return tuple(name.strip() for name in names)
