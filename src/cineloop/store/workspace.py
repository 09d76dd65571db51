"""The workspace folder and the store in it: where everything lies, which snapshot is the head, whether it is whole.

workspace.json           the format's version
store/HEAD               id of the newest snapshot
store/snapshots/ID.json  manifests
store/parts/             Parquet files, named by their content
store/quarantine/        rows that were refused, one JSON object a line
store/drafts/            what a writer has under way; worth nothing once it is gone
store/lock               held by the writer
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from cineloop.engine.progress import Progress, silent
from cineloop.errors import InputError
from cineloop.store.durable import sync_folder, write_atomic
from cineloop.store.hashing import digest, row_ids
from cineloop.store.lock import writer_lock
from cineloop.store.migrate import FORMAT, migrate
from cineloop.store.parts import Part, file_digest, read_groups
from cineloop.store.snapshot import Snapshot, from_manifest, make, snapshot_id, to_manifest


@dataclass(frozen=True)
class Store:
    """The tables of record of one workspace. Open it with `Store.open`; reading takes no lock."""

    folder: Path

    @classmethod
    def open(cls, folder: Path | str, create: bool = False) -> Store:
        """Open a workspace, bringing an older format up to date; with `create`, make one where there is none.

        `InputError` where there is no workspace, where a newer version of Cineloop wrote it, or where it can't
        be made or migrated.
        """
        store = cls(Path(folder).absolute())
        with plain_errors(store.folder):
            if not store.about.exists():
                if not create:
                    raise InputError(
                        "no workspace here", file=store.folder, accepted="a folder with workspace.json"
                    )
                store._create()
            version = store._version()
            if version > FORMAT:
                raise InputError(
                    "made by a newer version of Cineloop",
                    file=store.about,
                    field="format",
                    value=version,
                    accepted=f"up to {FORMAT}",
                )
            if version < FORMAT:
                with store.writing():
                    if (version := store._version()) < FORMAT:  # another may have done it meanwhile
                        migrate(store.folder, version)
        return store

    @property
    def about(self) -> Path:
        """The file with the format's version."""
        return self.folder / "workspace.json"

    @property
    def root(self) -> Path:
        """The store's own folder."""
        return self.folder / "store"

    @property
    def parts(self) -> Path:
        """The folder of the parts."""
        return self.root / "parts"

    @property
    def manifests(self) -> Path:
        """The folder of the manifests."""
        return self.root / "snapshots"

    @property
    def quarantine(self) -> Path:
        """The folder of refused rows."""
        return self.root / "quarantine"

    @property
    def drafts(self) -> Path:
        """The folder of work under way."""
        return self.root / "drafts"

    def head(self) -> Snapshot:
        """The newest snapshot; an empty one where nothing was ingested yet."""
        identity = self.head_id()
        return self._read(identity) if identity else make(self.parts, (), ())

    def head_id(self) -> str:
        """The newest snapshot's id; empty where nothing was ingested yet."""
        head = self.root / "HEAD"
        return head.read_text().strip() if head.exists() else ""

    def snapshots(self) -> tuple[str, ...]:
        """Ids of all snapshots, sorted."""
        return tuple(sorted(p.stem for p in self.manifests.glob("*.json") if not p.name.startswith(".")))

    def snapshot(self, prefix: str) -> Snapshot:
        """A snapshot by its id or the beginning of it, or the head by the name `head`."""
        if prefix == "head":
            return self.head()
        found = [i for i in self.snapshots() if prefix and i.startswith(prefix)]
        if len(found) != 1:
            what = "no such snapshot" if not found else f"the beginning of {len(found)} snapshots"
            known = ", ".join(i[:12] for i in (found or self.snapshots())[:5]) or "none yet"
            raise InputError(what, file=self.root, field="snapshot", value=prefix, accepted=f"head, {known}")
        return self._read(found[0])

    def verify(self, progress: Progress = silent) -> tuple[str, ...]:
        """Check every snapshot against its files: sizes, SHA-256, rows, row digests, ids. One line a fault."""
        faults: list[str] = []
        seen: dict[str, Part] = {}
        if (self.root / "HEAD").exists() and (
            head := (self.root / "HEAD").read_text().strip()
        ) not in self.snapshots():
            return (f"{self.root / 'HEAD'}: names a snapshot that is not there: {head!r}",)
        for identity in self.snapshots():
            snapshot = self._read(identity)
            if snapshot_id(snapshot.parts, snapshot.schemas) != identity or snapshot.id != identity:
                faults.append(f"{self.manifest(identity)}: its parts do not add up to its id")
            seen.update({p.file: p for p in snapshot.parts})
        for done, part in enumerate(seen.values()):
            progress("verify", done, len(seen))
            if fault := self._fault(part):
                faults.append(f"{self.parts / part.file}: {fault}")
        progress("verify", len(seen), len(seen))
        return tuple(faults)

    @contextmanager
    def writing(self) -> Iterator[int]:
        """Be the one writer while inside; what a dead writer left is cleared first, and its bytes handed out."""
        with plain_errors(self.root):
            self._folders()
            with writer_lock(self.root / "lock"):
                yield clear_drafts(self)

    def publish(self, snapshot: Snapshot) -> None:
        """Make a snapshot the head; its parts lie synced in `parts` already. For a writer that holds the lock."""
        write_atomic(self.manifest(snapshot.id), to_manifest(snapshot))
        write_atomic(self.root / "HEAD", snapshot.id.encode() + b"\n")

    def _create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._folders()
        sync_folder(self.root)
        write_atomic(self.about, json.dumps({"format": FORMAT}).encode() + b"\n")
        sync_folder(self.folder.parent)

    def _folders(self) -> None:
        for folder in (self.parts, self.manifests, self.quarantine, self.drafts):
            folder.mkdir(parents=True, exist_ok=True)

    def _version(self) -> int:
        try:
            version = json.loads(self.about.read_bytes())["format"]
        except (ValueError, KeyError, TypeError):
            version = None
        if not isinstance(version, int):
            raise InputError("not readable", file=self.about, accepted=f'{{"format": {FORMAT}}}')
        return version

    def manifest(self, identity: str) -> Path:
        """The file that stands for a snapshot."""
        return self.manifests / f"{identity}.json"

    def _read(self, identity: str) -> Snapshot:
        return from_manifest(self.manifest(identity), self.parts)

    def _fault(self, part: Part) -> str | None:
        try:
            size, sha256 = file_digest(self.parts / part.file)
        except InputError as error:
            return error.what
        if size != part.bytes:
            return f"{size} bytes, not {part.bytes}"
        if sha256 != part.sha256:
            return "its SHA-256 is not that of its manifest"
        rows = total = 0
        try:
            for frame in read_groups(self.parts / part.file, part.table):
                rows += frame.height
                total += digest(row_ids(frame, part.table))
        except (OSError, pa.ArrowException) as error:
            return f"not readable as Parquet: {str(error).splitlines()[0]}"
        if (rows, f"{total % (1 << 128):032x}") != (part.rows, part.digest):
            return "its rows are not those of its manifest"
        return None


def clear_drafts(store: Store) -> int:
    """Remove what writers that died left under way; returns the bytes freed. For a writer that holds the lock."""
    freed = 0
    for folder in (store.root, store.manifests, store.quarantine, store.folder):
        for left in folder.glob(".*.tmp"):
            freed += left.stat().st_size
            left.unlink()
    for draft in store.drafts.iterdir():
        freed += sum(p.stat().st_size for p in draft.rglob("*") if p.is_file())
        shutil.rmtree(draft)
    return freed


@contextmanager
def plain_errors(place: Path) -> Iterator[None]:
    """Turn what the operating system refuses (full, read-only, not permitted) into an `InputError` of one line."""
    try:
        yield
    except OSError as error:
        said = error.strerror or str(error).splitlines()[0]
        raise InputError(
            said, file=error.filename or place, accepted="a folder that can be written, with space left"
        ) from error
