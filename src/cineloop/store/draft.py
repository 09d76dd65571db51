"""A writer's work under way: rows spread over buckets, written as row groups, and freed of repeats at the end.

Memory is bounded by `WAITING` and by the largest bucket, not by the source. Threads share the buckets out among
themselves, each bucket staying with one thread, so that their number changes no byte.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from cineloop.store.duplicates import suspects, without_repeats
from cineloop.store.durable import sync_file
from cineloop.store.lean import Lean, join, lean
from cineloop.store.parts import Part, PartFile, buckets
from cineloop.store.schema import TABLES
from cineloop.store.snapshot import Snapshot

WAITING = 128 << 20
"""Bytes of rows that wait to be written: the more, the larger the row groups."""

ROW_GROUP = 131_072
"""Rows of a full row group."""


@dataclass
class _Bucket:
    file: PartFile
    halves: BinaryIO
    lane: int


@dataclass(frozen=True)
class Finished:
    """A finished part: where its file lies, synced; None where all its rows were repeats."""

    table: str
    part: Part | None
    path: Path
    repeats: int


class Draft:
    """Takes sound rows in any number of calls and makes parts of them, in a folder of its own."""

    def __init__(self, folder: Path, of: int, head: Snapshot, threads: int | None = None) -> None:
        folder.mkdir()
        self.folder, self.of, self.head = folder, of, head
        count = threads or min(4, os.cpu_count() or 1)
        self._lanes = [ThreadPoolExecutor(1, thread_name_prefix="cineloop-store") for _ in range(count)]
        self._pending: list[Future[None]] = []
        self._buckets: dict[tuple[str, int], _Bucket] = {}
        self._waiting: dict[tuple[str, int], list[Lean]] = {}
        self._size = 0

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *_: object) -> None:
        for lane in self._lanes:
            lane.shutdown(wait=True, cancel_futures=True)
        for bucket in self._buckets.values():
            bucket.halves.close()

    def add(self, table: str, frame: pl.DataFrame) -> None:
        """Take conforming, sound rows."""
        if not frame.height:
            return
        of = self.of if TABLES[table].member else 1
        counts = np.array([frame.height])
        batch = lean(frame)
        if of > 1:
            where = buckets(table, frame, of)
            order = np.argsort(where, kind="stable").astype(np.uint32)
            batch = replace(batch, rows=batch.rows.rechunk()[order])
            counts = np.bincount(where, minlength=of)
        self._size += int(batch.rows.estimated_size())
        start = 0
        for number in np.flatnonzero(counts):
            height = int(counts[number])
            self._waiting.setdefault((table, int(number)), []).append(batch.slice(start, height))
            start += height
        if self._size > WAITING:
            self._spread()

    def finish(self) -> list[Finished]:
        """Write what waits, drop the repeats, sync the files; in the order of table and bucket."""
        self._spread()
        self._settle()
        ordered = [self._buckets[key] for key in sorted(self._buckets)]
        done = [self._lanes[b.lane].submit(self._close, b) for b in ordered]
        return [d.result() for d in done]

    def _spread(self) -> None:
        """Hand the waiting rows to their buckets' threads, which write them while the next ones are read.

        All go at once: a piece is a slice of its batch, and one that stayed would keep the whole batch in memory.
        """
        self._settle()
        for (table, number), pieces in sorted(self._waiting.items()):
            bucket = self._bucket(table, number)
            self._pending.append(self._lanes[bucket.lane].submit(_write, bucket.file, bucket.halves, pieces))
        self._waiting, self._size = {}, 0

    def _settle(self) -> None:
        """Wait for what the threads have at hand; the first error that one met is raised here."""
        pending, self._pending = self._pending, []
        for write in pending:
            write.result()

    def _bucket(self, table: str, number: int) -> _Bucket:
        if (table, number) not in self._buckets:
            path = self.folder / f"{table}-{number}"
            halves = path.with_suffix(".ids").open("w+b")
            of = self.of if TABLES[table].member else 1
            file = PartFile(path.with_suffix(".parquet"), table, number, of)
            self._buckets[table, number] = _Bucket(file, halves, len(self._buckets) % len(self._lanes))
        return self._buckets[table, number]

    def _close(self, bucket: _Bucket) -> Finished:
        file = bucket.file
        file.close()
        bucket.halves.seek(0)
        halves = np.fromfile(bucket.halves, np.uint64)
        known = [
            p
            for p in self.head.parts
            if p.table == file.table
            and p.covers(file.bucket, file.of)
            and p.known_from <= file.known_to
            and p.known_to >= file.known_from
        ]
        odd = suspects(halves, self.head.folder, known)
        repeats = 0
        if len(odd):
            clean = file.path.with_suffix(".once.parquet")
            once = without_repeats(file, clean, odd, self.head.folder, known)
            repeats, file = file.rows - once.rows, once
        if not file.rows:
            return Finished(file.table, None, file.path, repeats)
        sync_file(file.path)
        return Finished(file.table, file.part(), file.path, repeats)


def _write(file: PartFile, halves: BinaryIO, pieces: list[Lean]) -> None:
    for group in join(pieces).iter_slices(ROW_GROUP):
        halves.write(np.ascontiguousarray(file.write(group)[:, 0]).data)
