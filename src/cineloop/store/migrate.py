"""Bringing an older workspace forward, one format at a time. Each step can be repeated after a crash.

Formats: 1 named a part's file and its row digest alone; 2 adds each file's size and SHA-256, so that `verify` finds
a file that was changed behind the store's back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from cineloop.errors import InputError
from cineloop.store.durable import write_atomic
from cineloop.store.parts import file_digest

FORMAT = 2
"""The format this version writes."""


def migrate(folder: Path, version: int) -> None:
    """Bring the workspace in `folder` from `version` to `FORMAT`. The caller holds the writer's lock."""
    while version < FORMAT:
        if version not in _STEPS:
            raise InputError(
                "no such format",
                file=folder / "workspace.json",
                field="format",
                value=version,
                accepted=f"1 to {FORMAT}",
            )
        _STEPS[version](folder)
        version += 1
        about = folder / "workspace.json"
        said = {**json.loads(about.read_bytes()), "format": version}
        write_atomic(
            about, json.dumps(said).encode() + b"\n"
        )  # last, so that a crash before it repeats the step


def _add_file_digests(folder: Path) -> None:
    known: dict[str, tuple[int, str]] = {}
    for manifest in sorted((folder / "store" / "snapshots").glob("*.json")):
        said = json.loads(manifest.read_bytes())
        for part in said["parts"]:
            file = part["file"]
            if file not in known:
                known[file] = file_digest(folder / "store" / "parts" / file)
            part["bytes"], part["sha256"] = known[file]
        write_atomic(manifest, json.dumps(said, indent=1, sort_keys=True).encode() + b"\n")


_STEPS: dict[int, Callable[[Path], None]] = {1: _add_file_digests}
