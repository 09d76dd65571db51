"""Freeing what nothing refers to: snapshots that nobody keeps, the parts only they had, work that died."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cineloop.store.durable import sync_folder
from cineloop.store.workspace import Store


@dataclass(frozen=True)
class Collected:
    """What was removed, by name, and the bytes freed."""

    snapshots: tuple[str, ...]
    parts: tuple[str, ...]
    bytes: int


def collect(store: Store, keep: Iterable[str] = ()) -> Collected:
    """Remove every snapshot but the head and those in `keep` (ids or their beginnings), and unused parts.

    Manifests go before parts, so that a crash in between leaves no snapshot without its files.
    """
    wanted = [store.snapshot(prefix).id for prefix in keep]
    with store.writing() as freed:
        kept = {store.head().id, *wanted}
        used = {p.file for identity in kept & {*store.snapshots()} for p in store.snapshot(identity).parts}
        snapshots = tuple(i for i in store.snapshots() if i not in kept)
        for identity in snapshots:
            manifest = store.manifests / f"{identity}.json"
            freed += manifest.stat().st_size
            manifest.unlink()
        sync_folder(store.manifests)
        parts = tuple(sorted(p.name for p in store.parts.iterdir() if p.name not in used))
        for name in parts:
            freed += (store.parts / name).stat().st_size
            (store.parts / name).unlink()
        sync_folder(store.parts)
    return Collected(snapshots, parts, freed)
