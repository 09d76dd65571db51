"""What a worker process runs: the app, told through the environment by `cineloop serve`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fastapi import FastAPI

from cineloop.web import logs
from cineloop.web.app import create_app
from cineloop.web.settings import Settings

SWITCH = 0.0005  # seconds


def _told(name: str) -> str | None:
    return os.environ.get(f"CINELOOP_SERVE_{name}") or None


def app() -> FastAPI:
    """The app of this process."""
    logs.configure()
    # a page takes a few milliseconds of this interpreter: by default another thread, which only has to hand a commit
    # on, would wait five for its turn
    sys.setswitchinterval(SWITCH)
    return create_app(
        Settings(
            workspace=Path(os.environ["CINELOOP_SERVE_WORKSPACE"]),
            token=os.environ["CINELOOP_SERVE_TOKEN"],
            registry=_told("REGISTRY"),
            records=_told("RECORDS"),
            events=_told("EVENTS"),
            guarded_reads=_told("GUARDED") is not None,
            explore=_told("EXPLORE") is not None,
        )
    )
