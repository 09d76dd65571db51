"""Writes that are whole or absent, and on the disk before anyone is told so."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Put a folder's entries (names made, renamed, removed) on the disk."""
    handle = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Put a written file's bytes on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step; a reader, or a crash, sees the old file or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def commit_folder(draft: Path, final: Path) -> None:
    """Sync every file of a finished draft folder and rename it into place; `final` must not exist."""
    folders = [draft]
    for path in sorted(draft.rglob("*")):
        if path.is_dir():
            folders.append(path)
        else:
            sync_file(path)
    for folder in reversed(folders):
        sync_folder(folder)
    draft.rename(final)
    sync_folder(final.parent)
