"""Ingestion: a source's rows into the tables of record, whole or not at all, and once however often it is repeated.

The order of what reaches the disk: parts (synced), their names, the refused rows, the manifest, and last the HEAD
that names it. A crash before that leaves the old head, and files that the next writer overwrites or `collect` frees.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl

from cineloop.engine.progress import Progress, silent
from cineloop.errors import InputError
from cineloop.store.check import check, conform, table_of
from cineloop.store.draft import Draft, Finished
from cineloop.store.durable import sync_file, sync_folder
from cineloop.store.hashing import digest, row_ids
from cineloop.store.parts import bucket_count, file_digest
from cineloop.store.snapshot import Counts, Ingestion, Snapshot, SourceFile, canonical, make
from cineloop.store.sources.source import LINE, Batch, Reject, Source
from cineloop.store.workspace import Store, clear_drafts

OnBroken = Literal["fatal", "quarantine"]


@dataclass(frozen=True)
class IngestReport:
    """What an ingestion did. `already`: the very same one was in the head before, and nothing changed."""

    snapshot: str
    tables: Mapping[str, Counts]
    already: bool
    quarantine: Path | None

    @property
    def added(self) -> int:
        """Rows added, over all tables."""
        return sum(c.added for c in self.tables.values())

    @property
    def duplicates(self) -> int:
        """Rows left out since they were there already, or twice."""
        return sum(c.duplicates for c in self.tables.values())

    @property
    def rejected(self) -> int:
        """Rows refused."""
        return sum(c.rejected for c in self.tables.values())


def ingest(
    store: Store, source: Source, on_broken: OnBroken = "fatal", progress: Progress = silent
) -> IngestReport:
    """Add a source's rows to the head and make the result the new head.

    The same name, settings and files (by SHA-256) as an ingestion of the head change nothing. Rows that the head
    holds already, or that come twice, are left out and counted. A broken row ends it with an `InputError` and
    nothing written (`fatal`), or goes to `store/quarantine/` with its file, line, field and value (`quarantine`).
    """
    if on_broken not in ("fatal", "quarantine"):
        raise InputError("no such choice", field="on_broken", value=on_broken, accepted="fatal, quarantine")
    with store.writing(), ThreadPoolExecutor(1) as beside:
        head = store.head()
        sizes = [_stamp(f) for f in source.files]
        files = beside.submit(_source_files, source)
        if any(
            i.source == source.name and [f.bytes for f in i.files] == [s[0] for s in sizes]
            for i in head.ingestions
        ):
            files.result()  # it may be a repetition: find out before reading on
            if (earlier := _earlier(head, _key(source, files.result()))) is not None:
                return _already(store, head, earlier)
        try:
            return _ingest(store, head, source, files, sizes, on_broken, progress)
        except BaseException:
            clear_drafts(store)
            raise


def append(
    store: Store, tables: Mapping[str, pl.DataFrame], source: str, on_broken: OnBroken = "fatal"
) -> IngestReport:
    """Add rows of this process to the head, by the same way and under the same rules as a file's rows.

    `source` says where they come from. A frame may leave out columns that may be null.
    """
    return ingest(
        store, _Frames(source, {name: conform(name, frame) for name, frame in tables.items()}), on_broken
    )


def _ingest(
    store: Store,
    head: Snapshot,
    source: Source,
    files: Future[tuple[SourceFile, ...]],
    sizes: list[tuple[int, int]],
    on_broken: OnBroken,
    progress: Progress,
) -> IngestReport:
    rejected: dict[str, int] = {}
    folder = store.drafts / "ingestion"
    with Draft(folder, bucket_count(source.total), head) as draft:
        refused_path = folder / "refused.jsonl"
        with refused_path.open("w") as refused:
            for batch in source.read():
                rows, rejects = _judge(batch, source)
                if rejects and on_broken == "fatal":
                    raise _fatal(rejects)
                for reject in rejects:
                    refused.write(json.dumps({"table": batch.table, **vars(reject)}) + "\n")
                if rejects:
                    rejected[batch.table] = rejected.get(batch.table, 0) + len(rejects)
                draft.add(batch.table, rows)
                progress(f"ingest {source.name}", batch.done, source.total)
        finished = draft.finish()
    taken = files.result()
    if [_stamp(f) for f in source.files] != sizes:
        raise InputError(
            "changed while it was read", file=source.files[0], accepted="a file that nobody writes to"
        )
    counts = _counts(finished, rejected)
    key = _key(source, taken)
    quarantine = f"{key[:16]}.jsonl" if rejected else None
    ingestion = Ingestion(
        key=key,
        source=source.name,
        licence=source.licence,
        settings=source.settings(),
        files=taken,
        tables=counts,
        quarantine=quarantine,
        ingested_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    added = [f.part for f in finished if f.part is not None]
    snapshot = make(store.parts, [*head.parts, *added], (*head.ingestions, ingestion))
    if (
        added or rejected or not isinstance(source, _Frames)
    ):  # an `append` of what is all there leaves no trace
        _commit(store, finished, snapshot, refused_path if quarantine else None, quarantine)
    clear_drafts(store)
    progress(f"ingest {source.name}", source.total, source.total)
    place = store.quarantine / quarantine if quarantine else None
    return IngestReport(snapshot.id, counts, already=False, quarantine=place)


def _commit(
    store: Store, finished: list[Finished], snapshot: Snapshot, refused: Path | None, name: str | None
) -> None:
    """Move the draft's files into place and publish the snapshot; undo that where it fails before the HEAD."""
    placed: list[Path] = []
    manifest = store.manifest(snapshot.id)
    fresh = not manifest.exists()
    try:
        for done in finished:
            if done.part is not None:
                target = store.parts / done.part.file
                if not target.exists():
                    placed.append(target)
                done.path.replace(target)
        sync_folder(store.parts)
        if refused is not None and name is not None:
            sync_file(refused)
            refused.replace(store.quarantine / name)
            sync_folder(store.quarantine)
        store.publish(snapshot)
    except BaseException:
        if fresh and store.head().id != snapshot.id:
            manifest.unlink(missing_ok=True)
            sync_folder(store.manifests)  # a manifest never outlives its parts
            for path in placed:
                path.unlink(missing_ok=True)
        raise


