"""Tables of record, snapshots of them, and the sources that fill them."""

from cineloop.store.collect import Collected, collect
from cineloop.store.ingest import IngestReport, append, ingest
from cineloop.store.snapshot import Snapshot
from cineloop.store.workspace import Store

__all__ = ["Collected", "IngestReport", "Snapshot", "Store", "append", "collect", "ingest"]
