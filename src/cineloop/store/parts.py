"""Parts: immutable Parquet files, each the rows of one table in one bucket of members.

A row's bucket is the highest bits of its member's hash, so a part of bucket 5 of 8 covers buckets 10 and 11 of 16:
parts of different counts live side by side. The count is a power of two that comes from the size of the data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cineloop.errors import InputError
from cineloop.store.check import conform
from cineloop.store.hashing import Words, digest, member_hash, row_ids
from cineloop.store.schema import TABLES

BYTES_A_BUCKET = 128 << 20
"""Bytes of a source that one bucket is meant for: about four million ratings of a CSV file."""

MOST_BUCKETS = 64


@dataclass(frozen=True)
class Part:
    """One file of a table.

    `digest` is the sum of its rows' ids, 32 hex digits; `known_from` and `known_to` span its `known_at` in
    microseconds since 1970 UTC; `corrections` and `untimed` count the rows with `supersedes` and without
    `happened_at`.
    """

    table: str
    bucket: int
    of: int
    rows: int
    digest: str
    file: str
    bytes: int
    sha256: str
    known_from: int
    known_to: int
    corrections: int
    untimed: int

    def plain(self) -> dict[str, Any]:
        """As it stands in a manifest."""
        return asdict(self)

    def covers(self, bucket: int, of: int) -> bool:
        """Whether a row of that bucket could be in this part, or the reverse."""
        return (
            bucket * self.of // of == self.bucket if self.of <= of else self.bucket * of // self.of == bucket
        )


def bucket_count(size: int) -> int:
    """How many buckets `size` bytes of a source are spread over: a power of two.

    >>> [bucket_count(size) for size in (0, 24_000_000, 1_100_000_000)]
    [1, 1, 16]
    """
    wanted = max(1, -(-size // BYTES_A_BUCKET))
    return min(MOST_BUCKETS, 1 << (wanted - 1).bit_length())


def buckets(table: str, frame: pl.DataFrame, of: int) -> npt.NDArray[np.uint16]:
    """The bucket of each row among `of`; 0 in tables that belong to no member."""
    member = TABLES[table].member
    if member is None or of == 1:
        return np.zeros(frame.height, np.uint16)
    return (member_hash(frame[member]) >> np.uint64(64 - (of.bit_length() - 1))).astype(np.uint16)


class PartFile:
    """Writes one part, a row group a call, and keeps its counts and its digest as it goes."""

    def __init__(self, path: Path, table: str, bucket: int, of: int) -> None:
        self.path, self.table, self.bucket, self.of = path, table, bucket, of
        self.rows = self.total = self.corrections = self.untimed = 0
        self.known_from, self.known_to = 1 << 62, -(1 << 62)
        spec = TABLES[table].schema.remove_metadata()
        lists = {f.name for f in spec if pa.types.is_list(f.type)}
        texts = {f.name for f in spec if pa.types.is_string(f.type)}
        leaves = [f"{f.name}.list.element" if f.name in lists else f.name for f in spec]
        # Few distinct values are worth a dictionary, numbers and times are worth their range. The file carries
        # no Arrow schema, so that it is the same to every reader of Parquet.
        # looking a title up among the many of a row group costs more time than its bytes cost room: zstd finds them
        coded = texts - {"title", "playable"}
        encoded = [f.with_type(_TEXT) if f.name in coded else f for f in spec]
        self._writer = pq.ParquetWriter(
            path,
            pa.schema(encoded),
            compression="zstd",
            use_dictionary=[
                leaf for f, leaf in zip(spec, leaves, strict=True) if f.name in coded | lists | {"value"}
            ],
            write_statistics=[f.name for f in spec if f.name not in texts | lists],
            store_schema=False,
        )

    def write(self, frame: pl.DataFrame) -> Words:
        """Append rows as one row group; returns their ids. Columns that are null throughout may be left out."""
        ids = row_ids(frame, self.table)
        self.total += digest(ids)
        self.rows += frame.height
        known = frame["known_at"].to_physical()
        self.known_from = min(self.known_from, int(known.min()))  # type: ignore[arg-type]
        self.known_to = max(self.known_to, int(known.max()))  # type: ignore[arg-type]
        nulls = {c.name: c.null_count() for c in frame}
        self.corrections += frame.height - nulls.get("supersedes", frame.height)
        self.untimed += nulls.get("happened_at", frame.height)
        texts: list[tuple[pl.Series, pa.Array]] = []
        columns = [
            _encoded(frame[f.name], f.type, texts) if f.name in nulls else pa.nulls(frame.height, f.type)
            for f in self._writer.schema
        ]
        rows = pa.Table.from_arrays(columns, schema=self._writer.schema)
        self._writer.write_table(rows, row_group_size=max(1, frame.height))
        return ids

    def close(self) -> None:
        """Finish the file; needed before `part`, and harmless twice."""
        self._writer.close()

    def part(self) -> Part:
        """What was written, under the name its content gives it."""
        size, sha256 = file_digest(self.path)
        return Part(
            table=self.table,
            bucket=self.bucket,
            of=self.of,
            rows=self.rows,
            digest=f"{self.total % (1 << 128):032x}",
            file=f"{self.table}-{self.bucket:03d}of{self.of}-{sha256[:16]}.parquet",
            bytes=size,
            sha256=sha256,
            known_from=self.known_from,
            known_to=self.known_to,
            corrections=self.corrections,
            untimed=self.untimed,
        )


_TEXT = pa.dictionary(pa.int32(), pa.string())


def _encoded(column: pl.Series, kind: pa.DataType, texts: list[tuple[pl.Series, pa.Array]]) -> pa.Array:
    """A column as Parquet takes it; a text that another column has as well is looked up only once."""
    if kind != _TEXT:
        return column.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(kind)
    twin = next((made for other, made in texts if other.equals(column)), None)
    if twin is None:
        found = column.to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
        twin = pa.DictionaryArray.from_arrays(found.indices, found.dictionary.cast(pa.string()))
        texts.append((column, twin))
    return twin


def file_digest(path: Path) -> tuple[int, str]:
    """Bytes and SHA-256 of a file; one that is not there is an `InputError`."""
    try:
        with path.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
            return content.tell(), sha256
    except OSError as error:
        raise InputError(error.strerror or "can't be read", file=path) from error


def read_groups(path: Path, table: str) -> Iterator[pl.DataFrame]:
    """The rows of a part, a row group at a time, in the columns of the schema as it is now."""
    with pq.ParquetFile(path) as stored:
        for group in range(stored.num_row_groups):
            frame = pl.from_arrow(stored.read_row_group(group))
            assert isinstance(frame, pl.DataFrame)
            yield conform(table, frame)