def _judge(batch: Batch, source: Source) -> tuple[pl.DataFrame, list[Reject]]:
    """The sound rows of a batch, conforming, and what is wrong with the others, in the order of the lines."""
    lines = batch.rows[LINE] if LINE in batch.rows.columns else None
    rows = conform(batch.table, batch.rows.drop(LINE, strict=False))
    good, broken = check(batch.table, rows)
    if not broken and not batch.rejects:
        return good, []
    file = _file_at(source, batch.done)
    rejects = [
        Reject(
            file, None if lines is None else int(lines[b.row]), b.field, b.value, "a broken row", b.accepted
        )
        for b in broken
    ]
    return good, sorted([*batch.rejects, *rejects], key=lambda r: (r.line is None, r.line or 0))


def _fatal(rejects: list[Reject]) -> InputError:
    first = rejects[0]
    return InputError(
        first.what,
        file=first.file,
        line=first.line,
        field=first.field,
        value=first.value,
        accepted=first.accepted,
    )


def _file_at(source: Source, done: int) -> str:
    """The file that a batch comes from: the one in which the bytes read so far end."""
    for file in source.files:
        done -= file.stat().st_size
        if done <= 0:
            return str(file)
    return source.name


def _counts(finished: list[Finished], rejected: Mapping[str, int]) -> dict[str, Counts]:
    counts = {table: Counts(rejected=n) for table, n in rejected.items()}
    for done in finished:
        before = counts.get(done.table, Counts())
        counts[done.table] = replace(
            before,
            added=before.added + (done.part.rows if done.part else 0),
            duplicates=before.duplicates + done.repeats,
        )
    return dict(sorted(counts.items()))


def _source_files(source: Source) -> tuple[SourceFile, ...]:
    return tuple(SourceFile(f.name, *file_digest(f)) for f in source.files)


def _stamp(file: Path) -> tuple[int, int]:
    try:
        about = file.stat()
    except OSError as error:
        raise InputError(error.strerror or "can't be read", file=file) from error
    return about.st_size, about.st_mtime_ns


def _key(source: Source, files: tuple[SourceFile, ...]) -> str:
    said = {"source": source.name, "settings": source.settings(), "files": [f.sha256 for f in files]}
    return hashlib.sha256(canonical(said)).hexdigest()


def _earlier(head: Snapshot, key: str) -> Ingestion | None:
    return next((i for i in head.ingestions if i.key == key), None)


def _already(store: Store, head: Snapshot, earlier: Ingestion) -> IngestReport:
    place = store.quarantine / earlier.quarantine if earlier.quarantine else None
    return IngestReport(head.id, earlier.tables, already=True, quarantine=place)


@dataclass(frozen=True)
class _Frames:
    """Frames of this process as a source."""

    name: str
    tables: Mapping[str, pl.DataFrame]
    licence: str = "the caller's own"
    files: tuple[Path, ...] = ()

    @property
    def total(self) -> int:
        return sum(int(f.estimated_size()) for f in self.tables.values())

    def settings(self) -> dict[str, Any]:
        return {
            table_of(name).name: [frame.height, f"{digest(row_ids(frame, name)):032x}"]
            for name, frame in self.tables.items()
        }

    def read(self) -> Iterator[Batch]:
        for name, frame in self.tables.items():
            yield Batch(name, frame.with_row_index(LINE, 1))
