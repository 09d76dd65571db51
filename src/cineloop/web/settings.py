"""What a server is told: where the workspace is, who may write, and how the page explores."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cineloop.store.durable import write_atomic

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Settings:
    """`token` is asked for by everything that writes, and by reads too where `guarded_reads`.

    `look_every` is how often, in seconds, a worker looks for a newly promoted run; `explore` gives every profiled home
    one place drawn at random, with its propensity.
    """

    workspace: Path
    token: str
    registry: str | None = None
    records: str | None = None
    events: str | None = None
    guarded_reads: bool = False
    explore: bool = True
    look_every: float = 1.0
    most_bytes: int = 4 << 20


def workspace_token(workspace: Path) -> tuple[str, bool]:
    """The token in CINELOOP_TOKEN, else the one kept in the workspace, made at the first start (then True)."""
    if told := os.environ.get("CINELOOP_TOKEN"):
        return told, False
    path = workspace / "token"
    if path.exists():
        return path.read_text().strip(), False
    token = secrets.token_urlsafe(32)
    before = os.umask(0o077)
    try:
        write_atomic(path, token.encode() + b"\n")
    finally:
        os.umask(before)
    return token, True
