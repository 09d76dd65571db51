"""A workspace: its store, its databases, its runs. Every check yields findings, one line where all is well."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from cineloop.doctor.finding import Finding, Level
from cineloop.doctor.requirements import PACKAGE
from cineloop.errors import InputError
from cineloop.guard import Records
from cineloop.lab import Lab
from cineloop.lab.training import hashes, runs_folder
from cineloop.store import Store
from cineloop.store.compaction import compacted, restored, settled
from cineloop.store.events import EventLog
from cineloop.store.lock import held_by
from cineloop.store.migrate import FORMAT
from cineloop.store.snapshot import Snapshot
from cineloop.studio import moment_of

LONG = timedelta(days=7)  # after which events that are in the tables need not lie in the log too
MOVED = (
    "stop the service, put the database back into the cluster it came from, and there: cineloop data compact; "
    "or raise the new cluster's count above that transaction, as PostgreSQL's manual says of pg_resetwal"
)
AHEAD = timedelta(minutes=5)  # how far the event log lets a client's clock run before ours


def workspace(
    folder: Path,
    now: datetime,
    *,
    registry: str | None = None,
    records: str | None = None,
    events: str | None = None,
    full: bool = False,
) -> list[Finding]:
    """A workspace: store, databases, runs. `full` reads every byte, else sizes and names have to do.

    `now` is the time by the machine's clock; the rest are database URLs, as `open_studio` takes them.
    """
    store = Store(folder.absolute())
    found = list(_format(store))
    if any(f.level == "wrong" for f in found):
        return found  # what a newer version wrote, or what is none, is not looked into
    found += _locks(store)
    head, faults = _head(store)
    found += faults
    if head is not None:
        found += [*_parts(store, full), *_quarantine(store, head), *_clock(head, now)]
    found += _runs(store.folder, registry, full)
    found += _audit(store.folder, records)
    found += _events(store.folder, events, head, now)
    return found


def _format(store: Store) -> Iterator[Finding]:
    if not store.about.exists():
        cure = "cineloop -w FOLDER …, or make one: cineloop demo, cineloop data ingest …"
        yield Finding("format", "wrong", f"no workspace at {store.folder}", cure)
        return
    try:
        version = json.loads(store.about.read_bytes())["format"]
    except (OSError, ValueError, KeyError, TypeError):
        version = None
    if not isinstance(version, int):
        cure = f'write {{"format": {FORMAT}}} into it, then cineloop doctor --full'
        yield Finding("format", "wrong", f"{store.about} is not readable", cure)
    elif version > FORMAT:
        what = f"format {version} is newer than this version's {FORMAT}"
        yield Finding("format", "wrong", what, f"pip install --upgrade {PACKAGE}")
    elif version < FORMAT:
        what = f"format {version} is older than this version's {FORMAT}"
        yield Finding("format", "note", what, "any command that opens it brings it up to date: cineloop runs")
    else:
        yield Finding("format", "ok", f"format {version} at {store.folder}")


def _locks(store: Store) -> Iterator[Finding]:
    writer = held_by(store.root / "lock")
    if writer is not None:
        yield Finding("lock", "note", f"a writer is at work: {writer}", "wait for it, or end that process")
    elif store.drafts.exists() and any(store.drafts.iterdir()):
        what = "a writer died and left a draft; nothing of it counts"
        yield Finding("lock", "note", what, "the next writer clears it, or now: cineloop data collect")
    else:
        yield Finding("lock", "ok", "nobody writes")
    at_turn = held_by(store.folder / "turns" / "lock")
    if at_turn is not None:
        yield Finding("turn", "note", f"a turn is at work: {at_turn}", "wait for it, or end that process")
    elif (store.folder / "turns" / "begun.json").exists():
        yield Finding("turn", "note", "the last turn was interrupted", "cineloop turn finishes it")


def _head(store: Store) -> tuple[Snapshot | None, list[Finding]]:
    """The newest snapshot, and what is wrong with the manifests."""
    again = "put it back from a copy, or make the workspace anew: cineloop data ingest …"
    faults = []
    for identity in store.snapshots():
        try:
            store.snapshot(identity)
        except InputError as bad:
            faults.append(Finding("manifests", "wrong", str(bad), again))
    known = store.snapshots()
    head = store.head_id()
    if head and head not in known:
        newest = max(known, key=lambda i: store.manifest(i).stat().st_mtime_ns, default=None)
        cure = f"echo {newest} > {store.root / 'HEAD'}" if newest else again
        what = f"{store.root / 'HEAD'} names a snapshot that is not there: {head[:12]!r}"
        return None, [*faults, Finding("manifests", "wrong", what, cure)]
    try:
        found = store.head()
    except InputError:
        return None, faults
    if not faults:
        faults.append(Finding("manifests", "ok", f"{len(known)} snapshots, head {head[:12] or 'none yet'}"))
    return found, faults


def _parts(store: Store, full: bool) -> Iterator[Finding]:
    cure = "put the file back from a copy, or make the workspace anew: cineloop data ingest …"
    faults = []
    sizes: dict[str, int] = {}
    for identity in store.snapshots():
        try:
            sizes |= {p.file: p.bytes for p in store.snapshot(identity).parts}
        except InputError:  # said under manifests
            full = False
    for file, size in sorted(sizes.items()):
        path = store.parts / file
        if not path.is_file():
            faults.append(f"{path}: is missing")
        elif path.stat().st_size != size:
            faults.append(f"{path}: {path.stat().st_size} bytes, not {size}")
    if full and not faults:
        faults = list(store.verify())
    for fault in faults:
        yield Finding("parts", "wrong", fault, cure)
    if not faults:
        how = "every byte read" if full else "sizes; --full reads every byte"
        yield Finding("parts", "ok", f"{len(sizes)} parts ({how})")


def _quarantine(store: Store, head: Snapshot) -> Iterator[Finding]:
    refused = 0
    for each in head.ingestions:
        rows = sum(c.rejected for c in each.tables.values())
        if not rows:
            continue
        refused += rows
        place = store.quarantine / (each.quarantine or "")
        what = f"{rows} rows of {each.source} were refused"
        if each.quarantine is None or not place.is_file():
            yield Finding("quarantine", "note", f"{what}, and the list of them is gone", "ingest it again")
        else:
            cure = f"see what is wrong with them in {place}, mend the source, ingest it again"
            yield Finding("quarantine", "note", what, cure)
    if not refused:
        yield Finding("quarantine", "ok", "no row was refused")


def _clock(head: Snapshot, now: datetime) -> Iterator[Finding]:
    late = [p for p in head.parts if moment_of(p.known_to) > now + AHEAD]
    for table in sorted({p.table for p in late}):
        newest = moment_of(max(p.known_to for p in late if p.table == table))
        what = f"{table} has rows known only at {newest:%Y-%m-%d %H:%M} UTC, and now is {now:%Y-%m-%d %H:%M}"
        cure = "set the clock (timedatectl set-ntp true), or mend known_at in the source and ingest anew"
        yield Finding("clock", "wrong", what, cure)
    if not late:
        yield Finding("clock", "ok", "no row is from the future")


def _runs(folder: Path, url: str | None, full: bool) -> Iterator[Finding]:
    if url is None and not (folder / "registry.sqlite").exists():
        yield Finding("registry", "note", "no runs yet", "cineloop train RECIPE, or cineloop turn")
        return
    try:
        lab = Lab(folder, url)
    except (InputError, ImportError) as bad:
        yield Finding("registry", "wrong", str(bad), _reach("--registry", url, folder / "registry.sqlite"))
        return
    try:
        runs = lab.runs()
        names = sorted({p.name for p in lab.history()})
        live = {name: run for name in names if (run := lab.live(name)) is not None}
        yield Finding("registry", "ok", f"{len(runs)} runs")
        on = {run.id for run in live.values()}
        damaged = 0
        for run in runs:
            if run.id not in on and (what := _damage(folder, run.id, run.files, full)):
                damaged += 1
                cure = f"cineloop train {run.recipe} makes it anew where something needs it"
                yield Finding("runs", "note", f"run {run.id[:12]} ({run.label}): {what}", cure)
        if not damaged:
            yield Finding("runs", "ok", "the folders of all runs are there")
        for name, run in live.items():
            try:
                lab.load(run)
                yield Finding("live", "ok", f"{name}: {run.label}, run {run.id[:12]}")
            except Exception as bad:  # files that are damaged may fail in a library's own way
                back = f"remove {runs_folder(folder) / run.id}, then cineloop train {run.recipe}"
                cure = f"cineloop rollback {name}, or {back} with the same knobs"
                yield Finding("live", "wrong", f"{name} does not load: {' '.join(str(bad).split())}", cure)
        if not live:
            yield Finding("live", "note", "nothing is live", "cineloop turn, or cineloop promote play/home")
    except InputError as bad:
        yield Finding("registry", "wrong", str(bad), _reach("--registry", url, folder / "registry.sqlite"))
    finally:
        lab.close()


def _damage(folder: Path, id: str, files: Mapping[str, str], full: bool) -> str:
    model = runs_folder(folder) / id / "model"
    missing = [name for name in sorted(files) if not (model / name).is_file()]
    if not model.is_dir():
        return "its folder is missing"
    if missing:
        return f"{', '.join(missing)} is missing"
    if full and hashes(model) != dict(files):
        return "its files are not what was made"
    return ""


def _audit(folder: Path, url: str | None) -> Iterator[Finding]:
    file = folder / "guard.sqlite"
    if url is None and not file.exists():
        yield Finding("guard", "ok", "no decision yet")
        return
    try:
        guard = Records(file, url)
        try:
            yield Finding("guard", "ok", f"the audit answers; {len(guard.objectors())} objections stand")
            guard.audit(last=1)
        finally:
            guard.database.close()
    except (InputError, ImportError) as bad:
        yield Finding("guard", "wrong", str(bad), _reach("--records", url, file))


def _events(folder: Path, url: str | None, head: Snapshot | None, now: datetime) -> Iterator[Finding]:
    file = folder / "events.sqlite"
    if url is None and not file.exists():
        yield Finding("events", "ok", "no events yet")
        return
    try:
        log = EventLog(file, url)
        try:
            whole = log.count()
            waiting = log.count(compacted(head)) if head is not None else whole
            elsewhere = None if head is None else restored(head, log)
            old = None if head is None else settled(head, now - LONG)
            stale = 0 if old is None else whole - log.count(old)
        finally:
            log.database.close()
    except (InputError, ImportError) as bad:
        yield Finding("events", "wrong", str(bad), _reach("--events", url, file))
        return
    if elsewhere is not None:
        level: Level = "wrong" if elsewhere.behind else "note"
        cure = MOVED if elsewhere.behind else "none needed; the next compaction notes the new cluster"
        yield Finding("events", level, str(elsewhere), cure)
    if stale:
        what = (
            f"{stale} events have been in the tables for more than {LONG.days} days, and lie in the log too"
        )
        yield Finding("events", "note", what, "cineloop data prune")
    if waiting:
        yield Finding("events", "note", f"{waiting} events wait to be taken into the tables", "cineloop turn")
    else:
        yield Finding("events", "ok", "every event is in the tables")


def _reach(option: str, url: str | None, file: Path) -> str:
    if url is not None:
        return f"start the database, or give another address with {option}"
    return f"put {file} back from a copy"
